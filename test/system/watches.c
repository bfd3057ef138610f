/* SPDX-License-Identifier: MIT */
/* Watchpoints and hardware breakpoints (R8). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/system/system.h"

struct watched {
	struct target t;
	uint64_t variable, bytes, code;
};

static void watched_ready(struct watched *w)
{
	char line[200], *at;

	target_line(&w->t, line, sizeof line);
	CHECK(strncmp(line, "ready", 5) == 0);
	w->variable = strtoull(line + 5, &at, 16);
	w->bytes = strtoull(at, &at, 16);
	w->code = strtoull(at, &at, 16);
}

static void watched_start_as(struct watched *w, const char *program)
{
	TARGET_START(&w->t, program);
	watched_ready(w);
}

static void watched_start(struct watched *w)
{
	watched_start_as(w, "watched");
}

#define WATCH(w, k, m, at, n, ...)                                               \
	((struct cotrace_breakpoint){ .size = sizeof(struct cotrace_breakpoint), \
				      .kind = (k),                               \
				      .mode = (m),                               \
				      .pid = (w)->t.pid,                         \
				      .addr = (at),                              \
				      .length = (n),                             \
				      __VA_ARGS__ })

static uint64_t set(struct cotrace *s, struct cotrace_breakpoint b)
{
	uint64_t id;

	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	return id;
}

static int refused(struct cotrace *s, struct cotrace_breakpoint b)
{
	uint64_t id;

	return cotrace_break(s, &id, &b);
}

static uint64_t watch(struct cotrace *s, const struct watched *w, uint64_t at, uint32_t length)
{
	return set(s, WATCH(w, COTRACE_WATCH_WRITE, COTRACE_NOTE, at, length));
}

static void take_values(struct cotrace *s, uint64_t before, uint64_t after)
{
	struct cotrace_event ev;

	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(ev.watchpoint.before, before);
	CHECK_EQ(ev.watchpoint.after, after);
}

/* It runs on alone as if nobody had ever been there: no register is left armed. */
static void ends_alone(struct watched *w)
{
	check_untouched(w->t.pid);
	CHECK_EQ(puppet_ask(&w->t, "store 0 8 1"), 0);
	CHECK_EQ(puppet_ask(&w->t, "call 2"), 2);
	puppet_ask(&w->t, "threads 4 10");
	puppet_end(&w->t);
}

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
	ends_alone(&w);
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
	ends_alone(&w);
}

TEST(reads_are_told_where_access_is_watched)
{
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	set(s, WATCH(&w, COTRACE_WATCH_ACCESS, COTRACE_NOTE, w.bytes + 8, 2));
	puppet_ask(&w.t, "store 8 4 0x10203");
	take_values(s, 0, 0x203);
	puppet_ask(&w.t, "load 8 4");
	take_values(s, 0x203, 0x203);
	puppet_ask(&w.t, "load 9 1");
	take_values(s, 0x203, 0x203);
	puppet_ask(&w.t, "load 10 1");
	take_none(s, 20);
	cotrace_close(s);
	ends_alone(&w);
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
	ends_alone(&w);
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
	CHECK_EQ(refused(a, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes + 32, 8)),
		 -ENOSPC);
	CHECK_EQ(refused(b, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes, 4)), -ENOSPC);
	CHECK_EQ(refused(b, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_NOTE, w.code, 0)), -ENOSPC);
	CHECK_EQ(cotrace_clear(a, id), 0);
	CHECK_EQ(refused(b, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_NOTE, w.code, 0)), -ENOSPC);
	puppet_ask(&w.t, "store 24 8 5");
	take_none(a, 20);
	take_values(b, 0, 5);
	cotrace_close(b);
	while (refused(a, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_NOTE, w.code, 0)) == -ENOSPC)
		usleep(1000); /* nobody waits for the end of a session */
	puppet_ask(&w.t, "store 16 4 6");
	take_values(a, 0, 6);
	cotrace_close(a);
	ends_alone(&w);
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
	ends_alone(&w);
}

TEST(a_stop_comes_after_the_access_and_the_task_goes_on)
{
	struct cotrace_event ev;
	unsigned char now[4];
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	set(s, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_STOP, w.bytes, 4));
	for (unsigned char i = 1; i < 10; i++) {
		puppet_tell(&w.t, "store 0 4 %u", i);
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK(ev.flags & COTRACE_EV_STOP);
		CHECK_EQ(cotrace_read_memory(s, w.t.pid, w.bytes, now, 4), 4);
		CHECK_EQ(now[0], i);
		CHECK(!puppet_answers(&w.t, 5));
		CHECK_EQ(cotrace_resume(s, ev.task), 0);
		CHECK_EQ(puppet_answer(&w.t), 0);
	}
	cotrace_close(s);
	ends_alone(&w);
}

