/* SPDX-License-Identifier: MIT */
/*
 * What `cotrace run` costs (issue 4): tracers with and without it, and programs that trace
 * nothing. `cotrace`, `strace` and `gdb` are those of PATH.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

enum how { NATIVE, PRELOAD, NOTIFY };

#define FILES 12
#define ARGS_MAX 24
#define TOOK "it took " /* what the work says, in ns each */

static char itself[4096];
static char trace[64];
static const char *const *tool; /* the command of this table */
static double calls;		/* that are made; 0: print seconds, negative: it says itself */

/* ---- The work: this program, called by itself. ---- */

static void fork_and_wait(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		bench_die("fork");
}

/* For gdb to find. */
__attribute__((noinline)) void bench_point(long n);

void bench_point(long n)
{
	__asm__ volatile("" : : "r"(n));
}

static pid_t start_tracee(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		bench_die("waitpid");
	return pid;
}

static int run_work(const char *what, int count)
{
	static long word;
	pid_t pid = !strcmp(what, "peek") ? start_tracee() : 0;
	bool forks = !strcmp(what, "fork");
	double start = bench_now();

	for (int i = 0; i < count; i++)
		if (pid)
			ptrace(PTRACE_PEEKDATA, pid, &word, 0);
		else if (forks)
			fork_and_wait();
		else
			bench_point(i);
	printf(TOOK "%f\n", (bench_now() - start) / count);
	if (pid) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return 0;
}

/* ---- Measuring ---- */

static double said(const struct command *c)
{
	char text[8192], *at;
	ssize_t n = pread(c->out, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = 0;
	at = strstr(text, TOOK);
	return at ? atof(at + strlen(TOOK)) : -1;
}

static double run_and_listen(char *const argv[], int cpu)
{
	struct command c;
	double ns;

	if (!command_start(&c, argv, cpu))
		return -1;
	command_wait(&c, TOOK, 2); /* it says so once, and ends */
	ns = said(&c);
	command_finish(&c);
	return ns;
}

static double measure(const struct bench_row *row, int cpu)
{
	const char *argv[ARGS_MAX] = { "cotrace", "run", "--via",
				       row->how == PRELOAD ? "preload" : "notify" };
	size_t n = row->how == NATIVE ? 0 : 4;
	double s;

	for (size_t i = 0; tool[i] && n < ARGS_MAX - 1; i++)
		argv[n++] = tool[i];
	argv[n] = NULL;
	if (calls < 0)
		return run_and_listen((char *const *)argv, cpu);
	s = command_run((char *const *)argv, cpu);
	unlink(trace);
	return s < 0 || calls == 0 ? s : s * 1e9 / calls;
}

static void table(const char *title, const char *unit, const char *const argv[], double n,
		  int turns)
{
	struct bench_row rows[] = {
		{ "native", measure, NATIVE },
		{ "cotrace run --via preload", measure, PRELOAD },
		{ "cotrace run --via notify", measure, NOTIFY },
	};
	struct bench_table t = { title, unit, rows, 3, 0, 0, turns };

	tool = argv;
	calls = n;
	bench_run(&t);
	t.cpu = BENCH_ANY_CPU;
	bench_run(&t);
}

#define SAYS (-1)

/* The work, so often, alone or by what @before says. */
static void work(const char *title, const char *const before[], const char *what, int times)
{
	const char *argv[ARGS_MAX];
	char count[16];
	size_t n = 0;

	snprintf(count, sizeof count, "%d", bench_quick ? times / 10 : times);
	for (size_t i = 0; before && before[i]; i++)
		argv[n++] = before[i];
	argv[n++] = itself, argv[n++] = "--work", argv[n++] = what, argv[n++] = count;
	argv[n] = NULL;
	table(title, "ns each", argv, SAYS, 0);
}

static void straces(const char *folder)
{
	int blocks = bench_quick ? 10000 : 50000;
	char count[32];
	const char *dd[] = { "strace",	     "-o",   trace, "dd",	   "if=/dev/zero",
			     "of=/dev/null", "bs=1", count, "status=none", NULL };
	const char *make[] = {
		"strace", "-f", "-o", trace, "make", "-s", "-j2", "-C", folder, NULL
	};

	snprintf(count, sizeof count, "count=%d", blocks);
	table("strace -o FILE of dd bs=1", "ns per system call", dd, 2 * blocks, 0);
	table("strace -f -o FILE of make -j2", "seconds", make, 0, 0);
}

static void all(const char *folder)
{
	const char *make[] = { "make", "-s", "-j2", "-C", folder, NULL };
	const char *gdb[] = { "gdb", "-nx", "-batch", "-ex", "break *bench_point if $rdi == -1",
			      "-ex", "run", "--args", NULL };

	straces(folder);
	work("gdb, breakpoint with a false condition", gdb, "point", 2000);
	work("PTRACE_PEEKDATA", NULL, "peek", 100000);
	table("make -j2, nothing traced", "seconds", make, 0, 5);
	work("fork() and wait(), nothing traced", NULL, "fork", 4000);
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", itself, sizeof itself - 1);
	const char *folder;

	if (n < 0)
		bench_die("/proc/self/exe");
	if (argc == 4 && !strcmp(argv[1], "--work"))
		return run_work(argv[2], atoi(argv[3]));
	bench_init(argc, argv);
	folder = project_make(FILES);
	snprintf(trace, sizeof trace, "%s/trace", folder);
	all(folder);
	project_remove();
	return 0;
}
