/* SPDX-License-Identifier: MIT */
/* The target `watched`, and watchpoints on its memory. */
#ifndef TEST_SYSTEM_WATCHED_H
#define TEST_SYSTEM_WATCHED_H

#include "test/system/system.h"

struct watched {
	struct target t;
	uint64_t variable, bytes, code;
};

/* It says where things are, as it does once more after an exec. */
void watched_ready(struct watched *w);
void watched_start_as(struct watched *w, const char *program);
void watched_start(struct watched *w);
/* It runs on alone as if nobody had ever been there: no register is left armed. */
void watched_ends_alone(struct watched *w);

#define WATCH(w, k, m, at, n, ...)                                               \
	((struct cotrace_breakpoint){ .size = sizeof(struct cotrace_breakpoint), \
				      .kind = (k),                               \
				      .mode = (m),                               \
				      .pid = (w)->t.pid,                         \
				      .addr = (at),                              \
				      .length = (n),                             \
				      __VA_ARGS__ })

uint64_t set_watch(struct cotrace *s, struct cotrace_breakpoint b);
/* The error that it is refused with. */
int refuse_watch(struct cotrace *s, struct cotrace_breakpoint b);
/* Notes of writes. */
uint64_t watch(struct cotrace *s, const struct watched *w, uint64_t at, uint32_t length);
/* The next event is a watchpoint's, with these values. */
void take_values(struct cotrace *s, uint64_t before, uint64_t after);

#endif
