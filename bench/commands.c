/* SPDX-License-Identifier: MIT */
/*
 * Whole commands: untraced, under `cotrace trace`, under strace. The commands `cotrace` and
 * `strace` are those of PATH; bench/run puts the built one first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

enum how { UNTRACED, COTRACE, STRACE };

#define FILES 12

static char folder[] = "/tmp/cotrace-bench-XXXXXX";
static char *const *command;
static double calls; /* 0: print seconds */
static bool follow;

/* "tracer -f -o FILE -- command", with what a tracer does not need left out. */
static double measure(const struct bench_row *row, int cpu)
{
	const char *argv[32];
	char out[64];
	size_t n = 0;
	double s;

	snprintf(out, sizeof out, "%s/trace", folder);
	if (row->how == COTRACE)
		argv[n++] = "cotrace", argv[n++] = "trace";
	else if (row->how == STRACE)
		argv[n++] = "strace";
	if (row->how != UNTRACED) {
		if (follow)
			argv[n++] = "-f";
		argv[n++] = "-o", argv[n++] = out, argv[n++] = "--";
	}
	for (size_t i = 0; command[i] && n < 31; i++)
		argv[n++] = command[i];
	argv[n] = NULL;
	s = command_run((char *const *)argv, cpu);
	unlink(out);
	return s < 0 || calls == 0 ? s : s * 1e9 / calls;
}

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
	char name[32], text[512];

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "part%d.c", i);
		snprintf(text, sizeof text,
			 "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
			 "int part%d(int n);\nint part%d(int n)\n{\n\tchar b[64];\n"
			 "\tsnprintf(b, sizeof b, \"%%d\", n);\n\treturn (int)strlen(b);\n}\n",
			 i, i);
		put(name, text);
	}
	put("Makefile", "OBJECTS := $(patsubst %.c,%.o,$(sort $(wildcard part*.c)))\n"
			"all: clean\n\t$(MAKE) lib.a\n"
			"lib.a: $(OBJECTS)\n\t$(AR) rcs $@ $^\n"
			"clean:\n\trm -f *.o lib.a\n.PHONY: all clean\n");
}

static void clean_up(void)
{
	char line[96];

	snprintf(line, sizeof line, "rm -rf %s", folder);
	if (system(line) != 0)
		fprintf(stderr, "bench: %s is left\n", folder);
}

int main(int argc, char **argv)
{
	static struct bench_row rows[] = {
		{ "strace -o FILE", measure, STRACE },
		{ "cotrace trace -o FILE", measure, COTRACE },
		{ "not traced", measure, UNTRACED },
	};
	char count[32];
	char *dd[] = { (char *)"dd",
		       (char *)"if=/dev/zero",
		       (char *)"of=/dev/null",
		       (char *)"bs=1",
		       count,
		       (char *)"status=none",
		       NULL };
	char *make[] = { (char *)"make", (char *)"-s", (char *)"-j2", (char *)"-C", folder, NULL };
	int blocks;

	bench_init(argc, argv);
	if (mkdtemp(folder) == NULL)
		bench_die("mkdtemp");
	make_project();
	blocks = bench_quick ? 10000 : 50000;
	snprintf(count, sizeof count, "count=%d", blocks);
	command = dd;
	calls = 2 * blocks;
	bench_run_both("dd bs=1, whole command", "ns per system call", rows, 3, 0);
	command = make;
	calls = 0;
	follow = true;
	bench_run_both("make -j2 of a small C project, followed", "seconds", rows, 3, 0);
	clean_up();
	return 0;
}
