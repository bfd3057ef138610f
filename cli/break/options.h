/* SPDX-License-Identifier: MIT */
/* The command line of cotrace break. */
#ifndef BREAK_OPTIONS_H
#define BREAK_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/break/location.h"
#include "cli/stamp.h"

#define BREAK_PIDS_MAX 256
#define BREAK_POINTS_MAX 1000
#define RETURN_PRINTS_MAX (COTRACE_BREAK_VALUES_MAX - 2)

/* One -b, with its --print. */
struct point {
	struct location location;
	struct prints own;
	const struct prints *prints; /* its own, or those for all */
	uint64_t hits;
	int used_line;	 /* of a file: the one that has code */
	bool found;	 /* it was placed at some time */
	bool waits_told; /* the user knows that it is nowhere yet */
	bool moved_told; /* and that its line has no code */
};

struct break_options {
	struct point *points;
	unsigned point_count;
	struct prints prints; /* for those that have none of their own */
	pid_t pids[BREAK_PIDS_MAX];
	unsigned pid_count;
	char **command; /* NULL: only -p */
	const char *output;
	bool append, follow, json, summary, stack, returns, quiet, help;
	unsigned string_limit;
	uint64_t count; /* stop after so many hits; 0: never */
	enum time_format time;
};

/* Returns 0; else it has complained and returns the exit status. */
int break_options_parse(struct break_options *o, int argc, char **argv);
void break_options_free(struct break_options *o);

#endif
