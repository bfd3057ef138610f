/* SPDX-License-Identifier: MIT */
/* Breakpoints: told exactly, to their owners, and seen by nobody else (R7). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/system/spots.h"

static void every_place(const char *program, enum cotrace_mode mode)
{
	unsigned hits[SPOTS] = { 0 };
	struct cotrace *s;
	struct spots p;
	uint64_t id = 0;

	spots_start_as(&p, program, "4", "50", NULL);
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

/* 58 */
TEST(a_forked_child_that_is_not_covered_has_no_trap)
{
	unsigned hits[SPOTS] = { 0 };
	struct cotrace *s;
	struct spots p;
	uint64_t id = 0;

	spots_start_as(&p, "spots", "2", "50", "fork");
	s = attached(p.t.pid, NULL);
	for (int i = 0; i < SPOTS; i++)
		id = break_at(s, &p, i, COTRACE_NOTE) - (uint64_t)i;
	target_go(&p.t);
	count_hits(s, hits, id, SPOTS);
	target_expect(&p.t, "passed 100");
	target_ends_well(&p.t, 5000);
	for (int i = 0; i < SPOTS; i++)
		CHECK_EQ(hits[i], 100);
	cotrace_close(s);
}

TEST(a_forked_child_of_a_tree_inherits_if_asked_to)
{
	const struct cotrace_options tree = { .size = sizeof tree, .scope = COTRACE_TREE };
	unsigned own = 0, childs = 0;
	struct cotrace_event ev = EVENT_NULL;
	struct cotrace *s;
	struct spots p;

	spots_start_as(&p, "spots", "2", "50", "fork");
	s = attached(p.t.pid, &tree);
	for (int i = 0; i < 6; i++) {
		struct cotrace_breakpoint b = {
			.size = sizeof b, .mode = COTRACE_NOTE, .pid = p.t.pid, .addr = p.at[i]
		};
		uint64_t id;

		b.flags = i % 2 ? COTRACE_BREAK_INHERIT : 0;
		CHECK_EQ(cotrace_break(s, &id, &b), 0);
	}
	target_go(&p.t);
	while (cotrace_next(s, &ev, test_ns(20000)) == 1)
		if (ev.kind == COTRACE_EVENT_BREAKPOINT)
			++*(ev.pid == p.t.pid ? &own : &childs);
	target_ends_well(&p.t, 5000);
	CHECK_EQ(own, 600);
	CHECK_EQ(childs, 150);
	cotrace_close(s);
}

/* 57 */
static void through_vfork(enum cotrace_scope scope)
{
	const struct cotrace_options options = { .size = sizeof options, .scope = scope };
	unsigned hits[SPOTS] = { 0 };
	struct cotrace *s;
	struct spots p;
	uint64_t id = 0;

	spots_start_as(&p, "spots", "2", "30", "vfork");
	s = attached(p.t.pid, &options);
	for (int i = 0; i < SPOTS; i++)
		id = break_at(s, &p, i, COTRACE_NOTE) - (uint64_t)i;
	target_go(&p.t);
	count_hits(s, hits, id, SPOTS);
	target_expect(&p.t, "passed 60");
	target_ends_well(&p.t, 5000);
	for (int i = 0; i < SPOTS; i++)
		CHECK_EQ(hits[i], 60);
	cotrace_close(s);
}

TEST(a_vforked_child_passes_its_parents_traps_unseen)
{
	through_vfork(COTRACE_PROCESS);
}

TEST(a_vforked_child_that_is_covered_has_no_hits_of_its_parents_either)
{
	through_vfork(COTRACE_TREE);
}