TEST(a_hardware_breakpoint_hits_once_for_each_pass)
{
	struct cotrace_event ev;
	unsigned char before[4], after[4];
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	CHECK_EQ(cotrace_read_memory(s, w.t.pid, w.code, before, 4), 4);
	set(s, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_STOP, w.code, 0));
	CHECK_EQ(cotrace_read_memory(s, w.t.pid, w.code, after, 4), 4);
	CHECK(memcmp(before, after, 4) == 0);
	puppet_tell(&w.t, "call 100");
	for (unsigned i = 1; i <= 100; i++) {
		take_kind(s, &ev, COTRACE_EVENT_BREAKPOINT);
		CHECK_EQ(ev.pc, w.code);
		CHECK_EQ(ev.breakpoint.hits, i);
		CHECK_EQ(cotrace_resume(s, ev.task), 0);
	}
	CHECK_EQ(puppet_answer(&w.t), 100);
	take_none(s, 20);
	cotrace_close(s);
	ends_alone(&w);
}

/* The trap beneath, the slot or acting out, and the register: each its own, once a pass. */
static void both_kinds(const char *order, enum cotrace_mode mode)
{
	unsigned soft = 0, hard = 0;
	uint64_t soft_id, hard_id;
	struct cotrace_event ev;
	struct cotrace *a, *b;
	struct watched w;

	watched_start(&w);
	a = attached(w.t.pid, NULL);
	b = attached(w.t.pid, NULL);
	soft_id = set(a, WATCH(&w, COTRACE_BREAK_SOFTWARE, mode, w.code, 0));
	hard_id = set(b, WATCH(&w, COTRACE_BREAK_HARDWARE, mode, w.code, 0));
	puppet_tell(&w.t, "%s 50", order);
	for (unsigned i = 0; i < 50; i++) {
		take_kind(b, &ev, COTRACE_EVENT_BREAKPOINT);
		CHECK_EQ(ev.breakpoint.id, hard_id);
		CHECK_EQ(ev.pc, w.code);
		CHECK_EQ(ev.breakpoint.hits, ++hard);
		if (mode == COTRACE_STOP)
			cotrace_resume(b, ev.task);
		take_kind(a, &ev, COTRACE_EVENT_BREAKPOINT);
		CHECK_EQ(ev.breakpoint.id, soft_id);
		CHECK_EQ(ev.pc, w.code);
		CHECK_EQ(ev.breakpoint.hits, ++soft);
		if (mode == COTRACE_STOP)
			cotrace_resume(a, ev.task);
	}
	CHECK_EQ(puppet_answer(&w.t), 50);
	take_none(a, 20);
	take_none(b, 0);
	cotrace_close(a);
	cotrace_close(b);
	ends_alone(&w);
}

TEST(a_trap_and_a_register_at_one_address_hit_once_each)
{
	both_kinds("call", COTRACE_NOTE);
	both_kinds("call", COTRACE_STOP);
	both_kinds("handler", COTRACE_STOP);
}

/* `code` pushes; the breakpoint on it must not hide that from who watches the stack. */
TEST(what_the_engine_would_act_out_is_seen_by_watchpoints)
{
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	set(s, WATCH(&w, COTRACE_BREAK_SOFTWARE, COTRACE_STOP, w.code, 0));
	puppet_tell(&w.t, "call 3");
	for (unsigned i = 0; i < 3; i++) {
		skip_to(s, &ev, COTRACE_EVENT_BREAKPOINT);
		break;
	}
	/* skip_to() does not answer the one it gives. */
	set(s, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, ev.sp - 8, 8));
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(cotrace_resume(s, ev.task), 0);
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.pc, w.code + 1);
		if (i < 2)
			skip_to(s, &ev, COTRACE_EVENT_BREAKPOINT);
	}
	CHECK_EQ(puppet_answer(&w.t), 3);
	cotrace_close(s);
	ends_alone(&w);
}

