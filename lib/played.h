/* SPDX-License-Identifier: MIT */
/* For unit tests: a played engine whose target is a real process that can be told to exec. */
#ifndef LIB_PLAYED_H
#define LIB_PLAYED_H

#include <stdatomic.h>

#include "lib/mock.h"
#include "lib/session.h"
#include "wire/sites.h"

struct played {
	struct mock mock;
	struct cotrace *s;
	pid_t target;
	int go; /* closing it lets the target exec */
	atomic_ulong generation;
	atomic_uint asked, asked_sites;
	atomic_int given; /* a copy of what was handed out last */
	struct sites sites;
	int memory;	     /* the target's, to be written */
	atomic_int table;    /* what SITES hands out: an fd, or an error */
	atomic_uint hurried; /* this many answers come as if an exec were in between */
};

#define PAGE 4096
#define BIG (3u << 20)

/*
 * The end of a page, with nothing behind it; in the forked target at the same address, and
 * nowhere once that runs sleep(1).
 */
extern char *mark;
/* Longer than what the library reads at a time; in the target as well. */
extern char *big;

/* Fixtures for cmocka. */
int played_setup(void **state);
int played_setup_old(void **state); /* with an engine of an older version */
int played_teardown(void **state);
#define PLAYED(name) cmocka_unit_test_setup_teardown(name, played_setup, played_teardown)

/* The target's memory, opened anew. */
int played_memory(const struct played *f, int flags);
void let_it_exec(struct played *f);
void send_exec_event(struct played *f);
/* What the call returns. What it reads is checked. */
ssize_t read_mark(struct played *f);
ssize_t write_mark(struct played *f);

#endif
