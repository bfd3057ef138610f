/* SPDX-License-Identifier: MIT */
#include "lib/channel.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "lib/session.h"
#include "wire/frame.h"

#define SPIN_NS 50000u

struct channel {
	struct channel *next;
	int fd;
	bool fresh; /* the engine has not answered anything on it yet */
	uint8_t buf[WIRE_DATAGRAM_MAX];
};

/* Any failure of a socket to the engine means that the engine has let go of it. */
static int socket_error(int error)
{
	switch (error) {
	case -ENOMEM:
	case -ENOBUFS:
	case -ETOOMANYREFS:
	case -EMSGSIZE:
		return error;
	default:
		return -ESHUTDOWN;
	}
}

/* Returns 0 when something may have happened on @sock, or -ETIMEDOUT. */
static int wait_for(int sock, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = sock, .events = events };
	int n;

	do
		n = poll(&p, 1, clock_poll_ms(deadline));
	while (n < 0 && (errno == EINTR || errno == EAGAIN));
	return n == 0 ? -ETIMEDOUT : 0;
}

int exchange_send(int sock, const struct wire_writer *out, int fd, uint64_t deadline)
{
	int r;

	while ((r = frame_send(sock, out->buf, out->used, fd)) == -EAGAIN) {
		r = wait_for(sock, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return r < 0 ? socket_error(r) : 0;
}

int exchange_error(const struct wire_reader *in)
{
	struct wire_reader copy = *in;
	struct wire_r_done done;

	if (!wire_get_r_done(&copy, &done) || done.error > 0)
		return -EPROTO;
	return done.error;
}

/* Looks for the awaited reply in a datagram. Returns 1, 0 or -EPROTO. */
static int find_reply(struct exchange *e, size_t size)
{
	struct wire_reader datagram;
	struct wire_header header;
	int r;

	wire_reader_init(&datagram, e->buf, size);
	while ((r = wire_next(&datagram, &header, &e->in)) == 1) {
		if (header.cookie != e->cookie || header.type >= WIRE_EVENT(0))
			continue;
		if (header.type == WIRE_REPLY(e->type) || header.type == WIRE_R_DONE)
			return 1;
	}
	return r < 0 ? -EPROTO : 0;
}

/*
 * Waits for the next datagram. Most replies come within microseconds, and to be woken on
 * another CPU would take longer than that: so at first it only makes way for others.
 */
static ssize_t receive(struct exchange *e)
{
	uint64_t until = clock_now_ns() + SPIN_NS;

	for (;;) {
		ssize_t n = frame_receive(e->sock, e->buf, WIRE_DATAGRAM_MAX, &e->in_fd, 0);
		int r;

		/* After a reset what was sent before it is still there. */
		if (n != -EAGAIN && n != -ECONNRESET)
			return n;
		if (clock_now_ns() < until) {
			sched_yield();
			continue;
		}
		r = wait_for(e->sock, POLLIN, e->deadline);
		if (r < 0)
			return r;
	}
}

int exchange_run(struct exchange *e)
{
	int r = exchange_send(e->sock, e->out, e->out_fd, e->deadline);

	e->in_fd = -1;
	while (r == 0) {
		ssize_t n = receive(e);

		if (n == -ETIMEDOUT)
			return -ETIMEDOUT;
		if (n <= 0)
			return n == 0 ? -ESHUTDOWN : socket_error((int)n);
		r = find_reply(e, (size_t)n);
		if (r <= 0)
			e->in_fd = fd_close(e->in_fd);
	}
	return r < 0 ? r : 0;
}

static void channel_free(struct channel *c)
{
	if (c == NULL)
		return;
	fd_close(c->fd);
	free(c);
}

void channels_deinit(struct channels *channels)
{
	while (channels->free != NULL) {
		struct channel *c = channels->free;

		channels->free = c->next;
		channel_free(c);
	}
}

/* The engine confirms on the channel itself; that message is skipped by its cookie. */
static int offer(struct cotrace *s, int end)
{
	uint8_t buf[64];
	struct wire_writer w;

	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_CHANNEL, 0, session_cookie(s));
	wire_put_channel(&w, &(struct wire_channel){ 0 });
	wire_finish(&w);
	return session_tell(s, &w, end);
}

static int channel_new(struct channel **out, struct cotrace *s)
{
	struct channel *c = malloc(sizeof *c);
	int ends[2], r;

	if (c == NULL)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		r = -errno;
		free(c);
		return r;
	}
	c->next = NULL;
	c->fd = ends[0];
	c->fresh = true;
	r = offer(s, ends[1]);
	fd_close(ends[1]);
	if (r < 0) {
		channel_free(c);
		c = NULL;
	}
	*out = c;
	return r;
}

static struct channel *take_free(struct channels *channels)
{
	struct channel *c;

	pthread_mutex_lock(&channels->lock);
	c = channels->free;
	if (c != NULL)
		channels->free = c->next;
	pthread_mutex_unlock(&channels->lock);
	return c;
}

int call_begin(struct call *c, struct cotrace *s, unsigned type)
{
	int saved = errno, r = session_knows(s, type);

	*c = (struct call){ .session = s, .type = type, .fd = -1 };
	if (r < 0)
		return r;
	c->channel = take_free(&s->channels);
	if (c->channel == NULL)
		r = channel_new(&c->channel, s);
	errno = saved;
	if (r < 0)
		return r;
	c->cookie = session_cookie(s);
	wire_writer_init(&c->out, c->channel->buf, sizeof c->channel->buf);
	wire_begin(&c->out, type, 0, c->cookie);
	return 0;
}

/* A channel on which a reply may still come, or none can, is of no more use. */
static int give_up(struct call *c, int error)
{
	bool fresh = c->channel->fresh;
	struct pollfd p = { .fd = c->session->fd };

	channel_free(c->channel);
	c->channel = NULL;
	if (error != -ESHUTDOWN || !fresh)
		return error;
	/* Refused for a lack of room, while the session itself lives on? */
	return poll(&p, 1, 0) == 0 ? -EMFILE : error;
}

int call_run(struct call *c, int fd, uint64_t deadline)
{
	int saved = errno, r;
	struct exchange e = {
		.sock = c->channel->fd,
		.out = &c->out,
		.out_fd = fd,
		.type = c->type,
		.cookie = c->cookie,
		.buf = c->channel->buf,
		.deadline = deadline,
	};

	if (!wire_finish(&c->out))
		return -EMSGSIZE;
	r = exchange_run(&e);
	if (r < 0) {
		r = give_up(c, r);
	} else {
		c->channel->fresh = false;
		c->in = e.in;
		c->fd = e.in_fd;
		r = exchange_error(&c->in);
	}
	errno = saved;
	return r;
}

void call_end(struct call *c)
{
	struct channels *channels = &c->session->channels;

	c->fd = fd_close(c->fd);
	if (c->channel == NULL)
		return;
	pthread_mutex_lock(&channels->lock);
	c->channel->next = channels->free;
	channels->free = c->channel;
	pthread_mutex_unlock(&channels->lock);
	c->channel = NULL;
}

int call_finish(struct call *c)
{
	int r = call_run(c, -1, CLOCK_NEVER);

	call_end(c);
	return r;
}
