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
	"Usage: cotrace run [-v] [--via WAY] [--] TOOL [ARGUMENT]...\n"
	"\n"
	"Runs a program that uses ptrace(), such as gdb or strace, on cotrace: what it traces can\n"
	"be traced by others at the same time. So can what its children trace.\n"
	"\n"
	"      --via WAY  how its calls are intercepted: preload, by a library that is put into\n"
	"                 programs that can have one, or notify (the default), by the kernel\n"
	"  -v, --verbose  say how they are intercepted\n"
	"  -h, --help     print this\n"
	"\n"
	"TOOL takes the place of cotrace: the exit status is its own. It is 127 when there is no\n"
	"such program, 126 when it cannot be executed, 1 when cotrace cannot serve it, and 2 for\n"
	"wrong usage.\n";

struct run_options {
	bool verbose, help, preload;
};

static int take(void *options, int c)
{
	struct run_options *o = options;

	if (c == 'h')
		o->help = true;
	if (c == 'v')
		o->verbose = true;
	if (c != 'V')
		return 0;
	o->preload = strcmp(optarg, "preload") == 0;
	if (o->preload || strcmp(optarg, "notify") == 0)
		return 0;
	return complain(EXIT_USAGE, "--via takes preload or notify, not '%s'", optarg);
}

static void tell(const struct run *r, const char *name, bool preloaded, const char *why)
{
	if (why)
		complain(0, "%s %s", name, why);
	if (preloaded)
		complain(0,
			 "%s: calls are intercepted by a library in it%s; process %d answers those "
			 "of programs without one",
			 name, r->no_new_privs ? ", without set-user-ID programs" : "",
			 (int)r->supervisor);
	else if (r->outer)
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
		{ "via", required_argument, NULL, 'V' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct run_options o = { 0 };
	int status = options_read(argc, argv, "+:vh", table, take, &o), r;
	const char *why = NULL;
	bool preloaded;
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
	preloaded = !status && o.preload && run_preload(path, &why);
	if (!status && o.verbose)
		tell(&run, argv[optind], preloaded, preloaded ? NULL : why);
	if (!status) {
		execv(path, argv + optind);
		status = program_not_spawned(argv[optind], path, -errno);
	}
	free(path);
	return status;
}
