/* SPDX-License-Identifier: MIT */
/* Stops, signals at them, and system calls. */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/kernel/raw.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

/* The engine finds the task that stopped by what SIGCHLD says: it names the tid. */
TEST(sigchld_names_the_task_that_stopped)
{
	int pid, code, status;
	struct target t;
	pid_t tid;

	raw_sigchld(&pid, &code, &status, 0);
	TARGET_START(&t, "many", "3");
	target_expect(&t, "ready");
	tid = raw_task(t.pid, 2);
	raw_seize(tid, 0);
	CHECK_EQ(raw(PTRACE_INTERRUPT, tid, 0, 0), 0);
	CHECK(raw_sigchld(&pid, &code, &status, test_ms(2000)));
	CHECK_EQ(pid, tid);
	CHECK(code == CLD_TRAPPED || code == CLD_STOPPED);
	CHECK_EQ(raw_status(tid) >> 16, PTRACE_EVENT_STOP);
	CHECK_EQ(raw(PTRACE_DETACH, tid, 0, 0), 0);
	target_kill(&t);
	while (raw_sigchld(&pid, &code, &status, 0))
		;
}

/* 2: so one SIGCHLD stands for several stops, and after it all likely tasks are asked. */
TEST(several_stops_make_one_sigchld)
{
	int pid, code, status, signals = 0;
	pid_t pids[10];

	raw_sigchld(&pid, &code, &status, 0);
	for (int i = 0; i < 10; i++) {
		pids[i] = raw_sleeper();
		raw_seize(pids[i], 0);
	}
	for (int i = 0; i < 10; i++)
		raw(PTRACE_INTERRUPT, pids[i], 0, 0);
	for (int i = 0; i < 10; i++)
		CHECK_SOON(proc_state(pids[i]) == 't', 2000);
	while (raw_sigchld(&pid, &code, &status, 0))
		signals++;
	CHECK_EQ(signals, 1);
	for (int i = 0; i < 10; i++)
		raw_kill(pids[i]);
	while (raw_sigchld(&pid, &code, &status, 0))
		;
}

/* 31, 32, 33 */
TEST(a_seized_job_stop_is_told_apart_and_listen_keeps_it)
{
	pid_t pid = raw_sleeper();

	raw_seize(pid, 0);
	kill(pid, SIGSTOP);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGSTOP));
	raw_cont(pid, SIGSTOP);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_STOP, SIGSTOP));
	CHECK_EQ(raw(PTRACE_LISTEN, pid, 0, 0), 0);
	/* 34: while it listens, it answers no request but INTERRUPT. */
	CHECK_EQ(raw(PTRACE_CONT, pid, 0, 0), -ESRCH);
	CHECK_EQ(raw(PTRACE_INTERRUPT, pid, 0, 0), 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_STOP, SIGSTOP));
	CHECK_EQ(raw(PTRACE_LISTEN, pid, 0, 0), 0);
	kill(pid, SIGCONT);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_STOP, SIGTRAP));
	raw_cont(pid, 0);
	CHECK_EQ(WSTOPSIG(raw_status(pid)), SIGCONT);
	raw_kill(pid);
}

static volatile sig_atomic_t handled;

static void on_usr1(int signo)
{
	handled = signo;
}

static void wait_for_usr1(void)
{
	while (!handled)
		usleep(1000);
	_exit(7);
}

/* 43 */
TEST(a_signal_given_at_another_stop_is_dropped)
{
	pid_t pid;

	signal(SIGUSR1, on_usr1); /* the child inherits it */
	pid = raw_child(wait_for_usr1);
	raw_seize(pid, 0);
	raw_stop(pid);
	raw_cont(pid, SIGUSR1);
	test_sleep_ms(50);
	CHECK_EQ(raw_status_now(pid), -1);
	kill(pid, SIGUSR1);
	CHECK_EQ(WSTOPSIG(raw_status(pid)), SIGUSR1);
	raw_cont(pid, SIGUSR1);
	CHECK_EQ(WEXITSTATUS(raw_status(pid)), 7);
}

static void call_getuid(void)
{
	for (;;)
		if (syscall(SYS_getuid) == 4711)
			_exit(9);
}

/* 36: PTRACE_GET_SYSCALL_INFO tells entry from exit. */
TEST(the_kernel_tells_entry_from_exit)
{
	struct __ptrace_syscall_info info;
	pid_t pid = raw_child(call_getuid);
	unsigned ops[4];

	raw_seize(pid, PTRACE_O_TRACESYSGOOD);
	raw_stop(pid);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(raw(PTRACE_SYSCALL, pid, 0, 0), 0);
		CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTRAP | 0x80));
		CHECK(raw(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info) > 0);
		ops[i] = info.op;
	}
	CHECK(ops[0] == PTRACE_SYSCALL_INFO_ENTRY || ops[0] == PTRACE_SYSCALL_INFO_EXIT);
	for (int i = 1; i < 4; i++)
		CHECK_EQ(ops[i] + ops[i - 1], PTRACE_SYSCALL_INFO_ENTRY + PTRACE_SYSCALL_INFO_EXIT);
	raw_kill(pid);
}

