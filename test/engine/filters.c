/* SPDX-License-Identifier: MIT */
/* Calls that a seccomp filter of the target leaves to a tracer. */
#include <errno.h>

#include "test/engine/stage.h"

#define DATA 77

static void ask_at(struct stage *st, int64_t nr)
{
	fake_push_seccomp(st->kernel, PID, nr, 7, DATA);
	settle(st);
}

static unsigned extra_of(struct stage *st, pid_t tid)
{
	return fake_task(st->kernel, tid)->extra_stops;
}

static void only_who_wants_such_stops_has_them(void **state)
{
	struct stage *st = *state;
	struct client *one = client_attached(st), *two = client_attached(st);

	assert_int_equal(extra_of(st, PID), 0);
	subscribe(one, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	assert_int_equal(extra_of(st, PID), BACKEND_EXTRA_SECCOMP);
	subscribe(two, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
	assert_int_equal(extra_of(st, PID), BACKEND_EXTRA_SECCOMP | BACKEND_EXTRA_EXITING);
	client_close(one);
	fake_push_kind(st->kernel, PID, BACKEND_SPURIOUS);
	settle(st);
	assert_int_equal(extra_of(st, PID), BACKEND_EXTRA_EXITING);
}

static void a_child_that_nobody_asks_for_loses_the_stops_of_its_parent(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *tree;

	tree = with_tree(st);
	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	give_birth(st, PID, BACKEND_FORK, 300);
	assert_true(runs(st, 300));
	assert_int_equal(extra_of(st, 300), 0);
	expect_none(tree);
}

static void a_filters_question_is_a_stop_with_its_data_and_passes(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	ask_at(st, 42);
	ev = expect(c, COTRACE_EVENT_SECCOMP);
	assert_int_equal(ev.flags, COTRACE_EV_STOP);
	assert_int_equal(ev.seccomp.nr, 42);
	assert_int_equal(ev.seccomp.args[0], 7);
	assert_int_equal(ev.seccomp.data, DATA);
	assert_int_equal(ev.head.arch, 1);
	assert_false(runs(st, PID));
	answer(c, &ev, COTRACE_PASS, 0);
	assert_true(runs(st, PID));
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_DENY, PID), 0);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_RUN);
}

static void without_one_who_decides_the_call_fails_as_untraced(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_NOTE);
	ask_at(st, 42);
	ev = expect(c, COTRACE_EVENT_SECCOMP);
	assert_int_equal(ev.flags, COTRACE_EV_DENIED);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -ENOSYS);
	/* Nobody at all: the option was on a moment ago. */
	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_OFF);
	fake_forget_calls(st->kernel);
	ask_at(st, 42);
	expect_none(c);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -ENOSYS);
	assert_true(runs(st, PID));
}

static void an_observer_does_not_decide(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	granted(c, ATTENUATE, attenuate, 0);
	ask_at(st, 42);
	assert_int_equal(expect(c, COTRACE_EVENT_SECCOMP).flags, COTRACE_EV_DENIED);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -ENOSYS);
}

static void two_decide_one_after_the_other_and_a_denial_stands(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st);
	struct seen ev;

	subscribe(old, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	subscribe(new, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	ask_at(st, 42);
	expect_none(old);
	ev = expect(new, COTRACE_EVENT_SECCOMP);
	answer(new, &ev, COTRACE_DENY, -EXDEV);
	ev = expect(old, COTRACE_EVENT_SECCOMP);
	assert_int_equal(ev.flags, COTRACE_EV_STOP | COTRACE_EV_DENIED);
	answer(old, &ev, COTRACE_REPLACE, 3);
	assert_int_equal(expect(old, COTRACE_EVENT_REFUSED).refused.error, -EPERM);
	assert_true(runs(st, PID));
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EXDEV);
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_SET, PID), 0);
}

