/* SPDX-License-Identifier: MIT */
/* The decision is pure: facts in, reason out. What a real kernel says is in test/system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/explain.h"
#include "lib/session.h"

#define FACTS(...) (&(struct explain_facts){ .pid = 42, .comm = "prog", __VA_ARGS__ })

static unsigned reason(const struct explain_facts *f)
{
	int detail;

	return explain_decide(f, &detail);
}

static int detail_of(const struct explain_facts *f)
{
	int detail;

	explain_decide(f, &detail);
	return detail;
}

static void the_process_itself_may_be_the_reason(void **state)
{
	(void)state;
	assert_int_equal(reason(FACTS()), COTRACE_REASON_NONE);
	assert_int_equal(reason(FACTS(.absent = true)), COTRACE_REASON_NO_PROCESS);
	assert_int_equal(reason(FACTS(.invisible = true)), COTRACE_REASON_OTHER_USER);
	assert_int_equal(reason(FACTS(.zombie = true)), COTRACE_REASON_ZOMBIE);
	assert_int_equal(reason(FACTS(.kernel_thread = true)), COTRACE_REASON_KERNEL_THREAD);
	assert_int_equal(reason(FACTS(.self = true)), COTRACE_REASON_SELF);
}

#define REFUSED(...) FACTS(.access = -EACCES, __VA_ARGS__)

static void a_refusal_has_the_kernels_first_reason(void **state)
{
	(void)state;
	assert_int_equal(reason(REFUSED(.ids_differ = true, .not_dumpable = true)),
			 COTRACE_REASON_OTHER_USER);
	assert_int_equal(reason(REFUSED(.not_dumpable = true, .yama = 1)),
			 COTRACE_REASON_NOT_DUMPABLE);
	assert_int_equal(reason(REFUSED(.more_capable = true, .yama = 1)),
			 COTRACE_REASON_CAPABILITY);
	assert_int_equal(reason(REFUSED(.privileged = true, .other_userns = true)),
			 COTRACE_REASON_CAPABILITY);
	assert_int_equal(reason(REFUSED(.yama = 1)), COTRACE_REASON_YAMA);
	assert_int_equal(detail_of(REFUSED(.yama = 2)), 2);
	assert_int_equal(reason(REFUSED(.yama = 2, .privileged = true)), COTRACE_REASON_OTHER);
	assert_int_equal(reason(REFUSED(.yama = 3, .privileged = true)), COTRACE_REASON_YAMA);
	assert_int_equal(reason(REFUSED()), COTRACE_REASON_OTHER);
	assert_int_equal(detail_of(REFUSED()), EACCES);
}

static void a_tracer_may_be_in_the_way(void **state)
{
	(void)state;
	assert_int_equal(reason(FACTS(.tracer = 9)), COTRACE_REASON_FOREIGN_TRACER);
	assert_int_equal(detail_of(FACTS(.tracer = 9)), 9);
	assert_int_equal(reason(FACTS(.tracer = 9, .tracer_is_engine = true)), COTRACE_REASON_NONE);
	assert_int_equal(reason(FACTS(.tracer = 9, .tracer_is_engine = true, .engine = -EPERM)),
			 COTRACE_REASON_OTHER_ENGINE);
	assert_int_equal(reason(FACTS(.tracer = 9, .tracer_is_engine = true, .cycle = true)),
			 COTRACE_REASON_CYCLE);
	/* Its address is somebody else's. */
	assert_int_equal(reason(FACTS(.tracer = 9, .tracer_is_engine = true, .engine = -ENOENT)),
			 COTRACE_REASON_OTHER);
	assert_int_equal(detail_of(FACTS(.tracer = 9, .tracer_is_engine = true, .engine = -ENOENT)),
			 EADDRINUSE);
	/* Joining needs no ptrace of one's own. */
	assert_int_equal(reason(FACTS(.tracer = 9, .tracer_is_engine = true, .filtered = true)),
			 COTRACE_REASON_NONE);
}

static void a_new_engine_must_be_possible(void **state)
{
	(void)state;
	assert_int_equal(reason(FACTS(.filtered = true)), COTRACE_REASON_SECCOMP);
	assert_int_equal(reason(FACTS(.engine_missing = true)), COTRACE_REASON_NO_ENGINE);
	assert_int_equal(reason(FACTS(.yama = 1, .descendant = true)), COTRACE_REASON_YAMA);
	assert_int_equal(reason(FACTS(.yama = 1, .descendant = true, .privileged = true)),
			 COTRACE_REASON_NONE);
}

static void every_reason_has_one_sentence_that_fits(void **state)
{
	struct cotrace_explanation e;

	(void)state;
	for (unsigned r = 0; r <= COTRACE_REASON_OTHER; r++)
		for (int yama = 0; yama < 4; yama++) {
			size_t length;

			explain_sentence(FACTS(.yama = yama, .access = -EPERM,
					       .tracer_comm = "a-long-command"),
					 r, e.sentence, sizeof e.sentence);
			length = strlen(e.sentence);
			assert_true(length > 20 && length < sizeof e.sentence - 1);
			assert_int_equal(e.sentence[length - 1], '.');
		}
}

static unsigned ask(pid_t pid)
{
	struct cotrace_explanation e = { .size = sizeof e };

	assert_int_equal(cotrace_explain(pid, &e), 0);
	return e.reason;
}

static void a_user_namespace_is_named_as_far_as_it_is_known(void **state)
{
	char text[400];

	(void)state;
	explain_sentence(REFUSED(.other_userns = true, .userns = "user:[7]",
				 .own_userns = "user:[8]"),
			 COTRACE_REASON_CAPABILITY, text, sizeof text);
	assert_non_null(strstr(text, "user namespace, user:[7], than you (user:[8])"));
	explain_sentence(REFUSED(.other_userns = true, .own_userns = "user:[8]"),
			 COTRACE_REASON_CAPABILITY, text, sizeof text);
	assert_non_null(strstr(text, "user namespace than you (user:[8])"));
}

static void real_processes_are_told_apart(void **state)
{
	pid_t child = fork();
	siginfo_t info;

	(void)state;
	if (child == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(ask(child), COTRACE_REASON_ZOMBIE);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(ask(child), COTRACE_REASON_NO_PROCESS);
	assert_int_equal(ask(-1), COTRACE_REASON_NO_PROCESS);
	assert_int_equal(ask(getpid()), COTRACE_REASON_SELF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_process_itself_may_be_the_reason),
		cmocka_unit_test(a_refusal_has_the_kernels_first_reason),
		cmocka_unit_test(a_tracer_may_be_in_the_way),
		cmocka_unit_test(a_new_engine_must_be_possible),
		cmocka_unit_test(every_reason_has_one_sentence_that_fits),
		cmocka_unit_test(a_user_namespace_is_named_as_far_as_it_is_known),
		cmocka_unit_test(real_processes_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
