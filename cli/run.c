/* SPDX-License-Identifier: MIT */
/* cotrace run */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/program.h"
#include "compat/run.h"

const char run_help[] =
	"Usage: cotrace run [-v] [--] TOOL [ARGUMENT]...\n"
	"\n"
	"Runs a program that uses ptrace(), such as gdb or strace, on cotrace: what it traces can\n"
	"be traced by others at the same time. So can what its children trace.\n"
	"\n"
	"  -v, --verbose  say how its calls are intercepted\n"
	"  -h, --help     print this\n"
	"\n"
	"TOOL takes the place of cotrace: the exit status is its own. It is 127 when there is no\n"
	"such program, 126 when it cannot be executed, 1 when cotrace cannot serve it, and 2 for\n"
	"wrong usage.\n";

struct run_options {
	bool verbose, help;
};

static int take(void *options, int c)
{
	struct run_options *o = options;

	if (c == 'v')
		o->verbose = true;
	else
		o->help = true;
	return 0;
}

static void tell(const struct run *r, const char *name)
{
	if (r->outer)
		complain(0, "%s is served by process %d already", name, (int)r->supervisor);
	else
		complain(0,
			 "%s: calls are intercepted by seccomp user notification%s%s; "
			 "process %d answers them",
			 name, r->sync_wake_up ? " on the caller's CPU" : "",
			 r->no_new_privs ? ", without set-user-ID programs" : "",
			 (int)r->supervisor);
}

int run_main(int argc, char **argv)
{
	static const struct option table[] = {
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct run_options o = { 0 };
	int status = options_read(argc, argv, "+:vh", table, take, &o), r;
	struct run run;
	char *path;

	if (status)
		return status;
	if (o.help) {
		fputs(run_help, stdout);
		return 0;
	}
	if (optind == argc)
		return complain(EXIT_USAGE, "which program? See 'cotrace run --help'");
	status = program_find(argv[optind], &path);
	if (status)
		return status;
	r = run_supervised(&run);
	if (r == -ENOENT)
		status = complain(EXIT_FAILURE, "cotrace-engine was not found; install cotrace, or "
						"set COTRACE_ENGINE to its path");
	else if (r < 0)
		status = complain(EXIT_FAILURE, "%s: %s", run.problem, strerror(-r));
	if (!status && o.verbose)
		tell(&run, argv[optind]);
	if (!status) {
		execv(path, argv + optind);
		status = program_not_spawned(argv[optind], path, -errno);
	}
	free(path);
	return status;
}
