/* SPDX-License-Identifier: MIT */
/* The loop: one place to wait, events and I/O in turns. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/box.h"
#include "engine/conn.h"
#include "engine/keeper.h"
#include "engine/session.h"
#include "engine/space.h"
#include "engine/task.h"

#define READY_MAX 64
#define AWAIT_NS 20000u
#define AWAIT_MISSES 4u
#define AWAIT_RETRY 31u /* now and then, as a mask */
#define AWAITED_MAX 16	/* then stops have their turn */
#define LISTEN_AGAIN_NS CLOCK_SECOND
#define LEAVE_NS CLOCK_SECOND
#define LEAVE_TURNS 1000 /* new tasks may have come meanwhile */

/* The kernel gives the lowest free number: an fd tells by itself how many there are. */
static void limit_fds(struct engine *e)
{
	struct rlimit files = { .rlim_cur = RLIM_INFINITY };

	getrlimit(RLIMIT_NOFILE, &files);
	e->fds_max = files.rlim_cur > INT_MAX ? INT_MAX : (int)files.rlim_cur;
	e->fds_max -= ENGINE_FDS_RESERVED;
}

int engine_spare_fd(const struct engine *e, int fd)
{
	if (fd < e->fds_max)
		return fd;
	fd_close(fd);
	return -EMFILE;
}

int engine_new(struct engine **out, struct backend *backend)
{
	struct engine *e = calloc(1, sizeof *e);

	*out = NULL;
	if (e == NULL)
		return -ENOMEM;
	e->backend = backend;
	e->listener = e->keeper.fd = -1;
	limit_fds(e);
	list_init(&e->sessions);
	list_init(&e->conns);
	list_init(&e->backlog);
	list_init(&e->dirty);
	list_init(&e->releases);
	list_init(&e->orphans);
	list_init(&e->deaths);
	list_init(&e->waiters);
	list_init(&e->wakes);
	list_init(&e->ghosts);
	list_init(&e->injections);
	list_init(&e->readers);
	timers_init(&e->timers);
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (e->epoll < 0) {
		free(e);
		return -errno;
	}
	*out = e;
	return 0;
}

int engine_adopt(struct engine *e, int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(int);
	struct conn *c;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return -errno;
	if (domain != AF_UNIX || type != SOCK_SEQPACKET)
		return -EPROTOTYPE;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	c = conn_new(e, fd);
	if (e->first == NULL)
		e->first = c;
	return c ? 0 : -ENOMEM;
}

static int listen_on(struct engine *e, int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	int n = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "cotrace-engine/%d",
			 (int)getpid());

	if (bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	if (e->backend->ops->watch_fd(e->backend, fd) < 0 ||
	    epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	e->io_again = true;
	return 0;
}

static void listen_again(struct timer *timer)
{
	engine_listen(list_entry(timer, struct engine, listen_timer));
}

/* Anybody can have taken the name: then the first client is served at least. */
int engine_listen(struct engine *e)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	r = listen_on(e, fd);
	if (r == 0) {
		e->listener = fd;
		return 0;
	}
	fd_close(fd);
	if (r != -EADDRINUSE)
		return r;
	log_debug("somebody else has the engine's address");
	timer_set(&e->timers, &e->listen_timer, clock_now_ns() + LISTEN_AGAIN_NS, listen_again);
	return 0;
}

/* Returns whether there was anything to do. */
static bool do_io(struct engine *e)
{
	struct epoll_event ready[READY_MAX];
	int n;

	e->io_again = false;
	intake_backlog(e);
	n = epoll_wait(e->epoll, ready, READY_MAX, 0);
	if (n == READY_MAX)
		e->io_again = true;
	for (int i = 0; i < n; i++) {
		if (ready[i].data.ptr == NULL)
			conn_accept(e);
		else if (ready[i].data.ptr == &e->keeper)
			keeper_heard(e);
		else
			conn_ready(ready[i].data.ptr, ready[i].events);
	}
	return n > 0;
}

/*
 * Who is told of a stop, or has an answer, goes on within microseconds. To sleep for that and to
 * be woken takes longer than to make way for it: tried where it has lately been so.
 */
