/* SPDX-License-Identifier: MIT */
#include "lib/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "wire/frame.h"

#define TELL_NS (5 * (int64_t)CLOCK_SECOND) /* an engine this far behind is stuck */
#define HELLO_NS (5 * (int64_t)CLOCK_SECOND)

int session_new(struct cotrace **out, int fd)
{
	struct cotrace *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s == NULL || intake_init(&s->intake) < 0) {
		free(s);
		return -ENOMEM;
	}
	s->fd = fd;
	pthread_mutex_init(&s->channels.lock, NULL);
	memories_init(&s->memories);
	box_init(&s->box);
	*out = s;
	return 0;
}

void cotrace_close(struct cotrace *s)
{
	if (s == NULL)
		return;
	/* The session's own fd last: all that follows from its end is then one event. */
	channels_deinit(&s->channels);
	pthread_mutex_destroy(&s->channels.lock);
	memories_deinit(&s->memories);
	fd_close(s->fd);
	intake_deinit(&s->intake);
	box_deinit(&s->box);
	free(s);
}

uint64_t session_cookie(struct cotrace *s)
{
	return atomic_fetch_add(&s->cookie, 1) + 1;
}

int session_tell(struct cotrace *s, const struct wire_writer *out, int fd)
{
	int saved = errno;
	int r = box_tell(s, out, fd, clock_deadline(TELL_NS));

	errno = saved;
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

int session_knows(const struct cotrace *s, unsigned type)
{
	return type >= WIRE_STEP && s->version < 2 ? -ENOSYS : 0;
}

static const struct wire_hello versions = { WIRE_VERSION_MIN, WIRE_VERSION };

/* Takes in what the engine says of itself. */
static int welcome(struct cotrace *s, struct wire_reader *in)
{
	struct wire_r_hello reply;
	int r = exchange_error(in);

	if (r < 0)
		return r;
	if (!wire_get_r_hello(in, &reply))
		return -EPROTO;
	s->engine_pid = reply.engine_pid;
	s->id = reply.session;
	s->version = reply.version;
	s->role = reply.role;
	s->arch = reply.arch;
	s->features = reply.features;
	return 0;
}

int session_hello(struct cotrace *s, uint64_t deadline)
{
	struct wire_writer w;
	uint8_t buf[64];
	struct exchange e = {
		.sock = s->fd,
		.out = &w,
		.out_fd = -1,
		.type = WIRE_HELLO,
		.cookie = session_cookie(s),
		.buf = s->intake.buf,
		.deadline = deadline,
	};
	int r;

	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_HELLO, 0, e.cookie);
	wire_put_hello(&w, &versions);
	wire_finish(&w);
	r = exchange_run(&e);
	if (r < 0)
		return r;
	fd_close(e.in_fd);
	return welcome(s, &e.in);
}

int session_hello_aside(struct cotrace *s, uint64_t deadline)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_HELLO);

	if (r < 0)
		return r;
	wire_put_hello(&c.out, &versions);
	r = call_run(&c, -1, deadline);
	if (r == 0)
		r = welcome(s, &c.in);
	call_end(&c);
	return r;
}

static int socket_option(int fd, int option)
{
	int value;
	socklen_t size = sizeof value;

	if (getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0)
		return -errno;
	return value;
}

static int adopt(struct cotrace **out, int fd)
{
	int domain = socket_option(fd, SO_DOMAIN), r;

	if (domain < 0)
		return domain;
	if (domain != AF_UNIX || socket_option(fd, SO_TYPE) != SOCK_SEQPACKET)
		return -EPROTO;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	r = session_new(out, fd);
	if (r < 0)
		return r;
	/* Cookies of the former owner's late replies must not be taken for ours. */
	atomic_store(&(*out)->cookie, clock_now_ns());
	r = session_hello_aside(*out, clock_deadline(HELLO_NS));
	if (r == 0)
		return 0;
	(*out)->fd = -1; /* stays the caller's */
	cotrace_close(*out);
	*out = NULL;
	return r == -ETIMEDOUT || r == -EMFILE ? -EPROTO : r;
}

int cotrace_from_fd(struct cotrace **out, int fd)
{
	int saved = errno, r;

	*out = NULL;
	r = adopt(out, fd);
	errno = saved;
	return r;
}

int session_options(struct cotrace_options *out, const struct cotrace_options *in)
{
	const uint32_t flags = COTRACE_POLICY | COTRACE_LOSSY | COTRACE_CHILD_FDS |
			       COTRACE_CHILD_INHERITS | COTRACE_NO_ENGINE_START;

	*out = (struct cotrace_options){ .size = sizeof *out };
	if (in == NULL)
		return 0;
	if (in->size != sizeof *in || in->role > COTRACE_OBSERVER || in->scope > COTRACE_TREE ||
	    (in->flags & ~flags) || in->close_action > COTRACE_CLOSE_STOP || in->reserved_ ||
	    (in->flags & (COTRACE_CHILD_FDS | COTRACE_CHILD_INHERITS)) == COTRACE_CHILD_INHERITS)
		return -EINVAL;
	*out = *in;
	return 0;
}

int cotrace_fd(const struct cotrace *s)
{
	return s->fd;
}

uint64_t cotrace_id(const struct cotrace *s)
{
	return s->id;
}

pid_t cotrace_engine_pid(const struct cotrace *s)
{
	return s->engine_pid;
}

int cotrace_attenuate(struct cotrace *s)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_ATTENUATE);

	if (r < 0)
		return r;
	wire_put_attenuate(&c.out, &(struct wire_attenuate){ 0 });
	return call_finish(&c);
}

int cotrace_set_close_action(struct cotrace *s, enum cotrace_close_action action)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_CLOSE_ACTION);

	if (r < 0)
		return r;
	wire_put_close_action(&c.out, &(struct wire_close_action){ action });
	return call_finish(&c);
}
