/* SPDX-License-Identifier: MIT */
#include "test/system/watched.h"

#include <stdio.h>
#include <stdlib.h>

void watched_ready(struct watched *w)
{
	char line[200], *at;

	target_line(&w->t, line, sizeof line);
	CHECK(strncmp(line, "ready", 5) == 0);
	w->variable = strtoull(line + 5, &at, 16);
	w->bytes = strtoull(at, &at, 16);
	w->code = strtoull(at, &at, 16);
}

void watched_start_as(struct watched *w, const char *program)
{
	TARGET_START(&w->t, program);
	watched_ready(w);
}

void watched_start(struct watched *w)
{
	watched_start_as(w, "watched");
}

uint64_t set_watch(struct cotrace *s, struct cotrace_breakpoint b)
{
	uint64_t id;

	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	return id;
}

int refuse_watch(struct cotrace *s, struct cotrace_breakpoint b)
{
	uint64_t id;

	return cotrace_break(s, &id, &b);
}

uint64_t watch(struct cotrace *s, const struct watched *w, uint64_t at, uint32_t length)
{
	return set_watch(s, WATCH(w, COTRACE_WATCH_WRITE, COTRACE_NOTE, at, length));
}

void take_values(struct cotrace *s, uint64_t before, uint64_t after)
{
	struct cotrace_event ev;

	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(ev.watchpoint.before, before);
	CHECK_EQ(ev.watchpoint.after, after);
}

void watched_ends_alone(struct watched *w)
{
	check_untouched(w->t.pid);
	CHECK_EQ(puppet_ask(&w->t, "store 0 8 1"), 0);
	CHECK_EQ(puppet_ask(&w->t, "call 2"), 2);
	puppet_ask(&w->t, "threads 4 10");
	puppet_end(&w->t);
}
