/* SPDX-License-Identifier: MIT */
/* What perf tells of the kernel's own accesses to watched memory, to who may look into it. */
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "test/kernel/raw.h"

#define TRAP_PERF_CODE 6
#define MARK 0x1234567890abcdefull

static volatile unsigned long variable[2] __attribute__((aligned(64)));

static int opened(pid_t tid, volatile void *at, bool sigtrap)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_BREAKPOINT,
					.size = sizeof attr,
					.bp_type = HW_BREAKPOINT_W,
					.bp_addr = (uintptr_t)at,
					.bp_len = HW_BREAKPOINT_LEN_8,
					.sample_period = 1,
					.exclude_user = 1,
					.remove_on_exec = 1,
					.sigtrap = sigtrap,
					.sig_data = MARK };
	int fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int perf(pid_t tid, volatile void *at, bool sigtrap)
{
	int fd = opened(tid, at, sigtrap);

	if (fd < 0)
		test_skip("perf may not look into the kernel: %s", strerror(-fd));
	return fd;
}

static uint64_t count(int fd)
{
	uint64_t n = 0;

	CHECK_EQ(read(fd, &n, sizeof n), sizeof n);
	return n;
}

static bool waits(pid_t tid)
{
	struct {
		uint64_t off;
		uint32_t flags;
		int32_t nr;
	} which = { .nr = 8 };
	siginfo_t queued[8];
	long n = raw(PTRACE_PEEKSIGINFO, tid, (uintptr_t)&which, (uintptr_t)queued);

	for (long i = 0; i < n; i++)
		if (queued[i].si_signo == SIGTRAP && queued[i].si_code == TRAP_PERF_CODE)
			return true;
	return false;
}

/* It has made a signal of its own, which is not the one that is asked about. */
static void reaches(pid_t pid, int signo)
{
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, signo));
}

static void passes_trap(pid_t pid)
{
	unsigned long mark = 0;
	siginfo_t info;

	reaches(pid, SIGTRAP);
	CHECK_EQ(raw(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info), 0);
	CHECK_EQ(info.si_code, TRAP_PERF_CODE);
	memcpy(&mark, (char *)&info.si_addr + sizeof info.si_addr, sizeof mark);
	CHECK_EQ(mark, MARK);
	raw_cont(pid, 0);
}

static int fds[2];

static void prepare(void)
{
	char text[64] = "some text that is longer than what is watched of it all";

	if (pipe(fds) < 0 || write(fds[1], text, sizeof text) < 0)
		_exit(1);
	usleep(50000); /* it is being seized */
	raise(SIGUSR1);
}

static void reads(void)
{
	if (syscall(SYS_read, fds[0], &variable[0], sizeof variable[0]) < 0)
		_exit(1);
	raise(SIGUSR2);
}

static void reads_and_stores(void)
{
	prepare();
	reads();
	variable[0] = 1;
	raise(SIGUSR2);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &variable[0]);
	raise(SIGUSR2);
	pause();
}

static pid_t seized(void (*body)(void))
{
	pid_t pid = raw_child(body);

	raw_seize(pid, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE |
			       PTRACE_O_TRACESYSGOOD);
	reaches(pid, SIGUSR1);
	return pid;
}

TEST(a_signal_comes_at_the_end_of_the_call_and_says_whose_it_is)
{
	pid_t pid = seized(reads_and_stores);
	int fd = perf(pid, &variable, true);
	uint64_t first;

	raw_cont(pid, 0);
	passes_trap(pid);
	first = count(fd); /* more than one: byte by byte */
	CHECK(first >= 1);
	reaches(pid, SIGUSR2);
	raw_cont(pid, 0);
	reaches(pid, SIGUSR2); /* the program's own store */
	CHECK_EQ(count(fd), first);
	raw_cont(pid, 0);
	passes_trap(pid);
	CHECK(count(fd) > first);
	reaches(pid, SIGUSR2);
	close(fd);
	raw_kill(pid);
}

TEST(at_the_calls_exit_it_waits_already)
{
	pid_t pid = seized(reads_and_stores);
	int fd = perf(pid, &variable, true), status;

	do {
		CHECK_EQ(raw(PTRACE_SYSCALL, pid, 0, 0), 0);
		status = raw_status(pid);
	} while (status == EVENT_STATUS(0, SIGTRAP | 0x80) && !waits(pid));
	CHECK_EQ(status, EVENT_STATUS(0, SIGTRAP | 0x80));
	close(fd); /* does not take it back */
	CHECK(waits(pid));
	raw_cont(pid, 0);
	passes_trap(pid);
	reaches(pid, SIGUSR2);
	raw_kill(pid);
}

static void blocks(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	reads_and_stores();
}

/* It would be its death when it is let go and unblocks it. */
TEST(where_sigtrap_is_blocked_it_waits)
{
	pid_t pid = seized(blocks);
	int fd = perf(pid, &variable, true);
	uint64_t mask = 0;

	raw_cont(pid, 0);
	reaches(pid, SIGUSR2);
	CHECK(waits(pid));
	CHECK(count(fd) >= 1);
	CHECK_EQ(raw(PTRACE_SETSIGMASK, pid, sizeof mask, (uintptr_t)&mask), 0);
	raw_cont(pid, 0);
	passes_trap(pid);
	close(fd);
	raw_kill(pid);
}

