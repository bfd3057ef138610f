/* SPDX-License-Identifier: MIT */
/*
 * Waits and requests that meet signals, other waits and each other. The script run_command
 * runs this natively and under "cotrace run": each test passes in both ways.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/runner/runner.h"

static volatile sig_atomic_t alarms, children;

static void on_alarm(int signo)
{
	(void)signo;
	alarms++;
}

static void on_child(int signo)
{
	(void)signo;
	children++;
}

static void handle(int signo, void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };

	CHECK_SYS(sigaction(signo, &a, NULL));
}

static void tick(long interval_us)
{
	const struct itimerval t = { { 0, interval_us }, { 0, interval_us } };

	CHECK_SYS(setitimer(ITIMER_REAL, &t, NULL));
}

/* A child that runs @body with ticks off. */
static pid_t child_of(void (*body)(void))
{
	pid_t pid = (pid_t)CHECK_SYS(fork());

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body();
		_exit(0);
	}
	return pid;
}

static void nap(unsigned ms)
{
	test_sleep_ms(ms);
}

static int *shared;

static void share(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
}

static void stop_often(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	for (;;) {
		++*shared;
		raise(SIGUSR1);
	}
}

/* A request done twice would let it run on from a stop that we have not seen. */
TEST(a_request_that_a_signal_interrupts_is_done_once, .timeout_s = 60)
{
	int status, rounds = (int)test_rounds(3000, 20000);
	pid_t pid;

	share();
	handle(SIGALRM, on_alarm, SA_RESTART);
	pid = child_of(stop_often);
	tick(200);
	for (int i = 1; i <= rounds; i++) {
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
		CHECK_EQ(*shared, i);
		CHECK_SYS(ptrace(PTRACE_CONT, pid, 0, 0));
	}
	tick(0);
	test_note("%d interruptions", (int)alarms);
	CHECK(alarms > 10);
	kill(pid, SIGKILL);
	do
		CHECK_EQ(waitpid(pid, &status, 0), pid);
	while (!WIFSIGNALED(status));
}

static void trace_late(void)
{
	nap(100);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGUSR1);
}

TEST(a_wait_that_began_before_its_child_was_traced_hears_of_its_stop)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = child_of(trace_late);
		int status;

		CHECK_EQ(waitpid(i % 2 ? -1 : pid, &status, 0), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
		CHECK_SYS(ptrace(PTRACE_CONT, pid, 0, 0));
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		CHECK_EQ(waitpid(-1, &status, 0), -1);
		CHECK_EQ(errno, ECHILD);
	}
}

/* The wait is over when the signal comes. Under cotrace it fails now and then, see cotrace(1). */
TEST(a_wait_is_hardly_ever_interrupted_by_the_signal_that_comes_with_its_report)
{
	pid_t pid, got;
	int status, interrupted = 0;

	handle(SIGCHLD, on_child, 0);
	share();
	pid = child_of(stop_often);
	for (int i = 1; i <= 400; i++) {
		while ((got = waitpid(-1, &status, 0)) < 0 && errno == EINTR)
			interrupted++;
		CHECK_EQ(got, pid);
		CHECK_SOON(children >= i, 5000);
		CHECK_SYS(ptrace(PTRACE_CONT, pid, 0, 0));
		nap(i % 2);
	}
	test_note("%d of 400 interrupted", interrupted);
	CHECK_OP(interrupted, <=, 2);
	kill(pid, SIGKILL);
	handle(SIGCHLD, SIG_DFL, 0);
	do
		CHECK_EQ(waitpid(pid, &status, 0), pid);
	while (!WIFSIGNALED(status));
}

static void traced_and_still(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (;;)
		pause();
}

static pid_t start_traced(void)
{
	pid_t pid = child_of(traced_and_still);
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_SYS(ptrace(PTRACE_CONT, pid, 0, 0));
	return pid;
}

