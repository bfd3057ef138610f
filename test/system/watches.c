/* SPDX-License-Identifier: MIT */
/* Watchpoints (R8): every access, in every task, whatever the bytes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/system/watched.h"

/* 3.5: in tasks that start afterwards too (97). */
static void every_write_is_told(const char *program, unsigned threads, unsigned rounds)
{
	uint64_t before = 0, id;
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;

	watched_start_as(&w, program);
	s = attached(w.t.pid, NULL);
	id = watch(s, &w, w.variable, 4);
	puppet_tell(&w.t, "threads %u %u", threads, rounds);
	for (unsigned i = 1; i <= threads * rounds; i++) {
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.watchpoint.id, id);
		CHECK_EQ(ev.watchpoint.hits, i);
		CHECK_EQ(ev.watchpoint.addr, w.variable);
		CHECK_EQ(ev.watchpoint.length, 4);
		CHECK_EQ(ev.watchpoint.before, before);
		before = ev.watchpoint.after;
		CHECK_EQ(before & 0xfff, i & 0xfff);
		CHECK_EQ(before >> 12, (uint64_t)(uint32_t)ev.tid & 0xfffff);
		CHECK(ev.task != 0 && ev.pid == w.t.pid);
	}
	CHECK_EQ(puppet_answer(&w.t), threads * rounds);
	take_none(s, 20);
	cotrace_close(s);
	watched_ends_alone(&w);
}

TEST(every_write_of_200_threads_that_start_later_is_told)
{
	every_write_is_told("watched", 200, 50);
}

TEST(every_write_in_a_32_bit_program_is_told)
{
	every_write_is_told("watched-32", 20, 50);
}

TEST(a_write_of_an_equal_value_is_told_and_a_read_is_not)
{
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch(s, &w, w.bytes, 4);
	puppet_ask(&w.t, "store 0 4 7");
	take_values(s, 0, 7);
	puppet_ask(&w.t, "store 0 4 7");
	take_values(s, 7, 7);
	puppet_ask(&w.t, "load 0 4");
	puppet_ask(&w.t, "store 4 4 9");
	take_none(s, 20);
	CHECK_EQ(cotrace_clear(s, 1), 0);
	puppet_ask(&w.t, "store 0 4 8");
	take_none(s, 20);
	cotrace_close(s);
	watched_ends_alone(&w);
}

TEST(reads_are_told_where_access_is_watched)
{
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	set_watch(s, WATCH(&w, COTRACE_WATCH_ACCESS, COTRACE_NOTE, w.bytes + 8, 2));
	puppet_ask(&w.t, "store 8 4 0x10203");
	take_values(s, 0, 0x203);
	puppet_ask(&w.t, "load 8 4");
	take_values(s, 0x203, 0x203);
	puppet_ask(&w.t, "load 9 1");
	take_values(s, 0x203, 0x203);
	puppet_ask(&w.t, "load 10 1");
	take_none(s, 20);
	cotrace_close(s);
	watched_ends_alone(&w);
}

/* Each byte of the range and none beside it, wherever it lies. */
static void every_range(const char *program)
{
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;

	watched_start_as(&w, program);
	s = attached(w.t.pid, NULL);
	for (unsigned at = 8; at < 16; at++)
		for (unsigned length = 1; length <= 8; length++) {
			uint64_t id = watch(s, &w, w.bytes + at, length);

			for (unsigned i = at - 1; i <= at + length; i++) {
				bool in = i >= at && i < at + length;

				puppet_ask(&w.t, "store %u 1 %u", i, i + at + length);
				if (!in)
					continue;
				take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
				CHECK_EQ(ev.watchpoint.id, id);
				CHECK_EQ(ev.watchpoint.after >> (8 * (i - at)) & 0xff,
					 i + at + length);
			}
			/* One instruction, all its registers: one event. */
			puppet_ask(&w.t, "store %u 8 0x1122334455667788", at);
			take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
			CHECK_EQ(ev.watchpoint.after,
				 0x1122334455667788u & (~0ull >> (64 - 8 * length)));
			take_none(s, 0);
			CHECK_EQ(cotrace_clear(s, id), 0);
		}
	cotrace_close(s);
	watched_ends_alone(&w);
}

TEST(ranges_of_any_place_and_length_are_watched_exactly)
{
	every_range("watched");
}

TEST(ranges_of_any_place_and_length_are_watched_in_32_bit_programs)
{
	every_range("watched-32");
}

TEST(the_registers_are_shared_and_used_up_by_all_sessions)
{
	struct watched w;
	struct cotrace *a, *b;
	uint64_t id;

	watched_start(&w);
	a = attached(w.t.pid, NULL);
	b = attached(w.t.pid, NULL);
	for (unsigned i = 0; i < 4; i++) {
		id = watch(a, &w, w.bytes + 8 * i, 8);
		watch(b, &w, w.bytes + 8 * i, 8);
	}
	CHECK_EQ(refuse_watch(a, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes + 32, 8)),
		 -ENOSPC);
	CHECK_EQ(refuse_watch(b, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes, 4)),
		 -ENOSPC);
	CHECK_EQ(refuse_watch(b, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_NOTE, w.code, 0)),
		 -ENOSPC);
	CHECK_EQ(cotrace_clear(a, id), 0);
	CHECK_EQ(refuse_watch(b, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_NOTE, w.code, 0)),
		 -ENOSPC);
	puppet_ask(&w.t, "store 24 8 5");
	take_none(a, 20);
	take_values(b, 0, 5);
	cotrace_close(b);
	while (refuse_watch(a, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_NOTE, w.code, 0)) ==
	       -ENOSPC)
		usleep(1000); /* nobody waits for the end of a session */
	puppet_ask(&w.t, "store 16 4 6");
	take_values(a, 0, 6);
	cotrace_close(a);
	watched_ends_alone(&w);
}

