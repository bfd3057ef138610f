/* SPDX-License-Identifier: MIT */
/* How tasks and processes end: identity over exec, causes, exit stops (gotchas 60, 61, 67). */
#include <errno.h>
#include <signal.h>

#include "engine/session.h"
#include "test/engine/stage.h"

#define OTHER 101

static struct client *watcher_of(struct stage *st)
{
	struct client *c;

	fake_add(st->kernel, PID, OTHER);
	c = client_attached(st);
	st->kernel->answers = true;
	subscribe(c, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
	subscribe(c, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	subscribe(c, COTRACE_EVENT_EXEC, COTRACE_NOTE);
	settle(st);
	return c;
}

static void the_task_that_calls_exec_keeps_its_id_and_takes_the_leaders_tid(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st);
	uint64_t leader = task_id(st, PID), other = task_id(st, OTHER);
	struct seen ev;

	fake_push_exec(st->kernel, PID, OTHER);
	settle(st);
	ev = expect(c, COTRACE_EVENT_TASK_EXIT);
	assert_true(ev.head.task == leader);
	assert_int_equal(ev.exit.cause, COTRACE_EXIT_EXEC);
	ev = expect(c, COTRACE_EVENT_EXEC);
	assert_true(ev.head.task == other);
	assert_int_equal(ev.head.tid, PID);
	assert_int_equal(ev.exec.former_tid, OTHER);
	assert_int_equal(ev.exec.generation, 2);
	expect_none(c);
	assert_true(task_id(st, PID) == other);
	assert_null(task_by_tid(st->engine, OTHER));
	assert_int_equal(fake_last(st->kernel, FAKE_RENAMED, PID)->value, OTHER);
	assert_true(runs(st, PID));
}

static void a_leader_that_ends_first_is_told_once_and_the_process_later(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st);
	struct seen ev;

	fake_push_exiting(st->kernel, PID, 3 << 8, BACKEND_EXIT_TASK);
	settle(st);
	ev = expect(c, COTRACE_EVENT_TASK_EXIT);
	assert_int_equal(ev.exit.cause, COTRACE_EXIT_OWN);
	assert_int_equal(ev.exit.code, 3);
	assert_true(runs(st, PID));
	fake_push_exiting(st->kernel, OTHER, 0, BACKEND_EXIT_TASK);
	fake_push_dead(st->kernel, OTHER, 0);
	fake_push_dead(st->kernel, PID, 3 << 8);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_TASK_EXIT).head.tid, OTHER);
	assert_int_equal(expect(c, COTRACE_EVENT_PROCESS_EXIT).exit.code, 3);
	expect(c, COTRACE_EVENT_SESSION_END);
	expect_none(c);
}

static void a_silent_end_is_told_when_its_cause_is_known(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st);
	struct seen ev;

	/* It did not call exit: its group ends, or somebody calls exec. */
	fake_push_exiting(st->kernel, OTHER, 5 << 8, BACKEND_EXIT_OTHER);
	fake_push_dead(st->kernel, OTHER, 5 << 8);
	settle(st);
	expect_none(c);
	fake_push_exiting(st->kernel, PID, 5 << 8, BACKEND_EXIT_GROUP);
	settle(st);
	ev = expect(c, COTRACE_EVENT_TASK_EXIT);
	assert_int_equal(ev.head.tid, OTHER);
	assert_int_equal(ev.exit.cause, COTRACE_EXIT_GROUP);
	assert_int_equal(expect(c, COTRACE_EVENT_TASK_EXIT).head.tid, PID);
	expect_none(c);
}

static void a_silent_end_before_an_exec_is_told_as_its_doing(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st);
	struct seen ev;

	fake_push_exiting(st->kernel, OTHER, 0, BACKEND_EXIT_OTHER);
	fake_push_dead(st->kernel, OTHER, 0);
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	ev = expect(c, COTRACE_EVENT_TASK_EXIT);
	assert_int_equal(ev.head.tid, OTHER);
	assert_int_equal(ev.exit.cause, COTRACE_EXIT_EXEC);
	expect(c, COTRACE_EVENT_EXEC);
}

static void a_silent_end_before_the_end_of_all_is_told_then(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st);

	fake_push_exiting(st->kernel, OTHER, 0, BACKEND_EXIT_OTHER);
	fake_push_dead(st->kernel, OTHER, 0);
	fake_push_dead(st->kernel, PID, 0);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_TASK_EXIT).head.tid, PID);
	assert_int_equal(expect(c, COTRACE_EVENT_TASK_EXIT).head.tid, OTHER);
	expect(c, COTRACE_EVENT_PROCESS_EXIT);
}

static void a_fatal_signal_needs_no_wait_for_its_cause(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st);
	struct seen ev;

	fake_push_exiting(st->kernel, OTHER, SIGSEGV | 0x80, BACKEND_EXIT_OTHER);
	settle(st);
	ev = expect(c, COTRACE_EVENT_TASK_EXIT);
	assert_int_equal(ev.exit.cause, COTRACE_EXIT_SIGNAL);
	assert_int_equal(ev.exit.signo, SIGSEGV);
	assert_int_equal(ev.exit.dumped_core, 1);
}

static void an_exit_stop_ends_after_two_seconds(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_TASK_EXIT, COTRACE_STOP);
	fake_push_exiting(st->kernel, OTHER, 0, BACKEND_EXIT_TASK);
	settle(st);
	ev = expect(c, COTRACE_EVENT_TASK_EXIT);
	assert_true(ev.flags & COTRACE_EV_STOP);
	pass_time(st, ENGINE_EXIT_STOP_NS - 100 * CLOCK_MS);
	assert_false(runs(st, OTHER));
	pass_time(st, 100 * CLOCK_MS);
	assert_true(runs(st, OTHER));
	answer(c, &ev, COTRACE_PASS, 0);
	expect_none(c);
}

