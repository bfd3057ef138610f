/* SPDX-License-Identifier: MIT */
/*
 * No blocked call notices calls into its task (gotcha 78), whichever way the kernel makes it
 * again. 100,000 in a campaign. See test/targets/blocked_kinds.c.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/inject.h"
#include "test/system/sleepers.h"

/* One round: all stop, each makes calls, all run on. Returns how many calls were made. */
static unsigned round_of_calls(struct cotrace *s, unsigned each, int64_t getpid_nr)
{
	static struct cotrace_task_info v[64];
	int n = cotrace_tasks(s, v, 64);
	unsigned made = 0;

	CHECK_OP(n, >, 0);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	for (int i = 0; i < n; i++)
		for (unsigned k = 0; k < each; k++, made++)
			CHECK_EQ(called(s, v[i].task, getpid_nr, ARGS(0)), v[i].pid);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	drain(s);
	return made;
}

static void check_blocked(const char *program, unsigned calls, int64_t getpid_nr)
{
	uint64_t started = test_now_ns();
	struct sleepers p;
	struct cotrace *s;
	unsigned made = 0;

	sleepers_start(&p, program);
	s = attached(p.t.pid, NULL);
	while (made < calls)
		made += round_of_calls(s, 50, getpid_nr);
	test_note("%u calls into %u kinds of blocked calls in %.1f s", made, p.kinds,
		  (double)(test_now_ns() - started) / 1e9);
	sleepers_end(&p);
	cotrace_close(s);
}

/* 78: among them all that restart differently. */
TEST(no_blocked_call_notices_calls, .timeout_s = 120)
{
	check_blocked("blocked", test_rounds(5000, 100000), SYS_getpid);
}

TEST(no_blocked_call_of_a_32_bit_program_notices_calls, .timeout_s = 120)
{
	check_blocked("blocked-32", test_rounds(3000, 100000), I386_GETPID);
}

/* Also calls that were interrupted themselves, and that the kernel would go on with. */
TEST(no_blocked_call_notices_calls_that_are_interrupted, .timeout_s = 120)
{
	static struct cotrace_task_info v[64];
	struct sleepers p;
	struct cotrace *s;
	int64_t result;
	int n;

	sleepers_start(&p, "blocked");
	s = attached(p.t.pid, NULL);
	n = cotrace_tasks(s, v, 64);
	for (unsigned i = 0; i < test_rounds(3, 50); i++) {
		CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
		for (int k = 0; k < n; k++) {
			CHECK_EQ(cotrace_syscall(s, v[k].task, SYS_pause, ARGS(0), &result,
						 1000000),
				 -ETIMEDOUT);
			/* Sets what restart_syscall() would go on with. */
			CHECK_EQ(cotrace_syscall(s, v[k].task, SYS_poll, ARGS(0, 0, 100000),
						 &result, 1000000),
				 -ETIMEDOUT);
		}
		CHECK_EQ(cotrace_resume(s, 0), 0);
		drain(s);
		test_sleep_ms(2);
	}
	sleepers_end(&p);
	cotrace_close(s);
}

static void five_calls(struct cotrace *s)
{
	round_of_calls(s, 5, SYS_getpid);
}

/* A restart by the kernel's own means keeps the time that is left. */
TEST(a_sleep_ends_on_time_in_spite_of_calls)
{
	static const char *const kinds[] = { "nanosleep", "clock_nanosleep", "clock_absolute",
					     "poll",	  "futex_timed",     "epoll_wait" };

	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
		/* What the engine has made again begins anew. */
		if (!ends_on_time(kinds[k], 1000, five_calls) &&
		    strcmp(kinds[k], "epoll_wait") != 0)
			FAIL("%s was begun anew", kinds[k]);
}

/* What goes on by restart_syscall() must not be made to forget how. */
TEST(a_call_that_would_make_the_kernel_forget_is_refused)
{
	struct cotrace_task_info v[8];
	struct cotrace *s;
	struct target t;
	char line[100];
	int64_t result;
	int n;

	TARGET_START(&t, "blocked", "nanosleep", "1500");
	target_line(&t, line, sizeof line);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	n = cotrace_tasks(s, v, 8);
	for (int i = 0; i < n; i++)
		if (v[i].tid != t.pid)
			CHECK_EQ(cotrace_syscall(s, v[i].task, SYS_nanosleep, ARGS(0), &result, -1),
				 -EBUSY);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	target_line(&t, line, sizeof line);
	CHECK_STR(line, "timed 1");
	cotrace_close(s);
	target_ends_well(&t, 5000);
}

struct storm {
	pid_t pid;
	int count;
	atomic_bool over;
};

/* Queued signals, each of which has to arrive; job control, which has to end in running. */
static void *storm(void *arg)
{
	struct storm *st = arg;

	for (int i = 0; i < st->count; i++) {
		union sigval value = { .sival_int = i };

		while (sigqueue(st->pid, SIGRTMIN + i % 2, value) < 0)
			usleep(1000);
		if (i % 50 == 20)
			kill(st->pid, SIGSTOP);
		if (i % 50 == 30)
			kill(st->pid, SIGCONT);
		if (i % 7 == 0)
			usleep(200);
	}
	kill(st->pid, SIGCONT);
	atomic_store(&st->over, true);
	return NULL;
}

TEST(no_signal_of_a_storm_is_lost_or_doubled, .timeout_s = 120)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev);
	struct storm st = { .pid = t.pid, .count = (int)test_rounds(4000, 10000) };
	unsigned calls = 0;
	pthread_t thread;

	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGRTMIN), 0);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGRTMIN + 1), 0);
	CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(SIGRTMIN), COTRACE_STOP), 0);
	subscribe(s, COTRACE_EVENT_JOB_STOP, COTRACE_STOP);
	CHECK_EQ(pthread_create(&thread, NULL, storm, &st), 0);
	for (unsigned i = 0; !atomic_load(&st.over); i++) {
		ev = EVENT_NULL;
		if (i % 3 == 0) {
			CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
			CHECK_EQ(called(s, task_of(s, t.pid), SYS_getpid, ARGS(0)), t.pid);
			CHECK_EQ(cotrace_resume(s, 0), 0);
			calls++;
		}
		if (cotrace_next(s, &ev, 1000000) != 1 || !(ev.flags & COTRACE_EV_STOP))
			continue;
		for (unsigned k = 0; k < i % 4; k++, calls++) {
			int64_t result;
			int r = cotrace_syscall(s, ev.task, SYS_getpid, ARGS(0), &result, -1);

			/* Resumed above, after this event had been sent. */
			if (r != -EBUSY)
				CHECK_EQ(r ? r : result, t.pid);
		}
		CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	}
	pthread_join(thread, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, ~0ull, COTRACE_OFF), 0);
	subscribe(s, COTRACE_EVENT_JOB_STOP, COTRACE_OFF);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGRTMIN), st.count / 2);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGRTMIN + 1), st.count / 2);
	test_note("%u calls", calls);
	finish_calls(s, &t);
}
