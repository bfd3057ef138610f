/* SPDX-License-Identifier: MIT */
#include "engine/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/break.h"
#include "engine/call.h"
#include "engine/event.h"
#include "engine/session.h"

#define CONNS_MAX 8192
#define ACCEPTS_A_TURN 32
#define REPLIES_MAX (4u << 20) /* bytes a client may leave unread */
#define WAITERS_MAX 256	       /* per connection */
#define HELLO_NS (10 * CLOCK_SECOND)

static void hello_late(struct timer *timer)
{
	struct conn *c = list_entry(timer, struct conn, timer);

	if (c->session == NULL)
		conn_mark_dead(c);
}

static void read_peer(struct conn *c)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof peer;

	c->uid = (uid_t)-1;
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return;
	c->pid = peer.pid;
	c->uid = peer.uid;
}

struct conn *conn_new(struct engine *e, int fd)
{
	bool room = list_length(&e->conns) < CONNS_MAX && fd < e->fds_max;
	struct conn *c = room ? calloc(1, sizeof *c) : NULL;
	struct epoll_event event = { .events = EPOLLIN };

	if (c == NULL) {
		fd_close(fd);
		return NULL;
	}
	c->engine = e;
	c->fd = fd;
	c->events = EPOLLIN;
	c->rest_fd = -1;
	queue_init(&c->replies);
	read_peer(c);
	event.data.ptr = c;
	if (e->backend->ops->watch_fd(e->backend, fd) < 0 ||
	    epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		fd_close(fd);
		free(c);
		return NULL;
	}
	list_append(&e->conns, &c->in_engine);
	timer_set(&e->timers, &c->timer, clock_now_ns() + HELLO_NS, hello_late);
	/* What came before it was watched rang no bell. */
	e->io_again = true;
	return c;
}

void conn_mark_dead(struct conn *c)
{
	c->dead = true;
	c->engine->sweep = true;
}

void conn_close(struct conn *c)
{
	struct session *s = c->session;

	list_remove(&c->in_engine);
	list_remove(&c->in_session);
	list_remove(&c->in_backlog);
	timer_cancel(&c->timer);
	waiters_drop_conn(c->engine, c);
	if (c->engine->first == c)
		c->engine->first = NULL;
	if (c->engine->asked == c)
		c->engine->asked = NULL;
	if (s != NULL && s->main == c) {
		s->main = NULL;
		session_free(s);
	}
	fd_close(c->fd);
	fd_close(c->rest_fd);
	free(c->rest);
	queue_deinit(&c->replies);
	free(c);
}

void conn_sweep(struct engine *e)
{
	while (e->sweep) {
		e->sweep = false;
		/* Closing a session marks its channels, which may stand before it. */
		list_for_each (&e->conns, node, after) {
			struct conn *c = list_entry(node, struct conn, in_engine);

			if (c->dead)
				conn_close(c);
		}
	}
}

void conn_want_write(struct conn *c, bool want)
{
	uint32_t events = EPOLLIN | (want ? EPOLLOUT : 0);
	struct epoll_event event = { .events = events, .data.ptr = c };

	if (c->events == events)
		return;
	c->events = events;
	epoll_ctl(c->engine->epoll, EPOLL_CTL_MOD, c->fd, &event);
	if (want)
		c->engine->io_again = true; /* it may have become writable meanwhile */
}

void conn_accept(struct engine *e)
{
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(e->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct conn *c;

		if (fd < 0)
			return;
		c = conn_new(e, fd);
		if (c == NULL)
			continue;
		/* The kernel vouches for the peer; nobody but its own user and root get in. */
		if (c->uid != geteuid() && c->uid != 0)
			conn_close(c);
	}
	e->io_again = true;
}

static void flush_replies(struct conn *c)
{
	int r = queue_send(&c->replies, c->fd);
	bool events_left =
		c->session && c->session->main == c && !queue_is_empty(&c->session->queue);

	/* Not broken(): whoever replies may be walking what the session's end takes away. */
	if ((r < 0 && r != -EAGAIN) || c->replies.bytes > REPLIES_MAX)
		conn_mark_dead(c);
	else
		conn_want_write(c, r == -EAGAIN || events_left);
}

