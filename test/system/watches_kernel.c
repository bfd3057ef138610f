/* SPDX-License-Identifier: MIT */
/* What the kernel itself accesses in system calls of the target. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "test/system/watched.h"

static uint32_t planted(struct cotrace *s, uint64_t id)
{
	struct cotrace_break_info v[10];
	int n = cotrace_breakpoints(s, v, 10);

	for (int i = 0; i < n; i++)
		if (v[i].id == id)
			return v[i].planted;
	FAIL("no breakpoint %llu", (unsigned long long)id);
}

/* One that sees the kernel; skips the test where that is not allowed. */
static uint64_t watch_all(struct cotrace *s, const struct watched *w, enum cotrace_mode mode,
			  uint64_t at, uint32_t length)
{
	uint64_t id = set_watch(s, WATCH(w, COTRACE_WATCH_WRITE, mode, at, length));

	if (planted(s, id) != COTRACE_PLANTED_KERNEL)
		test_skip("perf may not look into the kernel");
	return id;
}

static void take_kernel(struct cotrace *s, uint64_t before, uint64_t after)
{
	struct cotrace_event ev;

	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(ev.watchpoint.before, before);
	CHECK_EQ(ev.watchpoint.after, after);
	CHECK_EQ(ev.flags & COTRACE_EV_KERNEL, COTRACE_EV_KERNEL);
}

static void what_calls_write(const char *program)
{
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;
	uint64_t id;

	watched_start_as(&w, program);
	s = attached(w.t.pid, NULL);
	id = watch_all(s, &w, COTRACE_NOTE, w.bytes + 4, 4);
	puppet_ask(&w.t, "store 4 4 7");
	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(ev.flags & COTRACE_EV_KERNEL, 0);
	CHECK_EQ(puppet_ask(&w.t, "read 0 16 0x11"), 16);
	take_kernel(s, 7, 0x11111111);
	CHECK_EQ(puppet_ask(&w.t, "read 0 16 0x11"), 16); /* an equal value */
	take_kernel(s, 0x11111111, 0x11111111);
	CHECK_EQ(puppet_ask(&w.t, "read 7 1 0x22"), 1);
	take_kernel(s, 0x11111111, 0x22111111);
	CHECK_EQ(puppet_ask(&w.t, "receive 0 12 0x33"), 12); /* both parts: one call, one event */
	take_kernel(s, 0x22111111, 0x33333333);
	CHECK_EQ(puppet_ask(&w.t, "read 8 16 0x44"), 16);
	CHECK_EQ(puppet_ask(&w.t, "read 0 4 0x44"), 4);
	take_none(s, 20);
	CHECK_EQ(puppet_ask(&w.t, "clock 0"), 0);
	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(ev.flags & COTRACE_EV_KERNEL, COTRACE_EV_KERNEL);
	CHECK_EQ(ev.watchpoint.hits, 6);
	CHECK_EQ(cotrace_clear(s, id), 0);
	CHECK_EQ(puppet_ask(&w.t, "read 0 16 0x55"), 16);
	take_none(s, 20);
	cotrace_close(s);
	watched_ends_alone(&w);
}

TEST(what_system_calls_write_is_told)
{
	what_calls_write("watched");
}

TEST(what_system_calls_of_a_32_bit_program_write_is_told)
{
	what_calls_write("watched-32");
}

TEST(a_stop_comes_when_the_call_has_returned)
{
	struct cotrace_event ev;
	unsigned char now[4];
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_STOP, w.bytes, 4);
	for (unsigned char i = 1; i < 10; i++) {
		puppet_tell(&w.t, "read 0 8 %u", i);
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.flags & (COTRACE_EV_STOP | COTRACE_EV_KERNEL),
			 COTRACE_EV_STOP | COTRACE_EV_KERNEL);
		CHECK_EQ(cotrace_read_memory(s, w.t.pid, w.bytes, now, 4), 4);
		CHECK_EQ(now[0], i);
		CHECK(!puppet_answers(&w.t, 5));
		CHECK_EQ(cotrace_resume(s, ev.task), 0);
		CHECK_EQ(puppet_answer(&w.t), 8);
	}
	cotrace_close(s);
	watched_ends_alone(&w);
}

