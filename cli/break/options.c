/* SPDX-License-Identifier: MIT */
#include "cli/break/options.h"

#include <stdint.h>
#include <stdlib.h>

#include "cli/command.h"

static const struct option long_options[] = {
	COMMON_OPTIONS,
	{ "break", required_argument, NULL, 'b' },
	{ "print", required_argument, NULL, 'P' },
	{ "return", no_argument, NULL, 'R' },
	{ "stack", no_argument, NULL, 'k' },
	{ "count", required_argument, NULL, 'n' },
	{ "string-limit", required_argument, NULL, 's' },
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

static int take_option(void *options, int c)
{
	struct break_options *o = options;
	long n = 0;
	int status;

	switch (c) {
	case 'b':
		return add_point(o, optarg);
	case 'P':
		return add_prints(o, optarg);
	case 'n':
		status = options_number("-n", optarg, 1, INT64_MAX, &n);
		o->count = (uint64_t)n;
		return status;
	case 's':
		status = options_number("-s", optarg, 1, COTRACE_CAPTURE_BYTES_MAX - 1, &n);
		o->string_limit = (unsigned)n;
		return status;
	case 'R':
		o->returns = true;
		return 0;
	case 'k':
		o->stack = true;
		return 0;
	default:
		return common_option(&o->common, c);
	}
}

static int check(const struct break_options *o)
{
	if (o->common.summary && (o->stack || o->returns))
		return complain(EXIT_USAGE,
				"%s and -c exclude each other: the summary has no room "
				"for it",
				o->stack ? "--stack" : "--return");
	for (unsigned i = 0; i < o->point_count && o->returns; i++)
		if (o->points[i].prints->count > RETURN_PRINTS_MAX)
			return complain(EXIT_USAGE,
					"with --return, --print takes at most %d expressions",
					RETURN_PRINTS_MAX);
	return 0;
}

int break_options_parse(struct break_options *o, int argc, char **argv)
{
	int status;

	*o = (struct break_options){ .string_limit = 32 };
	/* What follows the command is the command's. */
	status = options_read(argc, argv, "+:" COMMON_LETTERS "b:P:Rn:s:", long_options,
			      take_option, o);
	if (status || o->common.help)
		return status;
	if (!o->point_count)
		return complain(EXIT_USAGE, "say where to break with -b; see cotrace break --help");
	for (unsigned i = 0; i < o->point_count; i++)
		o->points[i].prints = o->points[i].own.count ? &o->points[i].own : &o->prints;
	status = common_finish(&o->common, argc, argv);
	return status ? status : check(o);
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
