/* SPDX-License-Identifier: MIT */
/*
 * What a breakpoint costs: with a condition that is false, beside gdb and beside a ptrace loop
 * that does only this; when it is told, and asked about; when lines are printed of it; with
 * several sessions. Nanoseconds per hit, what the work takes without a breakpoint left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/client.h"
#include "bench/points.h"

enum how { RAW_JUMP, RAW_STEP, NOTES, STOPS, GDB, COTRACE_LINES, GDB_LINES };
enum condition { ALWAYS, VALUE, MEMORY };

/* What a row's size says. */
#define SETTING(point, condition, sessions) \
	((size_t)(sessions) << 8 | (size_t)(point) << 4 | (condition))

/* For the compiler of cotrace and for gdb. */
static const char *const conditions[] = {
	[VALUE] = "$rdi == 12345678",
	[MEMORY] = "*(long *)$rsi == 12345678",
};

static int threads = 1;
static size_t hits = 4000;

static enum point point_of(const struct bench_row *row)
{
	return (enum point)((row->size >> 4 & 15));
}

static enum condition condition_of(const struct bench_row *row)
{
	return (enum condition)(row->size & 15);
}

/* ---- cotrace ---- */

struct breaker {
	const struct bench_row *row;
	size_t calls;
	int sessions;
};

static void set(struct cotrace *s, struct target *t, const struct bench_row *row)
{
	const char *text = conditions[condition_of(row)];
	struct cotrace_breakpoint b = {
		.size = sizeof b,
		.mode = row->how == STOPS ? COTRACE_STOP : COTRACE_NOTE,
		.pid = t->pid,
		.addr = (uintptr_t)points[point_of(row)].call,
	};
	uint8_t *code = NULL;
	uint64_t id;

	if (text)
		client_check(cotrace_compile(&code, &b.condition.size, COTRACE_ARCH_X86_64, text,
					     NULL, 0),
			     "compile");
	b.condition.code = code;
	client_check(cotrace_break(s, &id, &b), "break");
	free(code);
}

static void take(struct target *t, struct cotrace *s, const struct cotrace_event *ev, size_t all)
{
	if (ev->kind == COTRACE_EVENT_LOST)
		client_check(-EIO, "events were lost");
	if (ev->kind != COTRACE_EVENT_BREAKPOINT)
		return;
	if (++t->notes->told == all)
		t->notes->traced_end = bench_now();
	if (ev->flags & COTRACE_EV_STOP)
		cotrace_resume(s, ev->task);
}

static void trace(struct target *t, const void *arg)
{
	struct cotrace_event ev = { .size = sizeof ev };
	const struct breaker *b = arg;
	struct cotrace *s;

	client_check(cotrace_attach(&s, t->pid, NULL), "attach");
	set(s, t, b->row);
	client_joins(t);
	if (t->notes->attached == b->sessions)
		target_go(t);
	while (cotrace_next(s, &ev, -1) == 1 && ev.kind != COTRACE_EVENT_SESSION_END)
		take(t, s, &ev, b->calls * (size_t)b->sessions);
	cotrace_close(s);
}

static void trace_many(struct target *t, const void *arg)
{
	client_many(t, ((const struct breaker *)arg)->sessions, trace, arg);
}

static double by_cotrace(struct target *t, const struct bench_row *row, int cpu, size_t calls)
{
	struct breaker b = { row, calls, (int)(row->size >> 8) };
	size_t told = condition_of(row) ? 1 : calls + 1;
	double ns = tracer_run(t, cpu, trace_many, &b);

	return t->notes->told == told * (size_t)b.sessions ? ns : -1;
}

/* ---- The peers ---- */

static double by_ptrace(struct target *t, const struct bench_row *row, int cpu, size_t calls)
{
	struct displaced how = { .point = point_of(row),
				 .way = row->how == RAW_STEP ? DISPLACED_STEP : DISPLACED_JUMP,
				 .memory = condition_of(row) == MEMORY };
	double ns = tracer_run(t, cpu, displaced_trace, &how);

	return t->notes->events == calls + 1 && t->notes->told == 1 ? ns : -1;
}

static void by_nobody(struct target *t, const void *arg)
{
	(void)arg;
	target_go(t);
}

/* Beside a command that says @ready when the target may start, and then @text so often. */
static double beside(struct target *t, char *const argv[], int cpu, const char *ready,
		     const char *text, size_t count)
{
	struct command c;
	double ns = -1;

	if (!command_start(&c, argv, cpu))
		return -1;
	if (command_wait(&c, ready, 1)) {
		ns = tracer_run(t, cpu, by_nobody, NULL);
		if (!command_wait(&c, text, count))
			ns = -1;
	}
	command_finish(&c);
	return ns;
}

static double by_gdb(struct target *t, const struct bench_row *row, int cpu)
{
	const char *argv[] = { "gdb", "-nx", "-batch",	      "-p",  NULL,	 "-ex",
			       NULL,  "-ex", "echo ready\\n", "-ex", "continue", NULL };
	char pid[16], line[96];

	snprintf(pid, sizeof pid, "%d", (int)t->pid);
	snprintf(line, sizeof line, "break *%p if %s", (void *)points[point_of(row)].call,
		 conditions[condition_of(row)]);
	argv[4] = pid;
	argv[6] = line;
	return beside(t, (char *const *)argv, cpu, "ready", "Breakpoint 1, ", 1);
}

