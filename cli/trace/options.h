/* SPDX-License-Identifier: MIT */
/* The command line of cotrace trace. */
#ifndef TRACE_OPTIONS_H
#define TRACE_OPTIONS_H

#include <stdbool.h>

#include "cli/options.h"
#include "cli/trace/filter.h"

struct options {
	struct common_options common;
	struct filter filter;
	struct filter shown; /* less than filter where -y has to watch more */
	bool summary_only, duration, paths, verbose;
	unsigned string_limit;
	unsigned column;
	const char *sort; /* of the summary */
};

/* Returns 0; else it has complained and returns the exit status. */
int trace_options_parse(struct options *o, int argc, char **argv);

#endif
