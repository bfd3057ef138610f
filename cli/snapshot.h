/* SPDX-License-Identifier: MIT */
/*
 * A process held for a look at it, whoever else holds it, and then left as it was found: only
 * our own holds go, so what others hold, or job control has stopped, stays so (R11). If we are
 * killed they go with the session.
 */
#ifndef CLI_SNAPSHOT_H
#define CLI_SNAPSHOT_H

#include <cotrace.h>
#include <stdbool.h>

struct snapshot {
	struct cotrace *session;
	pid_t pid;			 /* the process */
	pid_t tid;			 /* a living task: a leader that has exited has no memory */
	struct cotrace_task_info *tasks; /* the leader comes first */
	size_t count;
	bool incomplete; /* some task does not stand still */
	uint64_t since_ns, held_ns;
};

/* @tid: any task. Returns 0; else it has complained and returns the exit status. */
int snapshot_attach(struct snapshot *s, pid_t tid);
/* Holds all tasks, or with @tid that one, and lists them. Returns as snapshot_attach(). */
int snapshot_stop(struct snapshot *s, pid_t tid);
/* Gives up the holds. */
void snapshot_resume(struct snapshot *s);
void snapshot_close(struct snapshot *s);
/* That something failed meanwhile: most often because the process was killed. */
int snapshot_failed(const struct snapshot *s, int error, const char *what);

#endif
