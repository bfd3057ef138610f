/* SPDX-License-Identifier: MIT */
/* Messages on their way to a socket, packed into datagrams. */
#ifndef ENGINE_QUEUE_H
#define ENGINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "wire/wire.h"

#define QUEUE_COST_MIN 4096	/* a datagram never costs less: it keeps pages, or an fd */
#define QUEUE_BATCH (16u << 10) /* a datagram this long is sent without waiting for more */

struct queue_datagram {
	struct list node;
	size_t used;
	int fd;	     /* goes with it, owned; -1: none */
	bool closed; /* nothing more is packed in */
	size_t cost; /* what it counts in queue.bytes */
	uint8_t data[];
};

struct queue {
	struct list datagrams;
	struct queue_datagram *spare;
	struct wire_writer writer;
	size_t bytes;
	uint64_t oldest_ns; /* when the first message not sent yet was put in; 0: none */
};

void queue_init(struct queue *q);
void queue_deinit(struct queue *q);
/*
 * A writer to put one message of at most @size bytes with wire_begin() ... wire_finish(),
 * then queue_commit(). @alone: the message gets a datagram of its own, with @fd (consumed;
 * -1: none). NULL: no memory.
 */
struct wire_writer *queue_reserve(struct queue *q, size_t size, bool alone, int fd);
void queue_commit(struct queue *q);
/* Whether there is a datagram that should not wait. */
bool queue_ripe(const struct queue *q);
bool queue_is_empty(const struct queue *q);
/* The datagram, if it is the only one and has no fd; else NULL. */
const struct queue_datagram *queue_single(const struct queue *q);
/* Takes the first datagram out. */
void queue_drop(struct queue *q);
/* Sends what can be. Returns 0 when all is sent, -EAGAIN, or the socket's -errno. */
int queue_send(struct queue *q, int sock);

#endif
