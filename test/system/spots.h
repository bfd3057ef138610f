/* SPDX-License-Identifier: MIT */
/* The target `spots`, and breakpoints on its places. */
#ifndef TEST_SYSTEM_SPOTS_H
#define TEST_SYSTEM_SPOTS_H

#include "test/system/system.h"

#define SPOTS 8

/* Where a puppet can map something of its own, and how. */
#define NOWHERE 0x70000000u
#define FIXED "0x100022" /* MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE */

struct spots {
	struct target t;
	uint64_t at[SPOTS + 1]; /* the last one is a trap of the program's own */
};

/* @mode may be NULL; see test/targets/spots.c. */
void spots_start_as(struct spots *p, const char *program, const char *threads, const char *rounds,
		    const char *mode);
void spots_start(struct spots *p, const char *threads, const char *rounds);
/* A breakpoint on one of them; its id. */
uint64_t break_at(struct cotrace *s, const struct spots *p, int which, enum cotrace_mode mode);
/* Takes events until the session ends, resumes, counts the hits of @n breakpoints. */
void count_hits(struct cotrace *s, unsigned *hits, uint64_t first_id, unsigned n);

#endif
