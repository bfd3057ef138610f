/* SPDX-License-Identifier: MIT */
/* R5: one step for all who asked, told to none but them. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "test/engine/stage.h"

#define AT FAKE_MEMORY_AT /* full of instructions of two bytes */

static void step(struct client *c, unsigned kind, uint64_t from, uint64_t to)
{
	granted(c, STEP, step, .task = task_id(c->stage, PID), .kind = kind, .from = from,
		.to = to);
}

static void stopped(struct client *c)
{
	const struct backend_event stand = { .kind = BACKEND_INTERRUPTED, .tid = PID, .pc = AT };

	stop_task(c, PID);
	if (!fake_task(c->stage->kernel, PID)->stands)
		fake_push(c->stage->kernel, &stand);
	settle(c->stage);
	expect(c, COTRACE_EVENT_STOP_DONE);
}

static void push_step(struct stage *st, uint64_t pc)
{
	fake_push_trap(st->kernel, PID, BACKEND_TRAP_STEP, pc);
	settle(st);
}

static enum backend_resume how(struct stage *st)
{
	return fake_task(st->kernel, PID)->how;
}

static void the_task_steps_once_when_the_last_hold_goes(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	stopped(a);
	stopped(b);
	step(a, COTRACE_STEP_INSTRUCTION, 0, 0);
	assert_false(runs(st, PID));
	resume_all(b);
	assert_true(runs(st, PID));
	assert_int_equal(how(st), BACKEND_STEP);
	push_step(st, 1);
	assert_int_equal(expect(a, COTRACE_EVENT_STEP).flags, COTRACE_EV_STOP);
	expect_none(b);
	assert_false(runs(st, PID));
	resume_all(a);
	assert_int_equal(how(st), BACKEND_RUN);
}

/* Where it moved it has executed something, whatever the trap says: see debug_unsaid(). */
static void the_end_of_a_call_is_a_step_only_where_it_moved(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	stopped(c);
	step(c, COTRACE_STEP_INSTRUCTION, 0, 0);
	fake_push_trap(st->kernel, PID, BACKEND_TRAP_CALL, AT);
	settle(st);
	expect_none(c);
	assert_int_equal(how(st), BACKEND_STEP);
	fake_push_trap(st->kernel, PID, BACKEND_TRAP_CALL, AT + 2);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_STEP).head.pc, AT + 2);
}

static void a_stop_that_comes_first_takes_the_request_back(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe_signals(c, 1ull << (SIGUSR1 - 1), COTRACE_STOP);
	stopped(c);
	step(c, COTRACE_STEP_INSTRUCTION, 0, 0);
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	expect(c, COTRACE_EVENT_SIGNAL);
	resume_all(c);
	assert_int_equal(how(st), BACKEND_RUN);
}

static void a_stop_of_another_session_does_not(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	subscribe_signals(b, 1ull << (SIGUSR1 - 1), COTRACE_STOP);
	stopped(a);
	step(a, COTRACE_STEP_INSTRUCTION, 0, 0);
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	expect(b, COTRACE_EVENT_SIGNAL);
	resume_all(b);
	assert_int_equal(how(st), BACKEND_STEP);
	push_step(st, 1);
	expect(a, COTRACE_EVENT_STEP);
}

static void a_range_is_left_by_as_many_steps_as_it_takes(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	stopped(c);
	step(c, COTRACE_STEP_RANGE, 10, 12);
	push_step(st, 10);
	push_step(st, 11);
	expect_none(c);
	assert_int_equal(how(st), BACKEND_STEP);
	push_step(st, 12);
	assert_int_equal(expect(c, COTRACE_EVENT_STEP).head.pc, 12);
}

static void a_block_ends_where_a_branch_was_taken(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	stopped(c);
	step(c, COTRACE_STEP_BLOCK, 0, 0);
	push_step(st, AT + 2);
	push_step(st, AT + 4);
	expect_none(c);
	push_step(st, AT + 40);
	assert_int_equal(expect(c, COTRACE_EVENT_STEP).step.kind, COTRACE_STEP_BLOCK);
}

