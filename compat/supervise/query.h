/* SPDX-License-Identifier: MIT */
/* What a call of the wait family asks, and how it wants its answer. Pure. */
#ifndef COMPAT_SUPERVISE_QUERY_H
#define COMPAT_SUPERVISE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compat/supervise/calls.h"
#include "compat/tracer.h"

struct wait_call {
	struct wait_query query;
	bool is_waitid;
	bool again;		      /* when nothing has happened: EAGAIN, not 0 */
	uint64_t status, info, usage; /* addresses, or 0 */
};

enum { WAIT_CALL_SIGINFO_MAX = 28, WAIT_CALL_USAGE_MAX = sizeof(struct rusage) };

/*
 * False: the kernel will refuse the call, in its own way. A pidfd stays one (P_PIDFD and the
 * fd), and P_PGID with id 0 stands for the caller's own group: both are facts to look up.
 */
bool wait_call_parse(struct wait_call *w, enum call call, const uint64_t args[6]);

static inline bool wait_call_blocks(const struct wait_call *w)
{
	return !(w->query.options & 1 /* WNOHANG */);
}

/* What the kernel would return for a result: the tid, or 0. */
int64_t wait_call_value(const struct wait_call *w, const struct wait_result *r);

/* A piece of the siginfo_t that waitid() stores: all but the padding in it. */
struct piece {
	size_t offset, size;
	int32_t v[3];
};

/* @r may be NULL: nothing has happened. */
void wait_call_siginfo(struct piece pieces[2], const struct wait_result *r, bool compat);
/* As getrusage() stores it. Returns the size. */
size_t wait_call_usage(uint8_t bytes[WAIT_CALL_USAGE_MAX], const struct rusage *u, bool compat);

#endif
