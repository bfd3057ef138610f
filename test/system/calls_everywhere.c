/* SPDX-License-Identifier: MIT */
/*
 * Programs that check themselves make a call of somebody else's at every stop that there is,
 * and do the same as always.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/inject.h"
#include "test/system/same.h"
#include "test/system/spots.h"

/* It was killed out of the stop, by an exec or the end of its process. */
static bool is_at_its_exit(struct cotrace *s, uint64_t task)
{
	struct cotrace_task_info v[256];
	int n = cotrace_tasks(s, v, 256);

	for (int i = 0; i < n && i < 256; i++)
		if (v[i].task == task)
			return v[i].state == COTRACE_TASK_EXITED;
	return true;
}

/* There is no way back from there. */
static bool may_fail(struct cotrace *s, const struct cotrace_event *ev, int error)
{
	if (error == -EBUSY)
		return ev->kind == COTRACE_EVENT_VFORK || is_at_its_exit(s, ev->task);
	return error == -ESRCH;
}

static unsigned call_at(struct cotrace *s, const struct cotrace_event *ev)
{
	int64_t nr = ev->arch == COTRACE_ARCH_I386 ? I386_GETPID : SYS_getpid, result = -1;
	int r = cotrace_syscall(s, ev->task, nr, ARGS(0), &result, test_ns(10000));

	if (r == 0 && result != ev->pid)
		FAIL("at %s: getpid() of %d is %lld", cotrace_event_name(ev->kind), ev->pid,
		     (long long)result);
	if (r < 0 && !may_fail(s, ev, r))
		FAIL("at %s of %d: %s", cotrace_event_name(ev->kind), ev->tid, test_errno_name(r));
	return r == 0;
}

static unsigned call_everywhere(struct cotrace *s)
{
	unsigned calls = 0;

	for (;;) {
		struct cotrace_event ev = EVENT_NULL;
		int r = cotrace_next(s, &ev, test_ns(20000));

		if (r == -EINTR)
			continue;
		if (r == -ESHUTDOWN)
			break;
		CHECK_EQ(r, 1);
		if (!(ev.flags & COTRACE_EV_STOP))
			continue;
		calls += call_at(s, &ev);
		CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	}
	CHECK_OP(calls, >, 10);
	return calls;
}

static const struct way way = { COTRACE_STOP, COTRACE_TREE, call_everywhere };

#define SAME(test_name, program, a, b)                  \
	TEST(test_name, .timeout_s = 120)               \
	{                                               \
		check_variants(&way, 1, program, a, b); \
	}

SAME(threads_do_the_same_with_calls_everywhere, "threads", "4", "10")
SAME(forks_do_the_same_with_calls_everywhere, "forks", "3", "3")
SAME(vforks_do_the_same_with_calls_everywhere, "vforks", "10", NULL)
SAME(execs_do_the_same_with_calls_everywhere, "execs", "5", NULL)
SAME(execs_by_threads_do_the_same_with_calls_everywhere, "execs", "3", "thread")
SAME(signals_do_the_same_with_calls_everywhere, "signals", "10", NULL)
SAME(a_leader_that_ends_first_does_the_same_with_calls_everywhere, "leader", "4", NULL)
SAME(system_calls_do_the_same_with_calls_everywhere, "sysloop", "200", NULL)

TEST(a_go_program_does_the_same_with_calls_everywhere, .timeout_s = 120)
{
	check_same(&way, 1, (const char *const[]){ "goroutines", "8", "20", NULL });
}

TEST(a_shell_pipeline_does_the_same_with_calls_everywhere, .timeout_s = 120)
{
	check_pipeline(&way, 1);
}

TEST(calls_between_steps_leave_the_steps)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev);

	puppet_tell(&t, "raw %d 1 2 3", SYS_getppid);
	for (int i = 0; i < 300; i++) {
		struct image was;

		take_image(s, &ev, &was);
		CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
		check_image(s, &ev, &was);
		CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
		take_kind(s, &ev, COTRACE_EVENT_STEP);
	}
	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK_EQ(puppet_answer(&t), getpid());
	finish_calls(s, &t);
}

/* All kinds of instructions, executed by all ways past a breakpoint. */
TEST(calls_at_breakpoints_leave_what_is_executed, .timeout_s = 60)
{
	unsigned hits = 0;
	struct cotrace_event ev = EVENT_NULL;
	struct cotrace *s;
	struct spots p;
	int r;

	spots_start(&p, "2", "50");
	s = attached(p.t.pid, NULL);
	for (int i = 0; i < SPOTS; i++)
		break_at(s, &p, i, COTRACE_STOP);
	target_go(&p.t);
	while ((r = cotrace_next(s, &ev, test_ns(60000))) == 1) {
		if (ev.kind != COTRACE_EVENT_BREAKPOINT)
			continue;
		hits++;
		call_at(s, &ev);
		CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	}
	CHECK_EQ(r, -ESHUTDOWN);
	CHECK_EQ(hits, 2 * 50 * SPOTS);
	target_ends_well(&p.t, 5000);
	cotrace_close(s);
}

/* It was interrupted, and must not commit, though the call was made outside of it. */
TEST(a_restartable_sequence_with_a_call_in_it_never_commits)
{
	struct cotrace_breakpoint b = { .size = sizeof b,
					.kind = COTRACE_BREAK_HARDWARE,
					.mode = COTRACE_STOP };
	struct cotrace_event ev = EVENT_NULL;
	unsigned hits = 0;
	struct cotrace *s;
	struct target t;
	char line[80];
	uint64_t id;
	int r;

	TARGET_START(&t, "sequence", "100");
	target_line(&t, line, sizeof line);
	b.addr = strtoull(line + strlen("ready "), NULL, 16);
	b.pid = t.pid;
	s = attached(t.pid, NULL);
	r = cotrace_break(s, &id, &b);
	if (r == -ENODEV || r == -ENOSPC)
		test_skip("no debug registers here");
	CHECK_EQ(r, 0);
	target_go(&t);
	while (cotrace_next(s, &ev, test_ns(20000)) == 1) {
		if (ev.kind != COTRACE_EVENT_BREAKPOINT)
			continue;
		hits++;
		call_at(s, &ev);
		CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	}
	CHECK_EQ(hits, 100);
	target_expect(&t, "committed 0 aborted 100");
	target_ends_well(&t, 5000);
	cotrace_close(s);
}
