/* SPDX-License-Identifier: MIT */
/* Bounded queues: LOSSLESS delays tasks up to a deadline, LOSSY drops and counts. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

static struct cotrace *busy_target(struct target *t, const struct cotrace_options *options,
				   const char *calls)
{
	struct cotrace *s;

	s = spawned(t, options, (const char *const[]){ "sysloop", calls, NULL });
	subscribe_call(s, SYS_getppid, COTRACE_ENTRY, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	return s;
}

/* Takes everything: gives the notes about getppid, and those that LOST counts. */
static void count_all(struct cotrace *s, unsigned *calls, unsigned long long *lost)
{
	struct cotrace_event ev = EVENT_NULL;
	uint64_t seq = 0;
	int r;

	*calls = 0;
	*lost = 0;
	while ((r = cotrace_next(s, &ev, test_ns(20000))) == 1) {
		CHECK(ev.seq > seq);
		seq = ev.seq;
		*calls += ev.kind == COTRACE_EVENT_SYSCALL_ENTRY;
		if (ev.kind == COTRACE_EVENT_LOST)
			*lost += ev.lost.notes;
	}
	CHECK_EQ(r, -ESHUTDOWN);
}

TEST(a_lossless_session_loses_nothing_however_slow_it_is)
{
	unsigned long long lost;
	struct cotrace *s;
	struct target t;
	unsigned calls;

	s = busy_target(&t, OPTIONS(.queue_deadline_ns = -1), "100000");
	cotrace_resume(s, 0);
	/* It has to wait: nobody takes anything for a while. */
	test_sleep_ms(500);
	CHECK(proc_state(t.pid) != 0 && proc_state(t.pid) != 'Z');
	count_all(s, &calls, &lost);
	CHECK_EQ(lost, 0);
	CHECK_OP(calls, >=, 100000);
	target_expect(&t, "calls 100000");
	cotrace_close(s);
	target_ends_well(&t, 5000);
}

TEST(a_lossy_session_does_not_delay_and_says_how_many_it_lost)
{
	unsigned long long lost;
	struct cotrace *s;
	struct target t;
	unsigned calls;

	s = busy_target(&t, OPTIONS(.flags = COTRACE_LOSSY), "100000");
	cotrace_resume(s, 0);
	target_expect(&t, "calls 100000");
	target_ends_well(&t, 20000);
	count_all(s, &calls, &lost);
	CHECK_OP(lost, >, 0);
	/* Nothing is dropped without being counted; sysloop makes one call more at its start. */
	CHECK_OP(calls + lost, >=, 100001);
	CHECK_OP(calls + lost, <=, 100001 + 3);
	cotrace_close(s);
}

TEST(after_the_deadline_a_lossless_session_becomes_lossy_and_is_told)
{
	unsigned long long lost;
	struct cotrace *s;
	struct target t;
	unsigned calls;
	uint64_t started = test_now_ns();

	s = busy_target(&t, OPTIONS(.queue_deadline_ns = test_ns(300)), "100000");
	cotrace_resume(s, 0);
	target_expect(&t, "calls 100000");
	target_ends_well(&t, 30000);
	CHECK_OP(test_now_ns() - started, >, test_ns(250));
	count_all(s, &calls, &lost);
	CHECK_OP(lost, >, 0);
	cotrace_close(s);
}

/* One that never reads harms neither the target nor the other sessions for ever. */
TEST(a_session_that_never_reads_does_not_stop_the_others)
{
	struct cotrace *lazy, *keen;
	unsigned long long lost;
	struct target t;
	unsigned calls;

	keen = busy_target(&t, NULL, "30000");
	lazy = attached(t.pid, OPTIONS(.queue_deadline_ns = test_ns(200)));
	CHECK_EQ(cotrace_subscribe_syscalls(lazy, 0, COTRACE_ENTRY | COTRACE_EXIT, NULL,
					    COTRACE_NOTE),
		 0);
	cotrace_resume(keen, 0);
	count_all(keen, &calls, &lost);
	CHECK_EQ(lost, 0);
	CHECK_OP(calls, >=, 30000);
	cotrace_close(lazy);
	cotrace_close(keen);
	target_ends_well(&t, 5000);
}

/* Stops are never lost, in a LOSSY session neither. */
TEST(stops_are_never_lost)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.flags = COTRACE_LOSSY));
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY | COTRACE_EXIT, NULL, COTRACE_NOTE),
		 0);
	for (int i = 0; i < 3000; i++)
		puppet_tell(&t, "pid");
	for (int i = 0; i < 3000; i++)
		CHECK_EQ(puppet_answer(&t), t.pid);
	/* The queue is full by now. */
	subscribe_call(s, SYS_getuid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "raw %d", SYS_getuid);
	do
		take(s, &ev);
	while (!(ev.flags & COTRACE_EV_STOP));
	CHECK_EQ(ev.syscall.nr, SYS_getuid);
	cotrace_answer(s, &ev, NULL);
	CHECK_EQ(puppet_answer(&t), getuid());
	cotrace_close(s);
	puppet_end(&t);
}

TEST(what_is_queued_is_counted_and_can_be_read)
{
	struct cotrace_session_info info[8];
	struct cotrace *s;
	struct target t;
	int n, own = 0;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe_call(s, SYS_getpid, COTRACE_ENTRY, COTRACE_NOTE);
	for (int i = 0; i < 50; i++)
		puppet_ask(&t, "pid");
	n = cotrace_sessions(s, info, 8);
	CHECK(n > 0 && n <= 8);
	/* Others may be looking. */
	while (own + 1 < n && info[own].session != cotrace_id(s))
		own++;
	CHECK_EQ(info[own].session, cotrace_id(s));
	CHECK_OP(info[own].notes, >=, 50);
	CHECK_EQ(info[own].lost, 0);
	cotrace_close(s);
	puppet_end(&t);
}
