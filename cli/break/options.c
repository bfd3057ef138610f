/* SPDX-License-Identifier: MIT */
#include "cli/break/options.h"

#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/program.h"

static const struct option long_options[] = {
	{ "break", required_argument, NULL, 'b' },
	{ "print", required_argument, NULL, 'P' },
	{ "return", no_argument, NULL, 'R' },
	{ "stack", no_argument, NULL, 'k' },
	{ "follow-forks", no_argument, NULL, 'f' },
	{ "attach", required_argument, NULL, 'p' },
	{ "count", required_argument, NULL, 'n' },
	{ "output", required_argument, NULL, 'o' },
	{ "output-append-mode", no_argument, NULL, 'A' },
	{ "json", no_argument, NULL, 'j' },
	{ "summary-only", no_argument, NULL, 'c' },
	{ "absolute-timestamps", no_argument, NULL, 't' },
	{ "relative-timestamps", no_argument, NULL, 'r' },
	{ "string-limit", required_argument, NULL, 's' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int add_point(struct break_options *o, const char *text)
{
	struct point *v;

	if (o->point_count == BREAK_POINTS_MAX)
		return complain(EXIT_USAGE, "more than %d breakpoints", BREAK_POINTS_MAX);
	v = realloc(o->points, (o->point_count + 1) * sizeof *v);
	if (!v)
		return complain(EXIT_FAILURE, "out of memory");
	o->points = v;
	v[o->point_count] = (struct point){ 0 };
	return location_parse(&v[o->point_count++].location, text);
}

/* For the breakpoints before it that have none; before the first, for all that get none. */
static int add_prints(struct break_options *o, const char *list)
{
	unsigned n = o->point_count;
	int status = 0;

	if (!n)
		return prints_parse(&o->prints, list);
	while (n && !o->points[n - 1].own.count)
		n--;
	if (n == o->point_count)
		n--;
	for (; n < o->point_count && !status; n++)
		status = prints_parse(&o->points[n].own, list);
	return status;
}

static int number(const char *option, const char *text, long most, uint64_t *v)
{
	long n = parse_number(text);

	if (n < 0 || n > most)
		return complain(EXIT_USAGE, "%s takes a number from 1 to %ld, not '%s'", option,
				most, text);
	*v = (uint64_t)n;
	return 0;
}

static int set_limit(struct break_options *o, const char *text)
{
	uint64_t n = 0;
	int status = number("-s", text, COTRACE_CAPTURE_BYTES_MAX - 1, &n);

	if (!status)
		o->string_limit = (unsigned)n;
	return status;
}

static int one_option(struct break_options *o, int c)
{
	switch (c) {
	case 'b':
		return add_point(o, optarg);
	case 'P':
		return add_prints(o, optarg);
	case 'p':
		return program_pids(o->pids, &o->pid_count, BREAK_PIDS_MAX, optarg);
	case 'n':
		return number("-n", optarg, INT64_MAX, &o->count);
	case 's':
		return set_limit(o, optarg);
	case 'o':
		o->output = optarg;
		return 0;
	case 't':
		o->time = o->time < TIME_EPOCH ? o->time + 1 : TIME_EPOCH;
		return 0;
	case 'r':
		o->time = TIME_RELATIVE;
		return 0;
	default:
		return -1;
	}
}

static bool *flag_of(struct break_options *o, int c)
{
	switch (c) {
	case 'R':
		return &o->returns;
	case 'k':
		return &o->stack;
	case 'f':
		return &o->follow;
	case 'A':
		return &o->append;
	case 'j':
		return &o->json;
	case 'c':
		return &o->summary;
	case 'q':
		return &o->quiet;
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
		return complain(EXIT_USAGE, "option %s needs a value; see cotrace break --help",
				what);
	if (optopt && optopt < 128 && what[0] == '-' && what[1] != '-')
		return complain(EXIT_USAGE, "there is no option -%c; see cotrace break --help",
				optopt);
	return complain(EXIT_USAGE, "there is no option %s; see cotrace break --help", what);
}

static int check(struct break_options *o)
{
	if (o->help)
		return 0;
	if (!o->point_count)
		return complain(EXIT_USAGE, "say where to break with -b; see cotrace break --help");
	if (!o->command && !o->pid_count)
		return complain(EXIT_USAGE, "name a command to run, or a process with -p; "
					    "see cotrace break --help");
	if (o->json && o->summary)
		return complain(EXIT_USAGE,
				"--json and -c exclude each other: the summary is text");
	if (o->summary && (o->stack || o->returns))
		return complain(EXIT_USAGE,
				"%s and -c exclude each other: the summary has no room "
				"for it",
				o->stack ? "--stack" : "--return");
	for (unsigned i = 0; i < o->point_count && o->returns; i++)
		if (o->points[i].prints->count > RETURN_PRINTS_MAX)
			return complain(EXIT_USAGE,
					"with --return, --print takes at most %d expressions",
					RETURN_PRINTS_MAX);
	if (o->append && !o->output)
		return complain(EXIT_USAGE, "-A goes with -o FILE: there is no file to append to");
	return 0;
}

int break_options_parse(struct break_options *o, int argc, char **argv)
{
	int c, status;

	*o = (struct break_options){ .string_limit = 32 };
	optind = 0;
	/* What follows the command is the command's. */
	while ((c = getopt_long(argc, argv, "+:b:P:Rfp:n:o:Actrs:qh", long_options, NULL)) != -1) {
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
	for (unsigned i = 0; i < o->point_count; i++)
		o->points[i].prints = o->points[i].own.count ? &o->points[i].own : &o->prints;
	return check(o);
}

void break_options_free(struct break_options *o)
{
	for (unsigned i = 0; i < o->point_count; i++) {
		location_free(&o->points[i].location);
		prints_free(&o->points[i].own);
	}
	prints_free(&o->prints);
	free(o->points);
	o->points = NULL;
	o->point_count = 0;
}