static void to_entry(pid_t pid)
{
	struct __ptrace_syscall_info info;

	do {
		CHECK_EQ(raw(PTRACE_SYSCALL, pid, 0, 0), 0);
		CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTRAP | 0x80));
		CHECK(raw(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info) > 0);
	} while (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_getuid);
}

/* How a denial works: one stop less, and the result is what was put there at the entry. */
TEST(a_skipped_call_returns_what_was_put_there_at_its_entry)
{
	pid_t pid = raw_child(call_getuid);
	struct user_regs_struct regs;

	raw_seize(pid, PTRACE_O_TRACESYSGOOD);
	raw_stop(pid);
	to_entry(pid);
	CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
	regs.orig_rax = (unsigned long)-1;
	regs.rax = 4711;
	CHECK_EQ(raw(PTRACE_SETREGS, pid, 0, (uintptr_t)&regs), 0);
	raw_cont(pid, 0);
	CHECK_EQ(WEXITSTATUS(raw_status(pid)), 9);
}

/* The number and arguments can be changed at the entry, the result at the exit. */
TEST(a_result_changed_at_the_exit_stop_is_what_the_program_sees)
{
	pid_t pid = raw_child(call_getuid);
	struct user_regs_struct regs;

	raw_seize(pid, PTRACE_O_TRACESYSGOOD);
	raw_stop(pid);
	to_entry(pid);
	CHECK_EQ(raw(PTRACE_SYSCALL, pid, 0, 0), 0);
	raw_status(pid);
	CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
	regs.rax = 4711;
	CHECK_EQ(raw(PTRACE_SETREGS, pid, 0, (uintptr_t)&regs), 0);
	raw_cont(pid, 0);
	CHECK_EQ(WEXITSTATUS(raw_status(pid)), 9);
}

/* Rewinding at the stop: the cure for 21 and 22. */
TEST(a_call_put_back_at_the_stop_goes_on_without_eintr)
{
	struct user_regs_struct regs;
	struct target t;
	pid_t tid;

	TARGET_START(&t, "blocked", "epoll_wait");
	target_expect(&t, "ready 1");
	tid = raw_task(t.pid, 1);
	raw_seize(tid, 0);
	raw_stop(tid);
	CHECK_EQ(raw(PTRACE_GETREGS, tid, 0, (uintptr_t)&regs), 0);
	CHECK_EQ((long)regs.rax, -EINTR);
	CHECK_EQ(regs.orig_rax, SYS_epoll_wait);
	regs.rax = regs.orig_rax;
	regs.rip -= 2;
	CHECK_EQ(raw(PTRACE_SETREGS, tid, 0, (uintptr_t)&regs), 0);
	CHECK_EQ(raw(PTRACE_DETACH, tid, 0, 0), 0);
	test_sleep_ms(30);
	target_go(&t);
	target_expect(&t, "woke 1");
	target_ends_well(&t, 5000);
}

static void ignore_and_wait(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event;

	signal(SIGUSR1, SIG_IGN);
	_exit(epoll_wait(ep, &event, 1, -1) == -1 && errno == EINTR ? 5 : 6);
}

/* A traced task is woken even for a signal that it ignores: the engine has to hide that too. */
TEST(an_ignored_signal_interrupts_epoll_wait_when_traced_only)
{
	pid_t pid = raw_child(ignore_and_wait);

	CHECK_SOON(proc_state(pid) == 'S' && proc_blocked_in(pid) == SYS_epoll_wait, 2000);
	kill(pid, SIGUSR1);
	test_sleep_ms(30);
	CHECK_EQ(raw_status_now(pid), -1);
	raw_seize(pid, 0);
	kill(pid, SIGUSR1);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGUSR1));
	raw_cont(pid, SIGUSR1);
	CHECK_EQ(WEXITSTATUS(raw_status(pid)), 5);
}

/* 42 */
TEST(a_stop_without_a_message_has_the_message_0)
{
	pid_t pid = raw_sleeper();
	unsigned long message = 77;

	raw_seize(pid, 0);
	raw_stop(pid);
	CHECK_EQ(raw(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message), 0);
	CHECK_EQ(message, 0);
	raw_kill(pid);
}
