/* SPDX-License-Identifier: MIT */
/* What ptrace(2) has of x86: struct user, debug registers, segment bases, i386 tasks. */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/user.h>

#include "compat/internal.h"

#define REGISTERS sizeof(struct user_regs_struct)
#define WORD sizeof(uint64_t)
#define DEBUG_AT offsetof(struct user, u_debugreg)
#define I386_REGISTERS 17
#define ARGUMENTS 6
#define AREAS 3
#define FIRST_AREA 12 /* entry of the descriptor table */
#define DR6 6
#define DR7 7
#define DR6_STEP 0x4000u
#define DR6_FIXED 0xffff0ff0u
#define USER_SIZE (sizeof(struct user) + 2 * WORD) /* the kernel's has two words more */
/* Instructions, as 16-bit words. */
#define SYSCALL 0x050f
#define SYSENTER 0x340f
#define INT_80 0x80cd

const uint8_t user_trap = 0xcc;

uint32_t user_audit_arch(uint32_t arch)
{
	return arch == COTRACE_ARCH_I386 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
}

/* ---- General registers. A 64-bit tracer sees 32-bit tasks in its own layout. ---- */

/* Where the words of the 32-bit layout stand in that of 64 bits. */
static const uint8_t wide_of[I386_REGISTERS] = {
#define AT(name) offsetof(struct user_regs_struct, name) / WORD
	AT(rbx), AT(rcx), AT(rdx),	AT(rsi), AT(rdi), AT(rbp),    AT(rax), AT(ds), AT(es),
	AT(fs),	 AT(gs),  AT(orig_rax), AT(rip), AT(cs),  AT(eflags), AT(rsp), AT(ss),
};
#undef AT

size_t user_registers_size(void)
{
	return REGISTERS;
}

int user_get_registers(struct tracee *t, void *buf, size_t *size)
{
	struct cotrace *s = t->covered->s;
	uint32_t narrow[I386_REGISTERS];
	uint64_t wide[REGISTERS / WORD] = { 0 };
	ssize_t n = cotrace_regset_read(s, t->task, NT_PRSTATUS, wide, sizeof wide);

	if (n < 0)
		return n == -ESHUTDOWN ? -ESRCH : (int)n;
	if ((size_t)n == sizeof narrow) {
		memcpy(narrow, wide, sizeof narrow);
		memset(wide, 0, sizeof wide);
		for (size_t i = 0; i < I386_REGISTERS; i++)
			wide[wide_of[i]] = wide_of[i] == wide_of[6] || wide_of[i] == wide_of[11]
						   ? (uint64_t)(int64_t)(int32_t)narrow[i]
						   : narrow[i];
	}
	memcpy(buf, wide, sizeof wide);
	*size = sizeof wide;
	return 0;
}

int user_set_registers(struct tracee *t, const void *buf, size_t size)
{
	struct cotrace *s = t->covered->s;
	uint64_t wide[REGISTERS / WORD];
	uint32_t narrow[I386_REGISTERS];
	ssize_t n = cotrace_regset_read(s, t->task, NT_PRSTATUS, wide, sizeof wide);

	if (n < 0)
		return (int)n;
	t->touched = true;
	if ((size_t)n != sizeof narrow)
		return cotrace_regset_write(s, t->task, NT_PRSTATUS, buf, size);
	memcpy(wide, buf, sizeof wide);
	for (size_t i = 0; i < I386_REGISTERS; i++)
		narrow[i] = (uint32_t)wide[wide_of[i]];
	return cotrace_regset_write(s, t->task, NT_PRSTATUS, narrow, sizeof narrow);
}

static int change_register(struct tracee *t, size_t index, uint64_t value)
{
	uint64_t wide[REGISTERS / WORD];
	size_t size = sizeof wide;
	int r = user_get_registers(t, wide, &size);

	if (r < 0)
		return r;
	wide[index] = value;
	return user_set_registers(t, wide, sizeof wide);
}

bool user_regset_fits(struct tracee *t, unsigned set, size_t size)
{
	uint64_t wide[REGISTERS / WORD];
	bool narrow;

	if (size % WORD == 0 && set != NT_386_TLS)
		return true;
	if (size % sizeof(uint32_t) || set == NT_X86_XSTATE)
		return false;
	narrow = cotrace_regset_read(t->covered->s, t->task, NT_PRSTATUS, wide, sizeof wide) ==
		 I386_REGISTERS * sizeof(uint32_t);
	return narrow && (set != NT_386_TLS || size % sizeof(struct user_desc) == 0);
}

/* ---- System calls ---- */

