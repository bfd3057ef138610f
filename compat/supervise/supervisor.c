/* SPDX-License-Identifier: MIT */
/* The loop. */
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "compat/supervise/supervise.h"

int source_add(struct supervisor *s, struct source *source, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = source };

	source->fd = fd;
	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

void source_remove(struct supervisor *s, struct source *source)
{
	if (source->fd >= 0)
		epoll_ctl(s->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = fd_close(source->fd);
}

static void personality_ready(struct supervisor *s, struct source *source)
{
	(void)source;
	personality_pump(s->personality);
}

static void spare_ended(struct supervisor *s, struct source *source)
{
	source_remove(s, source);
	waitpid(s->spare, NULL, 0);
	if (spare_start(s) < 0)
		log_debug("there is no spare");
}

int supervisor_open(struct supervisor *s)
{
	int r;

	*s = (struct supervisor){ .listener = -1, .rescan_ns = CLOCK_NEVER };
	list_init(&s->dirty);
	list_init(&s->idle);
	list_init(&s->written);
	s->listener_source = (struct source){ -1, notify_ready };
	s->personality_source = (struct source){ -1, personality_ready };
	s->spare_source = (struct source){ -1, spare_ended };
	s->host = (struct host){ caller_read, caller_write, tool_changed, filter_intercepts,
				 caller_is_admin };
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return -errno;
	r = spare_page_new(s);
	if (r == 0)
		r = personality_new(&s->personality, &s->host, s, 0);
	return r < 0 ? r : source_add(s, &s->personality_source, personality_fd(s->personality));
}

static int timeout(struct supervisor *s)
{
	uint64_t at = tools_deadline(s), idle = callback_expire(s);

	if (idle < at)
		at = idle;
	return clock_poll_ms(s->rescan_ns < at ? s->rescan_ns : at);
}

/* One at a time: what is done for one may end another. */
static void turn(struct supervisor *s)
{
	struct epoll_event e;
	int n = epoll_wait(s->epoll, &e, 1, timeout(s));

	if (n == 1) {
		struct source *source = e.data.ptr;

		if (source == &s->listener_source && !(e.events & EPOLLIN))
			s->over = true;
		else
			source->ready(s, source);
	}
	tools_settle(s);
	if (s->rescan_ns != CLOCK_NEVER && clock_now_ns() >= s->rescan_ns)
		wait_rescan(s);
}

int supervisor_serve(struct supervisor *s, int listener)
{
	int r;

	s->listener = listener;
	r = source_add(s, &s->listener_source, listener);
	return r < 0 ? r : spare_start(s);
}

void supervisor_run(struct supervisor *s)
{
	while (!s->over)
		turn(s);
	personality_free(s->personality);
}