static void ignores(void)
{
	signal(SIGTRAP, SIG_IGN);
	reads_and_stores();
}

static bool is_ignored(pid_t pid)
{
	char path[40], text[4096] = "", *at;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	CHECK(proc_read(path, text, sizeof text) > 0);
	at = strstr(text, "\nSigIgn:");
	return at && strtoull(at + 8, NULL, 16) >> (SIGTRAP - 1) & 1;
}

TEST(where_sigtrap_is_ignored_it_is_told_and_stays_ignored)
{
	pid_t pid = seized(ignores);
	int fd = perf(pid, &variable, true);

	raw_cont(pid, 0);
	passes_trap(pid);
	reaches(pid, SIGUSR2);
	CHECK(is_ignored(pid));
	close(fd);
	raw_kill(pid);
}

/* Without sigtrap: the opener is sent a signal with the fd, and nothing is seen by the target. */
TEST(a_quiet_one_tells_its_opener_only)
{
	pid_t pid = seized(blocks);
	int fd = perf(pid, &variable, false);
	struct timespec t = { 5, 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_EQ(fcntl(fd, F_SETSIG, SIGRTMIN), 0);
	CHECK_EQ(fcntl(fd, F_SETOWN, getpid()), 0);
	CHECK_EQ(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK), 0);
	raw_cont(pid, 0);
	reaches(pid, SIGUSR2);
	CHECK(!waits(pid));
	CHECK_EQ(sigtimedwait(&set, &info, &t), SIGRTMIN);
	CHECK_EQ(info.si_fd, fd);
	CHECK(count(fd) >= 1);
	close(fd);
	raw_kill(pid);
}

static long put(pid_t tid, unsigned which, unsigned long value)
{
	return raw(PTRACE_POKEUSER, tid, offsetof(struct user, u_debugreg) + 8 * which, value);
}

/* A register that ptrace has used once stays its own, disabled or not. */
TEST(ptrace_and_perf_share_four_registers)
{
	pid_t pid = raw_sleeper();
	int fd;

	raw_seize(pid, 0);
	raw_stop(pid);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(put(pid, i, (uintptr_t)&variable[0]), 0);
	fd = perf(pid, &variable[0], true);
	CHECK_EQ(opened(pid, &variable[1], true), -ENOSPC);
	CHECK_EQ(put(pid, 3, (uintptr_t)&variable[0]), -ENOSPC);
	close(fd);
	CHECK_EQ(put(pid, 3, (uintptr_t)&variable[0]), 0);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(put(pid, i, 0), 0);
	CHECK_EQ(put(pid, 7, 0), 0);
	CHECK_EQ(opened(pid, &variable[0], true), -ENOSPC);
	raw_kill(pid);
}

static void forks(void)
{
	prepare();
	if (fork() == 0) {
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &variable[0]);
		_exit(0);
	}
	pause();
}

TEST(a_child_has_none)
{
	pid_t pid = seized(forks);
	int fd = perf(pid, &variable, true);
	unsigned long child = 0;

	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_FORK, SIGTRAP));
	CHECK_EQ(raw(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&child), 0);
	CHECK(WIFSTOPPED(raw_status((pid_t)child)));
	raw_cont((pid_t)child, 0);
	CHECK_EQ(raw_status((pid_t)child), 0); /* it exits, without a signal */
	CHECK_EQ(count(fd), 0);
	close(fd);
	raw_kill(pid);
}

static void execs(void)
{
	char *argv[] = { (char[]){ "true" }, NULL };

	prepare();
	execv("/bin/true", argv);
	_exit(1);
}

/* As long as the fd is open the new program has one register less. */
TEST(exec_removes_them)
{
	pid_t pid = seized(execs);
	int fd = perf(pid, &variable, true);

	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_EXEC, SIGTRAP));
	CHECK_EQ(count(fd), 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(put(pid, i, (uintptr_t)&variable[0]), 0);
	CHECK_EQ(put(pid, 3, (uintptr_t)&variable[0]), -ENOSPC);
	close(fd);
	CHECK_EQ(put(pid, 3, (uintptr_t)&variable[0]), 0);
	raw_kill(pid);
}

/* The kernel gets at the memory by another address then. */
TEST(what_others_write_is_not_told)
{
	pid_t pid = seized(reads_and_stores);
	int fd = perf(pid, &variable, true);
	unsigned long value = 5;
	struct iovec from = { &value, sizeof value };
	struct iovec to = { (void *)(uintptr_t)&variable[0], sizeof value };

	CHECK_EQ(process_vm_writev(pid, &from, 1, &to, 1, 0), sizeof value);
	CHECK_EQ(raw(PTRACE_POKEDATA, pid, (uintptr_t)&variable[0], 6), 0);
	CHECK_EQ(count(fd), 0);
	raw_cont(pid, 0);
	passes_trap(pid);
	close(fd);
	raw_kill(pid);
}
