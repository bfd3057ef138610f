/* SPDX-License-Identifier: MIT */
/*
 * Debug registers. The kernel keeps them per task and checks each word it is given by what the
 * others are at that time, so a register is disabled before its address changes (gotcha 99).
 * What it shows in a new task is its creator's and armed in name only (97): nothing read from
 * them counts here.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/user.h>

#include "backend/ptrace/internal.h"

#define REGISTERS 4
#define STATUS 6
#define CONTROL 7
#define STATUS_HITS 0xfu
#define CONTROL_ENABLED 0xffu
#define CONTROL_SHIFT 16 /* of the kinds and lengths, four bits each */
#define INT1 0xf1u
#define FLAG_RESUME 0x10000ull

static int put(pid_t tid, unsigned which, uint64_t value)
{
	return (int)ptrace_call(PTRACE_POKEUSR, tid,
				offsetof(struct user, u_debugreg) + which * sizeof(long),
				(uintptr_t)value);
}

static bool same(const struct backend_debug *a, const struct backend_debug *b)
{
	return a->kind == b->kind &&
	       (a->kind == BACKEND_DEBUG_NONE || (a->addr == b->addr && a->length == b->length));
}

static uint64_t control_bits(const struct backend_debug *d, unsigned i)
{
	uint64_t kind = d->kind == BACKEND_DEBUG_WRITE	  ? 1
			: d->kind == BACKEND_DEBUG_ACCESS ? 3
							  : 0;
	uint64_t length = d->length == 8 ? 2 : d->length - 1;

	if (d->kind == BACKEND_DEBUG_NONE)
		return 0;
	return 1ull << (2 * i) | (kind | length << 2) << (CONTROL_SHIFT + 4 * i);
}

/* The control word of @v, without the registers in which @other differs. */
static uint64_t control(const struct backend_debug *v, const struct backend_debug *other)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < REGISTERS; i++)
		if (other == NULL || same(&v[i], &other[i]))
			word |= control_bits(&v[i], i);
	return word;
}

static int change(pid_t tid, const struct backend_debug *before, const struct backend_debug *now)
{
	int r = put(tid, CONTROL, control(before, now));

	for (unsigned i = 0; i < REGISTERS && r == 0; i++)
		if (now[i].kind != BACKEND_DEBUG_NONE && !same(&before[i], &now[i]))
			r = put(tid, i, now[i].addr);
	if (r == 0 && control(now, NULL) != control(before, now))
		r = put(tid, CONTROL, control(now, NULL));
	return r;
}

unsigned debug_count(struct backend *base)
{
	(void)base;
	return REGISTERS;
}

int debug_set(struct backend *base, pid_t tid, const struct backend_debug *before,
	      const struct backend_debug *now)
{
	int r = change(tid, before, now);

	(void)base;
	if (r < 0 && r != -ESRCH)
		change(tid, now, before);
	return r;
}

unsigned debug_hits(struct backend *base, pid_t tid)
{
	unsigned long status = 0;

	(void)base;
	if (ptrace_call(PTRACE_PEEKUSR, tid,
			offsetof(struct user, u_debugreg) + STATUS * sizeof(long),
			(uintptr_t)&status) < 0 ||
	    !(status & STATUS_HITS))
		return 0;
	put(tid, STATUS, status & ~(unsigned long)STATUS_HITS);
	return status & STATUS_HITS;
}

/*
 * Virtual machines lose the status when an interrupt comes in the same moment, about once in a
 * million times. The kernel then takes the trap for that of int1: but there is none before pc.
 */
bool debug_unsaid(pid_t tid, uint64_t pc, const siginfo_t *info)
{
	unsigned long control = 0, code = 0;

	if (info->si_code != TRAP_BRKPT || (uintptr_t)info->si_addr != pc ||
	    ptrace_call(PTRACE_PEEKUSR, tid,
			offsetof(struct user, u_debugreg) + CONTROL * sizeof(long),
			(uintptr_t)&control) < 0 ||
	    !(control & CONTROL_ENABLED))
		return false;
	ptrace_call(PTRACE_PEEKTEXT, tid, pc - 1, (uintptr_t)&code);
	return (code & 0xff) != INT1;
}

int debug_pass(struct backend *base, pid_t tid)
{
	const size_t at = offsetof(struct user_regs_struct, eflags);
	unsigned long flags = 0;
	int r = (int)ptrace_call(PTRACE_PEEKUSR, tid, at, (uintptr_t)&flags);

	(void)base;
	if (r < 0)
		return r;
	return (int)ptrace_call(PTRACE_POKEUSR, tid, at, (uintptr_t)(flags | FLAG_RESUME));
}