/* Lines in a file, to the last of them. */
static double lines(struct target *t, const struct bench_row *row, int cpu, size_t calls)
{
	const char *gdb[] = { "gdb", "-nx", "-batch",	     "-p",  NULL,	"-ex",
			      NULL,  "-ex", "echo ready\\n", "-ex", "continue", NULL };
	const char *cotrace[] = {
		"cotrace", "break",	      "-p", NULL, "-b", NULL, "-P", "$rdi", "-A",
		"-o",	   "/proc/self/fd/1", NULL
	};
	bool by_gdb = row->how == GDB_LINES;
	const char **argv = by_gdb ? gdb : cotrace;
	char pid[16], place[64];
	double ns;

	snprintf(pid, sizeof pid, "%d", (int)t->pid);
	snprintf(place, sizeof place, by_gdb ? "dprintf *%p,\"hit %%ld\\n\", $rdi" : "*%p",
		 (void *)points[point_of(row)].call);
	argv[by_gdb ? 4 : 3] = pid;
	argv[by_gdb ? 6 : 5] = place;
	ns = beside(t, (char *const *)argv, cpu, by_gdb ? "ready" : "attached", "\n", calls + 1);
	if (ns < 0)
		return -1;
	t->notes->traced_end = bench_now();
	return target_ns(t);
}

/* ---- Rows and tables ---- */

static size_t calls_of(enum how how)
{
	size_t calls = bench_quick ? hits / 4 : hits;

	/* A multiple of the threads. */
	return how == GDB || how == GDB_LINES ? calls / 20 / 8 * 8 : calls / 8 * 8;
}

static double measure(const struct bench_row *row, int cpu)
{
	size_t calls = calls_of((enum how)row->how);
	struct target_plan plan = { .work = TARGET_POINT,
				    .calls = calls,
				    .threads = threads,
				    .busy = threads,
				    .point = (int)point_of(row) };
	struct target t;
	double ns;

	target_start(&t, cpu, &plan);
	if (row->how == GDB)
		ns = by_gdb(&t, row, cpu);
	else if (row->how == COTRACE_LINES || row->how == GDB_LINES)
		ns = lines(&t, row, cpu, calls);
	else if (row->how == NOTES || row->how == STOPS)
		ns = by_cotrace(&t, row, cpu, calls);
	else
		ns = by_ptrace(&t, row, cpu, calls);
	if (ns >= 0)
		ns = (ns - t.notes->untraced) / (double)calls;
	target_finish(&t);
	return ns;
}

#define PUSH(condition) SETTING(POINT_PUSH, condition, 1)
#define RELATIVE(condition) SETTING(POINT_RELATIVE, condition, 1)
#define NOP(condition) SETTING(POINT_NOP, condition, 1)
#define SESSIONS(condition, n) SETTING(POINT_PUSH, condition, n)

static struct bench_row falsely[] = {
	{ "push: ptrace, the copy jumps back", measure, RAW_JUMP, PUSH(VALUE) },
	{ "push: ptrace, the copy is stepped", measure, RAW_STEP, PUSH(VALUE) },
	{ "push: cotrace", measure, NOTES, PUSH(VALUE) },
	{ "push: gdb", measure, GDB, PUSH(VALUE) },
	{ "push, memory: ptrace, the copy jumps back", measure, RAW_JUMP, PUSH(MEMORY) },
	{ "push, memory: cotrace", measure, NOTES, PUSH(MEMORY) },
	{ "mov relative to rip: ptrace, jumps back", measure, RAW_JUMP, RELATIVE(VALUE) },
	{ "mov relative to rip: cotrace", measure, NOTES, RELATIVE(VALUE) },
	{ "nop: cotrace", measure, NOTES, NOP(VALUE) },
};
static struct bench_row told[] = {
	{ "ptrace, false: the copy jumps back", measure, RAW_JUMP, PUSH(VALUE) },
	{ "cotrace, notes", measure, NOTES, PUSH(ALWAYS) },
	{ "cotrace, stops", measure, STOPS, PUSH(ALWAYS) },
};
static struct bench_row printed[] = {
	{ "gdb, dprintf", measure, GDB_LINES, PUSH(ALWAYS) },
	{ "cotrace break -P", measure, COTRACE_LINES, PUSH(ALWAYS) },
};
static struct bench_row sessions[] = {
	{ "1 session, false", measure, NOTES, SESSIONS(VALUE, 1) },
	{ "2 sessions, false", measure, NOTES, SESSIONS(VALUE, 2) },
	{ "8 sessions, false", measure, NOTES, SESSIONS(VALUE, 8) },
	{ "1 session, notes", measure, NOTES, SESSIONS(ALWAYS, 1) },
	{ "8 sessions, notes", measure, NOTES, SESSIONS(ALWAYS, 8) },
	{ "8 sessions, stops", measure, STOPS, SESSIONS(ALWAYS, 8) },
};

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	bench_run_both("Breakpoint, condition false, 1 thread", "ns per hit", falsely,
		       COUNT(falsely), 0);
	threads = 8;
	bench_run_both("Breakpoint, condition false, 8 threads", "ns per hit", falsely,
		       COUNT(falsely), 0);
	threads = 1;
	bench_run_both("Breakpoint told of at each hit", "ns per hit", told, COUNT(told), 0);
	bench_run_both("Breakpoint printed at each hit", "ns per line", printed, COUNT(printed), 0);
	bench_run_both("Breakpoints of several sessions at one address", "ns per hit", sessions,
		       COUNT(sessions), 0);
	return 0;
}