TEST(signals_with_handlers_neither_lose_nor_double_a_hit)
{
	unsigned hits[SPOTS] = { 0 }, handled;
	struct cotrace *s;
	struct spots p;
	uint64_t id = 0;
	char line[80];

	spots_start_as(&p, "spots", "4", "300", "signals");
	s = attached(p.t.pid, NULL);
	for (int i = 0; i < SPOTS; i++)
		id = break_at(s, &p, i, COTRACE_NOTE) - (uint64_t)i;
	target_go(&p.t);
	count_hits(s, hits, id, SPOTS);
	target_line(&p.t, line, sizeof line);
	CHECK_EQ(sscanf(line, "handled %u", &handled), 1);
	target_expect(&p.t, "passed 1200");
	target_ends_well(&p.t, 5000);
	test_note("%u signals", handled);
	CHECK(handled > 10);
	CHECK_EQ(hits[0], 1200 + handled);
	for (int i = 1; i < SPOTS; i++)
		CHECK_EQ(hits[i], 1200);
	cotrace_close(s);
}

/* The program's own trap at the very same address. */
TEST(a_trap_of_the_program_is_its_own_and_a_breakpoint_on_it_too)
{
	unsigned hits = 0, signals = 0;
	struct cotrace_event ev = EVENT_NULL;
	struct cotrace *s;
	struct spots p;

	spots_start_as(&p, "spots", "1", "40", "trap");
	s = attached(p.t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(SIGTRAP), COTRACE_NOTE), 0);
	break_at(s, &p, SPOTS, COTRACE_NOTE);
	target_go(&p.t);
	while (cotrace_next(s, &ev, test_ns(20000)) == 1) {
		if (ev.kind == COTRACE_EVENT_BREAKPOINT) {
			hits++;
			CHECK_EQ(ev.pc, p.at[SPOTS]);
		} else if (ev.kind == COTRACE_EVENT_SIGNAL) {
			signals++;
			CHECK_EQ(ev.pc, p.at[SPOTS] + 1);
		}
	}
	target_ends_well(&p.t, 5000);
	CHECK_EQ(hits, 40);
	CHECK_EQ(signals, 40);
	cotrace_close(s);
}

static struct cotrace_expression compiled(const char *text)
{
	struct cotrace_expression e;
	uint8_t *code;
	char message[200];

	if (cotrace_compile(&code, &e.size, COTRACE_ARCH_X86_64, text, message, sizeof message) < 0)
		FAIL("%s: %s", text, message);
	e.code = code;
	return e;
}

TEST(conditions_ignored_hits_and_values)
{
	struct cotrace_event ev = EVENT_NULL;
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_NOTE };
	struct cotrace_break_info info[4];
	struct cotrace *s;
	struct spots p;
	uint8_t data[64];
	uint64_t id, value;
	unsigned n = 0;

	spots_start(&p, "1", "1000");
	s = attached(p.t.pid, NULL);
	b.pid = p.t.pid;
	b.addr = p.at[0];
	b.condition = compiled("$rdi % 10 == 3");
	b.ignore = 5;
	b.value_count = 3;
	b.values[0] = compiled("$rdi * 2");
	b.values[1] = compiled("*(long *)1");
	b.values[2] = compiled("*(unsigned char *)$rip");
	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	CHECK_EQ(cotrace_breakpoints(s, info, 4), 1);
	CHECK_EQ(info[0].id, id);
	CHECK_EQ(info[0].addr, p.at[0]);
	CHECK_EQ(info[0].hits, 0);
	target_go(&p.t);
	while (cotrace_next_data(s, &ev, data, sizeof data, test_ns(20000)) == 1) {
		if (ev.kind != COTRACE_EVENT_BREAKPOINT)
			continue;
		CHECK_EQ(ev.breakpoint.hits, 6 + n);
		CHECK_EQ(ev.captured_count, 3);
		CHECK_EQ(ev.captured[0].size, 8);
		memcpy(&value, data + ev.captured[0].offset, 8);
		CHECK_EQ(value, 2 * (10 * (5 + n) + 3));
		CHECK_EQ(ev.captured[1].size, 0);
		CHECK(ev.captured[1].flags & COTRACE_CAPTURED_FAULT);
		memcpy(&value, data + ev.captured[2].offset, 8);
		CHECK_EQ(value, 0x90); /* what the program has there */
		n++;
	}
	CHECK_EQ(n, 95);
	target_ends_well(&p.t, 5000);
	cotrace_close(s);
	free((void *)b.condition.code);
	for (int i = 0; i < 3; i++)
		free((void *)b.values[i].code);
}

