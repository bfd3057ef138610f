/* SPDX-License-Identifier: MIT */
/* Several sessions at one stop: order, verdicts, repetition (R1 to R4). */
#include <errno.h>
#include <signal.h>

#include "test/engine/stage.h"

static struct client *policy_of(struct stage *st)
{
	return client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });
}

static void a_call_meets_the_newest_session_first_and_the_policy_last(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st);
	struct client *policy = policy_of(st);
	struct seen ev;

	subscribe_calls(old, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(new, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(new, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.flags, COTRACE_EV_STOP);
	assert_int_equal(ev.syscall.nr, 42);
	assert_int_equal(ev.syscall.args[0], 7);
	expect_none(old);
	answer(new, &ev, COTRACE_REPLACE, 43);
	ev = expect(old, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.syscall.nr, 43);
	assert_int_equal(ev.flags, COTRACE_EV_STOP | COTRACE_EV_REPLACED);
	expect_none(policy);
	answer(old, &ev, COTRACE_PASS, 0);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_false(runs(st, PID));
	answer(policy, &ev, COTRACE_DENY, -EACCES);
	assert_true(runs(st, PID));
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EACCES);
}

static void a_result_meets_the_policy_first_and_the_newest_session_last(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st);
	struct client *policy = policy_of(st);
	struct client *order[] = { policy, old, new };

	for (int i = 0; i < 3; i++)
		subscribe_calls(order[i], COTRACE_EXIT, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, 7);
	fake_push_exit(st->kernel, PID, 42, 5);
	settle(st);
	for (int i = 0; i < 3; i++) {
		struct seen ev = expect(order[i], COTRACE_EVENT_SYSCALL_EXIT);

		for (int later = i + 1; later < 3; later++)
			expect_none(order[later]);
		assert_int_equal(ev.syscall.result, 5 + i);
		answer(order[i], &ev, COTRACE_REPLACE, 6 + i);
	}
	assert_true(runs(st, PID));
	assert_int_equal(fake_last(st->kernel, FAKE_RESULT_SET, PID)->value, 8);
}

static void a_denial_is_seen_by_later_sessions_and_undone_by_none(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st);
	struct seen ev;

	subscribe_calls(old, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(new, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(new, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(new, &ev, COTRACE_DENY, -EPERM);
	ev = expect(old, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_true(ev.flags & COTRACE_EV_DENIED);
	answer(old, &ev, COTRACE_REPLACE, 1);
	assert_int_equal(expect(old, COTRACE_EVENT_REFUSED).refused.error, -EPERM);
	assert_true(runs(st, PID));
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_SET, PID), 0);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EPERM);
}

static void what_was_denied_keeps_its_result(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe_calls(c, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(c, &ev, COTRACE_DENY, -EPERM);
	fake_push_exit(st->kernel, PID, 42, -EPERM);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_EXIT);
	assert_true(ev.flags & COTRACE_EV_DENIED);
	answer(c, &ev, COTRACE_REPLACE, 0);
	assert_int_equal(expect(c, COTRACE_EVENT_REFUSED).refused.error, -EPERM);
	assert_int_equal(fake_count(st->kernel, FAKE_RESULT_SET, PID), 0);
	assert_true(runs(st, PID));
}

/* The sandbox has passed the call; a debugger that changes it then is seen again. */
static void a_policy_judges_again_what_was_changed_after_its_word(void **state)
{
	struct stage *st = *state;
	struct client *debugger = client_attached(st), *policy = policy_of(st);
	struct seen ev;

	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	stop_task(debugger, PID);
	answer(policy, &ev, COTRACE_PASS, 0);
	assert_false(runs(st, PID));
	fake_task(st->kernel, PID)->call.nr = 59; /* as registers written would make it */
	client_begin(debugger, WIRE_REGSET_WRITE, 0);
	wire_put_regset_write(&debugger->writer,
			      &(struct wire_regset_write){ task_id(st, PID), FAKE_REGSET });
	wire_put_bytes(&debugger->writer, "12345678", 8);
	client_send(debugger, -1);
	settle(st);
	assert_int_equal(client_reply_error(debugger, WIRE_REGSET_WRITE), 0);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_true(ev.flags & COTRACE_EV_REOFFER);
	assert_int_equal(ev.syscall.nr, 59);
	resume_all(debugger);
	assert_false(runs(st, PID));
	answer(policy, &ev, COTRACE_DENY, -EPERM);
	assert_true(runs(st, PID));
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_DENY, PID), 1);
}

/* A call broken by a stop is made again without a word, unless it was changed meanwhile. */
static void a_policy_judges_a_call_changed_while_it_is_made_again(void **state)
{
	struct stage *st = *state;
	struct client *debugger = client_attached(st), *policy = policy_of(st);
	struct backend_event exit = { .kind = BACKEND_SYSCALL_EXIT, .tid = PID };
	struct seen ev;

	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(policy, &ev, COTRACE_PASS, 0);
	fake_task(st->kernel, PID)->can_put_back = true;
	stop_task(debugger, PID);
	exit.syscall = (struct backend_syscall){ .arch = 1, .nr = 42, .args[0] = 7 };
	exit.syscall.interrupted = true;
	fake_push(st->kernel, &exit);
	settle(st);
	expect(debugger, COTRACE_EVENT_STOP_DONE);
	resume_all(debugger);
	stop_task(debugger, PID);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	expect_none(policy);
	assert_false(runs(st, PID));
	fake_task(st->kernel, PID)->call.nr = 59;
	client_begin(debugger, WIRE_REGSET_WRITE, 0);
	wire_put_regset_write(&debugger->writer,
			      &(struct wire_regset_write){ task_id(st, PID), FAKE_REGSET });
	wire_put_bytes(&debugger->writer, "12345678", 8);
	client_send(debugger, -1);
	resume_all(debugger);
	assert_false(runs(st, PID));
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.syscall.nr, 59);
	answer(policy, &ev, COTRACE_DENY, -EPERM);
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_DENY, PID), 1);
}

