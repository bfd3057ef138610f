/* SPDX-License-Identifier: MIT */
/*
 * Many threads: attaching, stopping, resuming, letting go; and what one busy thread costs
 * among thousands that sleep.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/client.h"

enum step { ATTACH, STOP, RESUME, DETACH, ALL_OF_IT };
enum how { RAW, COTRACE, GDB, STRACE, RAW_ANY, RAW_TID };

#define TIDS_MAX 20000

static pid_t tids[TIDS_MAX];
static enum step step;

/* ---- A ptrace loop. Letting go needs a stop; the tasks run before. ---- */

static void raw_stop(size_t count)
{
	int status;

	for (size_t i = 0; i < count; i++)
		ptrace(PTRACE_INTERRUPT, tids[i], NULL, NULL);
	for (size_t i = 0; i < count; i++)
		waitpid(tids[i], &status, __WALL);
}

static void raw_each(size_t count, enum __ptrace_request request)
{
	for (size_t i = 0; i < count; i++)
		ptrace(request, tids[i], NULL, NULL);
}

static void raw_steps(struct target *t, const void *arg)
{
	double at[5];
	size_t count;

	(void)arg;
	at[ATTACH] = bench_now();
	count = task_list(t->pid, tids, TIDS_MAX);
	raw_each(count, PTRACE_SEIZE);
	at[STOP] = bench_now();
	raw_stop(count);
	at[RESUME] = bench_now();
	raw_each(count, PTRACE_CONT);
	at[DETACH] = bench_now();
	raw_stop(count);
	raw_each(count, PTRACE_DETACH);
	at[DETACH + 1] = bench_now();
	t->notes->start = step == ALL_OF_IT ? at[0] : at[step];
	t->notes->end = step == ALL_OF_IT ? at[DETACH + 1] : at[step + 1];
}

/* ---- cotrace ---- */

static void wait_for_exit(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	poll(&p, 1, -1);
	close(pidfd);
}

static void cotrace_steps(struct target *t, const void *arg)
{
	struct cotrace_task_info info;
	struct cotrace *s;
	double at[5];
	int engine;

	(void)arg;
	at[ATTACH] = bench_now();
	client_check(cotrace_attach(&s, t->pid, NULL), "attach");
	at[STOP] = bench_now();
	client_check(cotrace_stop(s, 0, COTRACE_ALL, -1), "stop");
	at[RESUME] = bench_now();
	client_check(cotrace_resume(s, 0), "resume");
	/* That goes without a reply; a request after it has one. */
	client_check(cotrace_tasks(s, &info, 1), "tasks");
	at[DETACH] = bench_now();
	engine = (int)syscall(SYS_pidfd_open, cotrace_engine_pid(s), 0);
	cotrace_close(s);
	wait_for_exit(engine);
	at[DETACH + 1] = bench_now();
	t->notes->start = step == ALL_OF_IT ? at[0] : at[step];
	t->notes->end = step == ALL_OF_IT ? at[DETACH + 1] : at[step + 1];
}

/* ---- gdb and strace: only the whole can be told. ---- */

static void gdb_steps(struct target *t, int cpu)
{
	char number[16];
	const char *argv[] = { "gdb", "-nx",  "-batch", "-iex", "set debuginfod enabled off",
			       "-p",  number, NULL };
	double s;

	snprintf(number, sizeof number, "%d", (int)t->pid);
	s = command_run((char *const *)argv, cpu);
	t->notes->start = 1;
	t->notes->end = s < 0 ? 0 : 1 + s * 1e9;
}

static void strace_steps(struct target *t, int cpu)
{
	double from = bench_now();
	pid_t pid = strace_start(t->pid, cpu, true);

	t->notes->start = from;
	if (pid < 0)
		return;
	kill(pid, SIGINT);
	waitpid(pid, NULL, 0);
	t->notes->end = bench_now();
}

