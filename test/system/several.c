/* SPDX-License-Identifier: MIT */
/* Several sessions on one task: rules R1 to R4 and R9 of cotrace-semantics(7). */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

static void three(struct target *t, struct cotrace *s[3], long nr, unsigned phases)
{
	puppet_start(t);
	for (int i = 0; i < 3; i++) {
		s[i] = attached(t->pid, NULL);
		subscribe_call(s[i], nr, phases, COTRACE_STOP);
	}
}

static void finish(struct target *t, struct cotrace *s[], int n)
{
	for (int i = 0; i < n; i++)
		cotrace_close(s[i]);
	check_untouched(t->pid);
	puppet_end(t);
}

/* R2, R3: an entry meets the newest first, one at a time; an exit the oldest first. */
TEST(an_entry_meets_the_newest_session_first_and_an_exit_the_oldest)
{
	static const int entry_order[] = { 2, 1, 0 }, exit_order[] = { 0, 1, 2 };
	struct cotrace *s[3];
	struct cotrace_event ev;
	struct target t;

	three(&t, s, SYS_getpid, COTRACE_ENTRY | COTRACE_EXIT);
	puppet_tell(&t, "pid");
	for (int i = 0; i < 3; i++) {
		take_kind(s[entry_order[i]], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
		for (int k = i + 1; k < 3; k++)
			take_none(s[entry_order[k]], 20);
		cotrace_answer(s[entry_order[i]], &ev, NULL);
	}
	for (int i = 0; i < 3; i++) {
		take_kind(s[exit_order[i]], &ev, COTRACE_EVENT_SYSCALL_EXIT);
		for (int k = i + 1; k < 3; k++)
			take_none(s[exit_order[k]], 20);
		cotrace_answer(s[exit_order[i]], &ev, NULL);
	}
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(&t, s, 3);
}

TEST(a_policy_session_sits_nearest_to_the_kernel_whenever_it_came)
{
	struct cotrace *s[3];
	struct cotrace_event ev;
	struct target t;

	puppet_start(&t);
	s[0] = attached(t.pid, NULL);
	s[1] = attached(t.pid, OPTIONS(.flags = COTRACE_POLICY));
	s[2] = attached(t.pid, NULL);
	for (int i = 0; i < 3; i++)
		subscribe_call(s[i], SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "pid");
	take_kind(s[2], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s[2], &ev, NULL);
	take_kind(s[0], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	take_none(s[1], 20);
	cotrace_answer(s[0], &ev, NULL);
	take_kind(s[1], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s[1], &ev, NULL);
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(&t, s, 3);
}

/* R4: replacing is chained. */
TEST(the_next_session_sees_what_the_one_before_replaced)
{
	struct cotrace *s[3];
	struct cotrace_event ev;
	struct target t;

	three(&t, s, SYS_getpid, COTRACE_ENTRY);
	puppet_tell(&t, "raw %d 1", SYS_getpid);
	take_kind(s[2], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.args[0], 1);
	cotrace_answer(s[2], &ev,
		       VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getpid, .args = { 2 }));
	take_kind(s[1], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.args[0], 2);
	CHECK(ev.flags & COTRACE_EV_REPLACED);
	cotrace_answer(s[1], &ev,
		       VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getpid, .args = { 3 }));
	take_kind(s[0], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.args[0], 3);
	cotrace_answer(s[0], &ev, NULL);
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(&t, s, 3);
}

