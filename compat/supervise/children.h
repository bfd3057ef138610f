/* SPDX-License-Identifier: MIT */
/* Children as /proc tells of them, and which of them a wait is about. */
#ifndef COMPAT_SUPERVISE_CHILDREN_H
#define COMPAT_SUPERVISE_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "compat/tracer.h"

struct kid {
	pid_t pid, group;
	char state; /* as in /proc/PID/stat */
	int exit_signal;
};

/* Whether waitid() would consider it at all. */
bool kid_matches(const struct kid *k, const struct wait_query *q);
/* Whether the kernel has, or might have, something to tell about it now. */
bool kid_reports(const struct kid *k, const struct wait_query *q);

/* -errno: it is gone. */
int kid_read(struct kid *k, pid_t pid);

struct children_visit {
	const struct wait_query *query;
	bool (*skip)(pid_t pid, void *arg);
	void (*each)(const struct kid *k, void *arg);
	void *arg;
};

/*
 * Visits the children of @c's process, of this thread alone with __WNOTHREAD, that match and
 * are not to be skipped; the latter are not looked at.
 */
void children_each(const struct caller *c, const struct children_visit *v);
/* More than one thread: others can start children while one waits. */
bool children_of_many(pid_t pid);

#endif
