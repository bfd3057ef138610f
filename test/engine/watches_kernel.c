/* SPDX-License-Identifier: MIT */
/* Watchpoints: what the kernel accesses itself. */
#include <errno.h>
#include <string.h>

#include "test/engine/watching.h"

static void the_kernel_writes(struct stage *st, pid_t tid, unsigned which, uint32_t value)
{
	memcpy(fake_memory(st->kernel, PID) + 8 * which, &value, sizeof value);
	fake_task(st->kernel, tid)->kernel_hits |= 1u << which;
}

static struct seen expect_kernel(struct client *c, uint64_t after)
{
	struct seen ev = expect(c, COTRACE_EVENT_WATCHPOINT);

	assert_int_equal(ev.flags & COTRACE_EV_KERNEL, COTRACE_EV_KERNEL);
	assert_int_equal(ev.watchpoint.after, after);
	return ev;
}

/* The fake kernel complains of more than there are. */
static void registers_that_are_left_are_for_the_kernel_the_oldest_first(void **state)
{
	static const unsigned expected[] = { 1, 2, 1, 0 };
	struct stage *st = *state;
	struct client *c = answered(st);
	uint64_t id[4];

	for (unsigned i = 0; i < 4; i++) {
		id[i] = must_set(c, watch(AT + 8 * i, 8));
		assert_int_equal(armed_for_kernel(st, PID), expected[i]);
	}
	granted(c, CLEAR, clear, .id = id[0]);
	assert_int_equal(armed_for_kernel(st, PID), 1);
	assert_int_equal(fake_task(st->kernel, PID)->kernel[1].addr, AT + 8);
	granted(c, CLEAR, clear, .id = id[1]);
	assert_int_equal(armed_for_kernel(st, PID), 2);
	client_close(c);
	settle(st);
	assert_int_equal(armed_for_kernel(st, PID), 0);
}

static void a_range_is_for_the_kernel_as_a_whole_or_not(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, watch(AT + 1, 7));
	assert_int_equal(armed(st, PID), 3);
	assert_int_equal(armed_for_kernel(st, PID), 0);
}

static void an_instruction_is_not_for_the_kernel(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, (struct wire_break){ .kind = COTRACE_BREAK_HARDWARE,
					 .mode = COTRACE_STOP,
					 .pid = PID,
					 .addr = 0x500 });
	assert_int_equal(armed_for_kernel(st, PID), 0);
}

static void what_the_kernel_writes_is_told_once_at_whatever_stop(void **state)
{
	struct stage *st = *state;
	struct client *a = answered(st), *b = client_attached(st);

	must_set(a, watch(AT, 8));
	subscribe_signals(b, ~0ull, COTRACE_NOTE);
	the_kernel_writes(st, PID, 0, 7);
	fake_push_trap(st->kernel, PID, BACKEND_TRAP_KERNEL, 0x500);
	settle(st);
	expect_kernel(a, 7);
	assert_true(runs(st, PID));
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->signo, 0);
	subscribe_calls(b, COTRACE_EXIT, COTRACE_NOTE);
	settle(st);
	fake_push_entry(st->kernel, PID, 0, 0);
	settle(st);
	the_kernel_writes(st, PID, 0, 8);
	fake_push_exit(st->kernel, PID, 0, 0);
	settle(st);
	expect(b, COTRACE_EVENT_SYSCALL_EXIT);
	expect_kernel(a, 8);
	fake_push_trap(st->kernel, PID, BACKEND_TRAP_KERNEL, 0x500);
	settle(st);
	expect_none(a);
	expect_none(b);
	assert_true(runs(st, PID));
}

static void the_programs_own_access_is_not_called_the_kernels(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, watch(AT, 8));
	the_kernel_writes(st, PID, 0, 7);
	hit(st, PID, BACKEND_TRAP_DEBUG, AT, 8);
	assert_int_equal(expect(c, COTRACE_EVENT_WATCHPOINT).flags, 0);
	expect_none(c);
}

static void a_task_that_does_not_stop_by_itself_is_interrupted(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, watch(AT, 8));
	fake_forget_calls(st->kernel);
	the_kernel_writes(st, PID, 0, 7);
	fake_push_kind(st->kernel, PID, BACKEND_KERNEL_HIT);
	settle(st);
	assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), 1);
	expect_kernel(c, 7);
	assert_true(runs(st, PID));
}

/* Its signal may wait there. */
static void a_task_is_let_go_from_where_no_signal_waits(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	must_set(c, watch(AT, 8));
	subscribe_calls(c, COTRACE_EXIT, COTRACE_STOP);
	settle(st);
	fake_push_entry(st->kernel, PID, 0, 0);
	fake_push_exit(st->kernel, PID, 0, 0);
	settle(st);
	assert_false(runs(st, PID));
	fake_task(st->kernel, PID)->trap_waits = true;
	st->kernel->answers = false;
	client_close(c);
	settle(st);
	assert_true(fake_task(st->kernel, PID)->attached);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	assert_true(fake_task(st->kernel, PID)->attached);
	fake_task(st->kernel, PID)->trap_waits = false;
	fake_push_trap(st->kernel, PID, BACKEND_TRAP_KERNEL, 0x500);
	settle(st);
	assert_false(fake_task(st->kernel, PID)->attached);
	assert_int_equal(fake_last(st->kernel, FAKE_DETACH, PID)->signo, 0);
}

static void without_the_right_to_it_the_program_is_watched_alone(void **state)
{
	struct stage *st = *state;
	struct client *c = answered(st);

	fake_fail(st->kernel, FAKE_KERNEL_SET, -EACCES, 100);
	must_set(c, watch(AT, 8));
	assert_int_equal(armed_for_kernel(st, PID), 0);
	hit(st, PID, BACKEND_TRAP_DEBUG, AT, 8);
	assert_int_equal(expect(c, COTRACE_EVENT_WATCHPOINT).watchpoint.after, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(registers_that_are_left_are_for_the_kernel_the_oldest_first),
		STAGED(a_range_is_for_the_kernel_as_a_whole_or_not),
		STAGED(an_instruction_is_not_for_the_kernel),
		STAGED(what_the_kernel_writes_is_told_once_at_whatever_stop),
		STAGED(the_programs_own_access_is_not_called_the_kernels),
		STAGED(a_task_that_does_not_stop_by_itself_is_interrupted),
		STAGED(a_task_is_let_go_from_where_no_signal_waits),
		STAGED(without_the_right_to_it_the_program_is_watched_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
