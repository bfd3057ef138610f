/* SPDX-License-Identifier: MIT */
/* What a trap does to the program that it is made in: 79, 101, 102. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/kernel/raw.h"

#ifndef PTRACE_SINGLEBLOCK
#define PTRACE_SINGLEBLOCK 33
#endif
#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#endif
#define BIT(signo) (1ull << ((signo)-1))
#define TRAP_FLAG 0x100u

static void handler(int signo)
{
	(void)signo;
}

static int blocked_trap, trap_action; /* of the children below */

static void prepare(void)
{
	struct sigaction a = { .sa_handler = trap_action == 2 ? handler : SIG_IGN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	if (trap_action)
		sigaction(SIGTRAP, &a, NULL);
	if (blocked_trap)
		sigprocmask(SIG_BLOCK, &set, NULL);
	syscall(SYS_tgkill, getpid(), gettid(), SIGSTOP);
}

static void spin(void)
{
	prepare();
	for (;;)
		__asm__ volatile("nop\n nop\n nop\n nop" ::: "memory");
}

static void traps(void)
{
	prepare();
	__asm__ volatile("nop\n int3\n nop" ::: "memory");
	for (;;)
		pause();
}

/* Runs @body to its SIGSTOP, and past it. */
static pid_t stopped(void (*body)(void))
{
	pid_t pid = raw_child(body);

	raw_seize(pid, PTRACE_O_TRACESYSGOOD);
	CHECK_EQ(WSTOPSIG(raw_status(pid)), SIGSTOP);
	return pid;
}

static uint64_t status_mask(pid_t pid, const char *field)
{
	char path[40], text[4096], *at;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	CHECK(proc_read(path, text, sizeof text) > 0);
	at = strstr(text, field);
	CHECK(at != NULL);
	return strtoull(at + strlen(field), NULL, 16);
}

static bool has_trap(pid_t pid, const char *field)
{
	return status_mask(pid, field) >> (SIGTRAP - 1) & 1;
}

/* Out of its system call. */
static void step_once(pid_t pid)
{
	CHECK_EQ(raw(PTRACE_SINGLESTEP, pid, 0, 0), 0);
	CHECK_EQ(WSTOPSIG(raw_status(pid)), SIGTRAP);
}

/* 79: both go, whatever makes the trap. */
static void trap_resets(void (*body)(void), bool steps)
{
	static const char *const of_action[] = { "SigBlk:", "SigIgn:", "SigCgt:" };

	for (blocked_trap = 0; blocked_trap < 2; blocked_trap++)
		for (trap_action = 0; trap_action < 3; trap_action++) {
			pid_t pid = stopped(body);

			CHECK_EQ(has_trap(pid, "SigBlk:"), blocked_trap);
			if (trap_action)
				CHECK(has_trap(pid, of_action[trap_action]));
			if (steps)
				step_once(pid);
			else
				raw_cont(pid, 0);
			if (!steps)
				CHECK_EQ(WSTOPSIG(raw_status(pid)), SIGTRAP);
			CHECK(!has_trap(pid, "SigBlk:"));
			CHECK(!has_trap(pid, "SigIgn:"));
			CHECK_EQ(has_trap(pid, "SigCgt:"), trap_action == 2 && !blocked_trap);
			raw_kill(pid);
		}
}

TEST(a_step_unblocks_sigtrap_and_forgets_what_was_to_be_done_about_it)
{
	trap_resets(spin, true);
}

TEST(a_trap_instruction_unblocks_sigtrap_and_forgets_what_was_to_be_done_about_it)
{
	trap_resets(traps, false);
}

/* 79: so what is blocked is unblocked for the step, and its handler stays. */
TEST(a_step_with_sigtrap_unblocked_by_the_tracer_resets_nothing)
{
	uint64_t mask, none = 0;
	pid_t pid;

	blocked_trap = 1;
	trap_action = 2;
	pid = stopped(spin);
	CHECK_EQ(raw(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask), 0);
	CHECK(mask & BIT(SIGTRAP));
	CHECK_EQ(raw(PTRACE_SETSIGMASK, pid, 8, (uintptr_t)&none), 0);
	step_once(pid);
	CHECK_EQ(raw(PTRACE_SETSIGMASK, pid, 8, (uintptr_t)&mask), 0);
	CHECK(has_trap(pid, "SigBlk:"));
	CHECK(has_trap(pid, "SigCgt:"));
	raw_kill(pid);
	blocked_trap = trap_action = 0;
}

static void cpuid_loop(void)
{
	prepare();
	for (;;)
		__asm__ volatile("nop\n cpuid\n nop\n nop" ::: "rax", "rbx", "rcx", "rdx");
}

static void ss_loop(void)
{
	prepare();
	for (;;)
		__asm__ volatile("nop\n mov %%ss, %%eax\n mov %%eax, %%ss\n nop\n nop" ::: "rax");
}

/* Steps until an instruction that begins with these two bytes has been executed. */
static uint64_t steps_over(pid_t pid, unsigned bytes)
{
	struct user_regs_struct regs;
	uint64_t before;

	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
		errno = 0;
		before = regs.rip;
		if ((ptrace(PTRACE_PEEKTEXT, pid, before, 0) & 0xffff) == bytes) {
			step_once(pid);
			CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
			return regs.rip - before;
		}
		step_once(pid);
	}
	FAIL("no such instruction");
}