static double measure_step(const struct bench_row *row, int cpu)
{
	struct target_plan plan = { .threads = (int)row->size };
	struct target t;
	double ns;

	target_start(&t, cpu, &plan);
	if (row->how == GDB)
		gdb_steps(&t, cpu);
	else if (row->how == STRACE)
		strace_steps(&t, cpu);
	else
		tracer_run(&t, cpu, row->how == RAW ? raw_steps : cotrace_steps, NULL);
	ns = t.notes->end != 0 ? target_ns(&t) : -1;
	target_finish(&t);
	return ns < 0 ? -1 : ns / 1e6;
}

static void step_tables(size_t threads)
{
	static const char *const names[] = {
		[ATTACH] = "Attach to %zu threads",
		[STOP] = "Stop %zu threads",
		[RESUME] = "Resume %zu threads",
		[DETACH] = "Let go of %zu running threads",
		[ALL_OF_IT] = "Attach to %zu threads, stop, resume, let go",
	};

	for (step = ATTACH; step <= ALL_OF_IT; step++) {
		struct bench_row rows[] = {
			{ "ptrace loop, waiting by tid", measure_step, RAW, threads },
			{ "cotrace", measure_step, COTRACE, threads },
			{ "gdb -batch -p: start, attach, detach", measure_step, GDB, threads },
			{ "strace -f -p: start, attach, interrupt", measure_step, STRACE, threads },
		};
		struct bench_table table = { .unit = "ms",
					     .rows = rows,
					     .count = step == ALL_OF_IT ? 4 : 2,
					     .cpu = BENCH_ANY_CPU };
		char title[80];

		snprintf(title, sizeof title, names[step], threads);
		table.title = title;
		bench_run(&table);
	}
}

/* ---- One busy thread ---- */

static void by_ptrace(struct target *t, const void *arg)
{
	const struct bench_row *row = arg;

	raw_trace(t, row->how == RAW_TID ? RAW_WAIT_TID : RAW_WAIT_ANY, false);
}

static double measure_busy(const struct bench_row *row, int cpu)
{
	struct target_plan plan = { .calls = bench_quick ? 5000 : 20000,
				    .threads = (int)row->size };
	struct client client = { .mode = COTRACE_NOTE, .sessions = 1 };
	struct target t;
	double ns;

	target_start(&t, cpu, &plan);
	if (row->how == COTRACE)
		ns = tracer_run(&t, cpu, client_trace, &client);
	else
		ns = tracer_run(&t, cpu, by_ptrace, row);
	target_finish(&t);
	return ns < 0 ? ns : ns / 2 / (double)plan.calls;
}

static void busy_tables(void)
{
	static struct bench_row rows[] = {
		{ "ptrace: waitpid(tid), 1 thread", measure_busy, RAW_TID, 1 },
		{ "ptrace: waitpid(tid), 1000 threads", measure_busy, RAW_TID, 1000 },
		{ "ptrace: waitpid(tid), 5000 threads", measure_busy, RAW_TID, 5000 },
		{ "ptrace: waitpid(-1), 1 thread", measure_busy, RAW_ANY, 1 },
		{ "ptrace: waitpid(-1), 1000 threads", measure_busy, RAW_ANY, 1000 },
		{ "ptrace: waitpid(-1), 5000 threads", measure_busy, RAW_ANY, 5000 },
		{ "cotrace, notes, 1 thread", measure_busy, COTRACE, 1 },
		{ "cotrace, notes, 1000 threads", measure_busy, COTRACE, 1000 },
		{ "cotrace, notes, 5000 threads", measure_busy, COTRACE, 5000 },
	};

	bench_run_both("One busy thread among many that sleep", "ns per stop", rows, 9, 0);
}

int main(int argc, char **argv)
{
	static const size_t threads[] = { 10, 100, 1000, 5000 };

	bench_init(argc, argv);
	busy_tables();
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
		step_tables(threads[i]);
	return 0;
}
