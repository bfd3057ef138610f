/* SPDX-License-Identifier: MIT */
/* R8: the pool of debug registers, and that every task has what it is to have. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "test/engine/watching.h"

static void ranges_take_as_many_registers_as_they_need(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, watch(AT + 1, 7));
	assert_int_equal(armed(st, PID), 3);
	assert_true(has(st, PID, AT + 1, 1) && has(st, PID, AT + 2, 2) && has(st, PID, AT + 4, 4));
	assert_int_equal(error_of(c, watch(AT + 17, 2)), -ENOSPC);
	assert_int_equal(armed(st, PID), 3);
	assert_int_equal(error_of(c, watch(AT + 16, 8)), 0);
	assert_int_equal(armed(st, PID), 4);
}

static void equal_ones_share_and_the_last_owner_frees(void **state)
{
	struct stage *st = *state;
	struct client *a = answered(st), *b = client_attached(st);
	uint64_t id = must_set(a, watch(AT, 8));

	must_set(b, watch(AT, 8));
	assert_int_equal(armed(st, PID), 1);
	granted(a, CLEAR, clear, .id = id);
	assert_int_equal(armed(st, PID), 1);
	client_close(b);
	settle(st);
	assert_int_equal(armed(st, PID), 0);
}

static void no_task_is_let_go_armed(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	fake_add(st->kernel, PID, PID + 1)->attached = false;
	must_set(c, watch(AT, 4));
	client_close(c);
	settle(st);
	assert_false(fake_task(st->kernel, PID)->attached);
	assert_int_equal(armed(st, PID), 0);
}

/* 97 */
static void new_tasks_are_armed_before_they_run(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, watch(AT, 4));
	give_birth(st, PID, BACKEND_CLONE, PID + 1);
	assert_true(runs(st, PID + 1));
	assert_true(has(st, PID + 1, AT, 4));
}

static void children_are_not_armed_unless_they_inherit(void **state)
{
	struct stage *st = *state;
	struct client *c;
	struct wire_break b = watch(AT + 8, 8);

	st->kernel->answers = true;
	c = with_tree(st);
	must_set(c, watch(AT, 8));
	b.flags = COTRACE_BREAK_INHERIT;
	must_set(c, b);
	give_birth(st, PID, BACKEND_FORK, 200);
	assert_int_equal(armed(st, 200), 1);
	assert_true(has(st, 200, AT + 8, 8));
}

static void the_answer_comes_when_all_tasks_have_it(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct wire_r_break reply;

	set(c, watch(AT, 4));
	assert_false(is_answered(c, &reply));
	assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), 1);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	assert_true(is_answered(c, &reply));
	assert_int_equal(reply.error, 0);
	assert_true(has(st, PID, AT, 4));
	assert_true(runs(st, PID));
}

static void the_answer_does_not_wait_for_ever(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct wire_r_break reply;

	set(c, watch(AT, 4));
	pass_time(st, 2 * CLOCK_SECOND);
	assert_true(is_answered(c, &reply));
	assert_int_equal(reply.error, 0);
}

static void what_the_kernel_refuses_is_refused_and_nothing_stays(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, watch(AT, 4));
	fake_fail(st->kernel, FAKE_DEBUG_SET, -ENOSPC, 1);
	assert_int_equal(error_of(c, watch(AT + 8, 4)), -ENOSPC);
	assert_int_equal(armed(st, PID), 1);
	assert_int_equal(error_of(c, watch(AT + 8, 4)), 0);
	assert_int_equal(armed(st, PID), 2);
}

static void a_later_refusal_is_told(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);
	struct seen ev;

	must_set(c, watch(AT, 4));
	fake_fail(st->kernel, FAKE_DEBUG_SET, -ENOSPC, 1);
	give_birth(st, PID, BACKEND_CLONE, PID + 1);
	ev = expect(c, COTRACE_EVENT_REFUSED);
	assert_int_equal(ev.refused.error, -ENOSPC);
	assert_int_equal(ev.head.tid, PID + 1);
	assert_true(runs(st, PID + 1));
}

