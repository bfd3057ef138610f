/* SPDX-License-Identifier: MIT */
#include "test/system/spots.h"

#include <stdlib.h>

void spots_start_as(struct spots *p, const char *program, const char *threads, const char *rounds,
		    const char *mode)
{
	char line[300], *at;

	target_start(&p->t, TARGET_ARGS(program, threads, rounds, mode));
	target_line(&p->t, line, sizeof line);
	CHECK(strncmp(line, "ready", 5) == 0);
	at = line + 5;
	for (int i = 0; i <= SPOTS; i++)
		p->at[i] = strtoull(at, &at, 16);
}

void spots_start(struct spots *p, const char *threads, const char *rounds)
{
	spots_start_as(p, "spots", threads, rounds, NULL);
}

uint64_t break_at(struct cotrace *s, const struct spots *p, int which, enum cotrace_mode mode)
{
	struct cotrace_breakpoint b = {
		.size = sizeof b, .mode = mode, .pid = p->t.pid, .addr = p->at[which]
	};
	uint64_t id;

	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	return id;
}

void count_hits(struct cotrace *s, unsigned *hits, uint64_t first_id, unsigned n)
{
	struct cotrace_event ev = EVENT_NULL;
	int r;

	while ((r = cotrace_next(s, &ev, test_ns(60000))) == 1) {
		if (ev.kind != COTRACE_EVENT_BREAKPOINT)
			continue;
		CHECK(ev.breakpoint.id >= first_id && ev.breakpoint.id < first_id + n);
		hits[ev.breakpoint.id - first_id]++;
		if (ev.flags & COTRACE_EV_STOP)
			CHECK_EQ(cotrace_resume(s, ev.task), 0);
	}
	CHECK_EQ(r, -ESHUTDOWN);
}
