/* SPDX-License-Identifier: MIT */
/* Watchpoints and hardware breakpoints beside traps, steps, forks and the rest. */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/watched.h"

TEST(a_stop_comes_after_the_access_and_the_task_goes_on)
{
	struct cotrace_event ev;
	unsigned char now[4];
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	set_watch(s, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_STOP, w.bytes, 4));
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
	watched_ends_alone(&w);
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
	set_watch(s, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_STOP, w.code, 0));
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
	watched_ends_alone(&w);
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
	soft_id = set_watch(a, WATCH(&w, COTRACE_BREAK_SOFTWARE, mode, w.code, 0));
	hard_id = set_watch(b, WATCH(&w, COTRACE_BREAK_HARDWARE, mode, w.code, 0));
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
	watched_ends_alone(&w);
}

TEST(a_trap_and_a_register_at_one_address_hit_once_each)
{
	both_kinds("call", COTRACE_NOTE);
	both_kinds("call", COTRACE_STOP);
	both_kinds("handler", COTRACE_STOP);
}

/* It runs between the trap and the instruction, which then hits both once more: not told. */
TEST(a_handler_in_between_doubles_no_hit)
{
	struct cotrace *a, *b, *c;
	struct cotrace_event ev;
	struct watched w;

	watched_start(&w);
	a = attached(w.t.pid, NULL);
	b = attached(w.t.pid, NULL);
	c = attached(w.t.pid, NULL);
	set_watch(a, WATCH(&w, COTRACE_BREAK_SOFTWARE, COTRACE_STOP, w.code, 0));
	set_watch(b, WATCH(&w, COTRACE_BREAK_HARDWARE, COTRACE_NOTE, w.code, 0));
	puppet_tell(&w.t, "call 20");
	for (unsigned i = 1; i <= 20; i++) {
		take_kind(b, &ev, COTRACE_EVENT_BREAKPOINT);
		CHECK_EQ(ev.breakpoint.hits, i);
		take_kind(a, &ev, COTRACE_EVENT_BREAKPOINT);
		CHECK_EQ(ev.breakpoint.hits, i);
		if (i == 1) /* so that it is not acted out */
			watch(c, &w, ev.sp - 8, 8);
		CHECK_EQ(cotrace_signal(a, ev.task, COTRACE_ONE, SIGUSR2, NULL), 0);
		CHECK_EQ(cotrace_resume(a, ev.task), 0);
	}
	CHECK_EQ(puppet_answer(&w.t), 20);
	take_none(a, 20);
	take_none(b, 0);
	for (unsigned i = 1; i <= 20; i++) { /* nor is the instruction executed twice */
		take_kind(c, &ev, COTRACE_EVENT_WATCHPOINT);
		while (ev.pc != w.code + 1) /* the caller's, the handler's */
			take_kind(c, &ev, COTRACE_EVENT_WATCHPOINT);
	}
	drain(c);
	cotrace_close(a);
	cotrace_close(b);
	cotrace_close(c);
	watched_ends_alone(&w);
}

/* `code` pushes; the breakpoint on it must not hide that from who watches the stack. */
TEST(what_the_engine_would_act_out_is_seen_by_watchpoints)
{
	struct cotrace_event ev;
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	set_watch(s, WATCH(&w, COTRACE_BREAK_SOFTWARE, COTRACE_STOP, w.code, 0));
	puppet_tell(&w.t, "call 3");
	for (unsigned i = 0; i < 3; i++) {
		skip_to(s, &ev, COTRACE_EVENT_BREAKPOINT);
		break;
	}
	/* skip_to() does not answer the one it gives. */
	set_watch(s, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, ev.sp - 8, 8));
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(cotrace_resume(s, ev.task), 0);
		take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.pc, w.code + 1);
		if (i < 2)
			skip_to(s, &ev, COTRACE_EVENT_BREAKPOINT);
	}
	CHECK_EQ(puppet_answer(&w.t), 3);
	cotrace_close(s);
	watched_ends_alone(&w);
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
	set_watch(a, WATCH(&w, COTRACE_BREAK_SOFTWARE, COTRACE_STOP, w.code, 0));
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
	watched_ends_alone(&w);
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
	set_watch(s, b);
	free(code);
	for (unsigned i = 0; i < 10; i++)
		puppet_ask(&w.t, "store 0 4 %u", i);
	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(ev.watchpoint.before, 6);
	CHECK_EQ(ev.watchpoint.after, 7);
	CHECK_EQ(ev.watchpoint.hits, 2);
	take_none(s, 20);
	cotrace_close(s);
	watched_ends_alone(&w);
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
	watched_ends_alone(&w);
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
	set_watch(a, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes, 4,
			   .flags = COTRACE_BREAK_INHERIT));
	CHECK_EQ(puppet_ask(&w.t, "fork 0"), 0);
	take_kind(a, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK(ev.pid != w.t.pid);
	CHECK_EQ(ev.watchpoint.after, 0x12345678);
	take_none(b, 20);
	cotrace_close(a);
	cotrace_close(b);
	watched_ends_alone(&w);
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
	set_watch(s, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes, 4,
			   .flags = COTRACE_BREAK_REPLANT));
	puppet_tell(&w.t, "again");
	watched_ready(&w);
	puppet_ask(&w.t, "store 0 4 1");
	take_values(s, 0, 1);
	cotrace_close(s);
	watched_ends_alone(&w);
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
	watched_ends_alone(&w);
}

