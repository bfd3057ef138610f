/* SPDX-License-Identifier: MIT */
/* Taking events off the session fd. */
#ifndef LIB_EVENT_H
#define LIB_EVENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "wire/wire.h"

struct lane;

/*
 * The datagram whose events are being handed out. It stays in the socket until its last
 * event is taken, so that the fd is readable exactly as long as there is one.
 */
struct intake {
	pthread_mutex_t lock;
	uint8_t *buf; /* WIRE_DATAGRAM_MAX */
	struct wire_reader at;
	bool loaded;		   /* `at` has another event */
	bool in_socket;		   /* the datagram is still to be removed from the socket */
	bool end_told;		   /* SESSION_END or ENGINE_GONE has been taken */
	uint64_t seq;		   /* of the last event */
	atomic_bool answered;	   /* a task has been let run since the last wait */
	atomic_uint misses;	   /* waits in a row in which nothing came soon after that */
	struct lane *_Atomic lane; /* of the mailbox; NULL: there is none */
};

int intake_init(struct intake *in);
void intake_deinit(struct intake *in);
/* A task has been let run: its next stop may be near. */
void intake_answered(struct intake *in);

#endif
