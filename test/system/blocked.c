/* SPDX-License-Identifier: MIT */
/*
 * No blocked call ends early over attach, stop, resume and detach (rows 18 to 22, 35).
 * 1,000 rounds in a campaign. See test/targets/blocked.c.
 */
#include <signal.h>

#include "test/system/sleepers.h"

static void one_round(pid_t pid, unsigned i)
{
	struct cotrace *s = attached(pid, NULL);

	if (i % 4 == 3)
		subscribe_all(s, COTRACE_NOTE);
	if (i % 4 != 0) {
		CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
		if (i % 4 != 2)
			CHECK_EQ(cotrace_resume(s, 0), 0);
	}
	if (i % 8 == 5) {
		CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
		CHECK_EQ(cotrace_resume(s, 0), 0);
	}
	cotrace_close(s);
}

static void check_rounds(const char *program, unsigned rounds)
{
	struct sleepers p;

	sleepers_start(&p, program);
	for (unsigned i = 0; i < rounds; i++)
		one_round(p.t.pid, i);
	check_untouched(p.t.pid);
	sleepers_end(&p);
}

TEST(no_blocked_call_ends_early_over_rounds_of_attach_stop_resume_detach, .timeout_s = 120)
{
	check_rounds("blocked", test_rounds(40, 1000));
}

TEST(no_blocked_call_of_a_32_bit_program_ends_early, .timeout_s = 120)
{
	check_rounds("blocked-32", test_rounds(20, 1000));
}

TEST(no_blocked_call_of_a_static_program_ends_early, .timeout_s = 120)
{
	check_rounds("blocked-static", test_rounds(10, 1000));
}

/* 1,000 times in one session: stop and resume alone. */
TEST(no_blocked_call_ends_early_over_many_stops_of_one_session, .timeout_s = 120)
{
	struct sleepers p;
	struct cotrace *s;

	sleepers_start(&p, "blocked");
	s = attached(p.t.pid, NULL);
	for (unsigned i = 0; i < test_rounds(50, 1000); i++) {
		CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
		CHECK_EQ(cotrace_resume(s, 0), 0);
		drain(s);
	}
	sleepers_end(&p);
	cotrace_close(s);
}

/* Finite timeouts: the time may be longer by a stop, the answer is never EINTR nor early. */
TEST(a_finite_timeout_is_not_cut_short_by_stops)
{
	struct cotrace *s;
	struct target t;
	char line[100];

	TARGET_START(&t, "blocked", "timed", "1000");
	target_line(&t, line, sizeof line);
	s = attached(t.pid, NULL);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
		test_sleep_ms(5);
		CHECK_EQ(cotrace_resume(s, 0), 0);
		test_sleep_ms(10);
	}
	target_line(&t, line, sizeof line);
	CHECK(strncmp(line, "timed ", 6) == 0);
	cotrace_close(s);
	target_ends_well(&t, 5000);
}

static void stop_and_resume(struct cotrace *s)
{
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	CHECK_EQ(cotrace_resume(s, 0), 0);
}

/* A restart by the kernel's own means keeps the time that is left. */
TEST(a_sleep_that_the_kernel_restarts_ends_on_time)
{
	static const char *const kinds[] = { "nanosleep", "clock_nanosleep", "clock_absolute",
					     "poll", "futex_timed" };

	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
		if (!ends_on_time(kinds[k], 1000, stop_and_resume))
			FAIL("%s was begun anew", kinds[k]);
}

static void count_sleeper(pid_t tid, void *arg)
{
	*(unsigned *)arg += proc_state(tid) == 'S';
}

static bool all_sleep(pid_t pid)
{
	unsigned asleep = 0;

	return proc_each_task(pid, count_sleeper, &asleep) == asleep;
}

/*
 * An ignored signal interrupts some calls of a traced task (test/kernel): hidden too.
 *
 * One at a time. What cannot be hidden: a second signal that comes while the task which
 * took the first stands at it wakes another task; if the first one then takes that signal
 * too, the other's call has ended with EINTR without any stop.
 */
TEST(an_ignored_signal_ends_no_blocked_call)
{
	struct sleepers p;
	struct cotrace *s;
	pid_t pid;

	sleepers_start(&p, "blocked");
	pid = p.t.pid;
	s = attached(pid, NULL);
	for (int i = 0; i < 20; i++) {
		/* SIGWINCH is ignored by default. */
		CHECK_SYS(kill(pid, SIGWINCH));
		CHECK_SOON(all_sleep(pid) && proc_status_number(pid, "ShdPnd") == 0 &&
				   all_sleep(pid),
			   5000);
	}
	sleepers_end(&p);
	cotrace_close(s);
}
