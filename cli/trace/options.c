/* SPDX-License-Identifier: MIT */
#include "cli/trace/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/program.h"

static const struct option long_options[] = {
	{ "follow-forks", no_argument, NULL, 'f' },
	{ "attach", required_argument, NULL, 'p' },
	{ "expr", required_argument, NULL, 'e' },
	{ "trace", required_argument, NULL, 'X' },
	{ "signal", required_argument, NULL, 'Y' },
	{ "output", required_argument, NULL, 'o' },
	{ "output-append-mode", no_argument, NULL, 'A' },
	{ "json", no_argument, NULL, 'j' },
	{ "summary-only", no_argument, NULL, 'c' },
	{ "summary", no_argument, NULL, 'C' },
	{ "summary-sort-by", required_argument, NULL, 'S' },
	{ "absolute-timestamps", no_argument, NULL, 't' },
	{ "relative-timestamps", no_argument, NULL, 'r' },
	{ "syscall-times", no_argument, NULL, 'T' },
	{ "decode-fds", no_argument, NULL, 'y' },
	{ "string-limit", required_argument, NULL, 's' },
	{ "columns", required_argument, NULL, 'a' },
	{ "no-abbrev", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int number(const char *option, const char *text, long most, unsigned *v)
{
	long n = !strcmp(text, "0") ? 0 : parse_number(text);

	if (n < 0 || n > most)
		return complain(EXIT_USAGE, "%s takes a number from 0 to %ld, not '%s'", option,
				most, text);
	*v = (unsigned)n;
	return 0;
}

static int prefixed(struct options *o, const char *prefix, const char *text)
{
	char *whole;
	int status;

	if (asprintf(&whole, "%s%s", prefix, text) < 0)
		return complain(EXIT_FAILURE, "out of memory");
	status = filter_parse(&o->filter, whole);
	free(whole);
	return status;
}

static int sort_key(struct options *o, const char *key)
{
	static const char *const keys[] = { "time", "calls", "errors", "name", "avg-time", "none" };

	for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (!strcmp(keys[i], key)) {
			o->sort = keys[i];
			return 0;
		}
	return complain(EXIT_USAGE,
			"-S takes time, calls, errors, name, avg-time or none, not '%s'", key);
}

static int one_option(struct options *o, int c)
{
	switch (c) {
	case 'p':
		return program_pids(o->pids, &o->pid_count, TRACE_PIDS_MAX, optarg);
	case 'e':
		return filter_parse(&o->filter, optarg);
	case 'X':
		return prefixed(o, "trace=", optarg);
	case 'Y':
		return prefixed(o, "signal=", optarg);
	case 's':
		return number("-s", optarg, COTRACE_CAPTURE_BYTES_MAX - 1, &o->string_limit);
	case 'a':
		return number("-a", optarg, 1000, &o->column);
	case 'S':
		return sort_key(o, optarg);
	case 'o':
		o->output = optarg;
		return 0;
	case 't':
		o->time = o->time < TIME_EPOCH ? o->time + 1 : TIME_EPOCH;
		return 0;
	case 'r':
		o->time = TIME_RELATIVE;
		return 0;
	case 'q':
		o->quiet++;
		return 0;
	case 'C':
		o->summary = true;
		return 0;
	case 'c':
		o->summary = o->summary_only = true;
		return 0;
	default:
		return -1;
	}
}

static bool *flag_of(struct options *o, int c)
{
	switch (c) {
	case 'f':
		return &o->follow;
	case 'A':
		return &o->append;
	case 'j':
		return &o->json;
	case 'T':
		return &o->duration;
	case 'y':
		return &o->paths;
	case 'v':
		return &o->verbose;
	case 'h':
		return &o->help;
	default:
		return NULL;
	}
}

static int bad_option(char **argv, int c)
{
	const char *what = argv[optind - 1];

	if (c == ':')
		return complain(EXIT_USAGE, "option %s needs a value; see cotrace trace --help",
				what);
	if (optopt && optopt < 128 && what[0] == '-' && what[1] != '-')
		return complain(EXIT_USAGE, "there is no option -%c; see cotrace trace --help",
				optopt);
	return complain(EXIT_USAGE, "there is no option %s; see cotrace trace --help", what);
}

static int check(struct options *o)
{
	if (o->help)
		return 0;
	if (!o->command && !o->pid_count)
		return complain(EXIT_USAGE, "name a command to run, or a process with -p; "
					    "see cotrace trace --help");
	if (o->json && o->summary)
		return complain(EXIT_USAGE,
				"--json and -c exclude each other: the summary is text");
	if (o->append && !o->output)
		return complain(EXIT_USAGE, "-A goes with -o FILE: there is no file to append to");
	return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
	int c, status;

	memset(o, 0, sizeof *o);
	filter_init(&o->filter);
	o->string_limit = 32;
	o->column = 40;
	o->sort = "time";
	optind = 0;
	/* What follows the command is the command's. */
	while ((c = getopt_long(argc, argv, "+:fp:e:o:AcCS:trTys:a:vqh", long_options, NULL)) !=
	       -1) {
		bool *flag = flag_of(o, c);

		if (flag) {
			*flag = true;
			continue;
		}
		if (c == '?' || c == ':')
			return bad_option(argv, c);
		status = one_option(o, c);
		if (status)
			return status;
	}
	if (optind < argc)
		o->command = argv + optind;
	o->shown = o->filter;
	if (o->paths && !o->filter.all)
		filter_add_fd_calls(&o->filter);
	return check(o);
}
