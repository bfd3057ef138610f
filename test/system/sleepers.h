/* SPDX-License-Identifier: MIT */
/* The target `blocked` with a thread in each kind of blocking call. */
#ifndef TEST_SYSTEM_SLEEPERS_H
#define TEST_SYSTEM_SLEEPERS_H

#include "test/system/system.h"

struct sleepers {
	struct target t;
	unsigned kinds;
};

void sleepers_start(struct sleepers *p, const char *program);
/* Wakes all: no call has ended before, and each ends as it should. */
void sleepers_end(struct sleepers *p);
/*
 * Has a call with a limit of @ms interrupted again and again: it must end by its limit, not
 * before. False: it was begun anew, which takes until @ms after the last time.
 */
bool ends_on_time(const char *kind, unsigned ms, void (*interrupt)(struct cotrace *s));

#endif
