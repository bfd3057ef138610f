/* SPDX-License-Identifier: MIT */
/*
 * Requests as they come in. Each connection has a short turn, so that no client keeps the
 * others or the targets waiting; what is left of a datagram then waits for the next one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/box.h"
#include "engine/conn.h"
#include "engine/request.h"
#include "engine/session.h"
#include "wire/frame.h"

#define REQUESTS_A_TURN 64
#define TURN_NS (CLOCK_MS / 4)

static void broken(struct conn *c)
{
	log_debug("connection of %d broke the protocol", (int)c->pid);
	if (c->session != NULL && c->session->main == c && !c->session->ended)
		session_end(c->session, COTRACE_END_PROTOCOL);
	conn_mark_dead(c);
}

struct turn {
	unsigned requests;
	uint64_t until;
};

static bool is_over(struct turn *turn)
{
	return turn->requests == 0 || clock_now_ns() > turn->until;
}

/* Until the next turn. Takes @fd. */
static void keep_rest(struct conn *c, struct wire_reader *datagram, int fd)
{
	size_t size = wire_left(datagram);

	c->rest = malloc(size);
	if (c->rest == NULL) {
		fd_close(fd);
		conn_mark_dead(c);
		return;
	}
	memcpy(c->rest, wire_get_bytes(datagram, size), size);
	c->rest_size = size;
	c->rest_at = 0;
	c->rest_fd = fd;
}

/* Handles what the turn allows. 1: all of it; 0: some is left; -EBADMSG. */
static int handle_some(struct conn *c, struct wire_reader *datagram, int *fd, struct turn *turn)
{
	struct wire_reader body;
	struct wire_header header;
	int r;

	while ((r = wire_next(datagram, &header, &body)) == 1) {
		if (!request_handle(c, &header, &body, fd))
			return -EBADMSG;
		if (c->dead)
			break;
		turn->requests--;
		if (wire_left(datagram) && is_over(turn))
			return 0;
	}
	return r < 0 ? r : 1;
}

static int handle_rest(struct conn *c, struct turn *turn)
{
	struct wire_reader datagram;
	int r;

	wire_reader_init(&datagram, c->rest + c->rest_at, c->rest_size - c->rest_at);
	r = handle_some(c, &datagram, &c->rest_fd, turn);
	if (r == 0) {
		c->rest_at += datagram.used;
		return 0;
	}
	c->rest_fd = fd_close(c->rest_fd);
	free(c->rest);
	c->rest = NULL;
	return r;
}

static int handle_datagram(struct conn *c, const void *buf, size_t size, int fd, struct turn *turn)
{
	struct wire_reader datagram;
	int r;

	wire_reader_init(&datagram, buf, size);
	r = handle_some(c, &datagram, &fd, turn);
	if (r == 0)
		keep_rest(c, &datagram, fd);
	else
		fd_close(fd);
	return r;
}

/* What is in the mailbox is one message. 1 or -EBADMSG. */
static int handle_box(struct conn *c)
{
	struct wire_reader datagram, body;
	struct wire_header header;
	uint8_t buf[LANE_BYTES];
	ssize_t n = box_take(c, buf);
	int none = -1;

	if (n <= 0)
		return -EBADMSG;
	wire_reader_init(&datagram, buf, (size_t)n);
	if (wire_next(&datagram, &header, &body) != 1 || wire_left(&datagram) != 0)
		return -EBADMSG;
	return request_handle(c, &header, &body, &none) ? 1 : -EBADMSG;
}

static int read_datagram(struct conn *c, struct turn *turn)
{
	static uint8_t buf[WIRE_DATAGRAM_MAX];
	int fd;
	ssize_t n = frame_receive(c->fd, buf, sizeof buf, &fd, 0);

	if (n == -EAGAIN || n == -EMSGSIZE)
		return n == -EAGAIN ? -EAGAIN : -EBADMSG;
	if (n <= 0) {
		fd_close(fd);
		conn_mark_dead(c);
		return 0;
	}
	if (box_due(c) && handle_box(c) < 0) { /* it was there first */
		fd_close(fd);
		return -EBADMSG;
	}
	if (c->session != NULL && c->session->main == c)
		c->session->heard++;
	return handle_datagram(c, buf, (size_t)n, fd, turn);
}

static int read_next(struct conn *c, struct turn *turn)
{
	if (!box_due(c))
		return read_datagram(c, turn);
	turn->requests--;
	return handle_box(c);
}

static void put_back(struct conn *c)
{
	if (!list_linked(&c->in_backlog))
		list_append(&c->engine->backlog, &c->in_backlog);
	c->engine->io_again = true;
}

/* Handles what has come, as much as one turn allows. Returns whether that was all. */
static bool read_some(struct conn *c)
{
	struct turn turn = { REQUESTS_A_TURN, clock_now_ns() + TURN_NS };
	int r = c->rest != NULL && !c->dead ? handle_rest(c, &turn) : 1;

	while (r == 1 && !c->dead) {
		if (is_over(&turn))
			r = 0;
		else
			r = read_next(c, &turn);
	}
	if (r == -EBADMSG)
		broken(c);
	if (c->dead || r != 0)
		return true;
	put_back(c);
	return false;
}

bool intake_main(struct conn *c, bool looked_at)
{
	struct turn turn = { REQUESTS_A_TURN, clock_now_ns() + TURN_NS };
	int r;

	if (c->dead || list_linked(&c->in_backlog) || c->session == NULL || c->session->main != c)
		return false;
	r = looked_at && !box_due(c) ? -EAGAIN : read_next(c, &turn);
	if (r == -EBADMSG)
		broken(c);
	if (r == 0 && !c->dead)
		put_back(c);
	return r != -EAGAIN;
}

void intake_ready(struct conn *c)
{
	struct conn *main = c->session != NULL ? c->session->main : NULL;

	if (list_linked(&c->in_backlog)) /* it has had its turn */
		return;
	/* What was sent on the main socket before a request was made is to be seen first. */
	if (main != NULL && main != c && (list_linked(&main->in_backlog) || !read_some(main)))
		put_back(c);
	else
		read_some(c);
}

void intake_backlog(struct engine *e)
{
	struct list now;

	list_init(&now);
	while (!list_empty(&e->backlog)) {
		struct list *node = e->backlog.next;

		list_remove(node);
		list_append(&now, node);
	}
	while (!list_empty(&now)) {
		struct conn *c = list_entry(now.next, struct conn, in_backlog);

		list_remove(&c->in_backlog);
		if (!c->dead)
			intake_ready(c);
	}
}