static void values_before_and_after_make_a_chain(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);
	struct seen ev;
	uint64_t id;

	memcpy(fake_memory(st->kernel, PID), "\x07\0\0\0", 4);
	id = must_set(c, watch(AT, 4));
	for (uint32_t value = 8; value < 12; value++) {
		hit(st, PID, BACKEND_TRAP_DEBUG, AT, value);
		ev = expect(c, COTRACE_EVENT_WATCHPOINT);
		assert_int_equal(ev.watchpoint.id, id);
		assert_int_equal(ev.watchpoint.before, value - 1);
		assert_int_equal(ev.watchpoint.after, value);
		assert_true(runs(st, PID));
	}
}

static void one_instruction_is_one_event_for_each_watchpoint(void **state)
{
	struct stage *st = *state;
	struct client *a = answered(st), *b = client_attached(st);

	must_set(a, watch(AT, 4));
	must_set(a, watch(AT, 2));
	must_set(b, watch(AT, 4));
	hit(st, PID, BACKEND_TRAP_DEBUG, AT, 0x12345);
	assert_int_equal(expect(a, COTRACE_EVENT_WATCHPOINT).watchpoint.after, 0x12345);
	assert_int_equal(expect(a, COTRACE_EVENT_WATCHPOINT).watchpoint.after, 0x2345);
	assert_int_equal(expect(b, COTRACE_EVENT_WATCHPOINT).watchpoint.after, 0x12345);
	expect_none(a);
	expect_none(b);
}

/* Virtual machines lose it at times. */
static void a_hit_by_an_unsaid_register_is_told_by_what_has_changed(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);
	uint32_t value = 7;
	struct seen ev;
	uint64_t ids[2];

	for (unsigned i = 0; i < 2; i++)
		ids[i] = must_set(c, watch(AT + 8 * i, 4));
	memcpy(fake_memory(st->kernel, PID) + 8, &value, sizeof value);
	fake_push_unsaid(st->kernel, PID, 0x500);
	settle(st);
	ev = expect(c, COTRACE_EVENT_WATCHPOINT);
	assert_int_equal(ev.watchpoint.id, ids[1]);
	assert_int_equal(ev.watchpoint.after, 7);
	expect_none(c);
	/* The same value again, of one or the other. */
	fake_push_unsaid(st->kernel, PID, 0x500);
	settle(st);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(expect(c, COTRACE_EVENT_WATCHPOINT).watchpoint.id, ids[i]);
	expect_none(c);
	assert_true(runs(st, PID));
}

/* 98 */
static void hits_are_decoded_before_registers_change(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct wire_r_break reply;
	uint64_t id;

	set(c, watch(AT, 4));
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	assert_true(is_answered(c, &reply));
	id = reply.id;
	set(c, watch(AT + 4, 4)); /* the fake kernel complains of hits nobody asked for */
	hit(st, PID, BACKEND_TRAP_DEBUG, AT, 1);
	assert_int_equal(expect(c, COTRACE_EVENT_WATCHPOINT).watchpoint.id, id);
	assert_true(is_answered(c, &reply));
	assert_int_equal(armed(st, PID), 2);
}

static void a_hit_of_one_that_is_gone_is_swallowed(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	struct wire_r_break reply;

	subscribe_signals(b, ~0ull, COTRACE_NOTE);
	set(a, watch(AT, 4));
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	assert_true(is_answered(a, &reply));
	granted(a, CLEAR, clear, .id = reply.id);
	hit(st, PID, BACKEND_TRAP_DEBUG, AT, 1);
	expect_none(a);
	expect_none(b);
	assert_true(runs(st, PID));
	assert_int_equal(armed(st, PID), 0);
}

/* 39 */
static void a_hit_within_a_step_is_told_before_it(void **state)
{
	struct stage *st = *state;
	struct client *a = answered(st), *b = client_attached(st);

	must_set(a, watch(AT, 4));
	must_set(b, watch(AT, 4));
	stop_task(a, PID);
	settle(st);
	expect(a, COTRACE_EVENT_STOP_DONE);
	granted(a, STEP, step, .task = task_id(st, PID), .kind = COTRACE_STEP_INSTRUCTION);
	hit(st, PID, BACKEND_TRAP_STEP, AT, 1);
	expect(b, COTRACE_EVENT_WATCHPOINT);
	expect_none(b);
	expect(a, COTRACE_EVENT_WATCHPOINT);
	expect(a, COTRACE_EVENT_STEP);
	assert_false(runs(st, PID));
	resume_all(a);
	assert_true(runs(st, PID));
}

