/* SPDX-License-Identifier: MIT */
/* Debug registers as ptrace gives them. */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/kernel/raw.h"

#define WRITES(i, bits) (1ul << (2 * (i)) | (1ul | (bits) << 2) << (16 + 4 * (i)))
#define LENGTH_1 0ul
#define LENGTH_8 2ul

static volatile unsigned long variable[2] __attribute__((aligned(64)));

static long put(pid_t tid, unsigned which, unsigned long value)
{
	return raw(PTRACE_POKEUSER, tid, offsetof(struct user, u_debugreg) + 8 * which, value);
}

static unsigned long get(pid_t tid, unsigned which)
{
	unsigned long value = 0;

	CHECK_EQ(syscall(SYS_ptrace, PTRACE_PEEKUSER, tid,
			 offsetof(struct user, u_debugreg) + 8 * which, &value),
		 0);
	return value;
}

static int trap_code(pid_t tid)
{
	siginfo_t info;

	CHECK_EQ(raw(PTRACE_GETSIGINFO, tid, 0, (uintptr_t)&info), 0);
	return info.si_code;
}

/* Stops itself; from there on it is watched. */
static pid_t watched(void (*body)(void))
{
	pid_t pid = raw_child(body);

	raw_seize(pid, PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGUSR1));
	CHECK_EQ(put(pid, 7, 0), 0);
	CHECK_EQ(put(pid, 0, (uintptr_t)&variable), 0);
	CHECK_EQ(put(pid, 7, WRITES(0, LENGTH_8)), 0);
	raw_cont(pid, 0);
	return pid;
}

static void ready(void)
{
	while (proc_status_number(getpid(), "TracerPid") <= 0)
		usleep(1000); /* it is being seized */
	raise(SIGUSR1);
}

static void writes(void)
{
	ready();
	variable[0] = 1;
	raise(SIGUSR1);
	pause();
}

/* 98 */
TEST(what_was_hit_stays_until_it_is_cleared)
{
	pid_t pid = watched(writes);

	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTRAP));
	CHECK_EQ(trap_code(pid), TRAP_HWBKPT);
	CHECK_EQ(get(pid, 6) & 0xf, 1);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGUSR1));
	CHECK_EQ(get(pid, 6) & 0xf, 1);
	CHECK_EQ(put(pid, 6, 0), 0);
	CHECK_EQ(get(pid, 6) & 0xf, 0);
	raw_kill(pid);
}

static void threads(void)
{
	ready();
	if (fork() == 0) {
		variable[0] = 2;
		_exit(0);
	}
	variable[1] = 1;
	pause();
}

/* 97 */
TEST(a_new_task_has_nothing_armed_though_it_reads_so)
{
	pid_t pid = watched(threads);
	unsigned long child = 0;
	int status;

	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_FORK, SIGTRAP));
	CHECK_EQ(raw(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&child), 0);
	status = raw_status((pid_t)child);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(get((pid_t)child, 7), WRITES(0, LENGTH_8));
	CHECK_EQ(get((pid_t)child, 0), 0);
	raw_cont((pid_t)child, 0);
	CHECK_EQ(raw_status((pid_t)child), 0); /* it has written, and exits */
	raw_kill(pid);
}

/* 99 */
TEST(a_disabled_register_takes_any_address)
{
	pid_t pid = watched(writes);

	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTRAP));
	CHECK_EQ(put(pid, 0, (uintptr_t)&variable + 1), -EINVAL);
	CHECK_EQ(put(pid, 7, 0), 0);
	CHECK_EQ(put(pid, 0, (uintptr_t)&variable + 1), 0);
	CHECK_EQ(put(pid, 7, WRITES(0, LENGTH_8)), -EINVAL);
	CHECK_EQ(put(pid, 7, WRITES(0, LENGTH_1)), 0);
	raw_kill(pid);
}

static void writes_in_a_call(void)
{
	unsigned long value = 3;
	int fds[2];

	if (pipe(fds) < 0 || write(fds[1], &value, sizeof value) < 0)
		_exit(1);
	ready();
	if (read(fds[0], (void *)&variable[0], sizeof variable[0]) < 0)
		_exit(1);
	raise(SIGUSR2);
	pause();
}

/* The engine looks at every stop whether this has changed. For those there is perf: perf.c. */
TEST(the_kernels_own_writes_are_not_told)
{
	pid_t pid = watched(writes_in_a_call);

	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGUSR2));
	CHECK_EQ(raw(PTRACE_PEEKDATA, pid, (uintptr_t)&variable[0], (uintptr_t)&variable[1]), 0);
	CHECK_EQ(variable[1], 3);
	if (get(pid, 6) & 0xf)
		test_note("this kernel does tell: the man pages say that none does");
	raw_kill(pid);
}

static void steps(void)
{
	ready();
	variable[0] = 1;
	pause();
}

/* 39 */
TEST(the_code_of_a_watched_step_says_step)
{
	pid_t pid = watched(steps);

	/* It was let go on already: wait for the write, and do it again by steps. */
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTRAP));
	raw_kill(pid);
	pid = raw_child(steps);
	raw_seize(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGUSR1));
	CHECK_EQ(put(pid, 0, (uintptr_t)&variable), 0);
	CHECK_EQ(put(pid, 7, WRITES(0, LENGTH_8)), 0);
	do {
		CHECK_EQ(raw(PTRACE_SINGLESTEP, pid, 0, 0), 0);
		CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGTRAP));
	} while (!(get(pid, 6) & 0xf));
	CHECK_EQ(trap_code(pid), TRAP_TRACE);
	CHECK_EQ(get(pid, 6) & 0xf, 1);
	raw_kill(pid);
}

TEST(what_perf_has_is_refused)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_BREAKPOINT,
					.size = sizeof attr,
					.bp_type = HW_BREAKPOINT_W,
					.bp_addr = (uintptr_t)&variable,
					.bp_len = HW_BREAKPOINT_LEN_8,
					.pinned = 1,
					.exclude_kernel = 1 };
	pid_t pid = raw_child(steps);
	int fds[4], n = 0;

	raw_seize(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(0, SIGUSR1));
	while (n < 4 && (fds[n] = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, 0)) >= 0)
		n++;
	if (n == 0)
		test_skip("no perf events");
	CHECK_EQ(n, 4);
	CHECK_EQ(put(pid, 0, (uintptr_t)&variable), -ENOSPC);
	while (n > 0)
		close(fds[--n]);
	CHECK_EQ(put(pid, 0, (uintptr_t)&variable), 0);
	raw_kill(pid);
}