void conn_ready(struct conn *c, uint32_t events)
{
	if (c->dead)
		return;
	if (events & EPOLLOUT) {
		flush_replies(c);
		if (c->session != NULL && c->session->main == c)
			session_flush(c->session);
	}
	if (c->dead || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	intake_ready(c);
}

struct wire_writer *conn_reply_begin(struct conn *c, unsigned type, uint64_t cookie, int fd)
{
	struct wire_writer *w = queue_reserve(&c->replies, WIRE_DATAGRAM_MAX, true, fd);

	if (w != NULL)
		wire_begin(w, type, 0, cookie);
	else
		conn_mark_dead(c);
	return w;
}

void conn_reply_finish(struct conn *c)
{
	wire_finish(&c->replies.writer);
	queue_commit(&c->replies);
	flush_replies(c);
	c->engine->asked = c;
}

void conn_reply_done(struct conn *c, unsigned request, uint64_t cookie, int error)
{
	struct wire_r_done done = { error };
	struct wire_writer *w = conn_reply_begin(c, WIRE_REPLY(request), cookie, -1);

	if (w == NULL)
		return;
	wire_put_r_done(w, &done);
	conn_reply_finish(c);
}

/* ---- Replies that wait ---- */

static void waited_long_enough(struct timer *timer);

static void answer_break(const struct waiter *w, int error)
{
	struct wire_r_break reply = { error, w->breakpoint };
	struct wire_writer *out = conn_reply_begin(w->conn, WIRE_R_BREAK, w->cookie, -1);

	if (out == NULL)
		return;
	wire_put_r_break(out, &reply);
	conn_reply_finish(w->conn);
}

static void answer(struct waiter *w)
{
	struct wire_r_stop stop = { 0, (uint32_t)w->session->unstood };
	struct engine *e = w->conn->engine;
	struct wire_writer *out;
	int error = w->request == WIRE_BREAK ? break_effective(w->session, w->breakpoint) : 0;

	if (error == -EINPROGRESS && e->pokes) {
		timer_set(&e->timers, &w->timer, clock_now_ns() + ARMED_NS, waited_long_enough);
		return;
	}
	list_remove(&w->in_engine);
	timer_cancel(&w->timer);
	w->conn->waiters--;
	if (w->request == WIRE_STOP) {
		out = conn_reply_begin(w->conn, WIRE_R_STOP, w->cookie, -1);
		if (out != NULL) {
			wire_put_r_stop(out, &stop);
			conn_reply_finish(w->conn);
		}
	} else if (w->request == WIRE_BREAK) {
		answer_break(w, error == -EINPROGRESS ? 0 : error);
	} else {
		conn_reply_done(w->conn, w->request, w->cookie, 0);
	}
	free(w);
}

static void waited_long_enough(struct timer *timer)
{
	answer(list_entry(timer, struct waiter, timer));
}

static struct waiter *add_waiter(struct conn *c, unsigned request, uint64_t cookie,
				 uint64_t deadline)
{
	struct waiter *w = c->waiters < WAITERS_MAX ? calloc(1, sizeof *w) : NULL;

	if (w == NULL)
		return NULL;
	c->waiters++;
	w->conn = c;
	w->session = c->session;
	w->cookie = cookie;
	w->request = request;
	list_append(&c->engine->waiters, &w->in_engine);
	if (deadline != CLOCK_NEVER)
		timer_set(&c->engine->timers, &w->timer, deadline, waited_long_enough);
	return w;
}

int waiter_add(struct conn *c, unsigned request, uint64_t cookie, uint64_t deadline)
{
	return add_waiter(c, request, cookie, deadline) ? 0 : -ENOMEM;
}

int waiter_add_break(struct conn *c, uint64_t id, uint64_t cookie)
{
	struct waiter *w = add_waiter(c, WIRE_BREAK, cookie, clock_now_ns() + ARMED_NS);

	if (w == NULL)
		return -ENOMEM;
	w->breakpoint = id;
	return 0;
}

void waiters_check(struct engine *e)
{
	list_for_each (&e->waiters, node, after) {
		struct waiter *w = list_entry(node, struct waiter, in_engine);

		if (w->request == WIRE_STOP ? w->session->unstood == 0 : e->pokes == 0)
			answer(w);
	}
}

static void drop(struct waiter *w)
{
	list_remove(&w->in_engine);
	timer_cancel(&w->timer);
	w->conn->waiters--;
	free(w);
}

void waiters_drop(struct engine *e, const struct session *s)
{
	injections_drop_session(e, s);
	list_for_each (&e->waiters, node, after) {
		struct waiter *w = list_entry(node, struct waiter, in_engine);

		if (w->session == s)
			drop(w);
	}
}

void waiters_drop_conn(struct engine *e, const struct conn *c)
{
	injections_drop_conn(e, c);
	readers_drop_conn(e, c);
	list_for_each (&e->waiters, node, after) {
		struct waiter *w = list_entry(node, struct waiter, in_engine);

		if (w->conn == c)
			drop(w);
	}
}