#define SESSIONS 8

TEST(eight_sessions_come_and_go)
{
	struct cotrace *s[SESSIONS];
	unsigned told[SESSIONS] = { 0 }, seed = 1;
	struct watched w;

	watched_start(&w);
	for (int i = 0; i < SESSIONS; i++) {
		s[i] = attached(w.t.pid, NULL);
		watch(s[i], &w, w.bytes + 8 * (unsigned)(i % 4), 8);
	}
	for (unsigned round = 0; round < 200; round++) {
		unsigned i = (seed = seed * 1103515245 + 12345) >> 16 & 7, at = round % 4;

		if (s[i] != NULL) {
			cotrace_close(s[i]);
			s[i] = NULL;
			told[i] = 0;
		} else {
			s[i] = attached(w.t.pid, NULL);
			watch(s[i], &w, w.bytes + 8 * (i % 4), 8);
		}
		puppet_ask(&w.t, "store %u 8 %u", 8 * at, round);
		for (unsigned k = 0; k < SESSIONS; k++) {
			struct cotrace_event ev;

			if (s[k] == NULL)
				continue;
			if (k % 4 == at) {
				take_kind(s[k], &ev, COTRACE_EVENT_WATCHPOINT);
				CHECK_EQ(ev.watchpoint.after, round);
				CHECK_EQ(ev.watchpoint.hits, ++told[k]);
			}
			take_none(s[k], 0);
		}
	}
	for (int i = 0; i < SESSIONS; i++)
		if (s[i] != NULL)
			cotrace_close(s[i]);
	watched_ends_alone(&w);
}

/* Four registers are in use: what comes now is watched by stepping. */
static void use_up(struct cotrace *s, const struct watched *w, uint64_t *ids)
{
	for (unsigned i = 0; i < 4; i++)
		ids[i] = watch(s, w, w->bytes + 32 + 8 * i, 8);
}

static struct cotrace_breakpoint slowly(const struct watched *w, uint32_t kind, uint64_t at,
					uint32_t length)
{
	return WATCH(w, kind, COTRACE_NOTE, at, length, .flags = COTRACE_WATCH_SOFTWARE);
}

static uint32_t planted(struct cotrace *s, uint64_t id)
{
	struct cotrace_break_info v[10];
	int n = cotrace_breakpoints(s, v, 10);

	for (int i = 0; i < n; i++)
		if (v[i].id == id)
			return v[i].planted;
	FAIL("no breakpoint %llu", (unsigned long long)id);
}

static void watched_by_stepping(const char *program)
{
	struct watched w;
	struct cotrace *s;
	uint64_t ids[4], id;

	watched_start_as(&w, program);
	s = attached(w.t.pid, NULL);
	use_up(s, &w, ids);
	id = set_watch(s, slowly(&w, COTRACE_WATCH_WRITE, w.bytes + 1, 3));
	CHECK_EQ(planted(s, id), COTRACE_PLANTED_STEPPING);
	CHECK_EQ(planted(s, ids[0]), 1);
	puppet_ask(&w.t, "store 0 4 0x11223344");
	take_values(s, 0, 0x112233);
	puppet_ask(&w.t, "store 0 4 0x11223355");
	take_values(s, 0x112233, 0x112233);
	puppet_ask(&w.t, "store 4 8 1");
	puppet_ask(&w.t, "load 0 4");
	take_none(s, 20);
	puppet_ask(&w.t, "store 32 4 3"); /* in a register, in a step */
	take_values(s, 0, 3);
	puppet_ask(&w.t, "fill 0 2"); /* rep: one round, one event */
	take_values(s, 0x112233, 0x112255);
	puppet_ask(&w.t, "read 0 16 0x66"); /* known when the call has returned */
	take_values(s, 0x112255, 0x666666);
	set_watch(s, slowly(&w, COTRACE_WATCH_ACCESS, w.bytes + 3, 1));
	puppet_ask(&w.t, "load 0 4");
	take_values(s, 0x66, 0x66);
	take_none(s, 0);
	/* As soon as there are registers for it: two, and one for the other. */
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(planted(s, id), COTRACE_PLANTED_STEPPING);
		CHECK_EQ(cotrace_clear(s, ids[i]), 0);
	}
	CHECK_EQ(planted(s, id), 1);
	puppet_ask(&w.t, "store 2 1 9");
	take_values(s, 0x666666, 0x660966);
	cotrace_close(s);
	watched_ends_alone(&w);
}

TEST(what_finds_no_register_is_watched_by_stepping)
{
	watched_by_stepping("watched");
}

TEST(a_32_bit_program_is_watched_by_stepping)
{
	watched_by_stepping("watched-32");
}

TEST(threads_that_start_later_are_watched_by_stepping, .timeout_s = 60)
{
	uint64_t before = 0, ids[4];
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	use_up(s, &w, ids);
	set_watch(s, slowly(&w, COTRACE_WATCH_WRITE, w.variable, 4));
	puppet_tell(&w.t, "threads 4 20");
	for (unsigned i = 1; i <= 80; i++) {
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.watchpoint.before, before);
		before = ev.watchpoint.after;
		CHECK_EQ(before & 0xfff, i);
		CHECK_EQ(before >> 12, (uint64_t)(uint32_t)ev.tid & 0xfffff);
	}
	CHECK_EQ(puppet_answer(&w.t), 80);
	cotrace_close(s);
	watched_ends_alone(&w);
}
