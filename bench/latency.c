/* SPDX-License-Identifier: MIT */
/*
 * How long it takes: from a system call of the target to the tracer knowing of it, both
 * asleep before; a request to the engine and its reply; what each further session costs.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/client.h"

enum how { RAW = 100, NOTE, STOP };

static struct target_plan plan = { .calls = 500 };
static size_t requests = 5000;

/* ---- From the call to the tracer ---- */

static void sample(struct target *t)
{
	size_t n = t->notes->samples_count;

	if (n < BENCH_SAMPLES_MAX) {
		t->notes->samples[n] = bench_now() - t->notes->stamp;
		t->notes->samples_count = n + 1;
	}
}

static void seen(struct target *t, const struct cotrace_event *ev)
{
	if (ev->kind == COTRACE_EVENT_SYSCALL_ENTRY && ev->syscall.nr == SYS_getppid)
		sample(t);
}

static void by_ptrace(struct target *t, const void *arg)
{
	bool entry = true;
	int status;

	(void)arg;
	if (ptrace(PTRACE_SEIZE, t->pid, NULL, PTRACE_O_TRACESYSGOOD) < 0)
		bench_die("seize");
	ptrace(PTRACE_INTERRUPT, t->pid, NULL, NULL);
	waitpid(t->pid, &status, __WALL);
	ptrace(PTRACE_SYSCALL, t->pid, NULL, NULL);
	target_go(t);
	while (waitpid(t->pid, &status, __WALL) > 0 && WIFSTOPPED(status)) {
		/* Sleep comes after each getppid; the stamp tells which stop is the first. */
		if (t->notes->stamp != 0 && entry)
			sample(t), t->notes->stamp = 0;
		ptrace(PTRACE_SYSCALL, t->pid, NULL, NULL);
	}
}

static double latency(const struct bench_row *row, int cpu)
{
	struct client client = { .mode = row->how == STOP ? COTRACE_STOP : COTRACE_NOTE,
				 .sessions = 1,
				 .only = SYS_getppid,
				 .seen = seen };
	struct target t;
	double ns;

	plan.work = TARGET_SPARSE;
	target_start(&t, cpu, &plan);
	if (row->how == RAW)
		ns = tracer_run(&t, cpu, by_ptrace, NULL);
	else
		ns = tracer_run(&t, cpu, client_trace, &client);
	if (ns >= 0)
		ns = t.notes->samples_count < plan.calls
			     ? -1
			     : bench_median(t.notes->samples, t.notes->samples_count);
	target_finish(&t);
	return ns;
}

/* ---- A request and its reply ---- */

static double timed_echo(int sock)
{
	char message[64] = { 0 };
	double from = bench_now();

	for (size_t i = 0; i < requests; i++)
		if (send(sock, message, sizeof message, 0) < 0 ||
		    recv(sock, message, sizeof message, 0) < 0)
			bench_die("echo");
	return (bench_now() - from) / (double)requests;
}

static double echo(const struct bench_row *row, int cpu)
{
	char message[64];
	int pair[2];
	pid_t pid;
	double ns;

	(void)row;
	bench_pin(cpu);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		bench_die("socketpair");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		while (recv(pair[1], message, sizeof message, 0) > 0)
			if (send(pair[1], message, sizeof message, 0) < 0)
				break;
		_exit(0);
	}
	close(pair[1]);
	ns = timed_echo(pair[0]);
	close(pair[0]);
	waitpid(pid, NULL, 0);
	return ns;
}

static void ask(struct target *t, const void *arg)
{
	struct cotrace_task_info info;
	struct cotrace *s;

	(void)arg;
	client_check(cotrace_attach(&s, t->pid, NULL), "attach");
	client_check(cotrace_tasks(s, &info, 1), "tasks");
	t->notes->start = bench_now();
	for (size_t i = 0; i < requests; i++)
		client_check(cotrace_tasks(s, &info, 1), "tasks");
	t->notes->traced_end = t->notes->end = bench_now();
	cotrace_close(s);
}

static double round_trip(const struct bench_row *row, int cpu)
{
	struct target_plan idle = { .threads = 1 };
	struct target t;
	double ns;

	(void)row;
	target_start(&t, cpu, &idle);
	ns = tracer_run(&t, cpu, ask, NULL);
	target_finish(&t);
	return ns / (double)requests;
}

/* ---- Several sessions on one task ---- */

static double sessions(const struct bench_row *row, int cpu)
{
	struct client client = { .mode = row->how == STOP ? COTRACE_STOP : COTRACE_NOTE,
				 .sessions = (int)row->size };
	struct target_plan loop = { .calls = bench_quick ? 2000 : 8000 };
	struct target t;
	double ns;

	target_start(&t, cpu, &loop);
	ns = tracer_run(&t, cpu, client_trace, &client);
	target_finish(&t);
	return ns / 2 / (double)loop.calls;
}

int main(int argc, char **argv)
{
	static struct bench_row to_tracer[] = {
		{ "ptrace: waitpid(tid)", latency, RAW },
		{ "cotrace, a stop", latency, STOP },
		{ "cotrace, a note", latency, NOTE },
	};
	static struct bench_row trips[] = {
		{ "64 bytes to another process and back", echo },
		{ "cotrace_tasks()", round_trip },
	};
	static struct bench_row notes[] = {
		{ "1 session, notes", sessions, NOTE, 1 },
		{ "2 sessions, notes", sessions, NOTE, 2 },
		{ "4 sessions, notes", sessions, NOTE, 4 },
		{ "8 sessions, notes", sessions, NOTE, 8 },
	};
	static struct bench_row stops[] = {
		{ "1 session, stops", sessions, STOP, 1 },
		{ "2 sessions, stops", sessions, STOP, 2 },
		{ "4 sessions, stops", sessions, STOP, 4 },
	};

	bench_init(argc, argv);
	if (bench_quick)
		plan.calls = 100, requests = 1000;
	bench_run_both("From a system call's entry to the tracer, 1 in a millisecond", "ns",
		       to_tracer, 3, 0);
	bench_run_both("A request and its reply", "ns", trips, 2, 0);
	bench_run_both("Several sessions on one task, each told", "ns per stop", notes, 4, 0);
	bench_run_both("Several sessions on one task, each asked", "ns per stop", stops, 3, 0);
	return 0;
}