/* After the call's exit, and only once; others see no signal. */
TEST(beside_subscribed_calls_and_signals_it_is_told_once)
{
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *a, *b;

	watched_start(&w);
	a = attached(w.t.pid, NULL);
	b = attached(w.t.pid, NULL);
	watch_all(a, &w, COTRACE_NOTE, w.bytes, 4);
	CHECK_EQ(cotrace_subscribe_signals(b, ~0ull, COTRACE_NOTE), 0);
	CHECK_EQ(cotrace_subscribe_syscalls(a, 0, COTRACE_EXIT, NULL, COTRACE_NOTE), 0);
	for (unsigned i = 1; i < 20; i++) {
		puppet_ask(&w.t, "clock 0");
		do
			take_kind(a, &ev, COTRACE_EVENT_SYSCALL_EXIT);
		while (ev.syscall.args[1] != w.bytes);
		take(a, &ev);
		CHECK_EQ(ev.kind, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.watchpoint.hits, i);
		drain(a);
	}
	take_none(b, 0);
	cotrace_close(a);
	cotrace_close(b);
	watched_ends_alone(&w);
}

TEST(every_read_of_threads_that_start_later_is_told)
{
	const unsigned threads = 20, rounds = 20;
	struct cotrace_event ev;
	uint64_t before = 0;
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_NOTE, w.variable, 4);
	puppet_tell(&w.t, "readers %u %u", threads, rounds);
	for (unsigned i = 1; i <= threads * rounds; i++) {
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.flags & COTRACE_EV_KERNEL, COTRACE_EV_KERNEL);
		CHECK_EQ(ev.watchpoint.before, before);
		before = ev.watchpoint.after;
		CHECK_EQ(before & 0xfff, i);
		CHECK_EQ(before >> 12, (uint64_t)(uint32_t)ev.tid & 0xfffff);
	}
	CHECK_EQ(puppet_answer(&w.t), threads * rounds);
	take_none(s, 20);
	cotrace_close(s);
	watched_ends_alone(&w);
}

