/* SPDX-License-Identifier: MIT */
/* R2: who judges a call into a task, and what stays of the stop at which it stands. */
#include <errno.h>
#include <signal.h>

#include "test/engine/inject.h"

static void those_nearer_to_the_kernel_judge(void **state)
{
	struct stage *st = *state;
	struct client *older = client_attached(st), *c = client_attached(st),
		      *younger = client_attached(st), *policy;
	struct seen ev;

	policy = client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });
	subscribe_calls(older, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(younger, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	subscribe_calls(c, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, -1);
	push_entry(st);
	ev = expect(older, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.syscall.nr, NR);
	expect_none(policy);
	assert_false(runs(st, PID));
	answer(older, &ev, COTRACE_REPLACE, NR + 1);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_SET, PID)->value, NR + 1);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.syscall.nr, NR + 1);
	assert_true(ev.flags & COTRACE_EV_REPLACED);
	answer(policy, &ev, COTRACE_DENY, -EACCES);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EACCES);
	assert_true(runs(st, PID));
	push_exit(st, -EACCES);
	ev = expect(older, COTRACE_EVENT_SYSCALL_EXIT);
	assert_true(ev.flags & COTRACE_EV_DENIED);
	expect_no_answer(c);
	resume_all(older);
	expect_answer(c, 0, -EACCES);
	expect_none(younger);
	expect_none(c);
	expect_none(policy);
}

static void no_call_without_a_way_back_can_be_put_in_its_place(void **state)
{
	struct stage *st = *state;
	struct client *older = client_attached(st), *c = client_attached(st);
	struct seen ev;

	subscribe_calls(older, COTRACE_ENTRY, COTRACE_STOP);
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, -1);
	push_entry(st);
	ev = expect(older, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(older, &ev, COTRACE_REPLACE, 59);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EPERM);
	push_exit(st, -EPERM);
	expect_answer(c, 0, -EPERM);
}

/* No time at all, and others who do not care. */
static void only_those_who_want_to_judge_are_waited_for(void **state)
{
	struct stage *st = *state;
	struct client *older = client_attached(st), *c = client_attached(st);

	subscribe_calls(older, COTRACE_EXIT, COTRACE_NOTE);
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, 0);
	pass_time(st, 1000);
	push_entry(st);
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_DENY, PID), 0);
	push_exit(st, 5);
	expect_answer(c, 0, 5);
	expect(older, COTRACE_EVENT_SYSCALL_EXIT);
}

static void an_exit_can_be_replaced(void **state)
{
	struct stage *st = *state;
	struct client *older = client_attached(st), *c = client_attached(st);
	struct seen ev;

	subscribe_calls(older, COTRACE_EXIT, COTRACE_STOP);
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, -1);
	push_entry(st);
	push_exit(st, 5);
	ev = expect(older, COTRACE_EVENT_SYSCALL_EXIT);
	assert_int_equal(ev.syscall.result, 5);
	answer(older, &ev, COTRACE_REPLACE, 6);
	expect_answer(c, 0, 6);
}

/* A stop of one's own and that of a call into the task, open at once. */
static void offers_of_the_outer_stop_stay_open(void **state)
{
	struct stage *st = *state;
	struct client *older = client_attached(st), *c = client_attached(st),
		      *younger = client_attached(st);
	struct seen outer, inner;

	subscribe_calls(older, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_signals(younger, ~0ull, COTRACE_STOP);
	subscribe_signals(older, ~0ull, COTRACE_STOP);
	st->kernel->dispositions[SIGUSR1] = BACKEND_SIG_HANDLED;
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	outer = expect(older, COTRACE_EVENT_SIGNAL);
	stop_task(c, PID);
	client_forget(c);
	ask_for(c, NR, -1);
	push_entry(st);
	inner = expect(older, COTRACE_EVENT_SYSCALL_ENTRY);
	/* The outer one is answered first: it is the next one's turn. */
	answer(older, &outer, COTRACE_REPLACE, SIGUSR2);
	expect_none(younger);
	answer(older, &inner, COTRACE_PASS, 0);
	push_exit(st, 5);
	expect_answer(c, 0, 5);
	outer = expect(younger, COTRACE_EVENT_SIGNAL);
	assert_int_equal(outer.signal.signo, SIGUSR2);
	answer(younger, &outer, COTRACE_PASS, 0);
	resume_all(c);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->signo, SIGUSR2);
}

