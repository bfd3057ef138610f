/* SPDX-License-Identifier: MIT */
/*
 * What the way back from a call into a task relies on (backend/ptrace/call.c): how the kernel
 * comes to signal work, and what it does there.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "test/kernel/raw.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516
#define SYSCALL_STOP EVENT_STATUS(0, SIGTRAP | 0x80)
#define STOPPED EVENT_STATUS(PTRACE_EVENT_STOP, SIGTRAP)

static struct user_regs_struct regs_of(pid_t pid)
{
	struct user_regs_struct regs;

	CHECK_EQ(raw(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs), 0);
	return regs;
}

static void set_regs(pid_t pid, const struct user_regs_struct *regs)
{
	CHECK_EQ(raw(PTRACE_SETREGS, pid, 0, (uintptr_t)regs), 0);
}

static uint64_t mask_of(pid_t pid)
{
	uint64_t mask;

	CHECK_EQ(raw(PTRACE_GETSIGMASK, pid, sizeof mask, (uintptr_t)&mask), 0);
	return mask;
}

static void set_mask(pid_t pid, uint64_t mask)
{
	CHECK_EQ(raw(PTRACE_SETSIGMASK, pid, sizeof mask, (uintptr_t)&mask), 0);
}

/* Has the task make a call at its own `syscall` instruction. It stands at the exit then. */
static long made(pid_t pid, const struct user_regs_struct *was, long nr)
{
	struct user_regs_struct regs = *was;

	regs.rip -= 2;
	regs.rax = (unsigned long)nr;
	regs.orig_rax = (unsigned long)-1;
	set_regs(pid, &regs);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(raw(PTRACE_SYSCALL, pid, 0, 0), 0);
		CHECK_EQ(raw_status(pid), SYSCALL_STOP);
	}
	return (long)regs_of(pid).rax;
}

static pid_t stopped_sleeper(void)
{
	pid_t pid = raw_sleeper();

	raw_seize(pid, PTRACE_O_TRACESYSGOOD);
	raw_stop(pid);
	CHECK_EQ(regs_of(pid).rax, (unsigned long)-ERESTARTNOHAND);
	return pid;
}

/* 78: the marks that lead to signal work are used up on the way; so the result leaks. */
TEST(an_interrupted_call_leaks_its_result_when_it_is_put_back_at_the_exit_of_another)
{
	pid_t pid = stopped_sleeper();
	struct user_regs_struct was = regs_of(pid);

	CHECK_EQ(made(pid, &was, SYS_getpid), pid);
	set_regs(pid, &was);
	CHECK_EQ(raw(PTRACE_SINGLESTEP, pid, 0, 0), 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTRAP));
	/* One instruction further in the program, which sees what it never should. */
	CHECK_OP(regs_of(pid).rip, >, was.rip);
	CHECK_EQ(regs_of(pid).rax, (unsigned long)-ERESTARTNOHAND);
	raw_kill(pid);
}

TEST(an_interrupt_at_an_exit_leads_to_a_stop_from_which_calls_are_made_again)
{
	pid_t pid = stopped_sleeper();

	for (int i = 0; i < 3; i++) {
		struct user_regs_struct was = regs_of(pid);

		CHECK_EQ(made(pid, &was, SYS_getpid), pid);
		set_regs(pid, &was);
		CHECK_EQ(raw(PTRACE_INTERRUPT, pid, 0, 0), 0);
		raw_cont(pid, 0);
		CHECK_EQ(raw_status(pid), STOPPED);
		CHECK_EQ(regs_of(pid).rax, was.rax);
	}
	raw_cont(pid, 0);
	CHECK_SOON(proc_state(pid) == 'S' && proc_blocked_in(pid) == SYS_pause, 2000);
	raw_kill(pid);
}

/* So nothing of the program's is taken out of the queue before the task is as it was. */
TEST(the_stop_of_an_interrupt_comes_before_any_signal)
{
	pid_t pid = stopped_sleeper();
	struct user_regs_struct was = regs_of(pid);

	CHECK_EQ(made(pid, &was, SYS_getpid), pid);
	set_regs(pid, &was);
	kill(pid, SIGUSR1);
	kill(pid, SIGSTOP);
	CHECK_EQ(raw(PTRACE_INTERRUPT, pid, 0, 0), 0);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), STOPPED);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGUSR1));
	raw_kill(pid);
}

