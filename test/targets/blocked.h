/* SPDX-License-Identifier: MIT */
#ifndef TEST_TARGETS_BLOCKED_H
#define TEST_TARGETS_BLOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* One blocked call and what belongs to it. */
struct wait {
	const struct kind *kind;
	unsigned ms;	 /* its timeout, for kinds that have one */
	int fd, wake_fd; /* what it waits at; a byte written there wakes it */
	int id;
	unsigned long handle;
	uint32_t word;
	pid_t tid;
	volatile int done;
};

struct kind {
	const char *name;
	bool timed;
	/* Returns false when this kernel or container has no such call. */
	bool (*setup)(struct wait *w);
	long (*block)(struct wait *w); /* the result, or -errno */
	void (*wake)(struct wait *w);  /* NULL: nothing wakes it */
};

extern const struct kind kinds[];
extern const size_t kind_count;

struct timespec timeout_of(const struct wait *w);

#endif
