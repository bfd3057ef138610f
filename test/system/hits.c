/* SPDX-License-Identifier: MIT */
/* Many sessions, many threads, the same breakpoints: every hit is told once. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/system/spots.h"

#define CROWD 8

struct tracer {
	pthread_t thread;
	const struct spots *spots;
	unsigned seed, hits;
	bool comes_and_goes;
};

/* Holds breakpoints at two neighbouring places, some of the time. */
static void *trace_two(void *arg)
{
	struct tracer *me = arg;
	struct cotrace_event ev = EVENT_NULL;
	bool over = false;

	while (!over) {
		struct cotrace *s;
		uint64_t id;
		int r = cotrace_attach(&s, me->spots->t.pid, NULL), n = 0;

		if (r < 0)
			break; /* it has ended */
		for (int i = 0; i < 2 && r == 0; i++) {
			struct cotrace_breakpoint b = {
				.size = sizeof b,
				.mode = rand_r(&me->seed) % 4 ? COTRACE_NOTE : COTRACE_STOP,
				.pid = me->spots->t.pid,
				.addr = me->spots->at[(me->seed + (unsigned)i) % SPOTS]
			};

			r = cotrace_break(s, &id, &b);
		}
		while ((r = cotrace_next(s, &ev, test_ns(20000))) == 1) {
			me->hits += ev.kind == COTRACE_EVENT_BREAKPOINT;
			if (ev.flags & COTRACE_EV_STOP)
				cotrace_resume(s, ev.task);
			if (me->comes_and_goes && ++n > 200)
				break;
		}
		over = r == -ESHUTDOWN;
		cotrace_close(s);
	}
	return NULL;
}

/* Issue 3, show 1: those that stay count exactly, whoever comes and goes. */
static void crowd(unsigned sessions, unsigned coming, const char *rounds, unsigned passes)
{
	struct tracer tracers[CROWD] = { 0 };
	unsigned hits[CROWD][SPOTS] = { 0 };
	struct cotrace *s[CROWD];
	uint64_t ids[CROWD] = { 0 };
	struct cotrace_event ev = EVENT_NULL;
	struct spots p;
	char line[40];
	bool over = false;

	spots_start(&p, "4", rounds);
	for (unsigned i = 0; i < sessions; i++) {
		s[i] = attached(p.t.pid, NULL);
		for (int spot = 0; spot < SPOTS; spot++)
			ids[i] = break_at(s[i], &p, spot, COTRACE_NOTE) - (uint64_t)spot;
	}
	for (unsigned i = 0; i < coming; i++) {
		tracers[i] = (struct tracer){ .spots = &p, .seed = i, .comes_and_goes = true };
		CHECK_EQ(pthread_create(&tracers[i].thread, NULL, trace_two, &tracers[i]), 0);
	}
	target_go(&p.t);
	while (!over)
		for (unsigned i = 0; i < sessions; i++) {
			int r = 1;

			for (int n = 0; n < 5000 && r == 1; n++) {
				r = cotrace_next(s[i], &ev, i ? 0 : test_ns(1));
				if (r == 1 && ev.kind == COTRACE_EVENT_BREAKPOINT)
					hits[i][ev.breakpoint.id - ids[i]]++;
			}
			over = i == 0 ? r == -ESHUTDOWN : over && r == -ESHUTDOWN;
		}
	for (unsigned i = 0; i < coming; i++)
		CHECK_EQ(pthread_join(tracers[i].thread, NULL), 0);
	snprintf(line, sizeof line, "passed %u", passes);
	target_expect(&p.t, line);
	target_ends_well(&p.t, 5000);
	for (unsigned i = 0; i < sessions; i++) {
		for (int spot = 0; spot < SPOTS; spot++)
			CHECK_EQ(hits[i][spot], passes);
		cotrace_close(s[i]);
	}
	for (unsigned i = 0; i < coming; i++)
		test_note("came and went: %u hits", tracers[i].hits);
}

TEST(two_sessions_count_every_hit_of_four_threads, .timeout_s = 60)
{
	crowd(2, 2, test_long() ? "31250" : "1000", test_long() ? 125000 : 4000);
}

TEST(eight_sessions_count_every_hit_of_four_threads, .timeout_s = 120)
{
	crowd(6, 2, test_long() ? "31250" : "500", test_long() ? 125000 : 2000);
}