/* They get what is left, the oldest first. */
TEST(the_kernels_accesses_take_only_registers_that_nobody_wants)
{
	struct watched w;
	struct cotrace *s;
	uint64_t id[4];

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	id[0] = watch_all(s, &w, COTRACE_NOTE, w.bytes, 4);
	id[1] = watch_all(s, &w, COTRACE_NOTE, w.bytes + 8, 4);
	id[2] = watch(s, &w, w.bytes + 16, 4);
	CHECK_EQ(planted(s, id[0]), COTRACE_PLANTED_KERNEL);
	CHECK_EQ(planted(s, id[1]), 1);
	puppet_ask(&w.t, "read 0 16 1");
	take_kernel(s, 0, 0x1010101);
	take_none(s, 0);
	id[3] = watch(s, &w, w.bytes + 24, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(planted(s, id[i]), 1);
	puppet_ask(&w.t, "read 0 32 2");
	take_none(s, 20);
	puppet_ask(&w.t, "store 8 4 3");
	take_values(s, 0, 3); /* as last known */
	cotrace_close(s);
	watched_ends_alone(&w);
}

TEST(a_range_has_all_of_its_bytes_seen_or_none)
{
	struct watched w;
	struct cotrace *s;
	uint64_t id;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	id = watch_all(s, &w, COTRACE_NOTE, w.bytes + 6, 4);
	puppet_ask(&w.t, "read 0 8 1");
	take_kernel(s, 0, 0x0101);
	puppet_ask(&w.t, "read 8 8 2");
	take_kernel(s, 0x0101, 0x2020101);
	CHECK_EQ(cotrace_clear(s, id), 0);
	id = watch(s, &w, w.bytes + 5, 6);
	CHECK_EQ(planted(s, id), 1);
	cotrace_close(s);
	watched_ends_alone(&w);
}

/* The signal is neither seen by the program nor waits there. */
TEST(a_target_that_blocks_sigtrap_is_told_of_and_sees_nothing)
{
	struct cotrace_event ev = { .size = sizeof ev };
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	puppet_ask(&w.t, "block");
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_NOTE, w.bytes, 4);
	puppet_ask(&w.t, "read 0 4 1");
	CHECK_EQ(puppet_ask(&w.t, "waits"), 0);
	take_kernel(s, 0, 0x1010101);
	CHECK_EQ(puppet_ask(&w.t, "looks 0 100"), 0);
	puppet_ask(&w.t, "read 0 4 1");
	while (cotrace_next(s, &ev, test_ns(50)) == 1) /* they come when they come */
		CHECK_EQ(ev.flags & COTRACE_EV_KERNEL, COTRACE_EV_KERNEL);
	CHECK_EQ(puppet_ask(&w.t, "unblock"), 1);
	puppet_ask(&w.t, "read 0 4 2");
	take_kernel(s, 0x1010101, 0x2020202);
	CHECK_EQ(puppet_ask(&w.t, "block"), 0);
	puppet_ask(&w.t, "read 0 4 3"); /* the first one after that makes a signal */
	take_kernel(s, 0x2020202, 0x3030303);
	CHECK_EQ(puppet_ask(&w.t, "waits"), 0);
	puppet_ask(&w.t, "read 0 4 4");
	take_kernel(s, 0x3030303, 0x4040404);
	CHECK_EQ(puppet_ask(&w.t, "waits"), 0);
	cotrace_close(s);
	CHECK_EQ(puppet_ask(&w.t, "unblock"), 1);
	watched_ends_alone(&w);
}

TEST(a_target_that_ignores_sigtrap_is_told_of_and_goes_on_ignoring)
{
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	puppet_ask(&w.t, "ignore");
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_NOTE, w.bytes, 4);
	puppet_ask(&w.t, "read 0 4 1");
	take_kernel(s, 0, 0x1010101);
	CHECK_EQ(puppet_ask(&w.t, "ignores"), 1);
	cotrace_close(s);
	watched_ends_alone(&w);
}

/* Detached in the middle of it, again and again: nothing is left behind. */
static void sessions_come_and_go(bool block)
{
	struct watched w;

	watched_start(&w);
	puppet_ask(&w.t, "clocks 0");
	for (unsigned i = 0; i < 24; i++) {
		struct cotrace *s = attached(w.t.pid, NULL);
		struct cotrace_event ev;

		watch_all(s, &w, COTRACE_NOTE, w.bytes, 4);
		if (i % 2)
			cotrace_subscribe_syscalls(s, 0, COTRACE_EXIT, NULL, COTRACE_NOTE);
		for (unsigned k = 0; k < i; k += ev.kind == COTRACE_EVENT_WATCHPOINT)
			take(s, &ev);
		if (block)
			puppet_ask(&w.t, i % 2 ? "unblock" : "block");
		cotrace_close(s);
	}
	watched_ends_alone(&w);
}

TEST(sessions_come_and_go_while_the_kernel_writes, .timeout_s = 60)
{
	sessions_come_and_go(false);
	sessions_come_and_go(true);
}

/* What ptrace has armed is the keeper's business, and is not touched here. */
static void engine_is_killed(bool block)
{
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_NOTE, w.bytes, 4);
	if (block)
		puppet_ask(&w.t, "block");
	puppet_ask(&w.t, "looks 0 20");
	usleep(50000);
	CHECK_EQ(kill(cotrace_engine_pid(s), SIGKILL), 0);
	CHECK_SOON(proc_tasks_traced_by(w.t.pid, 0) == 1, 5000);
	cotrace_close(s);
	puppet_ask(&w.t, "looks 0 20");
	CHECK_EQ(puppet_ask(&w.t, "waits"), 0);
	puppet_ask(&w.t, "unblock");
	puppet_end(&w.t);
}

