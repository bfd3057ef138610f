/* SPDX-License-Identifier: MIT */
/* Attaching, detaching, who may ask. Numbers are rows of the conformance list. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/kernel/raw.h"

/* 12 */
TEST(a_second_tracer_is_refused)
{
	pid_t pid = raw_sleeper();
	int status;
	pid_t other;

	raw_seize(pid, 0);
	other = fork();
	if (other == 0)
		_exit(raw(PTRACE_SEIZE, pid, 0, 0) == -EPERM ? 0 : 1);
	waitpid(other, &status, 0);
	CHECK_EQ(status, 0);
	raw_kill(pid);
}

/* 13 */
TEST(seizing_a_zombie_is_refused_like_a_lack_of_privilege)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_SOON(proc_state(pid) == 'Z', 2000);
	CHECK_EQ(raw(PTRACE_SEIZE, pid, 0, 0), -EPERM);
	waitpid(pid, NULL, 0);
	CHECK_EQ(raw(PTRACE_SEIZE, pid, 0, 0), -ESRCH);
}

static long other_result;
static pid_t shared_pid;

static void *ask_from_other_thread(void *arg)
{
	other_result = raw(PTRACE_CONT, shared_pid, 0, 0);
	return arg;
}

/* 14: so one thread of the engine does all of it. */
TEST(requests_of_another_thread_of_the_tracer_fail)
{
	pthread_t thread;

	shared_pid = raw_sleeper();
	raw_seize(shared_pid, 0);
	raw_stop(shared_pid);
	pthread_create(&thread, NULL, ask_from_other_thread, NULL);
	pthread_join(thread, NULL);
	CHECK_EQ(other_result, -ESRCH);
	raw_cont(shared_pid, 0);
	raw_kill(shared_pid);
}

static void seize_task(pid_t tid, void *arg)
{
	unsigned *count = arg;

	*count += raw(PTRACE_SEIZE, tid, 0, 0) == 0;
}

/* Every kind of blocked call: neither SEIZE nor the tracer's end ends one early. */
TEST(seizing_and_the_tracers_end_disturb_no_blocked_call)
{
	struct target t;
	char line[100];
	pid_t tracer;
	int status;

	TARGET_START(&t, "blocked", "all");
	target_line(&t, line, sizeof line);
	tracer = fork();
	if (tracer == 0) {
		unsigned count = 0;

		proc_each_task(t.pid, seize_task, &count);
		test_sleep_ms(30);
		_exit(count > 30 ? 0 : 1);
	}
	waitpid(tracer, &status, 0);
	CHECK_EQ(status, 0);
	target_go(&t);
	target_line(&t, line, sizeof line);
	CHECK_OP(strncmp(line, "woke", 4), ==, 0);
	target_ends_well(&t, 5000);
}

/* 21, 22: why an attach must not stop anything. */
TEST(an_interrupt_ends_epoll_wait_with_eintr)
{
	struct target t;
	unsigned count = 0;
	char line[100];
	pid_t waiter;

	TARGET_START(&t, "blocked", "epoll_wait");
	target_expect(&t, "ready 1");
	proc_each_task(t.pid, seize_task, &count);
	CHECK_EQ(count, 2);
	waiter = raw_task(t.pid, 1);
	raw_stop(waiter);
	raw_cont(waiter, 0);
	target_line(&t, line, sizeof line);
	CHECK(strncmp(line, "early epoll_wait EINTR", 22) == 0);
	raw_status(waiter);
	target_kill(&t);
}

/* 16: the tracer ends, the target runs on; a blocked epoll_wait goes on too. */
static void check_tracer_end(bool stopped, const char *kind)
{
	struct target t;
	char line[100];
	pid_t tracer;
	int status;

	TARGET_START(&t, "blocked", kind);
	target_expect(&t, "ready 1");
	tracer = fork();
	if (tracer == 0) {
		unsigned count = 0;

		proc_each_task(t.pid, seize_task, &count);
		if (stopped && raw(PTRACE_INTERRUPT, t.pid, 0, 0) == 0)
			raw_status(t.pid);
		_exit(count == 2 ? 0 : 1);
	}
	waitpid(tracer, &status, 0);
	CHECK_EQ(status, 0);
	CHECK_SOON(proc_stopped_tasks(t.pid) == 0, 2000);
	CHECK_EQ(proc_status_number(t.pid, "TracerPid"), 0);
	test_sleep_ms(20);
	target_go(&t);
	target_line(&t, line, sizeof line);
	CHECK_STR(line, "woke 1");
	target_ends_well(&t, 5000);
}

TEST(the_end_of_the_tracer_disturbs_no_blocked_epoll_wait)
{
	check_tracer_end(false, "epoll_wait");
}

TEST(the_end_of_the_tracer_lets_stopped_tasks_run)
{
	check_tracer_end(true, "futex");
}

/* 35 */
TEST(an_interrupt_can_arrive_after_another_stop)
{
	pid_t pid = raw_sleeper();

	raw_seize(pid, 0);
	kill(pid, SIGUSR1);
	CHECK_EQ(WSTOPSIG(raw_status(pid)), SIGUSR1);
	CHECK_EQ(raw(PTRACE_INTERRUPT, pid, 0, 0), 0);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid) >> 16, PTRACE_EVENT_STOP);
	raw_kill(pid);
}

/* 15 and 17: what makes spawn safe. */
TEST(exitkill_kills_the_target_when_the_tracer_ends)
{
	pid_t pid = raw_sleeper(), tracer = fork();

	if (tracer == 0) {
		raw_seize(pid, PTRACE_O_EXITKILL);
		_exit(0);
	}
	waitpid(tracer, NULL, 0);
	CHECK_EQ(WTERMSIG(raw_status(pid)), SIGKILL);
}
