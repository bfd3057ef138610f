/* SPDX-License-Identifier: MIT */
/*
 * Reading the target's memory without the engine. An open /proc/PID/mem belongs to the
 * address space of the time of its opening: after an exec it reads nothing. So one fd per
 * process, with the number of the program (generation) that it belongs to, is all it takes.
 */
#ifndef LIB_MEMORY_H
#define LIB_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map.h"
#include "wire/sites.h"

struct cotrace;
struct cotrace_event;

struct memories {
	pthread_mutex_t lock;
	struct map by_pid; /* struct record */
	unsigned open;	   /* how many of them have an fd */
};

void memories_init(struct memories *m);
void memories_deinit(struct memories *m);
/* The caller's own open mem fd of @pid; owned from here on, even on failure. */
void memories_add(struct memories *m, pid_t pid, int fd);
/* What an event that has been taken says about address spaces. */
void memories_note(struct cotrace *s, const struct cotrace_event *ev);
/*
 * The EXEC subscription has changed, or events were lost: of what has ended by now, or may
 * have, no event need come.
 */
void memories_unsure(struct memories *m, bool lost);

/* One address space that this session reads. Immutable but for the counter and the view. */
struct memory {
	atomic_uint users;
	int fd;		     /* -1: known by its number only */
	uint64_t generation; /* 0: not known yet */
	bool borrowed;	     /* a vfork child's: survives the child's exec, so ask every time */
	bool sites_known;    /* the engine has been asked for them */
	struct sites_view sites;
};

/*
 * A reference to the memory of @pid as the client knows it, with an fd. -ESTALE: that
 * program is no longer there. @unsure: its EXEC event may never come.
 */
int memory_find(struct cotrace *s, pid_t pid, struct memory **out, bool *unsure);
void memory_put(struct memory *m);
/* Whether the address space still has a user, and whether it is still the process's own. */
bool memory_alive(const struct memory *m);
bool memory_current(struct cotrace *s, pid_t pid, const struct memory *m);
/* The number of the program that the client believes in; asked for at the first write. */
int memory_generation(struct cotrace *s, pid_t pid, uint64_t *out, bool *unsure);
/*
 * The address space that the client believes in, that of program @known, is gone. Whoever
 * has subscribed to EXEC waits for that event; anybody else is told once. -ESTALE, or why
 * that cannot be said.
 */
int memory_report_exec(struct cotrace *s, pid_t pid, uint64_t known, bool unsure);

#endif
