/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks share. A table has one row for each way of doing the same work, the
 * peer first. Rows are measured in turns, in rounds, each round starting with another row, so
 * that drift of the machine meets all alike; a ratio is that of two figures of one round.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_ROUNDS_MAX 31
#define BENCH_SAMPLES_MAX 4096
#define BENCH_CLIENTS_MAX 8
#define BENCH_ROWS_MAX 16
#define BENCH_TURNS_MAX 15
#define BENCH_ANY_CPU (-1)

struct bench_row {
	const char *name;
	/* One measurement; negative: cannot be done here. */
	double (*measure)(const struct bench_row *row, int cpu);
	int how; /* for measure() */
	size_t size;
	double v[BENCH_ROUNDS_MAX];
};

struct bench_table {
	const char *title, *unit;
	struct bench_row *rows;
	size_t count;
	size_t peer; /* the row that ratios refer to */
	int cpu;     /* for measure(): everything on this CPU, or BENCH_ANY_CPU */
	/*
	 * So often, in turns, each row is measured in one round, whose figure is the median; 0
	 * means 1. For what the machine does not do alike twice.
	 */
	int turns;
};

extern int bench_rounds;
extern bool bench_quick;
extern bool bench_cpu_time;

/* Options common to all: --rounds N, --quick, --cpu-time, --table WORDS, --help. */
void bench_init(int argc, char **argv);
void bench_run(struct bench_table *table);
/* The same rows twice: all on CPU 0, then where the scheduler wants. */
void bench_run_both(const char *title, const char *unit, struct bench_row *rows, size_t count,
		    size_t peer);

double bench_now(void);
void bench_pin(int cpu);
double bench_median(double *v, size_t count);
void *bench_shared(size_t size);
void bench_die(const char *what) __attribute__((noreturn));

/* ---- Targets (target.c): processes that wait for a word and then do timed work. ---- */

enum target_work {
	TARGET_GETPPID,
	TARGET_READ_WRITE,
	TARGET_SPARSE, /* getppid, with a millisecond of sleep after each */
	TARGET_POINT   /* calls of a function (points.h), one more when the clock has stopped */
};

/* Shared between target, tracer and the one who measures. */
struct bench_notes {
	_Atomic int ready;			/* threads that wait */
	_Atomic int hot;			/* tid of the last task that works */
	_Atomic int working;			/* tasks that have not finished */
	_Atomic int attached;			/* sessions */
	_Atomic int clients[BENCH_CLIENTS_MAX]; /* pids of those that trace through a session */
	_Atomic double start, end;		/* target_clock() */
	_Atomic double traced_end;		/* the tracer has seen all */
	_Atomic double stamp;			/* taken before a getppid() */
	_Atomic uint64_t events;
	double untraced;       /* ns that the work takes before anybody traces it (TARGET_POINT) */
	_Atomic uint64_t told; /* hits with a true condition */
	size_t samples_count;
	double samples[BENCH_SAMPLES_MAX];
};

struct target {
	pid_t pid;
	int go;
	struct bench_notes *notes;
};

struct target_plan {
	enum target_work work;
	size_t calls; /* of all working tasks together */
	int threads;  /* 0 or 1: one task */
	/*
	 * So many work, the others sleep; 0 means 1. Never the first or last of many, unless
	 * all do.
	 */
	int busy;
	int point; /* TARGET_POINT: enum point */
};

void target_start(struct target *t, int cpu, const struct target_plan *plan);
void target_go(struct target *t);
/* Waits for the work's end; kills the process. */
void target_finish(struct target *t);
/*
 * Nanoseconds: the time, or with --cpu-time what the target, its tracer and the clients have
 * used of CPUs. The latter is the same whatever else keeps the machine busy.
 */
double target_clock(pid_t target, const struct bench_notes *notes);
/* Nanoseconds of the work, up to when the tracer had all of it (not with --cpu-time). */
double target_ns(const struct target *t);

/* ---- Tracers (raw.c, strace.c): each in a process of its own. ---- */

enum raw_wait { RAW_WAIT_ANY, RAW_WAIT_TID };

/* Traces as a tracer does that wants to know each system call; ends with the target. */
void raw_trace(struct target *t, enum raw_wait wait, bool capture);
/* Tids of @pid into @tids; returns how many. */
size_t task_list(pid_t pid, pid_t *tids, size_t max);
/* Runs @body in a child process on @cpu, waits until the work is done. Returns its ns. */
double tracer_run(struct target *t, int cpu, void (*body)(struct target *t, const void *arg),
		  const void *arg);

/* Starts strace on @pid, waits until it has attached. Its pid, or -1 when there is none. */
pid_t strace_start(pid_t pid, int cpu, bool threads);
/* A command that traces a target (command.c), with what it says kept. */
struct command {
	pid_t pid;
	int out;
};

/* False: there is no such command. */
bool command_start(struct command *c, char *const argv[], int cpu);
/* So often there is @text in what it has said. */
size_t command_said(const struct command *c, const char *text);
/* Waits until it is there @count times; false: it has ended, or takes too long. */
bool command_wait(const struct command *c, const char *text, size_t count);
void command_finish(struct command *c);
/* Runs @argv with output discarded; seconds, or -1 when it could not be run. */
double command_run(char *const argv[], int cpu);
bool command_exists(const char *name);

/* ---- A project to build (project.c): a folder with a Makefile. ---- */

/* Its path; it is there until project_remove(). */
const char *project_make(int files);
void project_remove(void);

#endif
