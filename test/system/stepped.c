/* SPDX-License-Identifier: MIT */
#include "test/system/stepped.h"

#include <stdlib.h>

void stepped_start(struct stepped *p, const char *program, const char *what)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_STOP };
	char line[200], *at;
	uint64_t id;

	TARGET_START(&p->t, program, what);
	target_line(&p->t, line, sizeof line);
	CHECK(strncmp(line, "ready", 5) == 0);
	p->from = strtoull(line + 5, &at, 16);
	p->to = strtoull(at, &at, 16);
	p->spot = strtoull(at, NULL, 16);
	p->s = attached(p->t.pid, NULL);
	b.pid = p->t.pid;
	b.addr = p->from;
	CHECK_EQ(cotrace_break(p->s, &id, &b), 0);
	target_go(&p->t);
	take_kind(p->s, &p->ev, COTRACE_EVENT_BREAKPOINT);
	CHECK_EQ(cotrace_clear(p->s, id), 0);
	p->task = p->ev.task;
}

void stepped_end(struct stepped *p)
{
	char text[200] = "";

	cotrace_close(p->s);
	target_output(&p->t, text, sizeof text);
	CHECK_STR(text, "good\n");
	target_ends_well(&p->t, 5000);
}

void step(struct stepped *p, enum cotrace_step_kind kind, uint64_t from, uint64_t to)
{
	CHECK_EQ(cotrace_step(p->s, p->task, kind, from, to), 0);
	take_kind(p->s, &p->ev, COTRACE_EVENT_STEP);
	CHECK(p->ev.flags & COTRACE_EV_STOP);
	CHECK_EQ(p->ev.task, p->task);
}