/* Another user of the hardware, on this task alone. */
static int perf_watches(pid_t tid, uint64_t addr)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_BREAKPOINT,
					.size = sizeof attr,
					.bp_type = HW_BREAKPOINT_W,
					.bp_addr = addr,
					.bp_len = HW_BREAKPOINT_LEN_8,
					.pinned = 1,
					.exclude_kernel = 1 };
	int fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		test_skip("no perf events: %s", strerror(errno));
	return fd;
}

TEST(what_another_user_of_the_hardware_has_is_refused)
{
	struct cotrace_event ev;
	struct cotrace_task_info info[2];
	struct watched w;
	struct cotrace *s;
	int fds[3];

	watched_start(&w);
	s = attached(w.t.pid, NULL);
	puppet_ask(&w.t, "spin"); /* another task, which perf does not look at */
	for (int i = 0; i < 3; i++)
		fds[i] = perf_watches(w.t.pid, w.bytes + 32 + 8 * (unsigned)i);
	watch(s, &w, w.bytes, 8);
	CHECK_EQ(refuse_watch(s, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.variable, 4)),
		 -ENOSPC);
	CHECK_EQ(cotrace_tasks(s, info, 2), 2);
	take_none(s, 20); /* the other task is not armed with it either */
	puppet_ask(&w.t, "store 0 4 1");
	take_values(s, 0, 1);
	set_watch(s, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes + 8, 4,
			   .flags = COTRACE_WATCH_SOFTWARE));
	puppet_ask(&w.t, "store 8 4 2");
	take_values(s, 0, 2);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	watch(s, &w, w.variable, 4);
	take_kind(s, &ev, COTRACE_EVENT_WATCHPOINT);
	CHECK_EQ(ev.watchpoint.addr, w.variable);
	cotrace_close(s);
	check_untouched(w.t.pid);
	puppet_end(&w.t);
}

/* Calls are seen, steps are told, and nothing is missed or doubled beside them. */
TEST(stepping_goes_with_calls_and_steps_of_others)
{
	unsigned entries = 0, exits = 0, stores = 0, steps = 0;
	struct cotrace *watcher, *tracer, *stepper;
	struct cotrace_event ev;
	struct watched w;

	watched_start(&w);
	watcher = attached(w.t.pid, NULL);
	tracer = attached(w.t.pid, NULL);
	stepper = attached(w.t.pid, NULL);
	for (unsigned i = 0; i < 4; i++)
		watch(watcher, &w, w.bytes + 32 + 8 * i, 8);
	set_watch(watcher, WATCH(&w, COTRACE_WATCH_WRITE, COTRACE_NOTE, w.bytes, 4,
				 .flags = COTRACE_WATCH_SOFTWARE));
	CHECK_EQ(cotrace_subscribe_syscalls(tracer, 0, COTRACE_ENTRY | COTRACE_EXIT, NULL,
					    COTRACE_NOTE),
		 0);
	set_watch(stepper, WATCH(&w, COTRACE_BREAK_SOFTWARE, COTRACE_STOP, w.code, 0));
	for (unsigned i = 1; i <= 5; i++) {
		puppet_ask(&w.t, "store 0 4 %u", i);
		take_kind(watcher, &ev, COTRACE_EVENT_WATCHPOINT);
		CHECK_EQ(ev.watchpoint.before, i - 1);
		CHECK_EQ(ev.watchpoint.after, i);
		stores++;
		puppet_tell(&w.t, "call 1");
		take_kind(stepper, &ev, COTRACE_EVENT_BREAKPOINT);
		for (int k = 0; k < 3; k++, steps++) {
			CHECK_EQ(cotrace_step(stepper, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), 0);
			take_kind(stepper, &ev, COTRACE_EVENT_STEP);
			if (k < 2)
				CHECK_EQ(ev.pc, w.code + 1 + (unsigned)k);
		}
		CHECK_EQ(cotrace_resume(stepper, 0), 0);
		CHECK_EQ(puppet_answer(&w.t), 1);
	}
	take_none(watcher, 20);
	take_none(stepper, 0);
	CHECK_EQ(stores, 5);
	CHECK_EQ(steps, 15);
	while (cotrace_next(tracer, &ev, 0) == 1) {
		if (ev.kind == COTRACE_EVENT_SYSCALL_ENTRY)
			entries++;
		else if (ev.kind == COTRACE_EVENT_SYSCALL_EXIT && entries)
			exits++; /* not of the call that it was in already */
		CHECK(entries == exits || entries == exits + 1);
	}
	CHECK(entries >= 20); /* a line is read and one is written, each time */
	cotrace_close(watcher);
	cotrace_close(tracer);
	cotrace_close(stepper);
	watched_ends_alone(&w);
}

/* 79: the kernel's own way with a trap whose signal is not wanted. */
TEST(a_target_that_ignores_or_blocks_sigtrap_still_does)
{
	struct watched w;
	struct cotrace *s;

	watched_start(&w);
	puppet_ask(&w.t, "block");
	s = attached(w.t.pid, NULL);
	watch(s, &w, w.bytes, 4);
	puppet_ask(&w.t, "store 0 4 1");
	take_values(s, 0, 1);
	CHECK_EQ(puppet_ask(&w.t, "unblock"), 1);
	cotrace_close(s);
	check_untouched(w.t.pid);
	puppet_ask(&w.t, "ignore");
	s = attached(w.t.pid, NULL);
	watch(s, &w, w.bytes, 4);
	puppet_ask(&w.t, "store 0 4 2");
	take_values(s, 1, 2);
	puppet_ask(&w.t, "store 0 4 3");
	take_values(s, 2, 3);
	CHECK_EQ(puppet_ask(&w.t, "ignores"), 1);
	take_none(s, 0);
	cotrace_close(s);
	watched_ends_alone(&w);
}
