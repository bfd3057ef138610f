/* SPDX-License-Identifier: MIT */
/* A cotrace client that takes every event of a target, as the benchmarks need it. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <cotrace.h>

#include "bench/bench.h"

struct client {
	enum cotrace_mode mode;
	int sessions;  /* processes that trace it at once */
	bool capture;  /* 64 bytes of what write() is given */
	int only;      /* one system call, at its entry; 0: all, entry and exit */
	bool stepping; /* no subscription: each stop asks for the next one, as cotrace run does */
	void (*seen)(struct target *t, const struct cotrace_event *ev); /* or NULL */
};

/* Traces to the end of the target; to be run by tracer_run(). @arg: struct client. */
void client_trace(struct target *t, const void *arg);
/* Runs @body in so many processes, each of which calls client_joins() when it has attached. */
void client_many(struct target *t, int sessions, void (*body)(struct target *t, const void *arg),
		 const void *arg);
void client_joins(struct target *t);
/* Says what failed and ends the process when @r is an error. */
void client_check(int r, const char *what);

#endif