TEST(the_filter_looks_at_what_the_sessions_before_left)
{
	struct cotrace *a, *b, *all[2];
	struct cotrace_event ev;
	struct target t;

	puppet_start(&t);
	a = attached(t.pid, NULL);
	b = attached(t.pid, NULL);
	subscribe_call(a, SYS_getuid, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_call(b, SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "raw %d", SYS_getpid);
	take_kind(b, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(b, &ev, VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getuid));
	take_kind(a, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.nr, SYS_getuid);
	cotrace_answer(a, &ev, NULL);
	CHECK_EQ(puppet_answer(&t), getuid());
	all[0] = a, all[1] = b;
	finish(&t, all, 2);
}

/* R4: a denial is seen by the later sessions and undone by none. */
TEST(a_denial_is_seen_by_the_others_and_cannot_be_undone)
{
	struct cotrace *s[3];
	struct cotrace_event ev;
	struct target t;

	three(&t, s, SYS_getpid, COTRACE_ENTRY | COTRACE_EXIT);
	puppet_tell(&t, "raw %d", SYS_getpid);
	take_kind(s[2], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s[2], &ev, VERDICT(.action = COTRACE_DENY, .result = -EACCES));
	take_kind(s[1], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK(ev.flags & COTRACE_EV_DENIED);
	cotrace_answer(s[1], &ev, VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getpid));
	take_kind(s[0], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK(ev.flags & COTRACE_EV_DENIED);
	cotrace_answer(s[0], &ev, NULL);
	for (int i = 0; i < 3; i++) {
		/* What they have tried so far may have been told as refused. */
		skip_to(s[i], &ev, COTRACE_EVENT_SYSCALL_EXIT);
		CHECK(ev.flags & COTRACE_EV_DENIED);
		CHECK_EQ(ev.syscall.result, -EACCES);
		/* Each tries to undo it at the exit. */
		cotrace_answer(s[i], &ev, VERDICT(.action = COTRACE_REPLACE, .result = 0));
	}
	CHECK_EQ(puppet_answer(&t), -EACCES);
	finish(&t, s, 3);
}

TEST(a_suppressed_signal_stays_suppressed)
{
	struct cotrace *s[2];
	struct cotrace_event ev;
	struct target t;

	puppet_start(&t);
	puppet_ask(&t, "handle %d", SIGUSR1);
	for (int i = 0; i < 2; i++) {
		s[i] = attached(t.pid, NULL);
		CHECK_EQ(cotrace_subscribe_signals(s[i], SIGNAL_BIT(SIGUSR1), COTRACE_STOP), 0);
	}
	kill(t.pid, SIGUSR1);
	/* What comes to the program meets the oldest first. */
	take_kind(s[0], &ev, COTRACE_EVENT_SIGNAL);
	take_none(s[1], 20);
	cotrace_answer(s[0], &ev, VERDICT(.action = COTRACE_DENY));
	take_kind(s[1], &ev, COTRACE_EVENT_SIGNAL);
	CHECK(ev.flags & COTRACE_EV_DENIED);
	cotrace_answer(s[1], &ev, VERDICT(.action = COTRACE_REPLACE, .signo = SIGUSR1));
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 0);
	finish(&t, s, 2);
}

/* R3: notes are emitted at the session's place. */
TEST(a_note_shows_the_values_at_its_sessions_place)
{
	struct cotrace *s[3];
	struct cotrace_event ev;
	struct target t;

	puppet_start(&t);
	for (int i = 0; i < 3; i++) {
		s[i] = attached(t.pid, NULL);
		subscribe_call(s[i], SYS_getpid, COTRACE_ENTRY,
			       i == 1 ? COTRACE_STOP : COTRACE_NOTE);
	}
	puppet_tell(&t, "raw %d 1", SYS_getpid);
	take_kind(s[2], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.args[0], 1);
	take_kind(s[1], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	take_none(s[0], 20);
	cotrace_answer(s[1], &ev,
		       VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getpid, .args = { 9 }));
	take_kind(s[0], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.args[0], 9);
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(&t, s, 3);
}

/* R9 */
TEST(changes_are_told_to_the_others)
{
	struct cotrace *a, *b, *all[2];
	struct cotrace_event ev;
	struct target t;
	uint64_t buffer, task, value = 0;

	puppet_start(&t);
	buffer = (uint64_t)puppet_ask(&t, "buffer");
	all[0] = a = attached(t.pid, NULL);
	all[1] = b = attached(t.pid, NULL);
	task = task_of(a, t.pid);
	subscribe(b, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	subscribe(a, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	CHECK_EQ(cotrace_stop(a, task, COTRACE_ONE, test_ns(2000)), 0);
	take_kind(b, &ev, COTRACE_EVENT_CHANGED);
	CHECK_EQ(ev.changed.what, COTRACE_CHANGE_HOLD);
	CHECK_EQ(ev.changed.session, cotrace_id(a));
	CHECK_EQ(ev.task, task);
	CHECK_EQ(cotrace_write_memory(a, t.pid, buffer + 8, "abc", 3), 3);
	take_kind(b, &ev, COTRACE_EVENT_CHANGED);
	CHECK_EQ(ev.changed.what, COTRACE_CHANGE_MEMORY);
	CHECK_EQ(ev.changed.addr, buffer + 8);
	CHECK_EQ(ev.changed.length, 3);
	CHECK_EQ(ev.pid, t.pid);
	CHECK_EQ(cotrace_register_read(a, task, "r15", &value, 8), 8);
	CHECK_EQ(cotrace_register_write(a, task, "r15", &value, 8), 0);
	take_kind(b, &ev, COTRACE_EVENT_CHANGED);
	CHECK_EQ(ev.changed.what, COTRACE_CHANGE_REGISTERS);
	CHECK_EQ(ev.changed.session, cotrace_id(a));
	cotrace_resume(a, 0);
	take_kind(b, &ev, COTRACE_EVENT_CHANGED);
	CHECK_EQ(ev.changed.what, COTRACE_CHANGE_RELEASE);
	/* One's own doing is not told. */
	take_kind(a, &ev, COTRACE_EVENT_STOP_DONE);
	take_none(a, 20);
	finish(&t, all, 2);
}

/* A session that goes away in the middle of a round passes the stop on. */
TEST(the_round_goes_on_when_the_session_in_turn_closes)
{
	struct cotrace *s[3];
	struct cotrace_event ev;
	struct target t;

	three(&t, s, SYS_getpid, COTRACE_ENTRY);
	puppet_tell(&t, "pid");
	take_kind(s[2], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_close(s[2]);
	take_kind(s[1], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	/* One whose turn has not come goes away silently. */
	cotrace_close(s[0]);
	cotrace_answer(s[1], &ev, NULL);
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(&t, &s[1], 1);
}

TEST(who_holds_a_task_and_why_can_be_read)
{
	struct cotrace_hold holds[8];
	struct cotrace *s[3];
	struct cotrace_event ev;
	struct target t;

	three(&t, s, SYS_getpid, COTRACE_ENTRY);
	puppet_tell(&t, "pid");
	take_kind(s[2], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(cotrace_holds(s[0], holds, 8), 1);
	CHECK_EQ(holds[0].session, cotrace_id(s[2]));
	CHECK_EQ(holds[0].reason, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(holds[0].task, ev.task);
	CHECK_EQ(holds[0].pid, t.pid);
	CHECK_EQ(holds[0].owner_pid, getpid());
	CHECK(strncmp(holds[0].owner_command, "system-several", 14) == 0);
	/* Another session can be ended by the owner of the target. */
	CHECK_EQ(cotrace_end(s[0], cotrace_id(s[2])), 0);
	take_kind(s[2], &ev, COTRACE_EVENT_SESSION_END);
	CHECK_EQ(ev.end.reason, COTRACE_END_BY_USER);
	CHECK_EQ(cotrace_end(s[0], 999), -ENOENT);
	take_kind(s[1], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s[1], &ev, NULL);
	take_kind(s[0], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s[0], &ev, NULL);
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(&t, s, 3);
}

/* Two sessions' logs can be merged in order. */
TEST(sequence_numbers_order_the_events_of_all_sessions)
{
	struct cotrace *s[3];
	struct cotrace_event ev[3][20];
	struct target t;

	puppet_start(&t);
	for (int i = 0; i < 3; i++) {
		s[i] = attached(t.pid, NULL);
		subscribe_call(s[i], SYS_getpid, COTRACE_ENTRY, COTRACE_NOTE);
	}
	for (int i = 0; i < 20; i++)
		puppet_ask(&t, "pid");
	for (int k = 0; k < 20; k++)
		for (int i = 0; i < 3; i++)
			take_kind(s[i], &ev[i][k], COTRACE_EVENT_SYSCALL_ENTRY);
	for (int k = 0; k < 20; k++) {
		CHECK(ev[2][k].seq < ev[1][k].seq && ev[1][k].seq < ev[0][k].seq);
		CHECK(k == 0 || ev[0][k - 1].seq < ev[2][k].seq);
	}
	finish(&t, s, 3);
}