static void a_hit_found_at_another_stop_follows_it(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, watch(AT, 4));
	subscribe_signals(c, 1ull << (SIGUSR1 - 1), COTRACE_STOP);
	fake_task(st->kernel, PID)->debug_hits = 1;
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	expect(c, COTRACE_EVENT_SIGNAL);
	expect_none(c);
	resume_all(c);
	expect(c, COTRACE_EVENT_WATCHPOINT);
	assert_true(runs(st, PID));
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->signo, SIGUSR1);
}

static void a_hardware_breakpoint_is_passed(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);
	struct wire_break b = {
		.kind = COTRACE_BREAK_HARDWARE, .mode = COTRACE_STOP, .pid = PID, .addr = 0x500
	};

	must_set(c, b);
	assert_int_equal(fake_task(st->kernel, PID)->debug[0].kind, BACKEND_DEBUG_EXECUTE);
	fake_task(st->kernel, PID)->debug_hits = 1;
	fake_push_trap(st->kernel, PID, BACKEND_TRAP_DEBUG, 0x500);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_BREAKPOINT).head.pc, 0x500);
	assert_int_equal(fake_count(st->kernel, FAKE_DEBUG_PASS, PID), 0);
	resume_all(c);
	assert_int_equal(fake_count(st->kernel, FAKE_DEBUG_PASS, PID), 1);
	assert_true(runs(st, PID));
}

static void an_exec_clears_the_pool(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	for (unsigned i = 0; i < 4; i++)
		must_set(c, watch(AT + 8 * i, 8));
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	assert_int_equal(armed(st, PID), 0);
	for (unsigned i = 0; i < 4; i++)
		must_set(c, watch(AT + 8 * i, 8));
	assert_int_equal(armed(st, PID), 4);
}

/* Its poke ends at the exec: the new program has nothing armed, and the engine knows it. */
static void an_exec_before_all_tasks_were_reached_is_no_riddle(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct wire_r_break reply;
	struct wire_break b = watch(AT, 4);

	set(c, b);
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	assert_true(is_answered(c, &reply));
	assert_int_equal(reply.error, -ESRCH);
	assert_int_equal(armed(st, PID), 0);
	b.flags = COTRACE_BREAK_REPLANT;
	set(c, b);
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	assert_true(is_answered(c, &reply));
	assert_int_equal(reply.error, 0);
	assert_int_equal(armed(st, PID), 1);
}

static void nonsense_is_refused(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	assert_int_equal(error_of(c, watch(AT, 0)), -EINVAL);
	assert_int_equal(error_of(c, watch(AT, 9)), -EINVAL);
	assert_int_equal(error_of(c, watch(UINT64_MAX - 2, 8)), -EINVAL);
	granted(c, ATTENUATE, attenuate, 0);
	assert_int_equal(error_of(c, watch(AT, 4)), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(ranges_take_as_many_registers_as_they_need),
		STAGED(equal_ones_share_and_the_last_owner_frees),
		STAGED(no_task_is_let_go_armed),
		STAGED(new_tasks_are_armed_before_they_run),
		STAGED(children_are_not_armed_unless_they_inherit),
		STAGED(the_answer_comes_when_all_tasks_have_it),
		STAGED(the_answer_does_not_wait_for_ever),
		STAGED(what_the_kernel_refuses_is_refused_and_nothing_stays),
		STAGED(a_later_refusal_is_told),
		STAGED(values_before_and_after_make_a_chain),
		STAGED(one_instruction_is_one_event_for_each_watchpoint),
		STAGED(a_hit_by_an_unsaid_register_is_told_by_what_has_changed),
		STAGED(hits_are_decoded_before_registers_change),
		STAGED(a_hit_of_one_that_is_gone_is_swallowed),
		STAGED(a_hit_within_a_step_is_told_before_it),
		STAGED(a_hit_found_at_another_stop_follows_it),
		STAGED(a_hardware_breakpoint_is_passed),
		STAGED(an_exec_clears_the_pool),
		STAGED(an_exec_before_all_tasks_were_reached_is_no_riddle),
		STAGED(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