static void sessions_share_the_time_of_an_exit_stop(void **state)
{
	struct stage *st = *state;
	struct client *a = watcher_of(st), *b = client_attached(st);
	struct seen ev;

	subscribe(a, COTRACE_EVENT_TASK_EXIT, COTRACE_STOP);
	subscribe(b, COTRACE_EVENT_TASK_EXIT, COTRACE_STOP);
	fake_push_exiting(st->kernel, OTHER, 0, BACKEND_EXIT_TASK);
	settle(st);
	expect(a, COTRACE_EVENT_TASK_EXIT);
	pass_time(st, ENGINE_EXIT_STOP_NS);
	ev = expect(b, COTRACE_EVENT_TASK_EXIT); /* too late to decide, not too late to know */
	assert_false(ev.flags & COTRACE_EV_STOP);
	assert_true(runs(st, OTHER));
}

static void no_hold_delays_death_for_longer(void **state)
{
	struct stage *st = *state;
	struct client *watcher = watcher_of(st), *holder = client_attached(st);

	stop_task(holder, OTHER);
	expect(holder, COTRACE_EVENT_STOP_DONE);
	/* Killed out of the stop: the hold is void. */
	fake_push_exiting(st->kernel, OTHER, SIGKILL, BACKEND_EXIT_OTHER);
	settle(st);
	assert_true(runs(st, OTHER));
	expect(watcher, COTRACE_EVENT_TASK_EXIT);
	/* Held at its exit, by one who does not even want to see exits. */
	st->kernel->answers = false;
	stop_task(holder, PID);
	fake_push_exiting(st->kernel, PID, 0, BACKEND_EXIT_TASK);
	settle(st);
	assert_false(runs(st, PID));
	pass_time(st, ENGINE_EXIT_STOP_NS);
	assert_true(runs(st, PID));
}

static void a_task_killed_at_an_offer_takes_the_offer_with_it(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st), *later = client_attached(st);
	struct seen ev;

	subscribe_calls(later, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, OTHER, 1, 0);
	settle(st);
	ev = expect(later, COTRACE_EVENT_SYSCALL_ENTRY);
	fake_push_dead(st->kernel, OTHER, SIGKILL);
	settle(st);
	answer(later, &ev, COTRACE_DENY, -1);
	expect_none(later);
	fake_push_dead(st->kernel, PID, SIGKILL);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_TASK_EXIT).exit.signo, SIGKILL);
	expect(c, COTRACE_EVENT_TASK_EXIT);
	expect(c, COTRACE_EVENT_PROCESS_EXIT);
	assert_int_equal(expect(later, COTRACE_EVENT_SESSION_END).end.reason,
			 COTRACE_END_TARGET_GONE);
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_DENY, 0), 0);
}

static void a_call_that_does_not_return_has_an_exit_record(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe_calls(c, COTRACE_EXIT, COTRACE_NOTE);
	fake_push_entry(st->kernel, PID, 231, 0);
	fake_push_dead(st->kernel, PID, 0);
	settle(st);
	assert_true(expect(c, COTRACE_EVENT_SYSCALL_EXIT).flags & COTRACE_EV_NO_RETURN);
	expect(c, COTRACE_EVENT_SESSION_END);
}

static void a_waiter_is_answered_when_the_task_dies_instead(void **state)
{
	struct stage *st = *state;
	struct client *c = watcher_of(st);
	struct message m;

	st->kernel->answers = false;
	request(c, STOP, stop, task_id(st, OTHER), COTRACE_ONE, 1);
	assert_false(client_take(c, WIRE_R_STOP, &m));
	fake_push_dead(st->kernel, OTHER, 0);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_STOP), 0);
}

static void an_exec_that_gains_privilege_ends_sessions_of_mere_users(void **state)
{
	struct stage *st = *state;
	struct client *user = client_attached(st), *root = client_attached(st);

	subscribe(user, COTRACE_EVENT_EXEC, COTRACE_NOTE);
	subscribe(root, COTRACE_EVENT_EXEC, COTRACE_NOTE);
	session_by_id(st->engine, user->session)->owner_uid = 1000;
	session_by_id(st->engine, root->session)->owner_uid = 0;
	fake_fail(st->kernel, FAKE_MEMORY_OPEN, -EACCES, 2);
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	assert_int_equal(expect(user, COTRACE_EVENT_SESSION_END).end.reason,
			 COTRACE_END_PRIVILEGE_GAINED);
	expect(root, COTRACE_EVENT_EXEC);
	assert_true(user->hung_up && !root->hung_up);
	assert_true(runs(st, PID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(the_task_that_calls_exec_keeps_its_id_and_takes_the_leaders_tid),
		STAGED(a_leader_that_ends_first_is_told_once_and_the_process_later),
		STAGED(a_silent_end_is_told_when_its_cause_is_known),
		STAGED(a_silent_end_before_an_exec_is_told_as_its_doing),
		STAGED(a_silent_end_before_the_end_of_all_is_told_then),
		STAGED(a_fatal_signal_needs_no_wait_for_its_cause),
		STAGED(an_exit_stop_ends_after_two_seconds),
		STAGED(sessions_share_the_time_of_an_exit_stop),
		STAGED(no_hold_delays_death_for_longer),
		STAGED(a_task_killed_at_an_offer_takes_the_offer_with_it),
		STAGED(a_call_that_does_not_return_has_an_exit_record),
		STAGED(a_waiter_is_answered_when_the_task_dies_instead),
		STAGED(an_exec_that_gains_privilege_ends_sessions_of_mere_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
