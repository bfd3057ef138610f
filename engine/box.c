/* SPDX-License-Identifier: MIT */
#include "engine/box.h"

#include <errno.h>

#include "engine/conn.h"
#include "engine/request.h"

void request_mailbox(struct request *rq, const struct wire_mailbox *m)
{
	struct session *s = rq->session;
	struct wire_r_done done = { 0 };
	struct mailbox *box = NULL;
	struct wire_writer *w;
	int fd = -1;

	(void)m;
	done.error = mailbox_create(&box, &fd);
	if (done.error == 0)
		done.error = fd = engine_spare_fd(rq->conn->engine, fd);
	if (done.error < 0) {
		mailbox_unmap(box);
		request_done(rq, done.error);
		return;
	}
	done.error = 0;
	mailbox_unmap(s->box);
	s->box = box;
	s->heard = 0;
	w = conn_reply_begin(rq->conn, WIRE_REPLY(WIRE_MAILBOX), rq->header->cookie, fd);
	if (w == NULL)
		return;
	wire_put_r_done(w, &done);
	conn_reply_finish(rq->conn);
}

/* Of several events those left would lie where no poll() sees them. */
static bool is_one(const struct queue_datagram *d)
{
	struct wire_reader datagram, body;
	struct wire_header header;

	wire_reader_init(&datagram, d->data, d->used);
	return wire_next(&datagram, &header, &body) == 1 && wire_left(&datagram) == 0;
}

bool box_post(struct session *s)
{
	const struct queue_datagram *d = s->box ? queue_single(&s->queue) : NULL;

	/* The client trusts us; what it says of itself harms nobody else. */
	if (d == NULL || !is_one(d) || !lane_is_looked_at(&s->box->events) ||
	    atomic_load(&s->box->events.seen) != s->seq_sent ||
	    !lane_post(&s->box->events, 0, d->data, d->used))
		return false;
	queue_drop(&s->queue);
	return true;
}

void box_ring(struct session *s)
{
	if (s->box != NULL)
		lane_ring(&s->box->events);
}

static struct lane *requests_of(const struct conn *c)
{
	struct session *s = c->session;

	return s != NULL && s->main == c && s->box != NULL ? &s->box->requests : NULL;
}

bool box_look(struct conn *c)
{
	struct lane *l = requests_of(c);

	if (l == NULL || lane_is_full(l))
		return false;
	lane_look(l, 0);
	return true;
}

void box_leave(struct conn *c)
{
	struct lane *l = requests_of(c);

	if (l != NULL)
		lane_leave(l);
}

bool box_due(const struct conn *c)
{
	struct lane *l = requests_of(c);

	return l != NULL && lane_is_full(l) && atomic_load(&l->after) <= c->session->heard;
}

ssize_t box_take(struct conn *c, uint8_t buf[LANE_BYTES])
{
	return lane_take(requests_of(c), buf);
}
