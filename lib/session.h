/* SPDX-License-Identifier: MIT */
/* What the files of libcotrace share about a session. */
#ifndef LIB_SESSION_H
#define LIB_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/channel.h"
#include "lib/box.h"
#include "lib/event.h"
#include "lib/memory.h"
#include "lib/public.h"

struct cotrace {
	int fd;
	pid_t engine_pid;
	uint64_t id;
	uint32_t version, role, arch, features;
	atomic_uint_fast64_t cookie; /* the last one used */
	atomic_bool exec_subscribed; /* as far as this library knows */
	struct channels channels;
	struct intake intake;
	struct memories memories;
	struct box box;
};

/* A session over @fd, which it owns from success on. */
int session_new(struct cotrace **out, int fd);
uint64_t session_cookie(struct cotrace *s);
/* Sends a request that gets no reply. Waits a little when the engine is behind. */
int session_tell(struct cotrace *s, const struct wire_writer *out, int fd);
/* HELLO over the session fd itself: for a connection on which nothing has been said yet. */
int session_hello(struct cotrace *s, uint64_t deadline);
/* HELLO over a channel: for an fd that may have events waiting. */
int session_hello_aside(struct cotrace *s, uint64_t deadline);
/* 0, or -ENOSYS: the engine is too old for requests of @type. */
int session_knows(const struct cotrace *s, unsigned type);
/* Zero options into defaults, checked. */
int session_options(struct cotrace_options *out, const struct cotrace_options *in);

#endif