TEST(what_cannot_be_planted_is_refused)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_STOP };
	const struct cotrace_options observer = { .size = sizeof observer,
						  .role = COTRACE_OBSERVER };
	struct cotrace *s, *o;
	struct spots p;
	uint64_t id;
	int local;

	spots_start(&p, "1", "1");
	s = attached(p.t.pid, NULL);
	o = attached(p.t.pid, &observer);
	b.pid = p.t.pid;
	b.addr = 8;
	CHECK_EQ(cotrace_break(s, &id, &b), -EFAULT);
	b.addr = (uint64_t)(uintptr_t)&local;
	CHECK_EQ(cotrace_break(s, &id, &b), -EFAULT);
	b.addr = p.at[0];
	CHECK_EQ(cotrace_break(o, &id, &b), -EPERM);
	b.pid = 1;
	CHECK_EQ(cotrace_break(s, &id, &b), -ESRCH);
	b.pid = p.t.pid;
	b.mode = 3;
	CHECK_EQ(cotrace_break(s, &id, &b), -EINVAL);
	b.mode = COTRACE_NOTE;
	b.condition = (struct cotrace_expression){ (const uint8_t *)"\x02", 1 };
	CHECK_EQ(cotrace_break(s, &id, &b), -EINVAL);
	b.addr = 8;
	b.condition.size = 0;
	b.flags = COTRACE_BREAK_REPLANT;
	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	cotrace_close(s);
	cotrace_close(o);
	target_go(&p.t);
	target_ends_well(&p.t, 5000);
}

TEST(once_is_once_and_a_task_of_its_own)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_NOTE };
	struct cotrace_event ev = EVENT_NULL;
	unsigned once = 0, others = 0;
	struct cotrace *s;
	struct spots p;
	uint64_t id, first;

	spots_start_as(&p, "spots", "2", "30", "fork");
	s = attached(p.t.pid, NULL);
	b.pid = p.t.pid;
	b.addr = p.at[3];
	b.flags = COTRACE_BREAK_ONCE;
	CHECK_EQ(cotrace_break(s, &first, &b), 0);
	b.flags = 0;
	b.task = task_of(s, p.t.pid);
	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	target_go(&p.t);
	while (cotrace_next(s, &ev, test_ns(20000)) == 1)
		if (ev.kind == COTRACE_EVENT_BREAKPOINT)
			++*(ev.breakpoint.id == first ? &once : &others);
	CHECK_EQ(once, 1);
	CHECK_EQ(others, 0); /* the leader does not go there */
	target_ends_well(&p.t, 5000);
	cotrace_close(s);
}

/* A write over a breakpoint changes what lies beneath it. */
TEST(a_write_over_a_trap_lies_beneath_it)
{
	unsigned hits[SPOTS] = { 0 };
	unsigned char code[4];
	struct cotrace *s, *other;
	struct spots p;
	uint64_t id;

	spots_start(&p, "2", "25");
	s = attached(p.t.pid, NULL);
	other = attached(p.t.pid, NULL);
	id = break_at(s, &p, 0, COTRACE_NOTE);
	CHECK_EQ(cotrace_read_memory(other, p.t.pid, p.at[0], code, 4), 4);
	CHECK_EQ(code[0], 0x90);
	CHECK_EQ(cotrace_write_memory(other, p.t.pid, p.at[0], "\xf8", 1), 1); /* clc */
	CHECK_EQ(cotrace_read_memory(s, p.t.pid, p.at[0], code, 4), 4);
	CHECK_EQ(code[0], 0xf8);
	cotrace_close(other);
	target_go(&p.t);
	count_hits(s, hits, id, 1);
	CHECK_EQ(hits[0], 50);
	target_expect(&p.t, "passed 50");
	target_ends_well(&p.t, 5000);
	cotrace_close(s);
}

