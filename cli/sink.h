/* SPDX-License-Identifier: MIT */
/* Where a subcommand writes its lines: a file, a command, or stderr. */
#ifndef CLI_SINK_H
#define CLI_SINK_H

#include <stdio.h>

#include "cli/out.h"

struct sink {
	const char *path; /* borrowed; NULL: stderr */
	FILE *pipe;	  /* of '|command' */
	bool is_file, colour;
};

/* @path: NULL for stderr. Returns 0; else it has complained and returns the exit status. */
int sink_open(struct sink *s, struct out *out, const char *path, bool append);
/* Writes all that is left. Returns @status, or that of a failed write, about which it complains. */
int sink_close(struct sink *s, struct out *out, int status);

#endif
