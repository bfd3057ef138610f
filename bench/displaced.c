/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints as the fastest of plain ptrace tracers would have them: the instruction is
 * copied elsewhere once, and a hit continues in the copy.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/points.h"

#define TIDS_MAX 64
#define JUMP 5

#ifdef __x86_64__

void point_push(long value, const long *memory);
void point_relative(long value, const long *memory);
void point_nop(long value, const long *memory);
void point_long(long value, const long *memory);
void point_syscall(void);
extern char point_room[];
extern long point_sink;
long point_sink;

/* clang-format off */
__asm__(".text\n"
	".p2align 6\n.globl point_push\n.type point_push, @function\n"
	"point_push: push %rbp\n mov %rsp, %rbp\n pop %rbp\n ret\n"
	".size point_push, .-point_push\n"
	".p2align 6\n.globl point_relative\n.type point_relative, @function\n"
	"point_relative: mov %rdi, point_sink(%rip)\n ret\n"
	".size point_relative, .-point_relative\n"
	".p2align 6\n.globl point_nop\n.type point_nop, @function\n"
	"point_nop: .byte 0x0f, 0x1f, 0x44, 0, 0\n ret\n"
	".size point_nop, .-point_nop\n"
	".p2align 6\n.globl point_long\n.type point_long, @function\n"
	"point_long: .rept 1000\n nop\n .endr\n ret\n"
	".size point_long, .-point_long\n"
	".p2align 6\n.globl point_syscall\n.type point_syscall, @function\n"
	"point_syscall: syscall\n ret\n"
	".size point_syscall, .-point_syscall\n"
	".p2align 6\n.globl point_room\npoint_room: .skip 64, 0xcc\n");
/* clang-format on */

const struct point_code points[] = {
	[POINT_PUSH] = { point_push, 1, 0 },
	[POINT_RELATIVE] = { point_relative, 7, 3 },
	[POINT_NOP] = { point_nop, 5, 0 },
	[POINT_LONG] = { point_long, 1, 0 },
};

static void poke(pid_t tid, uintptr_t to, const void *bytes, size_t size)
{
	long word;

	for (size_t at = 0; at < size; at += sizeof word) {
		size_t part = size - at < sizeof word ? size - at : sizeof word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, tid, to + at, NULL);
		memcpy(&word, (const char *)bytes + at, part);
		if (errno || ptrace(PTRACE_POKEDATA, tid, to + at, word) < 0)
			bench_die("poke");
	}
}

/* The target is a child by fork: its code is where ours is. */
static void plant(pid_t tid, const struct point_code *code)
{
	uintptr_t at = (uintptr_t)code->call, room = (uintptr_t)point_room;
	uint8_t copy[32], trap = 0xcc;
	int32_t distance;

	memcpy(copy, (const void *)at, code->length);
	if (code->relative) {
		memcpy(&distance, copy + code->relative, sizeof distance);
		distance += (int32_t)(at - room);
		memcpy(copy + code->relative, &distance, sizeof distance);
	}
	distance = (int32_t)(at - (room + JUMP));
	copy[code->length] = 0xe9;
	memcpy(copy + code->length + 1, &distance, sizeof distance);
	poke(tid, room, copy, code->length + JUMP);
	poke(tid, at, &trap, 1);
}

static bool is_true(pid_t tid, const struct user_regs_struct *regs, bool memory)
{
	struct iovec remote = { (void *)(uintptr_t)regs->rsi, sizeof(long) };
	long value = (long)regs->rdi;
	struct iovec local = { &value, sizeof value };

	if (memory && process_vm_readv(tid, &local, 1, &remote, 1, 0) < 0)
		bench_die("process_vm_readv");
	return value == POINT_MATCH;
}

static void set_pc(pid_t tid, uintptr_t pc)
{
	ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rip), pc);
}

static void take_hit(struct target *t, pid_t tid, const struct displaced *how)
{
	const struct point_code *code = &points[how->point];
	uintptr_t at = (uintptr_t)code->call;
	struct user_regs_struct regs;
	int status;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0 || regs.rip != at + 1)
		return;
	if (is_true(tid, &regs, how->memory))
		t->notes->told++;
	t->notes->events++;
	set_pc(tid, (uintptr_t)point_room);
	if (how->way == DISPLACED_JUMP)
		return;
	ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL);
	waitpid(tid, &status, __WALL);
	set_pc(tid, at + code->length);
}

long displaced_getppid(struct target *t)
{
	struct user_regs_struct saved, regs;
	int status;

	ptrace(PTRACE_GETREGS, t->pid, NULL, &saved);
	regs = saved;
	regs.rip = (uintptr_t)point_syscall;
	regs.rax = SYS_getppid;
	regs.orig_rax = (unsigned long)-1;
	ptrace(PTRACE_SETREGS, t->pid, NULL, &regs);
	ptrace(PTRACE_SINGLESTEP, t->pid, NULL, NULL);
	waitpid(t->pid, &status, __WALL);
	ptrace(PTRACE_GETREGS, t->pid, NULL, &regs);
	ptrace(PTRACE_SETREGS, t->pid, NULL, &saved);
	return (long)regs.rax;
}

#else
#error "points and their peer for this architecture are missing"
#endif

void displaced_stop(struct target *t)
{
	int status;

	if (ptrace(PTRACE_SEIZE, t->pid, NULL, NULL) < 0)
		bench_die("seize");
	ptrace(PTRACE_INTERRUPT, t->pid, NULL, NULL);
	waitpid(t->pid, &status, __WALL);
}

static void seize_all(struct target *t, const struct displaced *how)
{
	pid_t tids[TIDS_MAX];
	size_t count = task_list(t->pid, tids, TIDS_MAX);
	int status;

	for (size_t i = 0; i < count; i++) {
		if (ptrace(PTRACE_SEIZE, tids[i], NULL, NULL) < 0)
			bench_die("seize");
		ptrace(PTRACE_INTERRUPT, tids[i], NULL, NULL);
		waitpid(tids[i], &status, __WALL);
	}
	plant(t->pid, &points[how->point]);
	for (size_t i = 0; i < count; i++)
		ptrace(PTRACE_CONT, tids[i], NULL, NULL);
}

void displaced_trace(struct target *t, const void *arg)
{
	const struct displaced *how = arg;
	int status;
	pid_t tid;

	seize_all(t, how);
	target_go(t);
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		int signo = WIFSTOPPED(status) && status >> 16 == 0 ? WSTOPSIG(status) : 0;

		if (!WIFSTOPPED(status))
			continue;
		if (signo == SIGTRAP)
			take_hit(t, tid, how);
		ptrace(PTRACE_CONT, tid, NULL, signo == SIGTRAP ? 0 : signo);
	}
}
