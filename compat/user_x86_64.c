/* SPDX-License-Identifier: MIT */
/* What ptrace(2) has of x86: struct user, debug registers, segment bases, i386 tasks. */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/sched.h>
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
/* Results of calls that the kernel makes again: linux/errno.h, not for programs. */
#define RESTART_FIRST 512
#define RESTART_LAST 516
/* System calls; the last number is the same in both. */
#define CLONE 56
#define I386_CLONE 120
#define CLONE3 435
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

#define RIP (offsetof(struct user_regs_struct, rip) / WORD)
#define I386_EIP 12 /* in wide_of[] */

static bool is_narrow(size_t size)
{
	return size == I386_REGISTERS * sizeof(uint32_t);
}

uint64_t user_pc_of(const void *set, size_t size)
{
	uint32_t narrow[I386_REGISTERS];
	uint64_t wide[REGISTERS / WORD] = { 0 };

	memcpy(is_narrow(size) ? (void *)narrow : (void *)wide, set,
	       size < sizeof wide ? size : sizeof wide);
	return is_narrow(size) ? narrow[I386_EIP] : wide[RIP];
}

static void set_pc(void *set, size_t size, uint64_t pc)
{
	uint32_t narrow = (uint32_t)pc;

	if (is_narrow(size))
		memcpy((uint8_t *)set + I386_EIP * sizeof narrow, &narrow, sizeof narrow);
	else if (size >= (RIP + 1) * WORD)
		memcpy((uint8_t *)set + RIP * WORD, &pc, sizeof pc);
}

void user_show_registers(const struct tracee *t, void *set, size_t size)
{
	if (t->pc_at != 0 && user_pc_of(set, size) == t->pc_at)
		set_pc(set, size, t->pc_shown);
}

void user_hide_registers(struct tracee *t, void *set, size_t size, uint64_t now)
{
	uint64_t pc = user_pc_of(set, size);

	if (t->pc_at != 0 && pc == t->pc_shown) {
		set_pc(set, size, t->pc_at);
	} else if (memory_is_scratch(t->covered, pc)) {
		t->pc_at = now;
		t->pc_shown = pc;
		set_pc(set, size, now);
	} else {
		t->pc_at = 0;
	}
}

