/* SPDX-License-Identifier: MIT */
/* Steps (R5) on real instructions. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/system/system.h"

TEST(a_step_is_one_instruction)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint64_t pc;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, task_of(s, t.pid), COTRACE_ONE, test_ns(2000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	puppet_tell(&t, "pid");
	CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
	pc = ev.pc;
	take_kind(s, &ev, COTRACE_EVENT_STEP);
	CHECK(ev.flags & COTRACE_EV_STOP);
	CHECK(ev.pc >= pc && ev.pc < pc + 16);
	for (int i = 0; i < 200; i++) {
		pc = ev.pc;
		CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
		take_kind(s, &ev, COTRACE_EVENT_STEP);
		CHECK(ev.pc != pc);
	}
	cotrace_close(s);
	CHECK_EQ(puppet_answer(&t), t.pid);
	puppet_end(&t);
}

/* ---- Programs that look for traces of being stepped ---- */

struct stepped {
	struct target t;
	struct cotrace *s;
	uint64_t from, to, task;
	struct cotrace_event ev; /* it stands there */
};

static void stepped_start(struct stepped *p, const char *program, const char *what)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_STOP };
	char line[200], *at;
	uint64_t id;

	TARGET_START(&p->t, program, what);
	target_line(&p->t, line, sizeof line);
	CHECK(strncmp(line, "ready", 5) == 0);
	p->from = strtoull(line + 5, &at, 16);
	p->to = strtoull(at, NULL, 16);
	p->s = attached(p->t.pid, NULL);
	b.pid = p->t.pid;
	b.addr = p->from;
	CHECK_EQ(cotrace_break(p->s, &id, &b), 0);
	target_go(&p->t);
	take_kind(p->s, &p->ev, COTRACE_EVENT_BREAKPOINT);
	CHECK_EQ(cotrace_clear(p->s, id), 0);
	p->task = p->ev.task;
}

static void stepped_end(struct stepped *p)
{
	char text[200] = "";

	cotrace_close(p->s);
	target_output(&p->t, text, sizeof text);
	CHECK_STR(text, "good\n");
	target_ends_well(&p->t, 5000);
}

static void step(struct stepped *p, enum cotrace_step_kind kind, uint64_t from, uint64_t to)
{
	CHECK_EQ(cotrace_step(p->s, p->task, kind, from, to), 0);
	take_kind(p->s, &p->ev, COTRACE_EVENT_STEP);
	CHECK(p->ev.flags & COTRACE_EV_STOP);
	CHECK_EQ(p->ev.task, p->task);
}

static unsigned step_through(const char *program, const char *what)
{
	struct stepped p;
	unsigned n = 0;

	stepped_start(&p, program, what);
	for (; p.ev.pc != p.to; n++)
		step(&p, COTRACE_STEP_INSTRUCTION, 0, 0);
	stepped_end(&p);
	return n;
}

#define NOTHING_IS_SEEN_OF_STEPS_THROUGH(what)                 \
	TEST(nothing_is_seen_of_steps_through_##what)          \
	{                                                      \
		CHECK(step_through("stepped", #what) > 20);    \
		CHECK(step_through("stepped-32", #what) > 20); \
	}                                                      \
	TEST(nothing_is_seen_of_one_long_step_through_##what)  \
	{                                                      \
		one_long_step("stepped", #what);               \
		one_long_step("stepped-32", #what);            \
	}

/* In the engine, to the end of the program. */
static void one_long_step(const char *program, const char *what)
{
	struct stepped p;
	char text[200] = "";

	stepped_start(&p, program, what);
	CHECK_EQ(cotrace_step(p.s, p.task, COTRACE_STEP_RANGE, 0, UINT64_MAX), 0);
	target_output(&p.t, text, sizeof text);
	CHECK_STR(text, "good\n");
	target_ends_well(&p.t, 5000);
	cotrace_close(p.s);
}

NOTHING_IS_SEEN_OF_STEPS_THROUGH(flags)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(call)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(own)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(iret)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(frames)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(faults)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(pop)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(strings)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(notrap)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(children)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(threads)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(execs)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(blocked)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(sigtrap)
NOTHING_IS_SEEN_OF_STEPS_THROUGH(computes)