/* 87 */
static void a_call_that_somebody_sees_is_one_step_all_the_same(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	subscribe_calls(b, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	stopped(a);
	memcpy(fake_memory(st->kernel, PID), "\x0f\x05", 2);
	step(a, COTRACE_STEP_INSTRUCTION, 0, 0);
	assert_int_equal(how(st), BACKEND_SYSCALLS);
	fake_push_entry(st->kernel, PID, 39, 0);
	settle(st);
	expect(b, COTRACE_EVENT_SYSCALL_ENTRY);
	expect_none(a);
	fake_push_exit(st->kernel, PID, 39, 7);
	settle(st);
	expect(b, COTRACE_EVENT_SYSCALL_EXIT);
	expect(a, COTRACE_EVENT_STEP);
	assert_false(runs(st, PID));
	memset(fake_memory(st->kernel, PID), 0, 2);
	step(a, COTRACE_STEP_INSTRUCTION, 0, 0);
	assert_int_equal(how(st), BACKEND_STEP);
}

static void a_trap_of_a_step_that_is_not_wanted_any_more_is_swallowed(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	subscribe_signals(b, ~0ull, COTRACE_NOTE);
	stopped(a);
	step(a, COTRACE_STEP_INSTRUCTION, 0, 0);
	client_close(a);
	settle(st);
	push_step(st, 1);
	expect_none(b);
	assert_true(runs(st, PID));
	assert_int_equal(how(st), BACKEND_RUN);
	/* The next one is the program's own. */
	push_step(st, 2);
	assert_int_equal(expect(b, COTRACE_EVENT_SIGNAL).signal.signo, SIGTRAP);
}

static void a_step_that_was_made_before_an_interrupt_comes_first(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	stopped(a);
	step(a, COTRACE_STEP_INSTRUCTION, 0, 0);
	fake_task(st->kernel, PID)->trap_waits = true;
	stop_task(b, PID);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	expect_none(b);
	fake_task(st->kernel, PID)->trap_waits = false;
	push_step(st, 1);
	expect(b, COTRACE_EVENT_STOP_DONE);
	expect(a, COTRACE_EVENT_STEP);
}

static void who_does_not_hold_cannot_step(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	uint64_t task = task_id(st, PID);

	assert_int_equal(refused(a, STEP, step, .task = task, .kind = 1), -EBUSY);
	stopped(b);
	assert_int_equal(refused(a, STEP, step, .task = task, .kind = 1), -EBUSY);
	assert_int_equal(refused(b, STEP, step, .task = task, .kind = 5), -EINVAL);
	assert_int_equal(refused(b, STEP, step, .task = task, .kind = 0), -EINVAL);
	assert_int_equal(refused(b, STEP, step, .task = 999, .kind = 1), -ESRCH);
	granted(b, ATTENUATE, attenuate, 0);
	assert_int_equal(refused(b, STEP, step, .task = task, .kind = 1), -EPERM);
}

static void a_step_to_a_call_stops_at_its_entry_and_then_at_its_exit(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	struct seen ev;

	subscribe_calls(b, COTRACE_EXIT, COTRACE_NOTE);
	stopped(a);
	step(a, COTRACE_STEP_SYSCALL, 0, 0);
	assert_int_equal(how(st), BACKEND_SYSCALLS);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(a, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.flags, COTRACE_EV_STOP);
	assert_int_equal(ev.syscall.nr, 42);
	expect_none(b);
	step(a, COTRACE_STEP_SYSCALL, 0, 0);
	fake_push_exit(st->kernel, PID, 42, 3);
	settle(st);
	ev = expect(a, COTRACE_EVENT_SYSCALL_EXIT);
	assert_int_equal(ev.flags, COTRACE_EV_STOP);
	assert_int_equal(ev.syscall.result, 3);
	answer(a, &ev, COTRACE_REPLACE, 9);
	expect(b, COTRACE_EVENT_SYSCALL_EXIT);
	/* Once, and no more. */
	fake_push_entry(st->kernel, PID, 42, 7);
	fake_push_exit(st->kernel, PID, 42, 3);
	settle(st);
	expect_none(a);
	assert_true(runs(st, PID));
}

static void answer_step(struct client *c, const struct seen *ev, unsigned action, int64_t value,
			unsigned kind)
{
	request(c, ANSWER_STEP, answer_step, .task = ev->head.task, .seq = ev->seq,
		.action = action, .nr = value, .result = value, .signo = (int32_t)value,
		.kind = kind);
}

static void a_verdict_and_a_step_come_in_one(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	struct seen entry, ev;

	stopped(a);
	step(a, COTRACE_STEP_SYSCALL, 0, 0);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	entry = expect(a, COTRACE_EVENT_SYSCALL_ENTRY);
	stop_task(a, PID); /* another hold, which goes as well */
	expect(a, COTRACE_EVENT_STOP_DONE);
	answer_step(a, &entry, COTRACE_DENY, -5, COTRACE_STEP_SYSCALL);
	assert_int_equal(client_reply_error(a, WIRE_ANSWER_STEP), 0);
	assert_true(runs(st, PID));
	assert_int_equal(how(st), BACKEND_SYSCALLS);
	fake_push_exit(st->kernel, PID, 42, -5);
	settle(st);
	ev = expect(a, COTRACE_EVENT_SYSCALL_EXIT);
	assert_true(ev.flags & COTRACE_EV_DENIED);
	/* An event that is no more: nothing is said, and nothing is given up. */
	answer_step(a, &entry, COTRACE_PASS, 0, COTRACE_STEP_SYSCALL);
	assert_int_equal(client_reply_error(a, WIRE_ANSWER_STEP), 0);
	assert_false(runs(st, PID));
	answer_step(b, &ev, COTRACE_PASS, 0, COTRACE_STEP_SYSCALL);
	assert_int_equal(client_reply_error(b, WIRE_ANSWER_STEP), -EBUSY);
	/* A verdict that is refused leaves the step. */
	answer_step(a, &ev, COTRACE_DENY, 0, COTRACE_STEP_INSTRUCTION);
	assert_int_not_equal(client_reply_error(a, WIRE_ANSWER_STEP), 0);
	assert_int_equal(how(st), BACKEND_STEP);
}

static void a_step_to_a_call_needs_no_subscription_and_leaves_none(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	stopped(c);
	step(c, COTRACE_STEP_SYSCALL, 0, 0);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(c, &ev, COTRACE_DENY, -EPERM);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EPERM);
	assert_int_equal(how(st), BACKEND_RUN);
}