/* 101 */
TEST(a_step_over_cpuid_or_mov_ss_may_be_two)
{
	pid_t pid = stopped(cpuid_loop);
	uint64_t passed = steps_over(pid, 0xa20f);

	printf("cpuid: %s\n", passed == 2 ? "one instruction" : "two instructions");
	CHECK(passed == 2 || passed == 3);
	raw_kill(pid);
	pid = stopped(ss_loop);
	passed = steps_over(pid, 0xd08e);
	printf("mov ss: %s\n", passed == 2 ? "one instruction" : "two instructions");
	CHECK(passed == 2 || passed == 3);
	raw_kill(pid);
}

static uint64_t stop_after(pid_t pid, int request)
{
	struct user_regs_struct regs;

	CHECK_EQ(raw(request, pid, 0, 0), 0);
	CHECK_EQ(WSTOPSIG(raw_status(pid)), SIGTRAP);
	CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
	return regs.rip;
}

/*
 * Intel's virtual machines under KVM drop the processor's flag for branches: then all that
 * PTRACE_SINGLEBLOCK does is a step. The loop of spin() is a block of five instructions.
 */
TEST(a_block_step_goes_to_the_next_branch_or_is_a_plain_step)
{
	pid_t pid = stopped(spin);
	unsigned branches = 0, next = 0;
	uint64_t from, to, begin;

	do { /* to where the loop begins */
		begin = stop_after(pid, PTRACE_SINGLESTEP);
	} while ((ptrace(PTRACE_PEEKTEXT, pid, begin, 0) & 0xffffffff) != 0x90909090);
	from = begin;
	for (unsigned i = 0; i < 40; i++) {
		to = stop_after(pid, PTRACE_SINGLEBLOCK);
		branches += to == begin && from == begin;
		next += to == from + 1 || (to == begin && from == begin + 4);
		from = to;
	}
	printf("%u blocks, %u steps\n", branches, next);
	CHECK(branches == 40 || next == 40);
	raw_kill(pid);
}

static void flags_loop(void)
{
	prepare();
	for (;;)
		__asm__ volatile("sub $256, %%rsp\n pushf\n nop\n popf\n add $256, %%rsp" ::
					 : "cc", "memory");
}

/* 102: the kernel takes the flag for the program's own, and a handler's frame shows it. */
TEST(an_interrupted_step_of_popf_leaves_the_trap_flag)
{
	struct user_regs_struct regs;
	pid_t pid = stopped(flags_loop);

	do {
		step_once(pid);
		CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
	} while ((ptrace(PTRACE_PEEKTEXT, pid, regs.rip, 0) & 0xff) != 0x9d);
	CHECK(!(regs.eflags & TRAP_FLAG));
	kill(pid, SIGURG);
	CHECK_EQ(raw(PTRACE_SINGLESTEP, pid, 0, 0), 0);
	CHECK_EQ(WSTOPSIG(raw_status(pid)), SIGURG);
	CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
	CHECK(regs.eflags & TRAP_FLAG);
	raw_kill(pid);
}

/* 102: and so it is in all steps that follow. */
TEST(after_a_step_of_popf_the_trap_flag_shows)
{
	struct user_regs_struct regs;
	pid_t pid = stopped(flags_loop);
	long word;

	do {
		step_once(pid);
		CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
	} while ((ptrace(PTRACE_PEEKTEXT, pid, regs.rip, 0) & 0xff) != 0x9d);
	word = ptrace(PTRACE_PEEKDATA, pid, regs.rsp, 0); /* pushf has pushed it, too */
	CHECK(word & TRAP_FLAG);
	CHECK_SYS(ptrace(PTRACE_POKEDATA, pid, regs.rsp, word & ~(long)TRAP_FLAG));
	step_once(pid);
	CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
	CHECK(!(regs.eflags & TRAP_FLAG));
	for (int i = 0; i < 2; i++) {
		step_once(pid);
		CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
		CHECK(regs.eflags & TRAP_FLAG);
	}
	raw_kill(pid);
}

static void call_loop(void)
{
	prepare();
	for (;;)
		syscall(SYS_getppid);
}

static int code_of_stop(pid_t pid)
{
	siginfo_t info;

	CHECK_EQ(raw(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info), 0);
	return info.si_code;
}

/* The end of a system call says another code than the end of an instruction. */
TEST(a_stepped_system_call_says_another_code)
{
	pid_t pid = stopped(call_loop);

	step_once(pid);
	CHECK_EQ(code_of_stop(pid), TRAP_TRACE);
	CHECK_EQ(steps_over(pid, 0x050f), 2);
	CHECK_EQ(code_of_stop(pid), TRAP_BRKPT);
	raw_kill(pid);
}
