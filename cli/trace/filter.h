/* SPDX-License-Identifier: MIT */
/* What -e selects. */
#ifndef TRACE_FILTER_H
#define TRACE_FILTER_H

#include <cotrace.h>
#include <stdbool.h>

struct filter {
	bool all; /* every system call: the sets are full */
	struct cotrace_syscall_set x86_64, i386;
	uint64_t signals; /* bit n-1: signal n */
};

void filter_init(struct filter *f);
/*
 * One -e expression: [trace=]SET or signal=SET. Returns 0; else it has complained and
 * returns the exit status.
 */
int filter_parse(struct filter *f, const char *expression);
/* Adds the calls that make, copy and close file descriptors, or change the directory. */
void filter_add_fd_calls(struct filter *f);
bool filter_has(const struct filter *f, uint32_t arch, int64_t nr);

#endif