static void a_stop_takes_a_step_to_a_call_back(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe_signals(c, ~0ull, COTRACE_STOP);
	stopped(c);
	step(c, COTRACE_STEP_SYSCALL, 0, 0);
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	expect(c, COTRACE_EVENT_SIGNAL);
	resume_all(c);
	assert_int_equal(how(st), BACKEND_RUN);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	expect_none(c);
}

static void steps_of_both_kinds_end_each_where_it_should(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	stopped(a);
	stopped(b);
	step(a, COTRACE_STEP_SYSCALL, 0, 0);
	step(b, COTRACE_STEP_INSTRUCTION, 0, 0);
	assert_int_equal(how(st), BACKEND_STEP);
	push_step(st, AT + 2);
	expect(b, COTRACE_EVENT_STEP);
	expect_none(a);
	resume_all(b);
	assert_int_equal(how(st), BACKEND_SYSCALLS);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	expect(a, COTRACE_EVENT_SYSCALL_ENTRY);
	expect_none(b);
}

static void an_exit_without_its_entry_is_told_to_who_asked_for_it_alone(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	struct seen ev;

	subscribe(a, COTRACE_EVENT_FORK, COTRACE_STOP);
	fake_push_child(st->kernel, PID, BACKEND_FORK, 300);
	settle(st);
	expect(a, COTRACE_EVENT_FORK);
	subscribe_calls(b, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	step(a, COTRACE_STEP_SYSCALL, 0, 0);
	fake_push_exit(st->kernel, PID, 57, 300);
	settle(st);
	ev = expect(a, COTRACE_EVENT_SYSCALL_EXIT);
	assert_int_equal(ev.syscall.nr, -1);
	assert_int_equal(ev.syscall.result, 300);
	expect_none(b);
}

/* As seen by each of them the call has one entry, and then one exit. */
static void a_call_made_again_has_its_entry_for_who_has_not_seen_it(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	struct backend_event broken = { .kind = BACKEND_SYSCALL_EXIT, .tid = PID };

	broken.syscall = (struct backend_syscall){ .arch = 1, .nr = 42, .result = -512 };
	broken.syscall.is_error = broken.syscall.interrupted = true;
	subscribe_calls(b, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	fake_task(st->kernel, PID)->can_put_back = true;
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	expect(b, COTRACE_EVENT_SYSCALL_ENTRY);
	for (int i = 0; i < 2; i++) {
		stop_task(a, PID);
		fake_push(st->kernel, &broken);
		settle(st);
		expect(a, COTRACE_EVENT_STOP_DONE);
		step(a, COTRACE_STEP_SYSCALL, 0, 0);
		fake_push_entry(st->kernel, PID, 42, 7);
		settle(st);
		if (i == 0) {
			expect(a, COTRACE_EVENT_SYSCALL_ENTRY);
			step(a, COTRACE_STEP_SYSCALL, 0, 0);
		}
		expect_none(a);
		expect_none(b);
	}
	fake_push_exit(st->kernel, PID, 42, 1);
	settle(st);
	expect(a, COTRACE_EVENT_SYSCALL_EXIT);
	resume_all(a);
	expect(b, COTRACE_EVENT_SYSCALL_EXIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(the_task_steps_once_when_the_last_hold_goes),
		STAGED(the_end_of_a_call_is_a_step_only_where_it_moved),
		STAGED(a_stop_that_comes_first_takes_the_request_back),
		STAGED(a_step_to_a_call_stops_at_its_entry_and_then_at_its_exit),
		STAGED(a_verdict_and_a_step_come_in_one),
		STAGED(a_step_to_a_call_needs_no_subscription_and_leaves_none),
		STAGED(a_stop_takes_a_step_to_a_call_back),
		STAGED(steps_of_both_kinds_end_each_where_it_should),
		STAGED(a_call_made_again_has_its_entry_for_who_has_not_seen_it),
		STAGED(an_exit_without_its_entry_is_told_to_who_asked_for_it_alone),
		STAGED(a_stop_of_another_session_does_not),
		STAGED(a_range_is_left_by_as_many_steps_as_it_takes),
		STAGED(a_block_ends_where_a_branch_was_taken),
		STAGED(a_call_that_somebody_sees_is_one_step_all_the_same),
		STAGED(a_trap_of_a_step_that_is_not_wanted_any_more_is_swallowed),
		STAGED(a_step_that_was_made_before_an_interrupt_comes_first),
		STAGED(who_does_not_hold_cannot_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
