/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor and the library that is preloaded into programs say to each other. A
 * program whose library hosts the personality has a control socket, which nobody else has.
 */
#ifndef COMPAT_HOSTED_H
#define COMPAT_HOSTED_H

#include <stdint.h>

/*
 * A request of ptrace() that no kernel has: "I host the personality of this process." The
 * result is the control socket, an fd of the caller; or the supervisor does it already (EBUSY).
 */
#define HOSTED_CLAIM 0x43487374

/*
 * The last argument of calls of the library's own, which have less than six: the filter lets
 * them through to the kernel. It guards against nothing, so it is no secret either.
 */
#define HOSTED_COOKIE 0x636f747261636521ull

/* The supervisor's first message. */
struct hosted_greeting {
	int32_t supervisor, engine;
};

/* All others, each with the fd of a session: a child of the program asks it to be its tracer. */
struct hosted_tracee {
	int32_t pid, tid;
	uint64_t task;
};

#endif
