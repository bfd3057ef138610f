/* SPDX-License-Identifier: MIT */
/* Who may trace whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/capability.h>
#include <unistd.h>

#include "compat/supervise/access.h"

#define USER(n)            \
	{                  \
		n, n, n, n \
	}
#define PTRACE_CAP (1ull << CAP_SYS_PTRACE)

static const struct access_case own = {
	.caller = { .uid = USER(7), .gid = USER(8) },
	.target = { .uid = USER(7), .gid = USER(8) },
	.same_user_namespace = true,
	.caller_in_ours = true,
	.dumpable = true,
};

static void ones_own_may_be_traced(void **state)
{
	(void)state;
	assert_int_equal(access_judge(&own), 0);
}

static void anything_foreign_may_not(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct access_case c = own;

		c.target.uid[i] = 9;
		assert_int_equal(access_judge(&c), -EPERM);
		c = own;
		c.target.gid[i] = 9;
		assert_int_equal(access_judge(&c), -EPERM);
	}
}

static void the_real_ids_of_the_caller_count(void **state)
{
	struct access_case c = own;

	(void)state;
	c.caller.uid[1] = c.caller.uid[2] = 0;
	assert_int_equal(access_judge(&c), 0);
	c = own;
	c.caller.uid[0] = 9;
	assert_int_equal(access_judge(&c), -EPERM);
}

static void what_is_not_dumpable_or_more_powerful_may_not(void **state)
{
	struct access_case c = own;

	(void)state;
	c.dumpable = false;
	assert_int_equal(access_judge(&c), -EPERM);
	c = own;
	c.target.permitted = 1;
	assert_int_equal(access_judge(&c), -EPERM);
	c.caller.permitted = 3;
	assert_int_equal(access_judge(&c), 0);
	c.same_user_namespace = false;
	assert_int_equal(access_judge(&c), -EPERM);
}

static void the_capability_opens_all(void **state)
{
	struct access_case c = own;

	(void)state;
	c.target.uid[0] = 0;
	c.target.permitted = ~0ull;
	c.dumpable = false;
	c.caller.permitted = PTRACE_CAP;
	assert_int_equal(access_judge(&c), -EPERM);
	c.caller.effective = PTRACE_CAP;
	assert_int_equal(access_judge(&c), 0);
	/* In a user namespace of its own it reaches no further than that. */
	c.same_user_namespace = c.caller_in_ours = false;
	assert_int_equal(access_judge(&c), -EPERM);
}

static void a_tracer_by_request_may_not_be_weaker(void **state)
{
	struct access_case c = own;

	(void)state;
	c.target.uid[0] = 0;
	assert_int_equal(access_judge_traceme(&c), 0);
	c.target.permitted = 1;
	assert_int_equal(access_judge_traceme(&c), -EPERM);
	c.caller.effective = PTRACE_CAP;
	assert_int_equal(access_judge_traceme(&c), 0);
}

static void credentials_are_read_from_their_fields(void **state)
{
	struct credentials c;

	(void)state;
	assert_int_equal(credentials_parse(&c, "Name:\tUid: 5\nUid:\t1\t2\t3\t4\n"
					       "Gid:\t5\t6\t7\t8\nCapPrm:\t00000000000000ff\n"
					       "CapEff:\t000001ffffffffff\n"),
			 0);
	assert_int_equal(c.uid[2], 3);
	assert_int_equal(c.gid[0], 5);
	assert_int_equal(c.permitted, 0xff);
	assert_int_equal(c.effective, 0x1ffffffffff);
	assert_int_equal(credentials_parse(&c, "Uid:\t1\t2\t3\t4\n"), -ENODATA);
}

static void like_us_is_for_the_kernel_to_judge(void **state)
{
	(void)state;
	assert_int_equal(access_check(getpid(), getppid()), 0);
	assert_int_equal(access_check(getpid(), 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ones_own_may_be_traced),
		cmocka_unit_test(anything_foreign_may_not),
		cmocka_unit_test(the_real_ids_of_the_caller_count),
		cmocka_unit_test(what_is_not_dumpable_or_more_powerful_may_not),
		cmocka_unit_test(the_capability_opens_all),
		cmocka_unit_test(a_tracer_by_request_may_not_be_weaker),
		cmocka_unit_test(credentials_are_read_from_their_fields),
		cmocka_unit_test(like_us_is_for_the_kernel_to_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