/* The last session goes while four threads run into its traps. */
TEST(going_while_traps_are_being_hit_harms_nobody, .timeout_s = 60)
{
	struct cotrace_event ev = EVENT_NULL;
	unsigned hits = 0;
	struct spots p;
	char line[80];

	spots_start(&p, "4", test_long() ? "2000000" : "300000");
	target_go(&p.t);
	for (unsigned i = 0; i < test_rounds(60, 1000); i++) {
		struct cotrace *s;
		uint64_t until;

		if (cotrace_attach(&s, p.t.pid, NULL) < 0)
			break;
		for (int spot = 0; spot < SPOTS; spot++) {
			struct cotrace_breakpoint b = { .size = sizeof b,
							.mode = i % 2 ? COTRACE_NOTE : COTRACE_STOP,
							.pid = p.t.pid,
							.addr = p.at[spot] };
			uint64_t id;

			if (cotrace_break(s, &id, &b) < 0)
				break;
		}
		until = i * 37 % 50;
		for (unsigned n = 0; n < until && cotrace_next(s, &ev, test_ns(100)) == 1; n++) {
			hits++;
			if ((ev.flags & COTRACE_EV_STOP) && n % 3)
				cotrace_resume(s, ev.task);
		}
		cotrace_close(s);
	}
	test_note("%u hits", hits);
	target_line(&p.t, line, sizeof line);
	CHECK(strncmp(line, "passed ", 7) == 0);
	target_ends_well(&p.t, 5000);
}

/* Whether @pc lies in code that comes from a file. */
static bool is_of_the_program(pid_t pid, uint64_t pc)
{
	static char text[65536];
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	CHECK(proc_read(path, text, sizeof text) > 0);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		unsigned long long from, to;

		CHECK_EQ(sscanf(line, "%llx-%llx", &from, &to), 2);
		if (pc >= from && pc < to)
			return strchr(line, '/') != NULL || strstr(line, "[v") != NULL;
	}
	return false;
}

static void drop(struct cotrace *s)
{
	struct cotrace_event ev = EVENT_NULL;

	while (cotrace_next(s, &ev, 0) == 1)
		;
}

/* Wherever a task is interrupted, it is seen in its own code, not where it executes it. */
TEST(no_snapshot_shows_a_slot)
{
	struct cotrace_task_info tasks[16];
	struct cotrace *s, *other;
	unsigned looks = 0;
	struct spots p;
	char line[80];

	spots_start(&p, "4", "100000");
	s = attached(p.t.pid, NULL);
	other = attached(p.t.pid, NULL);
	for (int spot = 0; spot < SPOTS; spot++)
		break_at(s, &p, spot, COTRACE_NOTE);
	target_go(&p.t);
	for (unsigned i = 0; i < test_rounds(300, 5000); i++) {
		int n;

		if (cotrace_stop(other, 0, COTRACE_ALL, test_ns(2000)) != 0)
			break;
		n = cotrace_tasks(other, tasks, 16);
		for (int t = 0; t < n; t++) {
			uint64_t pc = 0;

			if (cotrace_register_read(other, tasks[t].task, "rip", &pc, sizeof pc) < 0)
				continue;
			looks++;
			if (!is_of_the_program(p.t.pid, pc))
				FAIL("task %d stands at %llx", tasks[t].tid,
				     (unsigned long long)pc);
		}
		cotrace_resume(other, 0);
		drop(other);
		drop(s);
	}
	test_note("%u looks", looks);
	cotrace_close(s);
	cotrace_close(other);
	target_line(&p.t, line, sizeof line);
	CHECK_STR(line, "passed 400000");
	target_ends_well(&p.t, 5000);
}

static void *stop_and_continue(void *arg)
{
	pid_t pid = *(const pid_t *)arg;

	while (kill(pid, SIGSTOP) == 0) {
		usleep(300);
		if (kill(pid, SIGCONT) < 0)
			break;
		usleep(700);
	}
	return NULL;
}

/* A trap that was executed just when the program is stopped is told all the same. */
TEST(job_control_neither_loses_a_hit_nor_shows_a_trap, .timeout_s = 60)
{
	unsigned hits[SPOTS] = { 0 }, stops = 0;
	struct cotrace_event ev = EVENT_NULL;
	pthread_t thread;
	struct cotrace *s;
	struct spots p;
	uint64_t id = 0;

	spots_start(&p, "4", test_long() ? "5000" : "500");
	s = attached(p.t.pid, NULL);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_JOB_STOP, COTRACE_NOTE), 0);
	for (int spot = 0; spot < SPOTS; spot++)
		id = break_at(s, &p, spot, COTRACE_NOTE) - (uint64_t)spot;
	target_go(&p.t);
	CHECK_EQ(pthread_create(&thread, NULL, stop_and_continue, &p.t.pid), 0);
	while (cotrace_next(s, &ev, test_ns(20000)) == 1) {
		if (ev.kind == COTRACE_EVENT_BREAKPOINT)
			hits[ev.breakpoint.id - id]++;
		if (ev.kind != COTRACE_EVENT_JOB_STOP)
			continue;
		stops++;
		for (int spot = 2; spot < 7; spot++) /* of more than one byte */
			CHECK(ev.pc != p.at[spot] + 1);
	}
	target_ends_well(&p.t, 5000);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	test_note("%u stops", stops);
	for (int spot = 0; spot < SPOTS; spot++)
		CHECK_EQ(hits[spot], test_long() ? 20000 : 2000);
	cotrace_close(s);
}

