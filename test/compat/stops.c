/* SPDX-License-Identifier: MIT */
/* System calls, steps and traps. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/compat/facts.h"

#define USER(field) offsetof(struct user_regs_struct, field)

static void some_calls(void)
{
	syscall(SYS_getppid);
	syscall(SYS_close, 77);
	syscall(SYS_exit_group, 5);
}

static void tell_call(pid_t pid)
{
	struct __ptrace_syscall_info info = { 0 };
	long size = request((int)PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info);

	say("  info %ld: op %u flags %u arch %x ip %s sp %s", size, info.op, 0u, info.arch,
	    info.instruction_pointer ? "set" : "0", info.stack_pointer ? "set" : "0");
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		say("  entry %lu (%lx)", info.entry.nr,
		    info.entry.nr == SYS_close ? info.entry.args[0] : 0);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		say("  exit %s, error %d", who((pid_t)info.exit.rval), info.exit.is_error);
	say("  orig_rax %ld, rax %s", request(PTRACE_PEEKUSER, pid, USER(orig_rax), 0),
	    who((pid_t)request(PTRACE_PEEKUSER, pid, USER(rax), 0)));
}

static void each_call(unsigned options, bool seize)
{
	pid_t pid =
		seize ? seized("child", some_calls, options) : traced("child", some_calls, options);
	int status;

	role(-EBADF, "EBADF");
	role(-ENOSYS, "ENOSYS");
	do {
		status = resume(PTRACE_SYSCALL, pid, 0);
		if (status != -1 && WIFSTOPPED(status)) {
			tell_call(pid);
			tell_siginfo(pid);
			tell_message(pid, NULL);
		}
	} while (status != -1 && WIFSTOPPED(status));
}

FACTS(system_calls)
{
	each_call(0, false);
}

FACTS(system_calls_told_apart)
{
	each_call(PTRACE_O_TRACESYSGOOD, false);
}

FACTS(system_calls_of_a_seized_task)
{
	each_call(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT, true);
}

/* By hand: what lies between two calls shall be the same whatever is preloaded. */
static void exit_with_parent(void)
{
	__asm__ volatile("syscall\n\t"
			 "movzbl %%al, %%edi\n\t"
			 "mov %1, %%eax\n\t"
			 "syscall"
			 :
			 : "a"(SYS_getppid), "i"(SYS_exit_group)
			 : "rdi", "rcx", "r11", "memory");
}