/* 39 */
TEST(a_step_and_a_watchpoint_are_both_told)
{
	struct cotrace_event ev;
	struct cotrace *a, *b;
	struct watched w;
	bool hit = false;

	watched_start(&w);
	a = attached(w.t.pid, NULL);
	b = attached(w.t.pid, NULL);
	set(a, WATCH(&w, COTRACE_BREAK_SOFTWARE, COTRACE_STOP, w.code, 0));
	puppet_tell(&w.t, "call 1");
	take_kind(a, &ev, COTRACE_EVENT_BREAKPOINT);
	watch(b, &w, ev.sp - 8, 8);
	watch(a, &w, ev.sp - 8, 8);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(cotrace_step(a, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
		if (i == 0) {
			take_kind(a, &ev, COTRACE_EVENT_WATCHPOINT);
			CHECK_EQ(ev.pc, w.code + 1);
			take_kind(b, &ev, COTRACE_EVENT_WATCHPOINT);
			hit = true;
		}
		take_kind(a, &ev, COTRACE_EVENT_STEP);
		if (i < 2)
			CHECK_EQ(ev.pc, w.code + 1 + (unsigned)i);
	}
	CHECK(hit);
	take_none(b, 0);
	CHECK_EQ(cotrace_resume(a, 0), 0);
	CHECK_EQ(puppet_answer(&w.t), 1);
	cotrace_close(a);
	cotrace_close(b);
	ends_alone(&w);
}

TEST(conditions_counts_and_once_go_for_watchpoints_too)
{
	struct cotrace_breakpoint b;
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;
	char text[80];
	uint8_t *code;
	size_t size;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	snprintf(text, sizeof text, "*(int *)0x%llx > 5", (unsigned long long)w.bytes);
	CHECK_EQ(cotrace_compile(&code, &size, COTRACE_ARCH_X86_64, text, NULL, 0), 0);
	b = WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes, 4, .ignore = 1,
		  .flags = COTRACE_BREAK_ONCE);
	b.condition = (struct cotrace_expression){ code, size };
	set(s, b);
	free(code);
	for (unsigned i = 0; i < 10; i++)
		puppet_ask(&w.t, "store 0 4 %u", i);
	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(ev.watchpoint.before, 6);
	CHECK_EQ(ev.watchpoint.after, 7);
	CHECK_EQ(ev.watchpoint.hits, 2);
	take_none(s, 20);
	cotrace_close(s);
	ends_alone(&w);
}

TEST(what_a_session_writes_is_no_hit_but_known)
{
	struct cotrace *a, *b;
	uint32_t value = 99;
	struct watched w;

	watched_start(&w);
	a = attached(w.t.pid, NULL);
	b = attached(w.t.pid, NULL);
	watch(a, &w, w.bytes, 4);
	CHECK_EQ(cotrace_write_memory(b, w.t.pid, w.bytes, &value, 4), 4);
	take_none(a, 20);
	puppet_ask(&w.t, "store 0 4 1");
	take_values(a, 99, 1);
	cotrace_close(a);
	cotrace_close(b);
	ends_alone(&w);
}

TEST(children_are_not_watched_unless_they_inherit)
{
	struct cotrace *a, *b;
	struct cotrace_event ev;
	struct watched w;

	watched_start(&w);
	a = attached(w.t.pid, OPTIONS(.scope = COTRACE_TREE));
	b = attached(w.t.pid, NULL);
	watch(b, &w, w.bytes, 4);
	CHECK_EQ(puppet_ask(&w.t, "fork 0"), 0);
	take_none(b, 20);
	set(a, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes, 4,
		     .flags = COTRACE_BREAK_INHERIT));
	CHECK_EQ(puppet_ask(&w.t, "fork 0"), 0);
	take_kind(a, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK(ev.pid != w.t.pid);
	CHECK_EQ(ev.watchpoint.after, 0x12345678);
	take_none(b, 20);
	cotrace_close(a);
	cotrace_close(b);
	ends_alone(&w);
}

TEST(an_exec_ends_a_watchpoint)
{
	struct watched w;
	struct cotrace *s;

	watched_start_as(&w, "watched-static");
	s = attached(w.t.pid, NULL);
	watch(s, &w, w.bytes, 4);
	puppet_tell(&w.t, "again");
	watched_ready(&w);
	puppet_ask(&w.t, "store 0 4 1");
	take_none(s, 20);
	set(s, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes, 4,
		     .flags = COTRACE_BREAK_REPLANT));
	puppet_tell(&w.t, "again");
	watched_ready(&w);
	puppet_ask(&w.t, "store 0 4 1");
	take_values(s, 0, 1);
	cotrace_close(s);
	ends_alone(&w);
}

/* A task that never stops by itself is reached, and let go of. */
TEST(a_busy_task_is_armed_and_left_alone)
{
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	puppet_ask(&w.t, "spin");
	for (int i = 0; i < 20; i++) {
		s = attached(w.t.pid, OPTIONS(.flags = COTRACE_LOSSY));
		watch(s, &w, w.variable, 4);
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		if (i % 2 == 0)
			CHECK_EQ(cotrace_clear(s, ev.watchpoint.id), 0);
		cotrace_close(s);
	}
	check_untouched(w.t.pid);
	CHECK_EQ(puppet_ask(&w.t, "call 1"), 1);
	puppet_end(&w.t);
}

TEST(rep_instructions_are_told_as_they_go)
{
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;
	unsigned n = 0;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch(s, &w, w.bytes + 8, 8);
	puppet_ask(&w.t, "fill 0 32");
	do {
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		n++;
	} while (ev.watchpoint.after != 0x5555555555555555u);
	test_note("%u events", n);
	puppet_ask(&w.t, "fill 24 8");
	drain(s);
	cotrace_close(s);
	ends_alone(&w);
}
