/* SPDX-License-Identifier: MIT */
/*
 * The parent of a traced child is told exactly what it would be told without tracing, by
 * wait4, waitid, pidfd and SIGCHLD (rows 10, 50, 72, 73). See test/targets/parent.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test/system/system.h"

enum how { UNTRACED, ATTACHED, NOTES, STOPS, WHOLE_TREE };

static void record(const char *scenario, enum how how, char *text, size_t size)
{
	struct cotrace *s = NULL;
	struct target t;
	char line[64];
	uint64_t until;
	pid_t child;

	TARGET_START(&t, "parent", scenario);
	target_line(&t, line, sizeof line);
	child = (pid_t)strtol(line + 6, NULL, 10);
	CHECK_OP(child, >, 0);
	if (how == WHOLE_TREE)
		s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	else if (how != UNTRACED)
		s = attached(child, NULL);
	if (how >= NOTES)
		subscribe_all(s, how == STOPS ? COTRACE_STOP : COTRACE_NOTE);
	target_go(&t);
	/* Stops are answered by whoever has to while the parent looks on. */
	until = test_now_ns() + (uint64_t)test_ns(20000);
	while (s && proc_state(t.pid) != 'Z' && test_now_ns() < until) {
		struct cotrace_event ev = EVENT_NULL;

		if (cotrace_next(s, &ev, 10000000) == 1 && ev.flags & COTRACE_EV_STOP)
			cotrace_answer(s, &ev, NULL);
	}
	target_output(&t, text, size);
	cotrace_close(s);
	target_ends_well(&t, 5000);
}

static void check_scenario(const char *scenario)
{
	static char untraced[16384], traced[16384];

	record(scenario, UNTRACED, untraced, sizeof untraced);
	CHECK(strstr(untraced, "end\n") != NULL);
	for (enum how how = ATTACHED; how <= WHOLE_TREE; how++) {
		record(scenario, how, traced, sizeof traced);
		if (strcmp(untraced, traced) != 0) {
			fprintf(stderr, "--- untraced\n%s--- traced (%d)\n%s", untraced, how,
				traced);
			FAIL("%s: the parent was told something else (way %d)", scenario, how);
		}
	}
}

#define SCENARIO(test_name, scenario)     \
	TEST(test_name, .timeout_s = 120) \
	{                                 \
		check_scenario(scenario); \
	}

SCENARIO(the_parent_of_a_child_that_exits_is_told_the_same, "exit")
SCENARIO(the_parent_of_a_child_that_aborts_is_told_the_same, "abort")
SCENARIO(the_parent_of_a_child_that_faults_is_told_the_same, "fault")
SCENARIO(the_parent_of_a_terminated_child_is_told_the_same, "terminated")
SCENARIO(the_parent_of_a_killed_child_is_told_the_same, "killed")
SCENARIO(the_parent_of_a_stopped_child_is_told_the_same, "stopped")
SCENARIO(the_parent_of_a_twice_stopped_child_is_told_the_same, "stopped-twice")
SCENARIO(the_parent_of_a_stopped_child_with_threads_is_told_the_same, "stopped-threads")
SCENARIO(the_parent_of_a_child_killed_while_stopped_is_told_the_same, "killed-while-stopped")
SCENARIO(the_parent_of_a_child_that_stops_itself_is_told_the_same, "stops-itself")
SCENARIO(the_parent_of_a_child_that_stops_often_is_told_the_same, "stops-often")
SCENARIO(a_parent_that_does_not_wait_is_told_the_same, "nobody-waits")
SCENARIO(the_parent_of_a_child_whose_leader_ends_first_is_told_the_same, "leader-first")
SCENARIO(the_parent_of_a_child_whose_group_exits_is_told_the_same, "group-exit")
SCENARIO(the_parent_of_a_child_that_execs_is_told_the_same, "exec")
SCENARIO(the_parent_of_a_child_whose_thread_execs_is_told_the_same, "exec-from-thread")
SCENARIO(the_parent_of_a_child_with_children_is_told_the_same, "grandchildren")
SCENARIO(a_parent_without_stop_signals_is_told_the_same, "no-stops")
SCENARIO(a_parent_that_ignores_sigchld_is_told_the_same, "ignored")
SCENARIO(a_parent_that_ignores_sigchld_sees_stops_the_same, "ignored-stop")
SCENARIO(a_parent_that_does_not_want_to_wait_is_told_the_same, "no-wait")
