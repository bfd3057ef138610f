/* SPDX-License-Identifier: MIT */
#include "test/system/sleepers.h"

#include <stdio.h>

#define ROUNDS 10

void sleepers_start(struct sleepers *p, const char *program)
{
	char line[100];

	TARGET_START(&p->t, program, "all");
	target_line(&p->t, line, sizeof line);
	CHECK_EQ(sscanf(line, "ready %u", &p->kinds), 1);
	CHECK_OP(p->kinds, >, 25);
}

void sleepers_end(struct sleepers *p)
{
	char line[100], woke[100];

	target_go(&p->t);
	/* "early KIND ERRNO" stands here if one has ended. */
	target_line(&p->t, line, sizeof line);
	snprintf(woke, sizeof woke, "woke %u", p->kinds);
	CHECK_STR(line, woke);
	target_ends_well(&p->t, 5000);
}

bool ends_on_time(const char *kind, unsigned ms, void (*interrupt)(struct cotrace *s))
{
	uint64_t begun, last = 0, limit = ms * 1000000ull;
	bool on_time;
	char text[16], line[100];
	struct cotrace *s;
	struct target t;

	snprintf(text, sizeof text, "%u", ms);
	TARGET_START(&t, "blocked", kind, text);
	target_line(&t, line, sizeof line);
	begun = test_now_ns();
	s = attached(t.pid, NULL);
	/* Until late, so that to begin anew would make a difference that no load makes. */
	for (int i = 0; i < ROUNDS && test_now_ns() - begun < limit * 7 / 10; i++) {
		last = test_now_ns();
		interrupt(s);
		test_sleep_ms(ms * 7 / 10 / ROUNDS);
	}
	target_line(&t, line, sizeof line);
	on_time = test_now_ns() < last + limit;
	CHECK_STR(line, "timed 1");
	cotrace_close(s);
	target_ends_well(&t, 5000);
	return on_time;
}
