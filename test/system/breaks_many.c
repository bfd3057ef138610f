/* SPDX-License-Identifier: MIT */
/* More breakpoints than there is scratch memory for, one after another. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/system/system.h"

#define STRIDE 3u /* bytes of an instruction of the field */
#define AT_ONCE 1024u
#define THREADS 3u
#define AREA 65536u /* of scratch memory, at a time */

struct field {
	struct target t;
	uint64_t at;
	uint64_t ids[AT_ONCE];
	unsigned hits[AT_ONCE];
};

/* @mode may be NULL; see test/targets/field.c. */
static void field_start(struct field *f, const char *program, unsigned rounds, const char *mode)
{
	char line[80], number[16];

	snprintf(number, sizeof number, "%u", rounds);
	target_start(&f->t, TARGET_ARGS(program, "3", number, mode));
	target_line(&f->t, line, sizeof line);
	CHECK(strncmp(line, "ready ", 6) == 0);
	f->at = strtoull(line + 6, NULL, 16);
}

static void plant(struct cotrace *s, struct field *f, unsigned round, unsigned count)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_NOTE, .pid = f->t.pid };

	memset(f->hits, 0, sizeof f->hits);
	for (unsigned i = 0; i < count; i++) {
		b.addr = f->at + STRIDE * (round * count + i);
		CHECK_EQ(cotrace_break(s, &f->ids[i], &b), 0);
	}
}

static void clear(struct cotrace *s, const struct field *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		CHECK_EQ(cotrace_clear(s, f->ids[i]), 0);
}

/* Takes hits until each of @count has so many; what was hit before does not matter. */
static void take_hits(struct cotrace *s, struct field *f, unsigned count, unsigned each)
{
	struct cotrace_event ev = EVENT_NULL;
	unsigned ready = 0;

	while (ready < count) {
		uint64_t which;

		CHECK_EQ(cotrace_next(s, &ev, test_ns(20000)), 1);
		which = ev.breakpoint.id - f->ids[0];
		if (ev.kind == COTRACE_EVENT_BREAKPOINT && which < count)
			ready += ++f->hits[which] == each;
	}
}

/* Memory that no file is behind, and that can be executed but not written. */
static unsigned scratch(pid_t pid)
{
	static char text[65536];
	unsigned long long from, to;
	char path[40], rights[5];
	unsigned size = 0;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	CHECK(proc_read(path, text, sizeof text) > 0);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		CHECK_EQ(sscanf(line, "%llx-%llx %4s", &from, &to, rights), 3);
		if (strcmp(rights, "r-xp") == 0 && strpbrk(line, "/[") == NULL)
			size += (unsigned)(to - from);
	}
	return size;
}

static void many_exactly(const char *program, unsigned rounds)
{
	struct cotrace_event ev = EVENT_NULL;
	static struct field f;
	char line[40];
	struct cotrace *s;

	field_start(&f, program, rounds, NULL);
	s = attached(f.t.pid, NULL);
	for (unsigned round = 0; round < rounds; round++) {
		plant(s, &f, round, AT_ONCE);
		target_go(&f.t);
		take_hits(s, &f, AT_ONCE, THREADS);
		for (unsigned i = 0; i < AT_ONCE; i++)
			CHECK_EQ(f.hits[i], THREADS);
		snprintf(line, sizeof line, "passed %u", round + 1);
		if (round + 1 < rounds) {
			target_expect(&f.t, line);
			CHECK_EQ(cotrace_next(s, &ev, 0), 0);
			clear(s, &f, AT_ONCE);
			CHECK(scratch(f.t.pid) >= AREA && scratch(f.t.pid) <= 2 * AREA);
		}
	}
	target_ends_well(&f.t, 5000);
	cotrace_close(s);
}

/* In long runs more than all scratch memory has room for. */
TEST(scratch_memory_of_breakpoints_that_are_gone_is_used_again, .timeout_s = 200)
{
	many_exactly("field", test_rounds(6, 72));
}

TEST(scratch_memory_is_used_again_in_a_32_bit_program, .timeout_s = 200)
{
	many_exactly("field-32", test_rounds(4, 72));
}

/* The program checks what comes of each pass. */
static void many_come_and_go(const char *mode, unsigned rounds)
{
	const unsigned some = AT_ONCE / 4;
	struct cotrace_event ev = EVENT_NULL;
	static struct field f;
	char line[80];
	struct cotrace *s;
	int r;

	field_start(&f, "field", 0, mode);
	s = attached(f.t.pid, NULL);
	for (unsigned round = 0; round < rounds; round++) {
		plant(s, &f, round, some);
		take_hits(s, &f, some, 1);
		clear(s, &f, some);
	}
	CHECK(scratch(f.t.pid) >= AREA && scratch(f.t.pid) <= 2 * AREA);
	target_go(&f.t);
	do { /* or the threads wait for room in the queue */
		r = cotrace_next(s, &ev, test_ns(20000));
	} while (r == 1);
	CHECK_EQ(r, -ESHUTDOWN);
	target_line(&f.t, line, sizeof line);
	CHECK(strncmp(line, "passed ", 7) == 0);
	test_note("%s times", line);
	target_ends_well(&f.t, 5000);
	cotrace_close(s);
}

TEST(breakpoints_come_and_go_beneath_threads_that_run_through_them, .timeout_s = 300)
{
	many_come_and_go(NULL, test_rounds(24, 288));
}

TEST(breakpoints_come_and_go_beneath_signals_and_children_of_vfork, .timeout_s = 300)
{
	many_come_and_go("beset", test_rounds(24, 288));
}
