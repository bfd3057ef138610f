/* SPDX-License-Identifier: MIT */
#include "engine/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "wire/frame.h"

void queue_init(struct queue *q)
{
	*q = (struct queue){ 0 };
	list_init(&q->datagrams);
}

static void drop(struct queue *q, struct queue_datagram *d)
{
	list_remove(&d->node);
	fd_close(d->fd);
	if (q->spare == NULL)
		q->spare = d;
	else
		free(d);
}

void queue_deinit(struct queue *q)
{
	list_for_each (&q->datagrams, node, after)
		drop(q, list_entry(node, struct queue_datagram, node));
	free(q->spare);
	queue_init(q);
}

static struct queue_datagram *last(const struct queue *q)
{
	return list_empty(&q->datagrams)
		       ? NULL
		       : list_entry(q->datagrams.prev, struct queue_datagram, node);
}

static struct queue_datagram *append(struct queue *q)
{
	struct queue_datagram *d = q->spare;

	if (d == NULL)
		d = malloc(sizeof *d + WIRE_DATAGRAM_MAX);
	if (d == NULL)
		return NULL;
	q->spare = NULL;
	d->used = 0;
	d->fd = -1;
	d->closed = false;
	d->cost = 0;
	d->node = (struct list){ 0 };
	list_append(&q->datagrams, &d->node);
	return d;
}

struct wire_writer *queue_reserve(struct queue *q, size_t size, bool alone, int fd)
{
	struct queue_datagram *d = last(q);

	if (d == NULL || d->closed || alone || d->used + size > WIRE_DATAGRAM_MAX) {
		if (d != NULL)
			d->closed = true;
		d = append(q);
		if (d == NULL) {
			fd_close(fd);
			return NULL;
		}
		d->fd = fd;
		d->closed = alone;
	}
	wire_writer_init(&q->writer, d->data, WIRE_DATAGRAM_MAX);
	q->writer.used = d->used;
	return &q->writer;
}

void queue_commit(struct queue *q)
{
	struct queue_datagram *d = last(q);

	q->bytes -= d->cost;
	d->used = q->writer.used;
	d->cost = d->used < QUEUE_COST_MIN ? QUEUE_COST_MIN : d->used;
	q->bytes += d->cost;
	if (d->used >= QUEUE_BATCH)
		d->closed = true;
}

bool queue_ripe(const struct queue *q)
{
	return !list_empty(&q->datagrams) &&
	       list_entry(q->datagrams.next, struct queue_datagram, node)->closed;
}

bool queue_is_empty(const struct queue *q)
{
	return list_empty(&q->datagrams);
}

const struct queue_datagram *queue_single(const struct queue *q)
{
	const struct queue_datagram *d = last(q);

	return d != NULL && q->datagrams.next == &d->node && d->fd < 0 ? d : NULL;
}

void queue_drop(struct queue *q)
{
	struct queue_datagram *d = list_entry(q->datagrams.next, struct queue_datagram, node);

	q->bytes -= d->cost;
	drop(q, d);
	if (list_empty(&q->datagrams))
		q->oldest_ns = 0;
}

int queue_send(struct queue *q, int sock)
{
	list_for_each (&q->datagrams, node, after) {
		struct queue_datagram *d = list_entry(node, struct queue_datagram, node);
		int r = d->used ? frame_send(sock, d->data, d->used, d->fd) : 0;

		if (r < 0)
			return r == -EWOULDBLOCK || r == -ENOBUFS ? -EAGAIN : r;
		queue_drop(q);
	}
	return 0;
}
