/* SPDX-License-Identifier: MIT */
/*
 * Whole commands: untraced, under `cotrace trace`, under strace. The commands `cotrace` and
 * `strace` are those of PATH; bench/run puts the built one first.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"

enum how { UNTRACED, COTRACE, STRACE };

#define FILES 12

static const char *folder;
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
	char *make[] = { (char *)"make", (char *)"-s", (char *)"-j2", (char *)"-C", NULL, NULL };
	int blocks;

	bench_init(argc, argv);
	folder = project_make(FILES);
	make[4] = (char *)(uintptr_t)folder;
	blocks = bench_quick ? 10000 : 50000;
	snprintf(count, sizeof count, "count=%d", blocks);
	command = dd;
	calls = 2 * blocks;
	bench_run_both("dd bs=1, whole command", "ns per system call", rows, 3, 0);
	command = make;
	calls = 0;
	follow = true;
	bench_run_both("make -j2 of a small C project, followed", "seconds", rows, 3, 0);
	project_remove();
	return 0;
}
