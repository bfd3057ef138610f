/* SPDX-License-Identifier: MIT */
#include "engine/keeper.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/space.h"
#include "engine/task.h"

#define PAUSE_NS CLOCK_SECOND /* it neither comes nor goes more often than that */
#define PARTING_MS 1000	      /* only one that does not run takes that long */
#define START_MS 500

static bool is_needed(struct engine *e)
{
	struct process *p;
	size_t at = 0;

	if (e->armed)
		return true;
	while ((p = map_walk(&e->processes, &at)) != NULL)
		if (space_has_traps(p->space))
			return true;
	return false;
}

static void set_companion(struct engine *e, pid_t pid)
{
	if (e->backend->ops->companion != NULL)
		e->backend->ops->companion(e->backend, pid);
}

static void hang_up(struct engine *e)
{
	struct process *p;
	size_t at = 0;

	e->keeper.fd = fd_close(e->keeper.fd);
	set_companion(e, 0);
	while ((p = map_walk(&e->processes, &at)) != NULL) {
		p->space->kept = NULL;
		p->kept_armed = false;
	}
}

static void look(struct timer *timer)
{
	struct engine *e = list_entry(timer, struct engine, keeper.timer);
	struct process *p;
	size_t at = 0;

	if (!is_needed(e)) {
		hang_up(e);
		return;
	}
	while ((p = map_walk(&e->processes, &at)) != NULL) {
		if (space_has_traps(p->space))
			keeper_watch(p->space);
		if (p->debug_armed)
			keeper_armed(p);
	}
}

static void look_later(struct engine *e)
{
	if (!list_linked(&e->keeper.timer.node))
		timer_set(&e->timers, &e->keeper.timer, clock_now_ns() + PAUSE_NS, look);
}

static int connect_it(struct engine *e, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &e->keeper };

	if (e->backend->ops->watch_fd(e->backend, fd) < 0 ||
	    epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	e->keeper.fd = fd;
	return 0;
}

static int start(struct engine *e)
{
	uint64_t now = clock_now_ns();
	int fds[2], r;

	if (e->keeper.started && now - e->keeper.started < PAUSE_NS) {
		look_later(e);
		return -EAGAIN;
	}
	e->keeper.started = now;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r = e->keeper.start(fds[1]);
	fd_close(fds[1]);
	set_companion(e, r > 0 ? r : 0);
	if (r > 0)
		r = connect_it(e, fds[0]);
	if (r < 0)
		fd_close(fds[0]);
	log_debug("keeper: %d", r);
	return r;
}

static int tell(struct engine *e, const struct keeper_message *m, const int *fds, unsigned count)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)m, sizeof *m };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count > 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof control;
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	if (sendmsg(e->keeper.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	log_debug("keeper: %s", strerror(errno));
	return -errno;
}

/* What is planted before it is ready is left in if the engine dies just then. */
static void await_readiness(struct engine *e)
{
	struct pollfd p = { .fd = e->keeper.fd, .events = POLLIN };
	char c;

	if (poll(&p, 1, START_MS) <= 0 || recv(e->keeper.fd, &c, 1, MSG_DONTWAIT) <= 0)
		log_debug("the keeper is late");
}

void keeper_watch(struct space *s)
{
	struct engine *e = s->engine;
	struct process *p = list_entry(s->processes.next, struct process, in_space);
	struct keeper_message m = { KEEPER_WATCH, p->pid, 0 };
	bool is_first = e->keeper.fd < 0;
	int own = -1, fds[2] = { p->mem_write, s->table.fd };

	if (e->keeper.start == NULL || s->kept == s->table.table || (is_first && start(e) < 0))
		return;
	if (fds[0] < 0)
		fds[0] = own = e->backend->ops->memory_open(e->backend, process_any_tid(p), true);
	if (s->id == 0)
		s->id = ++e->keeper.last_space;
	m.space = s->id;
	if (fds[0] >= 0 && tell(e, &m, fds, 2) == 0)
		s->kept = s->table.table;
	fd_close(own);
	if (is_first)
		await_readiness(e);
}

void keeper_armed(struct process *p)
{
	struct keeper_message m = { KEEPER_ARMED, p->pid, 0 };
	struct engine *e = p->engine;
	bool is_first = e->keeper.fd < 0;

	p->debug_armed = true;
	if (e->keeper.start == NULL || p->kept_armed || (is_first && start(e) < 0))
		return;
	p->kept_armed = tell(e, &m, NULL, 0) == 0;
	if (is_first)
		await_readiness(e);
}

void keeper_process_gone(struct process *p)
{
	struct keeper_message m = { KEEPER_GONE, p->pid, 0 };

	if (p->kept_armed)
		tell(p->engine, &m, NULL, 0);
	p->kept_armed = false;
}

void keeper_forget(struct space *s)
{
	struct keeper_message m = { KEEPER_FORGET, 0, s->id };

	if (s->kept == NULL)
		return;
	tell(s->engine, &m, NULL, 0);
	s->kept = NULL;
	look_later(s->engine);
}

void keeper_unplanted(struct engine *e)
{
	if (e->keeper.fd >= 0)
		look_later(e);
}

void keeper_heard(struct engine *e)
{
	char c;
	ssize_t n = recv(e->keeper.fd, &c, 1, MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	log_debug("the keeper is gone");
	hang_up(e);
	timer_cancel(&e->keeper.timer);
	if (is_needed(e))
		look(&e->keeper.timer);
}

void keeper_dismiss(struct engine *e)
{
	struct pollfd p = { .fd = e->keeper.fd, .events = POLLRDHUP };

	timer_cancel(&e->keeper.timer);
	if (e->keeper.fd < 0)
		return;
	/* It goes before the engine does, which is nobody's business then. */
	shutdown(e->keeper.fd, SHUT_WR);
	poll(&p, 1, PARTING_MS);
	hang_up(e);
}
