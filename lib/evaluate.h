/* SPDX-License-Identifier: MIT */
/* For unit tests: expressions compiled and evaluated on the memory of the test itself. */
#ifndef LIB_EVALUATE_H
#define LIB_EVALUATE_H

#include <cotrace.h>

#include "wire/agent.h"

struct sample {
	const char *text;
	uint64_t expected;
};

/* Of an agent_env: everything in this process but the first pages. */
int evaluate_read_memory(void *data, uint64_t addr, void *buf, size_t size);
/* Fails the test where there is no value. */
uint64_t evaluate(enum cotrace_arch arch, const char *text, const struct agent_env *env);

#endif