int user_get_registers(struct tracee *t, void *buf, size_t *size)
{
	struct cotrace *s = t->covered->s;
	uint32_t narrow[I386_REGISTERS];
	uint64_t wide[REGISTERS / WORD] = { 0 };
	ssize_t n = cotrace_regset_read(s, t->task, NT_PRSTATUS, wide, sizeof wide);

	if (n < 0)
		return n == -ESHUTDOWN ? -ESRCH : (int)n;
	user_show_registers(t, wide, (size_t)n);
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

static int write_registers(struct tracee *t, const void *now, const void *set, size_t size)
{
	t->touched = true;
	if (memcmp(now, set, size) == 0) /* the others are not told of nothing */
		return 0;
	return cotrace_regset_write(t->covered->s, t->task, NT_PRSTATUS, set, size);
}

int user_set_registers(struct tracee *t, const void *buf, size_t size)
{
	uint64_t now[REGISTERS / WORD], wide[REGISTERS / WORD];
	uint32_t narrow[I386_REGISTERS];
	ssize_t n = cotrace_regset_read(t->covered->s, t->task, NT_PRSTATUS, now, sizeof now);
	void *set = wide;

	if (n < 0)
		return (int)n;
	memcpy(wide, buf, size < sizeof wide ? size : sizeof wide);
	for (size_t i = 0; i < I386_REGISTERS; i++)
		narrow[i] = (uint32_t)wide[wide_of[i]];
	if (is_narrow((size_t)n))
		set = narrow;
	user_hide_registers(t, set, (size_t)n, user_pc_of(now, (size_t)n));
	return write_registers(t, now, set, (size_t)n);
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

/* ---- Copies of instructions, to be executed where they are not ---- */

#define RET_NEAR 0xc2 /* to 0xc3, without the lowest bit; RET_FAR likewise */
#define RET_FAR 0xca
#define IRET 0xcf
#define CALL_RELATIVE 0xe8
#define GROUP_5 0xff
#define CALLS_OF_GROUP_5 2 /* and 3; 4 and 5 are jumps */

struct effect {
	bool pc_is_given; /* it does not follow from where it is */
	bool pushes_next;
};

static bool is_prefix(const struct tracee *t, uint8_t byte)
{
	static const uint8_t prefixes[] = { 0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36,
					    0x3e, 0x26, 0x64, 0x65, 0xf0 };

	return memchr(prefixes, byte, sizeof prefixes) != NULL ||
	       (t->ev.arch != COTRACE_ARCH_I386 && (byte & 0xf0) == 0x40);
}

/* Without its own traps. */
static struct effect effect_at(struct tracee *t, uint64_t pc)
{
	uint8_t bytes[16] = { 0 };
	struct effect e = { 0 };
	unsigned i = 0, part;

	cotrace_read_memory(t->covered->s, t->covered->pid, pc, bytes, sizeof bytes);
	while (i < sizeof bytes - 2 && is_prefix(t, bytes[i]))
		i++;
	part = bytes[i + 1] >> 3 & 7;
	e.pc_is_given = (bytes[i] & 0xfe) == RET_NEAR || (bytes[i] & 0xfe) == RET_FAR ||
			bytes[i] == IRET || (bytes[i] == GROUP_5 && part >= 2 && part <= 5);
	e.pushes_next = bytes[i] == CALL_RELATIVE ||
			(bytes[i] == GROUP_5 && (part & 6) == CALLS_OF_GROUP_5);
	return e;
}

/* What it has pushed is shown as it would be, too. */
static void move_return(struct tracee *t, uint64_t sp, uint64_t by)
{
	struct covered *c = t->covered;
	size_t size = t->ev.arch == COTRACE_ARCH_I386 ? sizeof(uint32_t) : WORD;
	uint64_t to = 0;

	if (cotrace_read_memory(c->s, c->pid, sp, &to, size) != (ssize_t)size)
		return;
	to += by;
	cotrace_write_memory(c->s, c->pid, sp, &to, size);
}

void user_moved(struct tracee *t)
{
	uint64_t from = t->moved_from, by = t->moved_to - from;
	struct user_regs_struct regs;
	size_t size = sizeof regs;
	struct effect e = { 0 };

	t->moved_from = 0;
	if (user_get_registers(t, &regs, &size) < 0)
		return;
	if (regs.rip != from)
		e = effect_at(t, from);
	if (e.pushes_next)
		move_return(t, regs.rsp, by);
	if (e.pc_is_given)
		return;
	t->pc_at = regs.rip;
	t->pc_shown = regs.rip + by;
}

void user_move(struct tracee *t)
{
	bool steps = t->mode == MODE_STEP || t->mode == MODE_EMULATE_STEP;
	uint64_t pc = t->pc_shown;

	if (t->pc_at == 0)
		return;
	if (steps && memory_is_scratch(t->covered, pc)) {
		t->moved_from = t->pc_at;
		t->moved_to = pc;
		t->pc_at = 0;
		return;
	}
	if (memory_is_scratch(t->covered, pc))
		memory_keep_scratch(t->covered);
	t->pc_at = 0;
	change_register(t, RIP, pc);
}

bool user_next_pc(struct tracee *t, uint64_t *pc)
{
	struct user_regs_struct regs;
	size_t size = sizeof regs;

	if (user_get_registers(t, &regs, &size) < 0)
		return false;
	*pc = regs.rip;
	return (int64_t)regs.orig_rax < 0 || (int64_t)regs.rax < -RESTART_LAST ||
	       (int64_t)regs.rax > -RESTART_FIRST;
}

bool user_clones_traced(struct tracee *t, uint32_t arch)
{
	bool narrow = arch == COTRACE_ARCH_I386;
	struct user_regs_struct regs;
	size_t size = sizeof regs;
	uint64_t flags;

	if (user_get_registers(t, &regs, &size) < 0)
		return false;
	flags = narrow ? regs.rbx : regs.rdi;
	if (regs.orig_rax == CLONE3) {
		if (memory_read(t->covered, flags, &flags, sizeof flags) != sizeof flags)
			return false;
	} else if (regs.orig_rax != (narrow ? I386_CLONE : CLONE)) {
		return false;
	}
	return flags & CLONE_PTRACE;
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