#define AT(name) offsetof(struct user_regs_struct, name) / WORD
static const uint8_t wide_arguments[ARGUMENTS] = {
	AT(rdi), AT(rsi), AT(rdx), AT(r10), AT(r8), AT(r9),
};
static const uint8_t narrow_arguments[ARGUMENTS] = {
	AT(rbx), AT(rcx), AT(rdx), AT(rsi), AT(rdi), AT(rbp),
};

static const uint8_t *arguments_of(const struct tracee *t)
{
	return t->ev.arch == COTRACE_ARCH_I386 ? narrow_arguments : wide_arguments;
}

int user_load_call(struct tracee *t)
{
	uint64_t wide[REGISTERS / WORD];
	size_t size = sizeof wide;
	struct cotrace_event *ev = &t->ev;
	int r = user_get_registers(t, wide, &size);

	if (r < 0)
		return r;
	ev->pc = wide[AT(rip)];
	ev->sp = wide[AT(rsp)];
	if (ev->kind == COTRACE_EVENT_SYSCALL_EXIT) {
		ev->syscall.result = (int64_t)wide[AT(rax)];
		ev->syscall.is_error = ev->syscall.result < 0 && ev->syscall.result >= -4095;
	} else if (ev->kind == COTRACE_EVENT_SYSCALL_ENTRY || ev->kind == COTRACE_EVENT_SECCOMP) {
		/* Both have the call at the same place. */
		ev->syscall.nr = (int32_t)wide[AT(orig_rax)];
		for (size_t i = 0; i < ARGUMENTS; i++)
			ev->syscall.args[i] = wide[arguments_of(t)[i]];
	}
	return 0;
}

int user_set_call(struct tracee *t, int nr, const uint64_t args[6])
{
	uint64_t wide[REGISTERS / WORD];
	size_t size = sizeof wide;
	int r = user_get_registers(t, wide, &size);

	if (r < 0)
		return r;
	wide[AT(orig_rax)] = (uint64_t)(int64_t)nr;
	for (size_t i = 0; i < ARGUMENTS && nr != -1; i++)
		wide[arguments_of(t)[i]] = args[i];
	return user_set_registers(t, wide, sizeof wide);
}

int user_set_result(struct tracee *t, int64_t result)
{
	return change_register(t, AT(rax), (uint64_t)result);
}

int64_t user_result(struct tracee *t)
{
	struct user_regs_struct regs;
	size_t size = sizeof regs;

	return user_get_registers(t, &regs, &size) < 0 ? -ENOSYS : (int64_t)regs.rax;
}

void user_pass_trap(struct tracee *t, uint64_t addr)
{
	change_register(t, AT(rip), addr + 1);
}

/* ---- Debug registers: breakpoints and watchpoints of this one task ---- */

static bool is_on(uint64_t control, unsigned n)
{
	return control >> 2 * n & 3;
}

static int watch(struct tracee *t, unsigned n, uint64_t control)
{
	static const uint8_t lengths[] = { 1, 2, 8, 4 };
	static const int kinds[] = { COTRACE_BREAK_HARDWARE, COTRACE_WATCH_WRITE, -1,
				     COTRACE_WATCH_ACCESS };
	unsigned type = control >> (16 + 4 * n) & 3, length = control >> (18 + 4 * n) & 3;
	struct cotrace_breakpoint b = {
		.size = sizeof b,
		.mode = COTRACE_STOP,
		.pid = t->covered->pid,
		.task = t->task,
		.addr = t->debug[n],
	};

	if (kinds[type] < 0)
		return -EINVAL;
	b.kind = (uint32_t)kinds[type];
	b.length = type == 0 ? 0 : lengths[length];
	return cotrace_break(t->covered->s, &t->watch_ids[n], &b);
}

static void unwatch(struct tracee *t, unsigned n)
{
	if (t->watch_ids[n] != 0 && t->covered->s != NULL)
		cotrace_clear(t->covered->s, t->watch_ids[n]);
	t->watch_ids[n] = 0;
}

static int set_control(struct tracee *t, uint64_t control)
{
	int r = 0;

	for (unsigned n = 0; n < WATCHES && r == 0; n++) {
		uint64_t mask = 3ull << 2 * n | 15ull << (16 + 4 * n);

		if ((control & mask) == (t->debug[DR7] & mask) && t->watch_ids[n] != 0)
			continue;
		unwatch(t, n);
		if (is_on(control, n))
			r = watch(t, n, control);
	}
	if (r == 0)
		t->debug[DR7] = control;
	return r;
}

static int set_debug(struct tracee *t, unsigned n, uint64_t value)
{
	if (n == 4 || n == 5)
		return -EIO;
	if (n == DR7)
		return set_control(t, value);
	if (n < WATCHES && value >= 1ull << 47)
		return -EINVAL;
	t->debug[n] = n == DR6 ? value ^ DR6_FIXED : value;
	if (n >= WATCHES || t->watch_ids[n] == 0)
		return 0;
	unwatch(t, n);
	return watch(t, n, t->debug[DR7]);
}