static void end_traced(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void exit_soon(void)
{
	nap(50);
	_exit(7);
}

TEST(a_wait_hears_of_children_that_are_not_traced)
{
	pid_t traced = start_traced();
	int status;

	for (int i = 0; i < 10; i++) {
		struct rusage usage;
		siginfo_t info;
		pid_t pid = child_of(exit_soon);

		if (i % 2) {
			CHECK_EQ(wait4(-1, &status, i % 4 == 1 ? WUNTRACED : 0, &usage), pid);
			CHECK_EQ(status, 7 << 8);
		} else {
			CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED), 0);
			CHECK_EQ(info.si_pid, pid);
			CHECK_EQ(info.si_status, 7);
		}
	}
	CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
	end_traced(traced);
	CHECK_EQ(waitpid(-1, &status, WNOHANG), -1);
	CHECK_EQ(errno, ECHILD);
}

static void stop_itself(void)
{
	nap(30);
	raise(SIGSTOP);
	for (;;)
		pause();
}

TEST(a_wait_hears_of_job_control_among_children_that_are_not_traced)
{
	pid_t traced = start_traced(), pid = child_of(stop_itself);
	siginfo_t info;
	int status;

	CHECK_EQ(waitpid(-1, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_EQ(waitid(P_ALL, 0, &info, WCONTINUED), 0);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_code, CLD_CONTINUED);
	kill(pid, SIGTERM);
	CHECK_EQ(waitpid(-1, &status, 0), pid);
	CHECK_EQ(status, SIGTERM);
	end_traced(traced);
}

/* With the report the kernel would have, though this wait is in the kernel for the others. */
TEST(a_wait_for_job_control_hears_of_traced_children_too)
{
	pid_t traced = start_traced(), pid = child_of(stop_itself);
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	for (int i = 0; i < 5; i++) {
		pid_t helper = (pid_t)CHECK_SYS(fork());

		if (helper == 0) {
			nap(30);
			kill(traced, SIGUSR2);
			kill(getpid(), SIGKILL);
		}
		CHECK_EQ(waitpid(helper, NULL, 0), helper);
		CHECK_EQ(waitpid(-1, &status, WUNTRACED), traced);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR2);
		CHECK_SYS(ptrace(PTRACE_CONT, traced, 0, 0));
	}
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	end_traced(traced);
}

static void *start_child(void *argument)
{
	nap(50);
	*(pid_t *)argument = child_of(exit_soon);
	nap(500);
	return NULL;
}

TEST(a_wait_hears_of_a_child_that_another_thread_starts_meanwhile)
{
	pid_t traced = start_traced(), pid = 0, got;
	pthread_t thread;
	int status;

	CHECK_EQ(pthread_create(&thread, NULL, start_child, &pid), 0);
	got = waitpid(-1, &status, 0);
	CHECK_EQ(got, pid);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	end_traced(traced);
}

TEST(a_signal_ends_a_wait_that_is_held)
{
	pid_t traced = start_traced();
	int status;

	handle(SIGALRM, on_alarm, 0);
	for (int i = 0; i < 20; i++) {
		const struct itimerval once = { { 0, 0 }, { 0, 5000 } };

		CHECK_SYS(setitimer(ITIMER_REAL, &once, NULL));
		CHECK_EQ(waitpid(-1, &status, 0), -1);
		CHECK_EQ(errno, EINTR);
	}
	end_traced(traced);
}

TEST(a_wait_by_pidfd_or_group_is_for_that_one)
{
	pid_t traced = start_traced(), other = start_traced();
	int fd = (int)CHECK_SYS(pidfd_open(traced, 0));
	siginfo_t info = { 0 };

	kill(other, SIGUSR1);
	nap(20);
	CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WSTOPPED | WNOHANG), 0);
	CHECK_EQ(info.si_pid, 0);
	kill(traced, SIGUSR2);
	CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WSTOPPED | WNOWAIT), 0);
	CHECK_EQ(info.si_pid, traced);
	CHECK_EQ(info.si_code, CLD_TRAPPED);
	CHECK_EQ(info.si_status, SIGUSR2);
	CHECK_EQ(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WSTOPPED), 0);
	CHECK_EQ(waitpid(traced, NULL, WNOHANG), 0);
	CHECK_EQ(waitpid(-getpgrp() - 100000, NULL, WNOHANG), -1);
	CHECK_EQ(errno, ECHILD);
	CHECK_EQ(waitpid(0, NULL, 0), other);
	close(fd);
	end_traced(traced);
	end_traced(other);
}