/* The entry has passed the sandbox: what a debugger makes of the call then must do so too. */
static void a_call_changed_there_is_judged_by_those_who_judge_entries(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st), *newest;
	struct client *policy =
		client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });
	struct seen ev;

	newest = client_attached(st);
	subscribe(new, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	subscribe_calls(old, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(newest, COTRACE_ENTRY, COTRACE_NOTE);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	expect(newest, COTRACE_EVENT_SYSCALL_ENTRY);
	ev = expect(old, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(old, &ev, COTRACE_PASS, 0);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(policy, &ev, COTRACE_PASS, 0);
	ask_at(st, 42);
	ev = expect(new, COTRACE_EVENT_SECCOMP);
	answer(new, &ev, COTRACE_REPLACE, 59);
	ev = expect(old, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.syscall.nr, 59);
	assert_int_equal(ev.flags, COTRACE_EV_STOP | COTRACE_EV_REPLACED | COTRACE_EV_REOFFER);
	answer(old, &ev, COTRACE_PASS, 0);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.syscall.nr, 59);
	answer(policy, &ev, COTRACE_DENY, -EPERM);
	expect_none(newest);
	expect_none(new);
	assert_true(runs(st, PID));
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EPERM);
}

static void a_policy_that_comes_at_that_stop_judges_the_call(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *policy;
	struct seen ev;

	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	ask_at(st, 42);
	ev = expect(c, COTRACE_EVENT_SECCOMP);
	policy = client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });
	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	expect_none(policy);
	answer(c, &ev, COTRACE_PASS, 0);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(policy, &ev, COTRACE_DENY, -EPERM);
	assert_true(runs(st, PID));
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EPERM);
}

static void what_was_denied_at_the_entry_is_no_question(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(c, &ev, COTRACE_DENY, -EPERM);
	ask_at(st, -1);
	expect_none(c);
	assert_true(runs(st, PID));
}

static void a_replaced_call_is_seen_to_its_exit_and_put_right(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	ask_at(st, 42);
	ev = expect(c, COTRACE_EVENT_SECCOMP);
	answer(c, &ev, COTRACE_REPLACE, 43);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_SET, PID)->value, 43);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_SYSCALLS);
	fake_push_exit(st->kernel, PID, 43, 0);
	settle(st);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_RESTORE, PID)->value, 42);
	expect_none(c);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_RUN);
}

/* Untraced it would not have been broken, and the filter not asked again. */
static void a_call_made_again_after_a_stop_is_told_once(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	fake_task(st->kernel, PID)->can_put_back = true;
	ask_at(st, 42);
	ev = expect(c, COTRACE_EVENT_SECCOMP);
	answer(c, &ev, COTRACE_PASS, 0);
	stop_task(c, PID);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	expect(c, COTRACE_EVENT_STOP_DONE);
	resume_all(c);
	ask_at(st, 42);
	expect_none(c);
	assert_true(runs(st, PID));
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_DENY, PID), 0);
	ask_at(st, 42);
	expect(c, COTRACE_EVENT_SECCOMP);
}

static void no_call_into_the_task_is_made_from_there(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct wire_syscall m = { .task = task_id(st, PID), .nr = 39, .timeout_ns = -1 };

	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	ask_at(st, 42);
	expect(c, COTRACE_EVENT_SECCOMP);
	client_begin(c, WIRE_SYSCALL, 0);
	wire_put_syscall(&c->writer, &m);
	client_send(c, -1);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_SYSCALL), -EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(only_who_wants_such_stops_has_them),
		STAGED(a_child_that_nobody_asks_for_loses_the_stops_of_its_parent),
		STAGED(a_filters_question_is_a_stop_with_its_data_and_passes),
		STAGED(without_one_who_decides_the_call_fails_as_untraced),
		STAGED(an_observer_does_not_decide),
		STAGED(two_decide_one_after_the_other_and_a_denial_stands),
		STAGED(a_call_changed_there_is_judged_by_those_who_judge_entries),
		STAGED(a_policy_that_comes_at_that_stop_judges_the_call),
		STAGED(what_was_denied_at_the_entry_is_no_question),
		STAGED(a_replaced_call_is_seen_to_its_exit_and_put_right),
		STAGED(a_call_made_again_after_a_stop_is_told_once),
		STAGED(no_call_into_the_task_is_made_from_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
