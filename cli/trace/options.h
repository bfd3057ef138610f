/* SPDX-License-Identifier: MIT */
/* The command line of cotrace trace. */
#ifndef TRACE_OPTIONS_H
#define TRACE_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/stamp.h"
#include "cli/trace/filter.h"

#define TRACE_PIDS_MAX 256

struct options {
	struct filter filter;
	struct filter shown; /* less than filter where -y has to watch more */
	pid_t pids[TRACE_PIDS_MAX];
	unsigned pid_count;
	char **command; /* NULL: only -p */
	const char *output;
	bool append, follow, json, summary, summary_only, duration, paths, verbose, help;
	unsigned quiet;
	unsigned string_limit;
	unsigned column;
	enum time_format time;
	const char *sort; /* of the summary */
};

/* Returns 0; else it has complained and returns the exit status. */
int options_parse(struct options *o, int argc, char **argv);

#endif