/* In a group that is stopped the stop says so: the job stop is kept. */
TEST(an_interrupt_in_a_stopped_group_reports_the_job_stop_again)
{
	pid_t pid = raw_sleeper();
	struct user_regs_struct was;

	raw_seize(pid, PTRACE_O_TRACESYSGOOD);
	kill(pid, SIGSTOP);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGSTOP));
	raw_cont(pid, SIGSTOP);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_STOP, SIGSTOP));
	was = regs_of(pid);
	CHECK_EQ(made(pid, &was, SYS_getpid), pid);
	set_regs(pid, &was);
	CHECK_EQ(raw(PTRACE_INTERRUPT, pid, 0, 0), 0);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_STOP, SIGSTOP));
	CHECK_EQ(raw(PTRACE_LISTEN, pid, 0, 0), 0);
	kill(pid, SIGCONT);
	CHECK_EQ(raw_status(pid), STOPPED);
	raw_kill(pid);
}

/* Also one that is ignored; and what is delivered is what was put in its place. */
TEST(the_stop_of_one_signal_serves_to_deliver_another)
{
	pid_t pid = stopped_sleeper();
	struct user_regs_struct was = regs_of(pid);
	siginfo_t info = { .si_signo = SIGTERM, .si_code = SI_QUEUE };
	int status;

	CHECK_EQ(made(pid, &was, SYS_getpid), pid);
	set_regs(pid, &was);
	set_mask(pid, ~(1ull << (SIGURG - 1)));
	kill(pid, SIGUSR1);
	CHECK_SYS(syscall(SYS_tgkill, pid, pid, SIGURG));
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGURG));
	CHECK_EQ(raw(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info), 0);
	raw_cont(pid, SIGTERM);
	/* It is blocked, so it waits; with the mask of before it would have been fatal. */
	CHECK(raw_status_now(pid) == -1);
	CHECK_SOON(proc_blocked_in(pid) == SYS_pause, 2000);
	raw_stop(pid);
	set_mask(pid, ~(1ull << (SIGTERM - 1)));
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTERM));
	raw_cont(pid, SIGTERM);
	status = raw_status(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void suspend(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigsuspend(&set);
}

/* 80: so a mask in force for the time of a call has to be had from /proc, and set by a call. */
TEST(the_mask_that_ptrace_gives_is_the_one_to_be_restored)
{
	pid_t pid = raw_child(suspend);

	CHECK_SOON(proc_blocked_in(pid) == SYS_rt_sigsuspend, 2000);
	raw_seize(pid, 0);
	kill(pid, SIGUSR1);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGUSR1));
	CHECK_EQ(mask_of(pid), 1ull << (SIGUSR1 - 1));
	/* And setting it sets both. */
	set_mask(pid, 1ull << (SIGHUP - 1));
	CHECK_EQ(mask_of(pid), 1ull << (SIGHUP - 1));
	raw_kill(pid);
}

static void sleep_once(void)
{
	struct timespec t = { 0, 300000000 };

	if (syscall(SYS_nanosleep, &t, NULL) < 0)
		_exit(errno);
	_exit(0);
}

/* Whether the sleep ends well when the task makes @nr in between. */
static int status_after(long nr)
{
	pid_t pid = raw_child(sleep_once);
	struct user_regs_struct was;

	CHECK_SOON(proc_blocked_in(pid) == SYS_nanosleep, 2000);
	raw_seize(pid, PTRACE_O_TRACESYSGOOD);
	raw_stop(pid);
	was = regs_of(pid);
	CHECK_EQ(was.rax, (unsigned long)-ERESTART_RESTARTBLOCK);
	made(pid, &was, nr);
	set_regs(pid, &was);
	CHECK_EQ(raw(PTRACE_INTERRUPT, pid, 0, 0), 0);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), STOPPED);
	raw_cont(pid, 0);
	return WEXITSTATUS(raw_status(pid));
}

TEST(nanosleep_makes_the_kernel_forget_how_a_call_goes_on_and_others_do_not)
{
	CHECK_EQ(status_after(SYS_getpid), 0);
	CHECK_EQ(status_after(SYS_sched_yield), 0);
	/* Though it comes to its end. */
	CHECK_EQ(status_after(SYS_nanosleep), EINTR);
}

static void ignore_traps(void)
{
	signal(SIGTRAP, SIG_IGN);
	for (;;)
		;
}

/* 79: why the way back makes no step. */
TEST(a_step_resets_what_the_program_does_about_sigtrap)
{
	long inherited = proc_status_number(getpid(), "SigIgn"), before;
	pid_t pid = raw_child(ignore_traps);

	CHECK_SOON(proc_status_number(pid, "SigIgn") != inherited, 2000);
	before = proc_status_number(pid, "SigIgn");
	raw_seize(pid, PTRACE_O_TRACESYSGOOD);
	raw_stop(pid);
	CHECK_EQ(raw(PTRACE_SINGLESTEP, pid, 0, 0), 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTRAP));
	CHECK(proc_status_number(pid, "SigIgn") != before);
	raw_kill(pid);
}
