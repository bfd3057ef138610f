/* SPDX-License-Identifier: MIT */
/* Targets like `stepped`, which look for traces of being stepped. */
#ifndef TEST_SYSTEM_STEPPED_H
#define TEST_SYSTEM_STEPPED_H

#include "test/system/system.h"

struct stepped {
	struct target t;
	struct cotrace *s;
	uint64_t from, to, spot, task;
	struct cotrace_event ev; /* it stands there */
};

/* Where it begins to look: ready to be stepped. */
void stepped_start(struct stepped *p, const char *program, const char *what);
/* It runs on, and has seen nothing. */
void stepped_end(struct stepped *p);
/* The event of the step is p->ev. */
void step(struct stepped *p, enum cotrace_step_kind kind, uint64_t from, uint64_t to);

#endif
