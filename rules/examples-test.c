/* SPDX-License-Identifier: MIT */
/* What the pages say about rules R1 to R6, as examples. rules-test.c goes through the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules/rules.h"

static void expect_turns(enum rules_direction direction, const unsigned *sessions, size_t count)
{
	struct rules r = RULES_NULL;

	rules_join(&r, 1, false);
	rules_join(&r, 2, true);
	rules_join(&r, 3, false);
	rules_join(&r, 4, true);
	rules_stop(&r, direction, direction == RULES_TO_KERNEL);
	for (size_t i = 0; i < count; i++) {
		struct rules_party *p = rules_turn(&r);

		assert_non_null(p);
		assert_int_equal(p->session, sessions[i]);
		rules_told(&r, p);
	}
	assert_null(rules_turn(&r));
	assert_true(rules_may_run(&r));
	rules_deinit(&r);
}

static void newest_first_towards_the_kernel_policies_last(void **state)
{
	(void)state;
	expect_turns(RULES_TO_KERNEL, (const unsigned[]){ 3, 1, 4, 2 }, 4);
}

static void oldest_first_towards_the_program_policies_first(void **state)
{
	(void)state;
	expect_turns(RULES_TO_PROGRAM, (const unsigned[]){ 2, 4, 1, 3 }, 4);
}

static void a_session_that_goes_while_it_is_asked_lets_the_next_have_its_turn(void **state)
{
	struct rules r = RULES_NULL;

	(void)state;
	rules_join(&r, 1, false);
	rules_join(&r, 2, false);
	rules_stop(&r, RULES_TO_KERNEL, true);
	rules_offered(&r, rules_turn(&r));
	assert_null(rules_turn(&r));
	rules_leave(&r, 2);
	assert_int_equal(rules_turn(&r)->session, 1);
	rules_deinit(&r);
}

/* R5 */
static void a_call_into_the_task_is_judged_by_those_nearer_to_the_kernel(void **state)
{
	struct rules r = RULES_NULL, inner;

	(void)state;
	rules_join(&r, 1, false);
	rules_join(&r, 2, true);
	rules_join(&r, 3, false);
	rules_join(&r, 4, false);
	for (uint64_t asker = 0; asker < 6; asker++) {
		static const unsigned expected[] = { 0, 1, 0, 2, 3, 0 };
		static const uint64_t row[] = { 2, 1, 3, 4 };

		assert_int_equal(rules_nearer(&inner, &r, asker), 0);
		assert_int_equal(inner.count, expected[asker]);
		for (size_t i = 0; i < inner.count; i++) {
			assert_int_equal(inner.parties[i].session, row[i]);
			assert_int_equal(inner.parties[i].policy, row[i] == 2);
			assert_int_equal(inner.parties[i].holds, 0);
		}
		rules_deinit(&inner);
	}
	rules_deinit(&r);
}

static void a_change_from_outside_the_row_gives_all_another_turn(void **state)
{
	struct rules r = RULES_NULL;

	(void)state;
	rules_join(&r, 1, true);
	rules_join(&r, 2, false);
	assert_false(rules_renew(&r));
	rules_stop(&r, RULES_TO_KERNEL, true);
	assert_false(rules_renew(&r));
	rules_told(&r, rules_turn(&r));
	rules_offered(&r, rules_turn(&r));
	assert_true(rules_renew(&r));
	assert_true(rules_answer(&r, 1, RULES_PASS));
	assert_int_equal(rules_turn(&r)->session, 2);
	assert_true(rules_turn(&r)->reoffer);
	rules_told(&r, rules_turn(&r));
	assert_int_equal(rules_turn(&r)->session, 1);
	rules_told(&r, rules_turn(&r));
	assert_true(rules_may_run(&r));
	rules_run(&r);
	rules_stop(&r, RULES_TO_PROGRAM, false);
	rules_told(&r, rules_turn(&r));
	assert_false(rules_renew(&r));
	rules_deinit(&r);
}

static void only_those_whose_step_is_done_are_marked(void **state)
{
	struct rules r = RULES_NULL;

	(void)state;
	for (unsigned session = 1; session <= 4; session++)
		rules_join(&r, session, false);
	rules_step(rules_party(&r, 1), RULES_STEP_INSTRUCTION, 0, 0);
	rules_step(rules_party(&r, 2), RULES_STEP_BLOCK, 0, 0);
	rules_step(rules_party(&r, 3), RULES_STEP_RANGE, 10, 20);
	assert_true(rules_wants_step(&r));
	rules_stop(&r, RULES_TO_PROGRAM, false);
	assert_true(rules_stepped(&r, 19, false));
	assert_true(rules_party(&r, 1)->stepped);
	for (unsigned session = 2; session <= 4; session++)
		assert_false(rules_party(&r, session)->stepped);
	rules_offered(&r, rules_turn(&r));
	assert_int_equal(rules_party(&r, 1)->step, RULES_STEP_NONE);
	assert_true(rules_wants_step(&r));
	rules_unstep(rules_party(&r, 2));
	rules_unstep(rules_party(&r, 3));
	assert_false(rules_wants_step(&r));
	rules_deinit(&r);
}

static void a_step_to_a_call_ends_at_its_entry_or_exit_and_at_no_other_step(void **state)
{
	struct rules r = RULES_NULL;

	(void)state;
	rules_join(&r, 1, false);
	rules_join(&r, 2, false);
	rules_step(rules_party(&r, 1), RULES_STEP_SYSCALL, 0, 0);
	assert_true(rules_wants_call(&r));
	assert_false(rules_wants_step(&r));
	rules_step(rules_party(&r, 2), RULES_STEP_INSTRUCTION, 0, 0);
	assert_true(rules_wants_step(&r));
	rules_stop(&r, RULES_TO_PROGRAM, false);
	assert_true(rules_stepped(&r, 19, true));
	assert_false(rules_party(&r, 1)->stepped);
	rules_told(&r, rules_turn(&r));
	rules_offered(&r, rules_turn(&r));
	rules_answer(&r, 2, RULES_PASS);
	rules_run(&r);
	rules_stop(&r, RULES_TO_KERNEL, true);
	rules_party(&r, 1)->saw_entry = true;
	assert_false(rules_called(&r, true));
	assert_false(rules_party(&r, 1)->stepped);
	assert_true(rules_called(&r, false));
	assert_true(rules_party(&r, 1)->stepped);
	assert_false(rules_party(&r, 2)->stepped);
	rules_told(&r, rules_turn(&r));
	rules_offered(&r, rules_turn(&r));
	assert_false(rules_wants_call(&r));
	rules_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_first_towards_the_kernel_policies_last),
		cmocka_unit_test(oldest_first_towards_the_program_policies_first),
		cmocka_unit_test(a_session_that_goes_while_it_is_asked_lets_the_next_have_its_turn),
		cmocka_unit_test(only_those_whose_step_is_done_are_marked),
		cmocka_unit_test(a_step_to_a_call_ends_at_its_entry_or_exit_and_at_no_other_step),
		cmocka_unit_test(a_call_into_the_task_is_judged_by_those_nearer_to_the_kernel),
		cmocka_unit_test(a_change_from_outside_the_row_gives_all_another_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
