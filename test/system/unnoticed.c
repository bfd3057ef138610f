/* SPDX-License-Identifier: MIT */
/* What a program that looks at itself finds: nothing, unless it looks where breakpoints are. */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/spots.h"

struct wary {
	struct target t;
	struct cotrace *s;
	uint64_t timed, idle, read;
};

static void wary_start(struct wary *w, const char *program)
{
	char line[100];

	TARGET_START(&w->t, program);
	target_line(&w->t, line, sizeof line);
	CHECK_EQ(sscanf(line, "ready %lx %lx %lx", &w->timed, &w->idle, &w->read), 3);
	w->s = attached(w->t.pid, NULL);
}

static uint64_t wary_break(const struct wary *w, uint64_t at, enum cotrace_break_kind kind)
{
	static const uint8_t never[] = { 0x22, 0, 0x27 }; /* const8 0, end */
	struct cotrace_breakpoint b = {
		.size = sizeof b,
		.kind = kind,
		.mode = COTRACE_STOP,
		.pid = w->t.pid,
		.addr = at,
		.condition = { never, sizeof never },
	};
	uint64_t id;
	int r = cotrace_break(w->s, &id, &b);

	if (kind == COTRACE_BREAK_HARDWARE && (r == -ENODEV || r == -ENOSPC))
		test_skip("no debug registers here");
	CHECK_EQ(r, 0);
	return id;
}

/* What it says of itself. */
static void wary_check(struct wary *w, const char *expected)
{
	char line[100];

	CHECK_SYS(write(w->t.in, "\n", 1));
	target_line(&w->t, line, sizeof line);
	CHECK_STR(line, expected);
}

static void wary_end(struct wary *w)
{
	cotrace_close(w->s);
	check_untouched(w->t.pid);
	wary_check(w, "clean");
	close(w->t.in);
	w->t.in = -1;
	target_ends_well(&w->t, 5000);
}

/* Issue 3, show 4. */
static void finds_nothing(const char *program)
{
	struct wary w;

	wary_start(&w, program);
	wary_check(&w, "clean");
	wary_break(&w, w.idle, COTRACE_BREAK_SOFTWARE);
	for (int i = 0; i < 10; i++)
		wary_check(&w, "clean");
	wary_end(&w);
}

TEST(a_program_that_checks_itself_finds_nothing)
{
	finds_nothing("wary");
}

TEST(a_32_bit_program_that_checks_itself_finds_nothing)
{
	finds_nothing("wary-32");
}

TEST(a_static_program_that_checks_itself_finds_nothing)
{
	finds_nothing("wary-static");
}

/* Not even in the text that it reads. */
TEST(a_program_that_checks_itself_finds_no_debug_register)
{
	struct wary w;

	wary_start(&w, "wary");
	wary_break(&w, w.idle, COTRACE_BREAK_HARDWARE);
	wary_break(&w, w.read, COTRACE_BREAK_HARDWARE);
	for (int i = 0; i < 10; i++)
		wary_check(&w, "clean");
	wary_end(&w);
}

TEST(a_program_finds_nothing_while_breakpoints_come_and_go)
{
	struct wary w;

	wary_start(&w, "wary");
	for (int i = 0; i < 10; i++) {
		char line[100];

		CHECK_SYS(write(w.t.in, "\n", 1));
		for (int k = 0; k < 20; k++) {
			uint64_t id = wary_break(&w, w.idle, COTRACE_BREAK_SOFTWARE);

			CHECK_EQ(cotrace_clear(w.s, id), 0);
		}
		target_line(&w.t, line, sizeof line);
		CHECK_STR(line, "clean");
	}
	wary_end(&w);
}

/* The program would find something if there were anything. */
TEST(what_a_program_finds_where_it_looks)
{
	struct wary w;
	uint64_t id;

	wary_start(&w, "wary");
	id = wary_break(&w, w.timed, COTRACE_BREAK_SOFTWARE);
	wary_check(&w, "found time");
	CHECK_EQ(cotrace_clear(w.s, id), 0);
	wary_check(&w, "clean");
	id = wary_break(&w, w.read, COTRACE_BREAK_SOFTWARE);
	wary_check(&w, "found text");
	CHECK_EQ(cotrace_clear(w.s, id), 0);
	wary_check(&w, "clean");
	subscribe_call(w.s, SYS_getppid, COTRACE_ENTRY, COTRACE_NOTE);
	CHECK_SYS(write(w.t.in, "\n", 1));
	do
		drain(w.s);
	while (!puppet_answers(&w.t, 1));
	target_expect(&w.t, "found time");
	CHECK_EQ(cotrace_subscribe_syscalls(w.s, 0, COTRACE_ENTRY, NULL, COTRACE_OFF), 0);
	CHECK_SYS(kill(w.t.pid, SIGTRAP));
	wary_check(&w, "found signals");
	cotrace_close(w.s);
	target_kill(&w.t);
}

static unsigned mappings(pid_t pid)
{
	static char text[65536];
	char path[40];
	unsigned n = 0;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	CHECK(proc_read(path, text, sizeof text) > 0);
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		n++;
	return n;
}

/* What the engine needs in the target's memory is taken away again. */
TEST(nothing_is_left_mapped)
{
	static const unsigned char code[] = { 0x8b, 0x05, 0xfa, 0xff, 0xff, 0xff, 0xc3 };
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_NOTE, .addr = NOWHERE };
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	unsigned before;
	uint64_t id;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	b.pid = t.pid;
	CHECK_EQ(puppet_ask(&t, "raw 9 %u 4096 7 " FIXED " -1 0", NOWHERE), NOWHERE);
	CHECK_EQ(cotrace_write_memory(s, t.pid, NOWHERE, code, sizeof code), sizeof code);
	before = mappings(t.pid);
	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	puppet_ask(&t, "call %u", NOWHERE);
	take_kind(s, &ev, COTRACE_EVENT_BREAKPOINT);
	CHECK_EQ(mappings(t.pid), before + 1); /* a slot */
	cotrace_close(s);
	check_untouched(t.pid);
	CHECK_EQ(mappings(t.pid), before);
	puppet_ask(&t, "call %u", NOWHERE);
	puppet_end(&t);
}