static void with_number(long number, bool has_result, long result)
{
	pid_t pid = traced("child", exit_with_parent, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct regs;

	until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
	request(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs);
	regs.orig_rax = (unsigned long)number;
	if (has_result)
		regs.rax = (unsigned long)result;
	ASK(PTRACE_SETREGS, pid, 0, &regs);
	say("orig_rax %ld", request(PTRACE_PEEKUSER, pid, USER(orig_rax), 0));
	resume(PTRACE_SYSCALL, pid, 0);
	say("number %ld", request(PTRACE_PEEKUSER, pid, USER(orig_rax), 0));
	request(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs);
	say("result %s", (long)regs.rax == -ENOSYS ? "ENOSYS"
			 : (long)regs.rax == 7	   ? "7"
						   : "other");
	resume(PTRACE_CONT, pid, 0);
}

FACTS(a_system_call_is_left_out)
{
	with_number(-1, false, 0);
}

FACTS(a_system_call_is_left_out_with_a_result)
{
	with_number(-1, true, 7);
}

FACTS(a_system_call_that_does_not_exist)
{
	with_number(5000, false, 0);
}

FACTS(a_system_call_becomes_another)
{
	pid_t pid = traced("child", exit_with_parent, PTRACE_O_TRACESYSGOOD);

	until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
	ASK(PTRACE_POKEUSER, pid, USER(orig_rax), SYS_exit_group);
	ASK(PTRACE_POKEUSER, pid, USER(rdi), 21);
	resume(PTRACE_CONT, pid, 0);
}

FACTS(a_result_is_replaced)
{
	pid_t pid = traced("child", exit_with_parent, PTRACE_O_TRACESYSGOOD);

	until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
	resume(PTRACE_SYSCALL, pid, 0);
	ASK(PTRACE_POKEUSER, pid, USER(rax), 33);
	resume(PTRACE_CONT, pid, 0);
}

static void emulate(int how, unsigned options)
{
	pid_t pid = traced("child", exit_with_parent, options);
	int status = 0;

	until_entry(pid, SYS_getppid, how);
	ASK(PTRACE_POKEUSER, pid, USER(rax), 44);
	for (unsigned i = 0; i < 40; i++) {
		status = resume(how, pid, 0);
		tell_siginfo(pid);
		tell_call(pid);
		if (status == -1 || !WIFSTOPPED(status) ||
		    request(PTRACE_PEEKUSER, pid, USER(orig_rax), 0) == SYS_exit_group)
			break;
	}
	say("argument %ld", request(PTRACE_PEEKUSER, pid, USER(rdi), 0));
	end(pid);
}

FACTS(emulated_system_calls)
{
	role(-ENOSYS, "ENOSYS");
	emulate(PTRACE_SYSEMU, 0);
	emulate(PTRACE_SYSEMU, PTRACE_O_TRACESYSGOOD);
}

FACTS(emulated_system_calls_in_steps)
{
	role(-ENOSYS, "ENOSYS");
	emulate(PTRACE_SYSEMU_SINGLESTEP, PTRACE_O_TRACESYSGOOD);
}

extern char here[], there[];

static void known_code(void)
{
	__asm__ volatile("int3\n\t"
			 ".globl here, there\n"
			 "here:\n\t"
			 "nop\n\t"
			 "mov $110, %%eax\n\t"
			 "syscall\n\t"
			 "nop\n\t"
			 "nop\n"
			 "there:\n\t"
			 "int3\n\t"
			 "nop"
			 :
			 :
			 : "rax", "rcx", "r11", "memory");
	_exit(6);
}

static void tell_place(pid_t pid)
{
	long ip = request(PTRACE_PEEKUSER, pid, USER(rip), 0);

	if (ip >= (long)here && ip <= (long)there + 8)
		say("  at here%+ld", ip - (long)here);
	else
		say("  elsewhere");
}

static void steps(bool seize)
{
	unsigned options = PTRACE_O_TRACESYSGOOD;
	pid_t pid =
		seize ? seized("child", known_code, options) : traced("child", known_code, options);

	resume(PTRACE_CONT, pid, 0);
	tell_siginfo(pid);
	tell_place(pid);
	for (unsigned i = 0; i < 6; i++) {
		resume(PTRACE_SINGLESTEP, pid, 0);
		tell_siginfo(pid);
		tell_place(pid);
		say("  trap flag %ld", request(PTRACE_PEEKUSER, pid, USER(eflags), 0) >> 8 & 1);
	}
	resume(PTRACE_SYSCALL, pid, 0);
	resume(PTRACE_SINGLESTEP, pid, 0);
	end(pid);
}

FACTS(steps_of_a_child)
{
	steps(false);
}

FACTS(steps_of_a_seized_child)
{
	steps(true);
}

FACTS(a_step_over_a_system_call_that_is_traced)
{
	pid_t pid = traced("child", known_code, PTRACE_O_TRACESYSGOOD);

	resume(PTRACE_CONT, pid, 0);
	for (unsigned i = 0; i < 3; i++) {
		resume(PTRACE_SYSCALL, pid, 0);
		tell_place(pid);
		if (i < 2) {
			resume(PTRACE_SINGLESTEP, pid, 0);
			tell_place(pid);
			tell_siginfo(pid);
		}
	}
	end(pid);
}

static void at_usr1(int signo)
{
	(void)signo;
}

static void known_code_with_handler(void)
{
	signal(SIGUSR1, at_usr1);
	known_code();
}

static void known_code_without_handler(void)
{
	signal(SIGUSR1, SIG_IGN);
	known_code();
}

/* At @offset from here, which may be a trap of its own. */
static void step_with_a_signal(void (*body)(void), long offset)
{
	pid_t pid = traced("child", body, 0);
	long handler = (long)at_usr1;

	resume(PTRACE_CONT, pid, 0);
	ASK(PTRACE_POKEUSER, pid, USER(rip), (uintptr_t)here + (uintptr_t)offset);
	resume(PTRACE_SINGLESTEP, pid, SIGUSR1);
	tell_siginfo(pid);
	tell_place(pid);
	say("  at the handler: %d", request(PTRACE_PEEKUSER, pid, USER(rip), 0) == handler);
	resume(PTRACE_CONT, pid, 0);
	tell_siginfo(pid);
	tell_place(pid);
	end(pid);
}

FACTS(a_step_with_a_signal_that_has_a_handler)
{
	step_with_a_signal(known_code_with_handler, 0);
	step_with_a_signal(known_code_with_handler, -1);
}

/* A trap that is left where it is, with the program counter back at it. */
static void back_at_a_planted_trap(int how, int signo)
{
	pid_t pid = traced("child", known_code_with_handler, 0);
	long word;

	resume(PTRACE_CONT, pid, 0);
	word = request(PTRACE_PEEKTEXT, pid, (uintptr_t)here, 0);
	ASK(PTRACE_POKETEXT, pid, here, (word & ~0xffl) | 0xcc);
	resume(PTRACE_CONT, pid, 0);
	tell_place(pid);
	for (unsigned i = 0; i < 2; i++) {
		ASK(PTRACE_POKEUSER, pid, USER(rip), here);
		resume(how, pid, signo);
		tell_place(pid);
	}
	end(pid);
}

FACTS(back_at_a_planted_trap_which_is_hit_again)
{
	back_at_a_planted_trap(PTRACE_CONT, 0);
	back_at_a_planted_trap(PTRACE_SINGLESTEP, 0);
}

FACTS(back_at_a_planted_trap_with_a_signal)
{
	back_at_a_planted_trap(PTRACE_CONT, SIGUSR1);
	back_at_a_planted_trap(PTRACE_SINGLESTEP, SIGUSR1);
}

FACTS(a_step_with_a_signal_that_is_ignored)
{
	step_with_a_signal(known_code_without_handler, 0);
	step_with_a_signal(known_code_without_handler, -1);
}

FACTS(a_planted_trap)
{
	pid_t pid = traced("child", known_code, 0);
	long word;

	resume(PTRACE_CONT, pid, 0);
	word = request(PTRACE_PEEKTEXT, pid, (uintptr_t)here + 8, 0);
	ASK(PTRACE_POKETEXT, pid, (uintptr_t)here + 8, (word & ~0xffl) | 0xcc);
	say("reads back as %02lx", request(PTRACE_PEEKTEXT, pid, (uintptr_t)here + 8, 0) & 0xff);
	resume(PTRACE_CONT, pid, 0);
	tell_siginfo(pid);
	tell_place(pid);
	ASK(PTRACE_POKETEXT, pid, (uintptr_t)here + 8, word);
	ASK(PTRACE_POKEUSER, pid, USER(rip), (uintptr_t)here + 8);
	resume(PTRACE_SINGLESTEP, pid, 0);
	tell_place(pid);
	resume(PTRACE_CONT, pid, 0);
	tell_place(pid);
	resume(PTRACE_CONT, pid, 0);
}

FACTS(a_trap_in_code_that_was_never_touched_ends_the_program)
{
	pid_t pid = traced("child", known_code, 0);

	resume(PTRACE_CONT, pid, 0);
	resume(PTRACE_CONT, pid, SIGTRAP);
}

FACTS(a_hardware_breakpoint)
{
	pid_t pid = traced("child", known_code, 0);
	size_t dr = offsetof(struct user, u_debugreg);

	resume(PTRACE_CONT, pid, 0);
	ASK(PTRACE_POKEUSER, pid, dr, (uintptr_t)here + 1);
	ASK(PTRACE_POKEUSER, pid, dr + 56, 1);
	say("dr7 %lx", request(PTRACE_PEEKUSER, pid, dr + 56, 0));
	resume(PTRACE_CONT, pid, 0);
	tell_siginfo(pid);
	tell_place(pid);
	say("dr6 %lx", request(PTRACE_PEEKUSER, pid, dr + 48, 0));
	ASK(PTRACE_POKEUSER, pid, dr + 48, 0);
	ASK(PTRACE_POKEUSER, pid, dr + 56, 0);
	resume(PTRACE_CONT, pid, 0);
	tell_place(pid);
	say("dr0 %s", request(PTRACE_PEEKUSER, pid, dr, 0) == (long)here + 1 ? "kept" : "lost");
	end(pid);
}

static volatile long watched_word;

static void write_it(void)
{
	watched_word = 1;
	syscall(SYS_getppid);
	watched_word = 2;
	_exit((int)watched_word);
}

FACTS(a_watchpoint)
{
	pid_t pid = traced("child", write_it, 0);
	size_t dr = offsetof(struct user, u_debugreg);
	int status;

	ASK(PTRACE_POKEUSER, pid, dr + 16, (uintptr_t)&watched_word);
	ASK(PTRACE_POKEUSER, pid, dr + 56, 0xd << 24 | 1 << 4);
	while ((status = resume(PTRACE_CONT, pid, 0)) != -1 && WIFSTOPPED(status)) {
		tell_siginfo(pid);
		say("value %ld, dr6 %lx",
		    request(PTRACE_PEEKDATA, pid, (uintptr_t)&watched_word, 0),
		    request(PTRACE_PEEKUSER, pid, dr + 48, 0));
		ASK(PTRACE_POKEUSER, pid, dr + 48, 0);
	}
}
