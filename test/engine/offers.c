/* SPDX-License-Identifier: MIT */
/* Several sessions at one stop: order, verdicts, repetition (R1 to R4). */
#include <errno.h>

#include "test/engine/stage.h"

static void a_call_meets_the_newest_session_first(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st);
	struct client *policy =
		client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_call_meets_the_newest_session_first, stage_setup,
						stage_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