static void memory_written_by_one_makes_the_others_judge_again(void **state)
{
	struct stage *st = *state;
	struct client *debugger = client_attached(st), *policy = policy_of(st);
	struct seen ev;

	subscribe_calls(debugger, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, FAKE_MEMORY_AT);
	settle(st);
	ev = expect(debugger, COTRACE_EVENT_SYSCALL_ENTRY);
	stop_task(debugger, PID);
	answer(debugger, &ev, COTRACE_PASS, 0);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(policy, &ev, COTRACE_PASS, 0);
	client_begin(debugger, WIRE_MEMORY_WRITE, 0);
	wire_put_memory_write(&debugger->writer,
			      &(struct wire_memory_write){ PID, 0, FAKE_MEMORY_AT });
	wire_put_bytes(&debugger->writer, "/etc", 4);
	client_send(debugger, -1);
	settle(st);
	ev = expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_true(ev.flags & COTRACE_EV_REOFFER);
	assert_memory_equal(fake_memory(st->kernel, PID), "/etc", 4);
	resume_all(debugger);
	assert_false(runs(st, PID));
	answer(policy, &ev, COTRACE_PASS, 0);
	assert_true(runs(st, PID));
}

static void a_signal_is_replaced_then_suppressed(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st);
	struct seen ev;

	subscribe_signals(old, ~0ull, COTRACE_STOP);
	subscribe_signals(new, ~0ull, COTRACE_STOP);
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	ev = expect(old, COTRACE_EVENT_SIGNAL);
	answer(old, &ev, COTRACE_REPLACE, SIGTERM);
	ev = expect(new, COTRACE_EVENT_SIGNAL);
	assert_int_equal(ev.signal.signo, SIGTERM);
	assert_int_equal(fake_last(st->kernel, FAKE_SIGINFO_SET, PID)->signo, SIGTERM);
	answer(new, &ev, COTRACE_DENY, 0);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->signo, 0);
}

static void a_signal_that_nobody_wants_is_delivered(void **state)
{
	struct stage *st = *state;

	client_attached(st);
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->signo, SIGUSR1);
}

static void a_verdict_that_does_not_fit_is_refused_and_passes(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_VFORK_DONE, COTRACE_STOP);
	fake_push_kind(st->kernel, PID, BACKEND_VFORK_DONE);
	settle(st);
	ev = expect(c, COTRACE_EVENT_VFORK_DONE);
	answer(c, &ev, COTRACE_DENY, 0);
	assert_int_equal(expect(c, COTRACE_EVENT_REFUSED).refused.error, -EINVAL);
	assert_true(runs(st, PID));
}

static void an_answer_to_a_stop_that_is_over_does_nothing(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen first, second;

	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 1, 0);
	settle(st);
	first = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(c, &first, COTRACE_PASS, 0);
	fake_push_entry(st->kernel, PID, 2, 0);
	settle(st);
	second = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(c, &first, COTRACE_DENY, 0);
	expect_none(c);
	assert_false(runs(st, PID));
	answer(c, &second, COTRACE_PASS, 0);
	assert_true(runs(st, PID));
}

static void a_session_closed_while_it_is_asked_counts_as_passed(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st);

	subscribe_calls(old, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(new, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 1, 0);
	settle(st);
	expect(new, COTRACE_EVENT_SYSCALL_ENTRY);
	client_close(new);
	expect(old, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_false(runs(st, PID));
	client_close(old);
	assert_false(fake_task(st->kernel, PID)->stands);
}

static void a_kernel_that_refuses_a_verdict_is_told_and_the_call_passes(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 1, 0);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	fake_fail(st->kernel, FAKE_SYSCALL_SET, -ESRCH, 1);
	answer(c, &ev, COTRACE_REPLACE, 2);
	assert_int_equal(expect(c, COTRACE_EVENT_REFUSED).refused.error, -ESRCH);
	assert_true(runs(st, PID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_call_meets_the_newest_session_first_and_the_policy_last),
		STAGED(a_result_meets_the_policy_first_and_the_newest_session_last),
		STAGED(a_denial_is_seen_by_later_sessions_and_undone_by_none),
		STAGED(what_was_denied_keeps_its_result),
		STAGED(a_policy_judges_again_what_was_changed_after_its_word),
		STAGED(a_policy_judges_a_call_changed_while_it_is_made_again),
		STAGED(memory_written_by_one_makes_the_others_judge_again),
		STAGED(a_signal_is_replaced_then_suppressed),
		STAGED(a_signal_that_nobody_wants_is_delivered),
		STAGED(a_verdict_that_does_not_fit_is_refused_and_passes),
		STAGED(an_answer_to_a_stop_that_is_over_does_nothing),
		STAGED(a_session_closed_while_it_is_asked_counts_as_passed),
		STAGED(a_kernel_that_refuses_a_verdict_is_told_and_the_call_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
