/* SPDX-License-Identifier: MIT */
/* The command line of cotrace break. */
#ifndef BREAK_OPTIONS_H
#define BREAK_OPTIONS_H

#include <stdbool.h>

#include "cli/break/location.h"
#include "cli/options.h"

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
	struct common_options common;
	struct point *points;
	unsigned point_count;
	struct prints prints; /* for those that have none of their own */
	bool stack, returns;
	unsigned string_limit;
	uint64_t count; /* stop after so many hits; 0: never */
};

/* Returns 0; else it has complained and returns the exit status. */
int break_options_parse(struct break_options *o, int argc, char **argv);
void break_options_free(struct break_options *o);

#endif
