/* SPDX-License-Identifier: MIT */
/* Programs that check themselves, run untraced and traced in several ways: they do the same. */
#ifndef TEST_SYSTEM_SAME_H
#define TEST_SYSTEM_SAME_H

#include "test/system/system.h"

struct way {
	enum cotrace_mode mode; /* of all that can be subscribed */
	enum cotrace_scope scope;
	/* Takes and answers events until the session ends. */
	unsigned (*drive)(struct cotrace *s);
};

void check_same(const struct way *ways, unsigned count, const char *const argv[]);
/* The same for a 32-bit and a static build, too. */
void check_variants(const struct way *ways, unsigned count, const char *name, const char *a,
		    const char *b);
void check_pipeline(const struct way *ways, unsigned count);

#endif