/* A function that makes a call which waits, at a breakpoint of its own. */
static uint64_t waiting_call(struct cotrace *s, struct target *t, const void *code, size_t size,
			     uint64_t trap)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_NOTE, .pid = t->pid };
	uint64_t id;

	CHECK_EQ(puppet_ask(t, "raw 9 %u 4096 7 " FIXED " -1 0", NOWHERE), NOWHERE);
	CHECK_EQ(cotrace_write_memory(s, t->pid, NOWHERE, code, size), (int)size);
	CHECK_EQ(puppet_ask(t, "handle %d", SIGUSR1), 0);
	b.addr = NOWHERE + trap;
	CHECK_EQ(cotrace_break(s, &id, &b), 0);
	return id;
}

static void wait_until_asleep(pid_t pid)
{
	while (proc_state(pid) != 'S')
		usleep(1000);
	usleep(20000);
	CHECK_EQ(proc_state(pid), 'S');
}

static void interrupted_calls(bool seen)
{
	/* wait4(-1, 0, __WALL, 0) */
	static const unsigned char code[] = { 0xb8, 61,	  0,	0,    0,    0x48, 0xc7, 0xc7, 0xff,
					      0xff, 0xff, 0xff, 0x31, 0xf6, 0xba, 0,	0,    0,
					      0x40, 0x45, 0x31, 0xd2, 0x0f, 0x05, 0xc3 };
	struct cotrace_event ev = EVENT_NULL;
	unsigned hits = 0;
	struct cotrace *s;
	struct target t;
	long child;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	waiting_call(s, &t, code, sizeof code, 22);
	if (seen)
		CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY, NULL, COTRACE_NOTE), 0);
	child = puppet_ask(&t, "child");
	puppet_tell(&t, "call %u", NOWHERE);
	for (int i = 0; i < 4; i++) {
		wait_until_asleep(t.pid);
		CHECK_EQ(kill(t.pid, SIGUSR1), 0);
	}
	wait_until_asleep(t.pid);
	CHECK_EQ(kill((pid_t)child, SIGKILL), 0);
	CHECK_EQ(puppet_answer(&t), child);
	puppet_tell(&t, "exit 0");
	while (cotrace_next(s, &ev, test_ns(5000)) == 1)
		hits += ev.kind == COTRACE_EVENT_BREAKPOINT;
	CHECK_EQ(hits, 1);
	cotrace_close(s);
	target_ends_well(&t, 5000);
}

TEST(a_call_made_again_after_a_handler_is_no_new_hit)
{
	interrupted_calls(false);
}

TEST(a_call_made_again_after_a_handler_is_no_new_hit_when_calls_are_seen)
{
	interrupted_calls(true);
}

/* Not the same one once more, though it is at the same place. */
TEST(a_call_after_one_that_a_handler_has_ended_is_a_hit)
{
	/* push %rbx; mov $3, %ebx; 1: pause(); dec %ebx; jnz 1b; pop %rbx; ret */
	static const unsigned char code[] = { 0x53, 0xbb, 3,	0,    0,    0,	  0xb8,
					      34,   0,	  0,	0,    0x0f, 0x05, 0xff,
					      0xcb, 0x75, 0xf5, 0x5b, 0xc3 };
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	waiting_call(s, &t, code, sizeof code, 11);
	puppet_tell(&t, "call %u", NOWHERE);
	for (unsigned i = 1; i <= 3; i++) {
		skip_to(s, &ev, COTRACE_EVENT_BREAKPOINT);
		CHECK_EQ(ev.breakpoint.hits, i);
		wait_until_asleep(t.pid);
		CHECK_EQ(kill(t.pid, SIGUSR1), 0);
	}
	CHECK_EQ(puppet_answer(&t), -EINTR);
	cotrace_close(s);
	puppet_end(&t);
}