static bool await(struct engine *e)
{
	struct conn *c = e->asked, *main;
	uint64_t now, until;
	bool came, looks;

	e->asked = NULL;
	if (c == NULL || e->awaited >= AWAITED_MAX || e->backend->ops->make_way == NULL ||
	    (c->misses >= AWAIT_MISSES && (++c->misses & AWAIT_RETRY)))
		return false;
	now = clock_now_ns();
	until = now + AWAIT_NS;
	c->misses++;
	main = c->session != NULL && c->session->main != NULL ? c->session->main : c;
	looks = box_look(main);
	do {
		e->backend->ops->make_way(e->backend);
		came = intake_main(main, looks) || do_io(e);
		now = clock_now_ns();
	} while (!came && now < until);
	if (looks) {
		box_leave(main);
		came = intake_main(main, true) || came;
	}
	if (came && now < until)
		c->misses = 0;
	return came;
}

static bool wanted(const struct engine *e)
{
	/* One that only looks keeps nothing alive, but the first client may yet attach. */
	if (e->first != NULL)
		return true;
	list_for_each (&e->sessions, node, after)
		if (list_entry(node, struct session, in_engine)->attached)
			return true;
	return false;
}

void engine_turn(struct engine *e, uint64_t deadline)
{
	struct backend_event ev;
	uint64_t next = timers_next(&e->timers);
	bool came;
	int r;

	if (next > deadline)
		next = deadline;
	came = await(e);
	e->awaited = came ? e->awaited + 1 : 0;
	r = came ? 0 : e->backend->ops->next(e->backend, &ev, e->io_again ? 0 : next);
	if (r == 1)
		task_event(e, &ev);
	else if (!came)
		do_io(e);
	if (r != 1 || !list_empty(&e->timers.list))
		timers_fire(&e->timers, clock_now_ns());
	birth_deaths(e);
	do { /* each of them can make work for the others, and the next turn may wait for long */
		space_wake_all(e);
		conn_sweep(e);
		birth_deaths(e);
		/* When all is over, the end of this process lets everything go undisturbed. */
		if (wanted(e))
			process_release_all(e);
	} while (!list_empty(&e->wakes));
}

/*
 * The kernel detaches what is left when this process ends, and stops nothing for it. But it
 * wakes a task out of a stop with a signal mark, and a call that is entered with that mark
 * gives up with EINTR. So tasks that stop at calls are detached by hand. Returns false when
 * a session has come meanwhile.
 */
static bool let_go_softly(struct engine *e)
{
	uint64_t until = clock_now_ns() + LEAVE_NS;

	for (unsigned turn = 0;
	     e->stopping_at_calls || e->disturbed || e->spaces_used || e->armed || e->calls;
	     turn++) {
		struct process *p;
		size_t at = 0;

		if (wanted(e))
			return false;
		if (clock_now_ns() > until)
			break;
		if (turn % LEAVE_TURNS == 0)
			while ((p = map_walk(&e->processes, &at)) != NULL)
				process_let_go_softly(p);
		engine_turn(e, until);
		process_discard_empty(e);
	}
	return !wanted(e);
}

int engine_run(struct engine *e)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
		limit_fds(e);
	}
	do
		while (wanted(e))
			engine_turn(e, CLOCK_NEVER);
	while (!let_go_softly(e));
	log_debug("no session is left");
	return 0;
}

void engine_free(struct engine *e)
{
	while (!list_empty(&e->conns))
		conn_close(list_entry(e->conns.next, struct conn, in_engine));
	/*
	 * Targets that still run are let go by the end of this process: the kernel detaches
	 * without stopping them, so nothing is disturbed.
	 */
	keeper_dismiss(e);
	fd_close(e->listener);
	fd_close(e->epoll);
	while (e->tasks_by_id.count) {
		size_t at = 0;

		task_free(map_walk(&e->tasks_by_id, &at));
	}
	while (e->processes.count) {
		size_t at = 0;

		process_discard(map_walk(&e->processes, &at));
	}
	space_free_ghosts(e);
	map_deinit(&e->tasks_by_tid);
	map_deinit(&e->tasks_by_id);
	map_deinit(&e->processes);
	map_deinit(&e->sessions_by_id);
	free(e);
}
