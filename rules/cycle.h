/* SPDX-License-Identifier: MIT */
/*
 * R10: attaching is refused where two tracers could then stop each other. Who can stop
 * whom is a graph of processes: an engine can stop its targets and keep those waiting whom
 * it serves, the owner of a session can stop what that covers. A new edge from @tracer to
 * a target closes a cycle exactly when the target reaches the tracer already.
 *
 * The graph is asked for upwards from the tracer, piece by piece, as the caller has to
 * look each piece up:
 *
 *	cycle_init(&c, tracer);
 *	while ((pid = cycle_next(&c)) != 0)
 *		for each process that can stop pid
 *			cycle_add(&c, process);
 *	refused = cycle_closes(&c, target);
 */
#ifndef RULES_CYCLE_H
#define RULES_CYCLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/map.h"

struct cycle {
	pid_t *pids; /* the tracer and all that can stop it, as far as known */
	size_t count, capacity;
	size_t asked; /* so many were given by cycle_next() */
	struct map seen;
	int error; /* -ENOMEM: it is not known whole */
};

void cycle_init(struct cycle *c, pid_t tracer);
void cycle_deinit(struct cycle *c);
/* The next process of which the caller is to say who can stop it; 0: none is left. */
pid_t cycle_next(struct cycle *c);
/* Twice is harmless, and so is a number that is no process. */
void cycle_add(struct cycle *c, pid_t pid);
/* 0: attaching to @target closes no cycle; -EDEADLK it does; -ENOMEM not known. */
int cycle_closes(const struct cycle *c, pid_t target);

#endif