TEST(no_signal_waits_or_comes_when_the_engine_was_killed)
{
	engine_is_killed(false);
	engine_is_killed(true);
}

/* Not by the process itself: other addresses of the same memory. */
TEST(what_others_write_is_no_event_but_the_value_before)
{
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_NOTE, w.bytes, 4);
	if (puppet_ask(&w.t, "written 0 5") != 0)
		test_skip("process_vm_writev is refused");
	take_none(s, 20);
	puppet_ask(&w.t, "read 0 4 1");
	take_kernel(s, 0, 0x1010101); /* as last known */
	cotrace_close(s);
	watched_ends_alone(&w);
}

#define CLOCK_GETTIME 228

TEST(a_call_into_the_task_is_one_of_its_calls)
{
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;
	uint64_t args[6] = { CLOCK_MONOTONIC };
	int64_t result;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_STOP, w.bytes, 8);
	puppet_tell(&w.t, "clock 0");
	for (unsigned i = 1; i < 10; i++) {
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.watchpoint.hits, i);
		CHECK_EQ(ev.flags & COTRACE_EV_KERNEL, COTRACE_EV_KERNEL);
		args[1] = w.bytes;
		CHECK_EQ(cotrace_syscall(s, ev.task, CLOCK_GETTIME, args, &result, -1), 0);
		CHECK_EQ(result, 0);
		CHECK_EQ(cotrace_resume(s, ev.task), 0);
	}
	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(cotrace_resume(s, ev.task), 0);
	CHECK_EQ(puppet_answer(&w.t), 0);
	take_none(s, 20);
	cotrace_close(s);
	watched_ends_alone(&w);
}

/* Each step is one of an instruction of the program, the signal none. */
TEST(a_call_that_is_stepped_over_is_told_of_once)
{
	unsigned hits = 0, steps = 0, traps = 0;
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;
	uint64_t pc = 0;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_NOTE, w.bytes, 8);
	CHECK_EQ(cotrace_subscribe_signals(s, ~0ull, COTRACE_NOTE), 0);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, -1), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	puppet_tell(&w.t, "clock 0");
	for (unsigned after = 0; after < 20; after += hits != 0) {
		CHECK_EQ(cotrace_step(s, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
		for (take(s, &ev); ev.kind != COTRACE_EVENT_STEP; take(s, &ev)) {
			hits += ev.kind == COTRACE_EVENT_WATCHPOINT;
			traps += ev.kind == COTRACE_EVENT_SIGNAL;
		}
		CHECK(++steps < 100000 && ev.pc != pc); /* no loop of one instruction there */
		pc = ev.pc;
	}
	CHECK_EQ(hits, 1);
	CHECK_EQ(traps, 0);
	CHECK_EQ(cotrace_resume(s, ev.task), 0);
	CHECK_EQ(puppet_answer(&w.t), 0);
	take_none(s, 20);
	cotrace_close(s);
	watched_ends_alone(&w);
}

TEST(a_child_and_a_new_program_have_none_left)
{
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	watch_all(s, &w, COTRACE_NOTE, w.bytes, 4);
	CHECK_EQ(puppet_ask(&w.t, "fork 0"), 0);
	take_none(s, 20);
	puppet_tell(&w.t, "again");
	watched_ready(&w);
	puppet_ask(&w.t, "read 0 4 1");
	take_none(s, 20);
	watch_all(s, &w, COTRACE_NOTE, w.bytes, 4);
	puppet_ask(&w.t, "read 0 4 2");
	take_kernel(s, 0x1010101, 0x2020202);
	cotrace_close(s);
	watched_ends_alone(&w);
}
