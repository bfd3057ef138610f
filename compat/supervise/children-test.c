/* SPDX-License-Identifier: MIT */
/* Which children a wait is about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat/supervise/children.h"

static void the_line_of_a_real_child_is_understood(void **state)
{
	pid_t pid = fork();
	siginfo_t info;
	struct kid k;

	(void)state;
	if (pid == 0) {
		prctl(PR_SET_NAME, "a) S 9 8 (b");
		_exit(0);
	}
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	assert_int_equal(kid_read(&k, pid), 0);
	assert_int_equal(k.pid, pid);
	assert_int_equal(k.state, 'Z');
	assert_int_equal(k.group, getpgrp());
	assert_int_equal(k.exit_signal, SIGCHLD);
	waitpid(pid, NULL, 0);
	assert_true(kid_read(&k, pid) < 0);
}

static bool matches(pid_t pid, pid_t group, int exit_signal, int idtype, pid_t id, int options)
{
	const struct kid k = { pid, group, 'S', exit_signal };
	const struct wait_query q = { idtype, id, options };

	return kid_matches(&k, &q);
}

static void ids_and_kinds_of_children_select(void **state)
{
	(void)state;
	assert_true(matches(5, 7, SIGCHLD, P_ALL, 0, WEXITED));
	assert_true(matches(5, 7, SIGCHLD, P_PID, 5, WEXITED));
	assert_false(matches(5, 7, SIGCHLD, P_PID, 6, WEXITED));
	assert_true(matches(5, 7, SIGCHLD, P_PGID, 7, WEXITED));
	assert_false(matches(5, 7, SIGCHLD, P_PGID, 5, WEXITED));
	assert_false(matches(5, 7, 0, P_ALL, 0, WEXITED));
	assert_true(matches(5, 7, 0, P_ALL, 0, WEXITED | __WCLONE));
	assert_false(matches(5, 7, SIGCHLD, P_ALL, 0, WEXITED | __WCLONE));
	assert_true(matches(5, 7, 0, P_ALL, 0, WEXITED | __WALL));
}

static bool reports(char state, int options)
{
	const struct kid k = { 5, 7, state, SIGCHLD };
	const struct wait_query q = { P_ALL, 0, options };

	return kid_reports(&k, &q);
}

static void only_what_is_asked_for_is_reported(void **state)
{
	(void)state;
	assert_true(reports('Z', WEXITED));
	assert_false(reports('Z', WSTOPPED));
	assert_true(reports('T', WSTOPPED | WEXITED));
	assert_false(reports('T', WEXITED));
	assert_false(reports('S', WSTOPPED | WEXITED));
	assert_true(reports('S', WCONTINUED));
	assert_false(reports('t', WSTOPPED | WEXITED));
}

static void count(const struct kid *k, void *arg)
{
	(void)k;
	++*(int *)arg;
}

static bool skip_none(pid_t pid, void *arg)
{
	(void)arg;
	return pid <= 0;
}

static void children_are_found(void **state)
{
	const struct caller c = { getpid(), getpid(), false };
	const struct wait_query all = { P_ALL, 0, WEXITED };
	int none = 0, two = 0;
	struct children_visit v = { &all, skip_none, count, &none };
	pid_t pids[2];

	(void)state;
	children_each(&c, &v);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			for (;;)
				pause();
	}
	v.arg = &two;
	children_each(&c, &v);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	assert_int_equal(none, 0);
	assert_int_equal(two, 2);
	assert_false(children_of_many(getpid()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_of_a_real_child_is_understood),
		cmocka_unit_test(ids_and_kinds_of_children_select),
		cmocka_unit_test(only_what_is_asked_for_is_reported),
		cmocka_unit_test(children_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