/* That others do not see it is the business of the pairs in test/compat/together. */
TEST(a_stop_that_its_tracer_sends_is_a_signal_to_the_tracer)
{
	pid_t traced = start_traced();
	siginfo_t info;
	int status;

	for (int i = 0; i < 20; i++) {
		CHECK_SYS(i % 2 ? syscall(SYS_tkill, traced, SIGSTOP)
				: syscall(SYS_tgkill, traced, traced, SIGSTOP));
		CHECK_EQ(waitpid(traced, &status, __WALL), traced);
		CHECK_EQ(status, SIGSTOP << 8 | 0x7f);
		CHECK_SYS(ptrace(PTRACE_GETSIGINFO, traced, 0, &info));
		CHECK_EQ(info.si_code, SI_TKILL);
		CHECK_EQ(info.si_pid, getpid());
		CHECK_SYS(ptrace(PTRACE_CONT, traced, 0, 0));
	}
	CHECK_EQ(syscall(SYS_tgkill, 1, traced, SIGSTOP), -1);
	CHECK_EQ(errno, ESRCH);
	CHECK_EQ(waitpid(traced, &status, WNOHANG), 0);
	end_traced(traced);
}

static int variable = 42;

TEST(memory_of_a_traced_child_is_read_and_written_in_every_way)
{
	pid_t traced = start_traced();
	int got[2] = { 0 };
	struct iovec local[2] = { { &got[0], 2 }, { (char *)&got[0] + 2, 2 } };
	struct iovec remote = { &variable, 4 };
	char path[64];
	int fd;

	kill(traced, SIGUSR1);
	CHECK_EQ(waitpid(traced, NULL, 0), traced);
	CHECK_EQ(process_vm_readv(traced, local, 2, &remote, 1, 0), 4);
	CHECK_EQ(got[0], 42);
	got[0] = 43;
	CHECK_EQ(process_vm_writev(traced, local, 2, &remote, 1, 0), 4);
	snprintf(path, sizeof path, "/proc/%d/task/%d/mem", (int)traced, (int)traced);
	fd = (int)CHECK_SYS(open(path, O_RDWR | O_CLOEXEC));
	CHECK_EQ(pread(fd, got + 1, 4, (off_t)(uintptr_t)&variable), 4);
	CHECK_EQ(got[1], 43);
	got[1] = 44;
	CHECK_EQ(pwrite(fd, got + 1, 4, (off_t)(uintptr_t)&variable), 4);
	CHECK_EQ(preadv(fd, local, 2, (off_t)(uintptr_t)&variable), 4);
	CHECK_EQ(got[0], 44);
	CHECK_EQ(ptrace(PTRACE_PEEKDATA, traced, &variable, 0) & 0xffffffff, 44);
	remote.iov_base = (void *)16;
	CHECK_EQ(process_vm_readv(traced, local, 2, &remote, 1, 0), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(pread(fd, got, 4, 5 << 20), -1);
	CHECK_EQ(errno, EIO);
	CHECK_EQ(pread(-1, got, 4, 5 << 20), -1);
	CHECK_EQ(errno, EBADF);
	close(fd);
	end_traced(traced);
}

TEST(arguments_that_the_kernel_refuses_are_refused)
{
	siginfo_t info;

	CHECK_EQ(waitid(P_ALL, 0, &info, WNOHANG), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(waitpid(-1, NULL, 0x1000), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(waitpid(-1, NULL, 0), -1);
	CHECK_EQ(errno, ECHILD);
	CHECK_EQ(waitid(P_PIDFD, 77, &info, WEXITED), -1);
	CHECK_EQ(errno, EBADF);
	CHECK_EQ(ptrace(PTRACE_ATTACH, getpid(), 0, 0), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(ptrace(PTRACE_CONT, getppid(), 0, 0), -1);
	CHECK_EQ(errno, ESRCH);
}