static void what_was_judged_is_judged_anew_when_the_target_changes(void **state)
{
	struct stage *st = *state;
	struct client *first = client_attached(st), *second = client_attached(st),
		      *c = client_attached(st);
	struct seen ev, other;

	subscribe_calls(first, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(second, COTRACE_ENTRY, COTRACE_STOP);
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, -1);
	push_entry(st);
	ev = expect(second, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(second, &ev, COTRACE_PASS, 0);
	ev = expect(first, COTRACE_EVENT_SYSCALL_ENTRY);
	client_begin(c, WIRE_MEMORY_WRITE, 0);
	wire_put_memory_write(&c->writer,
			      &(struct wire_memory_write){ .pid = PID, .addr = FAKE_MEMORY_AT });
	wire_put_bytes(&c->writer, "x", 1);
	client_send(c, -1);
	settle(st);
	answer(first, &ev, COTRACE_PASS, 0);
	other = expect(second, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_true(other.flags & COTRACE_EV_REOFFER);
	assert_false(runs(st, PID));
	answer(second, &other, COTRACE_PASS, 0);
	ev = expect(first, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(first, &ev, COTRACE_PASS, 0);
	push_exit(st, 5);
	expect(second, 0);
	client_forget(c);
}

/*
 * A policy that has judged the program's own call and is asked about the one that @c makes
 * there: @ev.
 */
static struct client *policy_at_entry(struct stage *st, struct client *c, struct seen *ev)
{
	struct client *policy =
		client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });

	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 39, 1);
	settle(st);
	*ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	stop_task(c, PID);
	answer(policy, ev, COTRACE_PASS, 0);
	client_forget(c);
	ask_for(c, NR, -1);
	*ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	return policy;
}

/* What the call wrote may be what the program's own call, judged already, is about. */
static void the_programs_call_is_judged_again_after_a_call_at_its_entry(void **state)
{
	struct stage *st = *state;
	struct client *policy, *c = client_attached(st);
	struct seen ev;

	policy = policy_at_entry(st, c, &ev);
	assert_int_equal(ev.syscall.nr, NR);
	answer(policy, &ev, COTRACE_PASS, 0);
	push_exit(st, 5);
	expect_answer(c, 0, 5);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_true(ev.flags & COTRACE_EV_REOFFER);
	resume_all(c);
	assert_false(runs(st, PID));
	answer(policy, &ev, COTRACE_PASS, 0);
	assert_true(runs(st, PID));
}

/* Also when who asked for it is gone before its end. */
static void the_programs_call_is_judged_again_though_the_asker_is_gone(void **state)
{
	struct stage *st = *state;
	struct client *policy, *c = client_attached(st);
	struct seen ev;

	policy = policy_at_entry(st, c, &ev);
	answer(policy, &ev, COTRACE_PASS, 0);
	client_close(c);
	push_interrupted_exit(st, -512);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.syscall.nr, 39);
	assert_true(ev.flags & COTRACE_EV_REOFFER);
	assert_false(runs(st, PID));
	answer(policy, &ev, COTRACE_PASS, 0);
	assert_true(runs(st, PID));
}

static void a_call_not_judged_in_time_is_not_made(void **state)
{
	struct stage *st = *state;
	struct client *policy, *c = client_attached(st);
	struct seen ev;

	policy = client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });
	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, 1000);
	push_entry(st);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	pass_time(st, 2000);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EINTR);
	push_interrupted_exit(st, -EINTR);
	expect_answer(c, -ETIMEDOUT, 0);
	answer(policy, &ev, COTRACE_DENY, -EPERM);
	assert_false(runs(st, PID));
}

static void a_judge_that_goes_away_counts_as_passed(void **state)
{
	struct stage *st = *state;
	struct client *older = client_attached(st), *c = client_attached(st);

	subscribe_calls(older, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, -1);
	push_entry(st);
	expect(older, COTRACE_EVENT_SYSCALL_ENTRY);
	client_close(older);
	assert_true(runs(st, PID));
	push_exit(st, 5);
	expect_answer(c, 0, 5);
}

/* 76 */
static void death_in_a_judged_call_gives_its_entry_an_exit(void **state)
{
	struct stage *st = *state;
	struct client *older = client_attached(st), *c = client_attached(st);
	struct seen ev;

	subscribe_calls(older, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, -1);
	push_entry(st);
	expect(older, COTRACE_EVENT_SYSCALL_ENTRY);
	fake_push_dead(st->kernel, PID, 9);
	settle(st);
	ev = expect(older, COTRACE_EVENT_SYSCALL_EXIT);
	assert_int_equal(ev.syscall.nr, NR);
	assert_true(ev.flags & COTRACE_EV_NO_RETURN);
	expect_answer(c, -ESRCH, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(those_nearer_to_the_kernel_judge),
		STAGED(no_call_without_a_way_back_can_be_put_in_its_place),
		STAGED(only_those_who_want_to_judge_are_waited_for),
		STAGED(an_exit_can_be_replaced),
		STAGED(offers_of_the_outer_stop_stay_open),
		STAGED(what_was_judged_is_judged_anew_when_the_target_changes),
		STAGED(the_programs_call_is_judged_again_after_a_call_at_its_entry),
		STAGED(the_programs_call_is_judged_again_though_the_asker_is_gone),
		STAGED(a_call_not_judged_in_time_is_not_made),
		STAGED(a_judge_that_goes_away_counts_as_passed),
		STAGED(death_in_a_judged_call_gives_its_entry_an_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