bool user_debug_hit(struct tracee *t, uint64_t id)
{
	for (unsigned n = 0; n < WATCHES; n++) {
		if (t->watch_ids[n] == id && id != 0) {
			t->debug[DR6] = 1u << n;
			return true;
		}
	}
	return false;
}

/* The kernel's SIGTRAP after a system call is another one (kernel/entry/common.c). */
int user_stepped(struct tracee *t, uint64_t pc)
{
	uint16_t before = 0;

	t->debug[DR6] = DR6_STEP;
	memory_read(t->covered, pc - sizeof before, &before, sizeof before);
	return before == SYSCALL || before == SYSENTER || before == INT_80 ? TRAP_BRKPT
									   : TRAP_TRACE;
}

void user_forget_debug(struct tracee *t)
{
	memset(t->watch_ids, 0, sizeof t->watch_ids);
	memset(t->debug, 0, sizeof t->debug);
}

void user_clear_debug(struct tracee *t)
{
	for (unsigned n = 0; n < WATCHES; n++)
		unwatch(t, n);
}

/* ---- struct user ---- */

int user_peek(struct tracee *t, uint64_t offset, uint64_t *value)
{
	uint64_t wide[REGISTERS / WORD];
	size_t size = sizeof wide;
	int r;

	if (offset % WORD || offset >= USER_SIZE)
		return -EIO;
	*value = 0;
	if (offset >= DEBUG_AT && offset < DEBUG_AT + DEBUG_REGISTERS * WORD)
		*value = t->debug[(offset - DEBUG_AT) / WORD];
	if (offset == DEBUG_AT + DR6 * WORD)
		*value ^= DR6_FIXED;
	if (offset >= REGISTERS)
		return 0;
	r = user_get_registers(t, wide, &size);
	if (r == 0)
		*value = wide[offset / WORD];
	return r;
}

int user_poke(struct tracee *t, uint64_t offset, uint64_t value)
{
	if (offset % WORD || offset >= USER_SIZE)
		return -EIO;
	if (offset < REGISTERS)
		return change_register(t, offset / WORD, value);
	if (offset >= DEBUG_AT && offset < DEBUG_AT + DEBUG_REGISTERS * WORD)
		return set_debug(t, (unsigned)((offset - DEBUG_AT) / WORD), value);
	return -EIO;
}

/* ---- Thread areas, which 64-bit tasks have as well ---- */

static int read_areas(struct tracee *t, int index, struct user_desc areas[AREAS])
{
	size_t size = AREAS * sizeof *areas;

	if (index < 0)
		return -EIO;
	if (index < FIRST_AREA || index >= FIRST_AREA + AREAS)
		return -EINVAL;
	if (cotrace_regset_read(t->covered->s, t->task, NT_386_TLS, areas, size) != (ssize_t)size)
		return -EIO;
	return index - FIRST_AREA;
}

int user_get_thread_area(struct tracee *t, const struct caller *c, uint64_t index, uint64_t to)
{
	struct user_desc areas[AREAS];
	int r = read_areas(t, (int)index, areas);

	return r < 0 ? r : caller_write(tracer_of(t)->p, c, to, &areas[r], sizeof areas[r]);
}

int user_set_thread_area(struct tracee *t, const struct caller *c, uint64_t index, uint64_t from)
{
	struct user_desc areas[AREAS];
	int at = read_areas(t, (int)index, areas), r = at;

	if (r >= 0)
		r = caller_read(tracer_of(t)->p, c, from, &areas[at], sizeof areas[at]);
	return r < 0 ? r
		     : cotrace_regset_write(t->covered->s, t->task, NT_386_TLS, areas,
					    sizeof areas);
}

int user_arch_prctl(struct tracee *t, const struct caller *c, uint64_t code, uint64_t addr)
{
	struct user_regs_struct regs;
	size_t size = sizeof regs;
	uint64_t value;
	int r = user_get_registers(t, &regs, &size);

	if (r < 0)
		return r;
	switch (code) {
	case ARCH_SET_FS:
		return change_register(t, offsetof(struct user_regs_struct, fs_base) / WORD, addr);
	case ARCH_SET_GS:
		return change_register(t, offsetof(struct user_regs_struct, gs_base) / WORD, addr);
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		value = code == ARCH_GET_FS ? regs.fs_base : regs.gs_base;
		return caller_write(tracer_of(t)->p, c, addr, &value, sizeof value);
	default:
		return -EINVAL;
	}
}
