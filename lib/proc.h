/* SPDX-License-Identifier: MIT */
/* Facts about processes, from /proc. Each returns a negative errno when it cannot tell. */
#ifndef LIB_PROC_H
#define LIB_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_COMM_MAX 16

/* The process that @pid is a task of; -ESRCH. */
pid_t proc_process_of(pid_t pid);
/*
 * A task of process @pid that has not exited: the leader, unless it ended before the
 * others. -ESRCH when all have, or there is no such process.
 */
pid_t proc_living_task(pid_t pid);
/* Who traces process @pid; 0: nobody. */
pid_t proc_tracer(pid_t pid);
/* An fd for the memory of process @pid; @flags O_RDONLY or O_RDWR. */
int proc_open_memory(pid_t pid, int flags);
int proc_comm(pid_t pid, char comm[PROC_COMM_MAX]);
bool proc_is_engine(pid_t pid);

struct proc_family {
	pid_t *pids; /* the caller frees it */
	size_t count;
};

/* The processes that descend from @pid, parents before their children. 0 or -errno. */
int proc_descendants(struct proc_family *out, pid_t pid);
/* Whether @pid is @ancestor or descends from it. */
bool proc_descends(pid_t pid, pid_t ancestor);

#endif
