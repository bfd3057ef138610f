/* SPDX-License-Identifier: MIT */
/* Breakpoints: told exactly, to their owners, and seen by nobody else (R7). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/system/system.h"

#define SPOTS 8

struct spots {
	struct target t;
	uint64_t at[SPOTS];
};

static void spots_start_as(struct spots *p, const char *program, const char *threads,
			   const char *rounds)
{
	char line[300], *at;

	target_start(&p->t, TARGET_ARGS(program, threads, rounds));
	target_line(&p->t, line, sizeof line);
	CHECK(strncmp(line, "ready", 5) == 0);
	at = line + 5;
	for (int i = 0; i < SPOTS; i++)
		p->at[i] = strtoull(at, &at, 16);
}

static void spots_start(struct spots *p, const char *threads, const char *rounds)
{
	spots_start_as(p, "spots", threads, rounds);
}

static uint64_t break_at(struct cotrace *s, const struct spots *p, int which,
			 enum cotrace_mode mode)
{
	struct cotrace_breakpoint b = {
		.size = sizeof b, .mode = mode, .pid = p->t.pid, .addr = p->at[which]
	};
	uint64_t id;

	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	return id;
}

/* Takes events until the session ends; counts hits. */
static void count_hits(struct cotrace *s, unsigned *hits, uint64_t first_id, unsigned n)
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

static void every_place(const char *program, enum cotrace_mode mode)
{
	unsigned hits[SPOTS] = { 0 };
	struct cotrace *s;
	struct spots p;
	uint64_t id = 0;

	spots_start_as(&p, program, "4", "50");
	s = attached(p.t.pid, NULL);
	for (int i = 0; i < SPOTS; i++) {
		uint64_t this = break_at(s, &p, i, mode);

		id = i == 0 ? this : id;
	}
	target_go(&p.t);
	count_hits(s, hits, id, SPOTS);
	target_expect(&p.t, "passed 200");
	target_ends_well(&p.t, 5000);
	for (int i = 0; i < SPOTS; i++)
		CHECK_EQ(hits[i], 200);
	cotrace_close(s);
}

TEST(each_pass_of_each_kind_of_instruction_is_noted_once)
{
	every_place("spots", COTRACE_NOTE);
}

TEST(each_pass_of_each_kind_of_instruction_is_a_stop)
{
	every_place("spots", COTRACE_STOP);
}

TEST(each_pass_in_a_32_bit_program_is_noted_once)
{
	every_place("spots-32", COTRACE_NOTE);
}

TEST(each_pass_in_a_static_program_is_noted_once)
{
	every_place("spots-static", COTRACE_NOTE);
}

/* R7 */
TEST(nobody_reads_a_trap_and_the_program_is_clean_afterwards)
{
	struct cotrace *a, *b;
	unsigned char before[16], after[16];
	struct spots p;
	uint64_t id;

	spots_start(&p, "1", "1");
	a = attached(p.t.pid, NULL);
	b = attached(p.t.pid, NULL);
	for (int i = 0; i < SPOTS; i++) {
		CHECK_EQ(cotrace_read_memory(a, p.t.pid, p.at[i], before, 16), 16);
		id = break_at(a, &p, i, COTRACE_NOTE);
		CHECK_EQ(cotrace_read_memory(a, p.t.pid, p.at[i], after, 16), 16);
		CHECK(memcmp(before, after, 16) == 0);
		CHECK_EQ(cotrace_read_memory(b, p.t.pid, p.at[i], after, 16), 16);
		CHECK(memcmp(before, after, 16) == 0);
	}
	CHECK_EQ(cotrace_clear(a, id), 0);
	CHECK_EQ(cotrace_clear(a, id), -ENOENT);
	CHECK_EQ(cotrace_clear(b, id - 1), -ENOENT);
	cotrace_close(a);
	for (int i = 0; i < SPOTS; i++)
		CHECK_EQ(cotrace_read_memory(b, p.t.pid, p.at[i], after, 16), 16);
	cotrace_close(b);
	check_untouched(p.t.pid);
	target_go(&p.t);
	target_expect(&p.t, "passed 1");
	target_ends_well(&p.t, 5000);
}
