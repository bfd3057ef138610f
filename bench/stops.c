/* SPDX-License-Identifier: MIT */
/*
 * What a system call stop costs: a ptrace loop, cotrace telling of it (note), cotrace asking
 * about it (stop; by subscription, and as the personality of cotrace run does), strace. All
 * attach to the same kind of running target; nanoseconds per stop, two stops a call, until the
 * tracer has seen the last.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "bench/client.h"

enum how { RAW, NOTES, STOPS, STEPS, STRACE, UNTRACED, RAW_CAPTURE, NOTES_CAPTURE };

static struct target_plan plan = { .calls = 20000 };

static void by_ptrace(struct target *t, const void *arg)
{
	const struct bench_row *row = arg;

	raw_trace(t, RAW_WAIT_ANY, row->how == RAW_CAPTURE);
}

static void by_nobody(struct target *t, const void *arg)
{
	(void)arg;
	target_go(t);
}

static double under_strace(struct target *t, int cpu)
{
	pid_t pid = strace_start(t->pid, cpu, plan.threads > 1);
	double ns;

	if (pid < 0)
		return -1;
	ns = tracer_run(t, cpu, by_nobody, NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ns;
}

static double by_cotrace(struct target *t, int cpu, enum how how)
{
	struct client client = { .mode = how == STOPS ? COTRACE_STOP : COTRACE_NOTE,
				 .capture = how == NOTES_CAPTURE,
				 .stepping = how == STEPS,
				 .sessions = 1 };

	return tracer_run(t, cpu, client_trace, &client);
}

static double measure(const struct bench_row *row, int cpu)
{
	bool counted = row->how != STRACE && row->how != UNTRACED;
	struct target t;
	double ns;

	target_start(&t, cpu, &plan);
	if (row->how == STRACE)
		ns = under_strace(&t, cpu);
	else if (row->how == UNTRACED)
		ns = tracer_run(&t, cpu, by_nobody, row);
	else if (row->how == RAW || row->how == RAW_CAPTURE)
		ns = tracer_run(&t, cpu, by_ptrace, row);
	else
		ns = by_cotrace(&t, cpu, (enum how)row->how);
	if (counted && t.notes->events < 2 * plan.calls) {
		fprintf(stderr, "bench: %s: %lu events for %zu stops\n", row->name,
			(unsigned long)t.notes->events, 2 * plan.calls);
		ns = -1;
	}
	target_finish(&t);
	return ns < 0 ? ns : ns / 2 / (double)plan.calls;
}

int main(int argc, char **argv)
{
	static struct bench_row rows[] = {
		{ "ptrace: waitpid(-1), GET_SYSCALL_INFO", measure, RAW },
		{ "cotrace, notes", measure, NOTES },
		{ "cotrace, stops", measure, STOPS },
		{ "cotrace, each stop asks for the next", measure, STEPS },
		{ "strace -o /dev/null", measure, STRACE },
		{ "not traced", measure, UNTRACED },
	};
	static struct bench_row captures[] = {
		{ "ptrace, process_vm_readv of 64 bytes", measure, RAW_CAPTURE },
		{ "cotrace, notes, capture of 64 bytes", measure, NOTES_CAPTURE },
	};

	bench_init(argc, argv);
	if (bench_quick)
		plan.calls = 4000;
	bench_run_both("System call stops: getppid in a loop", "ns per stop", rows, 6, 0);
	plan.work = TARGET_READ_WRITE;
	bench_run_both("System call stops: read and write of 64 bytes", "ns per stop", rows, 6, 0);
	bench_run_both("The same, write's buffer copied", "ns per stop", captures, 2, 0);
	plan = (struct target_plan){ TARGET_GETPPID, plan.calls, 9, 4 };
	bench_run_both("System call stops: four threads at once", "ns per stop", rows, 5, 0);
	return 0;
}
