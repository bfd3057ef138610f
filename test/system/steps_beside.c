/* SPDX-License-Identifier: MIT */
/* Steps beside those of other sessions, other tasks, and job control. */
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/stepped.h"

TEST(two_sessions_step_one_task_each_in_its_way)
{
	struct cotrace_event ev = EVENT_NULL;
	struct stepped p;
	struct cotrace *b;
	unsigned n = 0;

	stepped_start(&p, "stepped", "flags");
	b = attached(p.t.pid, NULL);
	CHECK_EQ(cotrace_stop(b, p.task, COTRACE_ONE, test_ns(2000)), 0);
	take_kind(b, &ev, COTRACE_EVENT_STOP_DONE);
	CHECK_EQ(cotrace_step(b, p.task, COTRACE_STEP_RANGE, p.from, p.from + 1), 0);
	step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
	/* The next is made when both have asked: they are told one after the other (R3). */
	CHECK_EQ(cotrace_step(p.s, p.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
	take_kind(b, &ev, COTRACE_EVENT_STEP);
	CHECK_EQ(ev.pc, p.ev.pc);
	take_none(p.s, 50);
	CHECK_EQ(cotrace_step(b, p.task, COTRACE_STEP_RANGE, 0, UINT64_MAX), 0);
	take_kind(p.s, &p.ev, COTRACE_EVENT_STEP);
	for (; p.ev.pc != p.to && n < 500; n++)
		step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
	take_none(b, 0);
	cotrace_close(b);
	stepped_end(&p);
}

TEST(a_session_that_closes_in_the_middle_of_a_step_leaves_nothing_behind)
{
	for (int i = 0; i < 60; i++) {
		struct stepped p;

		stepped_start(&p, "stepped", "strings");
		CHECK_EQ(cotrace_step(p.s, p.task, COTRACE_STEP_RANGE, 0, UINT64_MAX), 0);
		if (i % 3)
			usleep(100 * (unsigned)i);
		stepped_end(&p);
	}
}

TEST(calls_that_another_session_sees_are_steps_all_the_same)
{
	struct cotrace_event ev = EVENT_NULL;
	struct stepped p;
	struct cotrace *b;
	unsigned n = 0, calls = 0;

	stepped_start(&p, "stepped", "call");
	b = attached(p.t.pid, NULL);
	subscribe_call(b, SYS_getppid, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	for (; p.ev.pc != p.to; n++)
		step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
	while (cotrace_next(b, &ev, 0) == 1)
		calls += ev.kind == COTRACE_EVENT_SYSCALL_ENTRY;
	CHECK(n > 20);
	CHECK_EQ(calls, 2); /* its own, and that of the C library */
	cotrace_close(b);
	stepped_end(&p);
}

/* All at once, each in its way, while another session has breakpoints on their ways. */
TEST(all_threads_step_at_once)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_NOTE };
	struct cotrace_event ev = EVENT_NULL;
	unsigned steps = 0, stood = 0, hits = 0;
	char line[300], *at;
	struct cotrace *s, *other;
	struct target t;
	uint64_t id;

	TARGET_START(&t, "spots", "4", "3000");
	target_line(&t, line, sizeof line);
	s = attached(t.pid, NULL);
	other = attached(t.pid, NULL);
	b.pid = t.pid;
	at = line + 5;
	for (int i = 0; i < 8; i++) {
		b.addr = strtoull(at, &at, 16);
		CHECK_EQ(cotrace_break(other, &id, &b), 0);
	}
	target_go(&t);
	usleep(20000);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	while (steps < 3000 && cotrace_next(s, &ev, test_ns(3000)) == 1) {
		if (ev.kind == COTRACE_EVENT_STOP_DONE)
			stood++;
		else if (ev.kind == COTRACE_EVENT_STEP)
			steps++;
		else
			continue;
		CHECK_EQ(cotrace_step(s, ev.task, 1 + steps % 2, 0, 0), 0);
	}
	CHECK_EQ(steps, 3000);
	CHECK(stood >= 4);
	cotrace_close(s);
	while (cotrace_next(other, &ev, test_ns(20000)) == 1)
		hits += ev.kind == COTRACE_EVENT_BREAKPOINT;
	CHECK_EQ(hits, 8 * 4 * 3000);
	target_expect(&t, "passed 12000");
	target_ends_well(&t, 5000);
	cotrace_close(other);
}

TEST(a_step_waits_while_job_control_stops_the_task)
{
	struct stepped p;
	uint64_t pc;

	stepped_start(&p, "stepped", "flags");
	for (int i = 0; i < 20; i++) {
		pc = p.ev.pc;
		CHECK_SYS(kill(p.t.pid, SIGSTOP));
		CHECK_EQ(cotrace_step(p.s, p.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
		take_none(p.s, 20);
		CHECK_SYS(kill(p.t.pid, SIGCONT));
		take_kind(p.s, &p.ev, COTRACE_EVENT_STEP);
		CHECK(p.ev.pc != pc);
	}
	stepped_end(&p);
}

TEST(signals_that_stepped_instructions_bring_are_told_once)
{
	struct cotrace_event ev = EVENT_NULL;
	struct stepped p;
	struct cotrace *b;
	unsigned signals = 0, n = 0;

	stepped_start(&p, "stepped", "faults");
	b = attached(p.t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(b, ~0ull, COTRACE_NOTE), 0);
	for (; p.ev.pc != p.to; n++)
		step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
	while (cotrace_next(b, &ev, 0) == 1)
		signals += ev.kind == COTRACE_EVENT_SIGNAL;
	CHECK_EQ(signals, 6);
	cotrace_close(b);
	stepped_end(&p);
}

TEST(one_session_stops_or_leaves_while_another_steps)
{
	struct cotrace_event ev = EVENT_NULL;
	struct stepped p;
	struct cotrace *b;

	stepped_start(&p, "stepped", "computes");
	CHECK_EQ(cotrace_step(p.s, p.task, COTRACE_STEP_RANGE, 0, UINT64_MAX), 0);
	for (int i = 0; i < 20; i++) {
		b = attached(p.t.pid, NULL);
		CHECK_EQ(cotrace_stop(b, p.task, COTRACE_ONE, test_ns(2000)), 0);
		take_kind(b, &ev, COTRACE_EVENT_STOP_DONE);
		if (i % 2)
			CHECK_EQ(cotrace_step(b, p.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
		if (i % 4 == 3)
			take_kind(b, &ev, COTRACE_EVENT_STEP);
		cotrace_close(b);
	}
	take_none(p.s, 0);
	stepped_end(&p);
}

/* As PTRACE_SYSCALL; another session sees all of it as ever, one task runs without it. */
TEST(a_task_goes_from_call_to_call_without_a_subscription)
{
	struct cotrace_event ev, seen;
	struct cotrace *s, *other;
	struct target t;
	long tid;

	puppet_start(&t);
	tid = puppet_ask(&t, "thread");
	s = attached(t.pid, NULL);
	other = attached(t.pid, NULL);
	subscribe_call(other, SYS_getppid, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	/* Not at the entry of its call, made again, where the subscription has put it. */
	CHECK_SOON(proc_state(t.pid) == 'S', 5000);
	CHECK_EQ(cotrace_stop(s, task_of(s, t.pid), COTRACE_ONE, test_ns(2000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	puppet_tell(&t, "raw %d", SYS_getppid);
	do {
		CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_SYSCALL, 0, 0), 0);
		take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
		CHECK_EQ(ev.flags & COTRACE_EV_STOP, COTRACE_EV_STOP);
		CHECK_EQ(ev.tid, t.pid);
		if (ev.syscall.nr == SYS_getppid)
			break;
		CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_SYSCALL, 0, 0), 0);
		take_kind(s, &seen, COTRACE_EVENT_SYSCALL_EXIT);
		CHECK_EQ(seen.syscall.nr, ev.syscall.nr);
	} while (ev.syscall.nr != SYS_getppid);
	CHECK(tid != t.pid);
	CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_SYSCALL, 0, 0), 0);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.result, getpid());
	take_kind(other, &seen, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_REPLACE, .result = 99)), 0);
	take_kind(other, &seen, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(puppet_answer(&t), 99);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	take_none(s, 0);
	cotrace_close(s);
	cotrace_close(other);
	check_untouched(t.pid);
	puppet_tell(&t, "thread-end");
	puppet_end(&t);
}
