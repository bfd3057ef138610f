/* SPDX-License-Identifier: MIT */
#include "lib/mock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/frame.h"

struct wire_writer *mock_begin(struct mock *m, const struct wire_header *h)
{
	wire_writer_init(&m->w, m->out, sizeof m->out);
	wire_begin(&m->w, WIRE_REPLY(h->type), 0, h->cookie);
	return &m->w;
}

void mock_send(struct mock *m, int fd)
{
	wire_finish(&m->w);
	frame_send(m->to, m->out, m->w.used, fd);
}

void mock_done(struct mock *m, const struct wire_header *h, int error)
{
	wire_put_r_done(mock_begin(m, h), &(struct wire_r_done){ error });
	mock_send(m, -1);
}

static void hello(struct mock *m, const struct wire_header *h)
{
	wire_put_r_hello(mock_begin(m, h),
			 &(struct wire_r_hello){ .version = m->version ? m->version : WIRE_VERSION,
						 .engine_pid = 77,
						 .session = 5,
						 .arch = 1 });
	mock_send(m, -1);
}

/* Confirmed on the channel itself, as an engine does. */
static void take_channel(struct mock *m, const struct wire_header *h, int fd)
{
	struct wire_header confirmation = { .type = 0, .cookie = h->cookie };

	if (m->count == MOCK_CONNECTIONS)
		abort();
	m->fds[m->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	m->to = fd;
	mock_done(m, &confirmation, 0);
}

static void handle(struct mock *m, int fd, const struct wire_header *h, struct wire_reader *body,
		   int came)
{
	m->to = fd;
	if (h->type == WIRE_CHANNEL)
		take_channel(m, h, came);
	else if (h->flags & WIRE_REQUEST_NO_REPLY)
		atomic_fetch_add(&m->told, 1);
	else if (h->type == WIRE_HELLO)
		hello(m, h);
	else
		m->answer(m, h, body);
}

/* False at the end of the connection. */
static bool serve(struct mock *m, int fd)
{
	struct wire_reader datagram, body;
	struct wire_header h;
	int came;
	ssize_t n = frame_receive(fd, m->in, sizeof m->in, &came, 0);

	if (n == -EAGAIN)
		return true;
	if (n <= 0)
		return false;
	wire_reader_init(&datagram, m->in, (size_t)n);
	while (wire_next(&datagram, &h, &body) == 1)
		handle(m, fd, &h, &body, came);
	return true;
}

static void *run(void *argument)
{
	struct mock *m = argument;
	bool open = true;

	while (open && poll(m->fds, m->count, -1) > 0)
		for (nfds_t i = 0; i < m->count; i++) {
			if (m->fds[i].revents == 0 || serve(m, m->fds[i].fd))
				continue;
			close(m->fds[i].fd);
			m->fds[i].fd = -1;
			open = open && i != 0;
		}
	for (nfds_t i = 0; i < m->count; i++)
		if (m->fds[i].fd >= 0)
			close(m->fds[i].fd);
	return NULL;
}

int mock_start(struct mock *m, mock_answer *answer, void *argument)
{
	int ends[2];

	m->answer = answer;
	m->argument = argument;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		abort();
	m->session = ends[1];
	m->fds[0] = (struct pollfd){ .fd = ends[1], .events = POLLIN };
	m->count = 1;
	if (pthread_create(&m->thread, NULL, run, m) != 0)
		abort();
	return ends[0];
}

void mock_join(struct mock *m)
{
	pthread_join(m->thread, NULL);
}
