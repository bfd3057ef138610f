/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "test/code/code.h"
#include "test/kernel/raw.h"

#define ROUNDS_MAX 100000 /* of one repeated instruction, step by step */

static int next_status(const struct arena *a)
{
	int status = 0;

	CHECK_EQ(waitpid(a->tid, &status, __WALL), a->tid);
	CHECK(WIFSTOPPED(status));
	return status;
}

static void move_set(const struct arena *a, int request, unsigned set, void *buf, size_t size)
{
	struct iovec v = { buf, size };

	CHECK_EQ(raw(request, a->tid, set, (uintptr_t)&v), 0);
}

static void put_state(struct arena *a, const struct state_of_all *from, uint64_t at)
{
	uint8_t regs[216];

	memcpy(regs, from->regs, sizeof regs);
	reg_put(a, regs, REG_PC, at);
	reg_put(a, regs, REG_CALL, ~0ull);
	memcpy(arena_at(a, DATA, DATA_SIZE), from->data, DATA_SIZE);
	move_set(a, PTRACE_SETREGSET, NT_PRSTATUS, regs, a->regs_size);
	move_set(a, PTRACE_SETREGSET, NT_X86_XSTATE, (void *)(uintptr_t)from->xstate,
		 a->xstate_size);
}

static void get_state(struct arena *a, struct outcome *out)
{
	siginfo_t info;

	CHECK_EQ(raw(PTRACE_GETSIGINFO, a->tid, 0, (uintptr_t)&info), 0);
	out->signo = info.si_signo;
	out->code = info.si_code;
	out->addr = (uintptr_t)info.si_addr;
	move_set(a, PTRACE_GETREGSET, NT_PRSTATUS, out->after.regs, a->regs_size);
	move_set(a, PTRACE_GETREGSET, NT_X86_XSTATE, out->after.xstate, a->xstate_size);
	memcpy(out->after.data, arena_at(a, DATA, DATA_SIZE), DATA_SIZE);
}

/* A trap that was there to catch it has been hit, not one of the program's own before @end. */
static void take_back_trap(const struct arena *a, uint64_t end, struct outcome *out)
{
	uint64_t pc = reg_get(a, out->after.regs, REG_PC);

	if (out->signo != SIGTRAP)
		return;
	if (out->code == SI_KERNEL && pc != end)
		reg_put(a, out->after.regs, REG_PC, pc - a->code->trap_adjust);
	out->code = 0;
	out->addr = 0;
}

void run_free(struct arena *a, const struct state_of_all *from, uint64_t at, size_t size,
	      struct outcome *out)
{
	put_state(a, from, at);
	raw_cont(a->tid, 0);
	next_status(a);
	get_state(a, out);
	take_back_trap(a, at + size, out);
}

void run_step(struct arena *a, const struct state_of_all *from, uint64_t at, struct outcome *out)
{
	put_state(a, from, at);
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		CHECK_EQ(raw(PTRACE_SINGLESTEP, a->tid, 0, 0), 0);
		next_status(a);
		get_state(a, out);
		if (out->signo != SIGTRAP || reg_get(a, out->after.regs, REG_PC) != at)
			break;
	}
	if (out->signo == SIGTRAP)
		out->code = 0, out->addr = 0;
}

/*
 * XSTATE_BV says which components the processor believes to be in use; it is free to notice
 * late that one is as at the beginning. What they hold is compared in any case.
 */
#define IN_USE 512u

static const char *xstate_difference(const struct arena *a, const uint8_t *x, const uint8_t *y)
{
	static char text[64];

	for (size_t i = 0; i < a->xstate_size; i++) {
		if (x[i] == y[i] || (i >= IN_USE && i < IN_USE + 8))
			continue;
		snprintf(text, sizeof text, "xstate byte %zu: %02x, %02x", i, x[i], y[i]);
		return text;
	}
	return NULL;
}

static const char *regs_difference(const struct arena *a, const uint8_t *x, const uint8_t *y)
{
	static char text[96];
	size_t word = a->wide ? 8 : 4;

	for (size_t i = 0; i < a->regs_size; i += word) {
		uint64_t p = 0, q = 0;

		memcpy(&p, x + i, word);
		memcpy(&q, y + i, word);
		if (p == q)
			continue;
		snprintf(text, sizeof text, "register word %zu: %llx, %llx", i / word,
			 (unsigned long long)p, (unsigned long long)q);
		return text;
	}
	return NULL;
}

const char *outcome_difference(const struct arena *a, const struct outcome *x,
			       const struct outcome *y)
{
	static char text[96];
	const char *found;

	if (x->signo != y->signo || x->code != y->code || x->addr != y->addr) {
		snprintf(text, sizeof text, "signal %d code %d at %llx, %d %d %llx", x->signo,
			 x->code, (unsigned long long)x->addr, y->signo, y->code,
			 (unsigned long long)y->addr);
		return text;
	}
	found = regs_difference(a, x->after.regs, y->after.regs);
	if (found == NULL)
		found = xstate_difference(a, x->after.xstate, y->after.xstate);
	if (found == NULL && memcmp(x->after.data, y->after.data, DATA_SIZE) != 0)
		found = "memory";
	return found;
}

/* A system call executed in a slot, as the engine has it executed: with a stop at its entry. */
void run_call(struct arena *a, const struct state_of_all *from, uint64_t at,
	      const struct code_displaced *d, struct outcome *out)
{
	put_state(a, from, at);
	CHECK_EQ(raw(PTRACE_SYSCALL, a->tid, 0, 0), 0);
	CHECK_EQ(WSTOPSIG(next_status(a)), SIGTRAP | 0x80);
	move_set(a, PTRACE_GETREGSET, NT_PRSTATUS, out->after.regs, a->regs_size);
	CHECK_EQ(a->code->entered(a->code, d, CODE_AT, at, out->after.regs, a->regs_size), 1);
	move_set(a, PTRACE_SETREGSET, NT_PRSTATUS, out->after.regs, a->regs_size);
	raw_cont(a->tid, 0);
	next_status(a);
	get_state(a, out);
	take_back_trap(a, 0, out);
}
