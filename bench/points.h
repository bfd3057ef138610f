/* SPDX-License-Identifier: MIT */
/* Code to set breakpoints on: by what its first instruction asks of whoever gets past one. */
#ifndef BENCH_POINTS_H
#define BENCH_POINTS_H

#include "bench/bench.h"

/* The last call of a target, made when the clock has stopped, is the one with this value. */
#define POINT_MATCH 12345678L
#define POINT_BODY 1000 /* instructions of one byte in POINT_LONG */

enum point { POINT_PUSH, POINT_RELATIVE, POINT_NOP, POINT_LONG };

struct point_code {
	void (*call)(long value, const long *memory);
	size_t length; /* of the first instruction */
	int relative;  /* where in it a 32-bit distance stands, or 0 */
};

/* Indexed by enum point. */
extern const struct point_code points[];

/* ---- The peer (displaced.c): a ptrace loop that has an int3 at a point. ---- */

enum displaced_way {
	DISPLACED_JUMP, /* the copy jumps back: one stop */
	DISPLACED_STEP	/* the copy is stepped, the pc put back: two */
};

struct displaced {
	enum point point;
	enum displaced_way way;
	bool memory; /* the condition is about memory, not about the value */
};

/* Takes hits until the target has gone; each is an event. @arg: struct displaced. */
void displaced_trace(struct target *t, const void *arg);
/* Seizes and stops a target that works. */
void displaced_stop(struct target *t);
/* Has a stopped target make getppid() by a syscall instruction that is there. */
long displaced_getppid(struct target *t);

#endif
