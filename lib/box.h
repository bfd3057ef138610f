/* SPDX-License-Identifier: MIT */
/* A session's mailbox: the way around the socket, for who answers many stops. */
#ifndef LIB_BOX_H
#define LIB_BOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "wire/mailbox.h"
#include "wire/wire.h"

struct cotrace;

struct box {
	pthread_mutex_t lock; /* keeps what is told in order */
	struct mailbox *page; /* NULL: there is none */
	uint64_t told;	      /* datagrams sent by the socket since there is one */
	atomic_uint answers;  /* so far, up to when it is worth it */
};

void box_init(struct box *b);
void box_deinit(struct box *b);
/* A task has been let run; asks for a mailbox when that happens often. */
void box_answered(struct cotrace *s);
/* As exchange_send() on the session fd, or around it. */
int box_tell(struct cotrace *s, const struct wire_writer *out, int fd, uint64_t deadline);

#endif