/* One that a hit has interrupted begins anew; in a slot the kernel would not see it. */
TEST(a_restartable_sequence_with_a_trap_in_it_never_commits)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_NOTE };
	struct cotrace_event ev = EVENT_NULL;
	unsigned hits = 0;
	struct cotrace *s;
	struct target t;
	char line[80];
	uint64_t id;

	TARGET_START(&t, "sequence", "100");
	target_line(&t, line, sizeof line);
	b.addr = strtoull(line + strlen("ready "), NULL, 16);
	b.pid = t.pid;
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	target_go(&t);
	while (cotrace_next(s, &ev, test_ns(20000)) == 1)
		hits += ev.kind == COTRACE_EVENT_BREAKPOINT;
	CHECK_EQ(hits, 100);
	target_expect(&t, "committed 0 aborted 100");
	target_ends_well(&t, 5000);
	cotrace_close(s);
}

/* A mapping with a function of its own, which is then called. */
static void map_and_call(struct cotrace *s, struct target *t, uint64_t id)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42, %eax; ret */
	struct cotrace_event ev;

	CHECK_EQ(puppet_ask(t, "raw 9 %u 4096 7 " FIXED " -1 0", NOWHERE), NOWHERE);
	CHECK_EQ(cotrace_write_memory(s, t->pid, NOWHERE, code, sizeof code), sizeof code);
	CHECK_EQ(puppet_ask(t, "call %u", NOWHERE), 42);
	take_kind(s, &ev, COTRACE_EVENT_BREAKPOINT);
	CHECK_EQ(ev.breakpoint.id, id);
	CHECK_EQ(ev.pc, NOWHERE);
}

TEST(a_breakpoint_follows_what_is_mapped_if_asked_to)
{
	struct cotrace_breakpoint b = { .size = sizeof b,
					.mode = COTRACE_NOTE,
					.addr = NOWHERE,
					.flags = COTRACE_BREAK_REPLANT };
	struct cotrace_break_info info;
	struct cotrace *s;
	struct target t;
	uint64_t id;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	b.pid = t.pid;
	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	CHECK_EQ(cotrace_breakpoints(s, &info, 1), 1);
	CHECK_EQ(info.planted, 0);
	map_and_call(s, &t, id);
	CHECK_EQ(cotrace_breakpoints(s, &info, 1), 1);
	CHECK_EQ(info.planted, 1);
	CHECK_EQ(puppet_ask(&t, "raw 11 %u 4096", NOWHERE), 0);
	map_and_call(s, &t, id);
	/* What was written there is dropped, and with it the trap. */
	CHECK_EQ(puppet_ask(&t, "raw 28 %u 4096 4", NOWHERE), 0);
	CHECK_EQ(cotrace_write_memory(s, t.pid, NOWHERE, "\xc3", 1), 1);
	puppet_ask(&t, "call %u", NOWHERE);
	CHECK_EQ(cotrace_breakpoints(s, &info, 1), 1);
	CHECK_EQ(info.hits, 3);
	cotrace_close(s);
	puppet_ask(&t, "call %u", NOWHERE);
	puppet_end(&t);
}

TEST(a_breakpoint_follows_into_the_next_program_if_asked_to)
{
	struct cotrace_breakpoint b = { .size = sizeof b,
					.mode = COTRACE_NOTE,
					.flags = COTRACE_BREAK_REPLANT };
	struct cotrace_event ev = EVENT_NULL;
	unsigned hits = 0;
	struct cotrace *s;
	struct spots p;
	struct target t;
	uint64_t id, other;

	/* Where it is in a program that is always at the same place. */
	spots_start_as(&p, "spots-static", "1", "1", NULL);
	target_go(&p.t);
	target_ends_well(&p.t, 5000);
	puppet_start(&t);
	s = attached(t.pid, NULL);
	b.pid = t.pid;
	b.addr = p.at[2];
	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	b.flags = 0;
	CHECK_EQ(cotrace_break(s, &other, &b), -EFAULT);
	puppet_tell(&t, "exec %s 2 10", target_path("spots-static"));
	target_go(&t);
	while (cotrace_next(s, &ev, test_ns(20000)) == 1)
		hits += ev.kind == COTRACE_EVENT_BREAKPOINT;
	CHECK_EQ(hits, 20);
	target_ends_well(&t, 5000);
	cotrace_close(s);
}
