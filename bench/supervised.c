/* SPDX-License-Identifier: MIT */
/*
 * What `cotrace run` costs. Programs that trace nothing: a build, and a loop that does nothing
 * but fork and wait. Requests: a word of memory, read again and again. `cotrace` is the
 * one of PATH.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

enum how { NATIVE, SUPERVISED };

#define FILES 8

static char folder[] = "/tmp/cotrace-bench-XXXXXX";
static char itself[4096];
static const char *work; /* for run_work() */
static int times;

/* ---- The work: this program, called by itself, prints nanoseconds for each. ---- */

static void fork_and_wait(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		bench_die("fork");
}

static long word;

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
	pid_t pid = !strcmp(what, "peek") ? start_tracee() : 0;
	double start = bench_now();

	for (int i = 0; i < count; i++)
		if (pid)
			ptrace(PTRACE_PEEKDATA, pid, &word, 0);
		else
			fork_and_wait();
	printf("%f\n", (bench_now() - start) / count);
	if (pid) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return 0;
}

static double measure_work(const struct bench_row *row, int cpu)
{
	char line[4200], text[64];
	double ns = -1;
	FILE *f;

	snprintf(line, sizeof line, "%s%s %s --work %s %d", cpu >= 0 ? "taskset -c 0 " : "",
		 row->how == SUPERVISED ? "cotrace run" : "", itself, work, times);
	f = popen(line, "r");
	if (f && fgets(text, sizeof text, f))
		ns = atof(text);
	if (f)
		pclose(f);
	return ns;
}

/* ---- A build ---- */

static void put(const char *name, const char *text)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		bench_die(path);
}

static void make_project(void)
{
	char name[32], text[256];

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "part%d.c", i);
		snprintf(text, sizeof text,
			 "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
			 "int part%d(int n);\nint part%d(int n)\n{\n\treturn abs(n);\n}\n",
			 i, i);
		put(name, text);
	}
	put("Makefile", "lib.a: $(patsubst %.c,%.o,$(sort $(wildcard part*.c)))\n"
			"\t$(AR) rcs $@ $^\n");
}

static double measure_make(const struct bench_row *row, int cpu)
{
	const char *const argv[] = {
		"cotrace", "run", "make", "-B", "-s", "-j2", "-C", folder, NULL
	};

	return command_run((char *const *)(row->how == SUPERVISED ? argv : argv + 2), cpu);
}

static void clean_up(void)
{
	char line[96];

	snprintf(line, sizeof line, "rm -rf %s", folder);
	if (system(line) != 0)
		fprintf(stderr, "bench: %s is left\n", folder);
}

static void table(const char *title, const char *unit,
		  double (*measure)(const struct bench_row *row, int cpu), const char *what, int n)
{
	struct bench_row rows[] = {
		{ "native", measure, NATIVE },
		{ "cotrace run", measure, SUPERVISED },
	};

	work = what;
	times = bench_quick ? n / 10 : n;
	bench_run_both(title, unit, rows, 2, 0);
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", itself, sizeof itself - 1);

	if (n < 0)
		bench_die("/proc/self/exe");
	if (argc == 4 && !strcmp(argv[1], "--work"))
		return run_work(argv[2], atoi(argv[3]));
	bench_init(argc, argv);
	if (!mkdtemp(folder))
		bench_die(folder);
	make_project();
	table("make -j2 of 8 files, nothing traced", "seconds", measure_make, NULL, 1);
	table("fork() and wait(), nothing traced", "ns each", measure_work, "fork", 4000);
	table("PTRACE_PEEKDATA", "ns each", measure_work, "peek", 100000);
	clean_up();
	return 0;
}
