/* SPDX-License-Identifier: MIT */
/*
 * Programs with a library in them that hosts their personality. We hear of them when they
 * claim it, and when a child of theirs asks to be traced: a child that is about to exec, or that
 * its parent waits for, can be served by nobody but us.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "compat/hosted.h"
#include "compat/supervise/pass.h"
#include "compat/supervise/supervise.h"

struct hosted {
	struct source source; /* our end of the control socket */
	pid_t pid;
};

static void hosted_free(struct supervisor *s, struct hosted *h)
{
	map_take(&s->hosted, (uint64_t)h->pid);
	source_remove(s, &h->source);
	free(h);
}

/* It never says anything: it has ended, or runs another program. */
static void hosted_ended(struct supervisor *s, struct source *source)
{
	struct hosted *h = list_entry(source, struct hosted, source);

	log_debug("%d hosts itself no more", h->pid);
	hosted_free(s, h);
}

bool hosted_is(const struct supervisor *s, pid_t pid)
{
	return map_get(&s->hosted, (uint64_t)pid) != NULL;
}

/* Its number among the caller's fds, or -errno. */
static int give_fd(struct supervisor *s, const struct notice *n, int fd)
{
	struct seccomp_notif_addfd add = { .id = n->id,
					   .srcfd = (uint32_t)fd,
					   .newfd_flags = O_CLOEXEC };
	int r = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);

	return r < 0 ? -errno : r;
}

static struct hosted *hosted_new(struct supervisor *s, pid_t pid, int socket)
{
	struct hosted *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->pid = pid;
	h->source.ready = hosted_ended;
	if (map_put(&s->hosted, (uint64_t)pid, h) < 0) {
		free(h);
		return NULL;
	}
	if (source_add(s, &h->source, socket) < 0) {
		map_take(&s->hosted, (uint64_t)pid);
		free(h);
		return NULL;
	}
	return h;
}

static int claim(struct supervisor *s, struct notice *n)
{
	struct hosted_greeting greeting = { getpid(), personality_engine(s->personality) };
	struct hosted *h = map_get(&s->hosted, (uint64_t)n->caller.pid);
	int sockets[2], r;

	/* The kernel knows who asks: its former program's, if there was one, counts no more. */
	if (h)
		hosted_free(s, h);
	if (tool_find(s, n->caller.pid))
		return -EBUSY;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	h = hosted_new(s, n->caller.pid, sockets[0]);
	if (!h)
		close(sockets[0]);
	r = h ? pass_send(sockets[0], &greeting, sizeof greeting, -1) : -ENOMEM;
	if (r == 0)
		r = give_fd(s, n, sockets[1]);
	close(sockets[1]);
	if (r < 0 && h)
		hosted_free(s, h);
	return r;
}

void hosted_begin(struct supervisor *s, struct notice *n)
{
	int r = notice_process(s, n) ? claim(s, n) : -ESRCH;

	log_debug("%d wants to host itself: %d", n->caller.pid, r);
	notice_answer(s, n, r);
}

int hosted_traceme(struct supervisor *s, const struct caller *c, pid_t parent)
{
	const struct hosted *h = map_get(&s->hosted, (uint64_t)parent);
	struct hosted_tracee tracee = { c->pid, c->tid, 0 };
	struct cotrace *session;
	int r;

	r = personality_lend(s->personality, c, &session, &tracee.task);
	if (r < 0)
		return r;
	r = pass_send(h->source.fd, &tracee, sizeof tracee, cotrace_fd(session));
	log_debug("%d is to be traced by %d, which hosts itself: %d", c->tid, parent, r);
	cotrace_close(session);
	return r < 0 ? -EPERM : 0;
}
