/* SPDX-License-Identifier: MIT */
/*
 * What it costs to step, and to have a task make a system call: a ptrace loop, cotrace with a
 * word for each instruction, and with one for many.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/client.h"
#include "bench/points.h"

enum how { RAW, EACH, RANGE, RAW_CALL, CALL };

#define WAIT_NS 2000000000ll

static size_t count = 4000;

/* It must not be found in the call that it waits in. */
static void set_to_work(struct target *t)
{
	target_go(t);
	while (t->notes->start == 0)
		usleep(100);
}

static void measured(struct target *t, double from, size_t units)
{
	t->notes->start = 0;
	t->notes->traced_end = t->notes->end =
		(target_clock(t->pid, t->notes) - from) / (double)units;
}

/* ---- The peers ---- */

static void raw_steps(struct target *t, const void *arg)
{
	double from;
	int status;

	(void)arg;
	set_to_work(t);
	displaced_stop(t);
	from = target_clock(t->pid, t->notes);
	for (size_t i = 0; i < count; i++) {
		ptrace(PTRACE_SINGLESTEP, t->pid, NULL, NULL);
		if (waitpid(t->pid, &status, __WALL) < 0 || !WIFSTOPPED(status))
			bench_die("step");
	}
	measured(t, from, count);
}

static void raw_calls(struct target *t, const void *arg)
{
	const long parent = getppid(); /* of both */
	double from;

	(void)arg;
	set_to_work(t);
	displaced_stop(t);
	from = target_clock(t->pid, t->notes);
	for (size_t i = 0; i < count; i++)
		if (displaced_getppid(t) != parent)
			bench_die("getppid");
	measured(t, from, count);
}

/* ---- cotrace ---- */

static void wait_for(struct cotrace *s, enum cotrace_event_kind kind, struct cotrace_event *ev)
{
	ev->size = sizeof *ev;
	do {
		client_check(cotrace_next(s, ev, WAIT_NS) == 1 ? 0 : -1, "next");
	} while (ev->kind != kind);
}

static struct cotrace *hold(struct target *t, struct cotrace_event *ev)
{
	struct cotrace *s;

	client_check(cotrace_attach(&s, t->pid, NULL), "attach");
	client_joins(t);
	set_to_work(t);
	client_check(cotrace_stop(s, 0, COTRACE_ALL, WAIT_NS), "stop");
	wait_for(s, COTRACE_EVENT_STOP_DONE, ev);
	return s;
}

static void cotrace_steps(struct target *t, const void *arg)
{
	struct cotrace_event ev;
	struct cotrace *s = hold(t, &ev);
	double from = target_clock(t->pid, t->notes);

	(void)arg;
	for (size_t i = 0; i < count; i++) {
		client_check(cotrace_step(s, ev.task, COTRACE_STEP_INSTRUCTION, 0, 0), "step");
		wait_for(s, COTRACE_EVENT_STEP, &ev);
	}
	measured(t, from, count);
	cotrace_close(s);
}

/* From the first instruction of POINT_LONG to behind its last. */
static void cotrace_ranges(struct target *t, const void *arg)
{
	uint64_t at = (uintptr_t)points[POINT_LONG].call, id;
	struct cotrace_breakpoint b = {
		.size = sizeof b, .mode = COTRACE_STOP, .pid = t->pid, .addr = at
	};
	struct cotrace_event ev;
	struct cotrace *s = hold(t, &ev);
	double from, ns = 0;

	(void)arg;
	client_check(cotrace_break(s, &id, &b), "break");
	for (size_t i = 0; i < count / POINT_BODY; i++) {
		cotrace_resume(s, 0);
		wait_for(s, COTRACE_EVENT_BREAKPOINT, &ev);
		from = target_clock(t->pid, t->notes);
		client_check(cotrace_step(s, ev.task, COTRACE_STEP_RANGE, at, at + POINT_BODY),
			     "step");
		wait_for(s, COTRACE_EVENT_STEP, &ev);
		ns += target_clock(t->pid, t->notes) - from;
	}
	measured(t, target_clock(t->pid, t->notes) - ns, count / POINT_BODY * POINT_BODY);
	cotrace_close(s);
}

static void cotrace_calls(struct target *t, const void *arg)
{
	struct cotrace_event ev;
	struct cotrace *s = hold(t, &ev);
	const uint64_t none[6] = { 0 };
	double from = target_clock(t->pid, t->notes);
	int64_t result;

	(void)arg;
	for (size_t i = 0; i < count; i++)
		client_check(cotrace_syscall(s, ev.task, SYS_getppid, none, &result, WAIT_NS),
			     "syscall");
	measured(t, from, count);
	cotrace_close(s);
}

static double measure(const struct bench_row *row, int cpu)
{
	static void (*const bodies[])(struct target *, const void *) = {
		[RAW] = raw_steps,	[EACH] = cotrace_steps, [RANGE] = cotrace_ranges,
		[RAW_CALL] = raw_calls, [CALL] = cotrace_calls,
	};
	/* It works until it is killed. */
	struct target_plan plan = { .work = TARGET_POINT,
				    .calls = SIZE_MAX / 2,
				    .point = POINT_LONG };
	struct target t;
	double ns;

	target_start(&t, cpu, &plan);
	ns = tracer_run(&t, cpu, bodies[row->how], NULL);
	target_finish(&t);
	return ns;
}

int main(int argc, char **argv)
{
	static struct bench_row steps[] = {
		{ "ptrace: SINGLESTEP, waitpid", measure, RAW },
		{ "cotrace_step(), an event for each", measure, EACH },
		{ "cotrace_step(), a range of 1000", measure, RANGE },
	};
	static struct bench_row calls[] = {
		{ "ptrace: set registers, step, put back", measure, RAW_CALL },
		{ "cotrace_syscall()", measure, CALL },
	};

	bench_init(argc, argv);
	if (bench_quick)
		count = 2000;
	bench_run_both("Stepping", "ns per instruction", steps, 3, 0);
	bench_run_both("A system call made in a held task: getppid", "ns per call", calls, 2, 0);
	return 0;
}
