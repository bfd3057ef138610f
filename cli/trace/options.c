/* SPDX-License-Identifier: MIT */
#include "cli/trace/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

static const struct option long_options[] = {
	COMMON_OPTIONS,
	{ "expr", required_argument, NULL, 'e' },
	{ "trace", required_argument, NULL, 'X' },
	{ "signal", required_argument, NULL, 'Y' },
	{ "summary", no_argument, NULL, 'C' },
	{ "summary-sort-by", required_argument, NULL, 'S' },
	{ "syscall-times", no_argument, NULL, 'T' },
	{ "decode-fds", no_argument, NULL, 'y' },
	{ "string-limit", required_argument, NULL, 's' },
	{ "columns", required_argument, NULL, 'a' },
	{ "no-abbrev", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static int set_number(unsigned *v, const char *option, long most)
{
	long n = 0;
	int status = options_number(option, optarg, 0, most, &n);

	*v = (unsigned)n;
	return status;
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

static bool *flag_of(struct options *o, int c)
{
	switch (c) {
	case 'C':
		return &o->common.summary;
	case 'T':
		return &o->duration;
	case 'y':
		return &o->paths;
	case 'v':
		return &o->verbose;
	default:
		return NULL;
	}
}

static int take_option(void *options, int c)
{
	struct options *o = options;
	bool *flag = flag_of(o, c);

	if (flag) {
		*flag = true;
		return 0;
	}
	switch (c) {
	case 'e':
		return filter_parse(&o->filter, optarg);
	case 'X':
		return prefixed(o, "trace=", optarg);
	case 'Y':
		return prefixed(o, "signal=", optarg);
	case 's':
		return set_number(&o->string_limit, "-s", COTRACE_CAPTURE_BYTES_MAX - 1);
	case 'a':
		return set_number(&o->column, "-a", 1000);
	case 'S':
		return sort_key(o, optarg);
	case 'c':
		o->summary_only = true;
		return common_option(&o->common, c);
	default:
		return common_option(&o->common, c);
	}
}

int trace_options_parse(struct options *o, int argc, char **argv)
{
	int status;

	memset(o, 0, sizeof *o);
	filter_init(&o->filter);
	o->string_limit = 32;
	o->column = 40;
	o->sort = "time";
	/* What follows the command is the command's. */
	status = options_read(argc, argv, "+:" COMMON_LETTERS "e:CS:Tys:a:v", long_options,
			      take_option, o);
	if (status || o->common.help)
		return status;
	o->shown = o->filter;
	if (o->paths && !o->filter.all)
		filter_add_fd_calls(&o->filter);
	return common_finish(&o->common, argc, argv);
}
