/* SPDX-License-Identifier: MIT */
#include "compat/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "compat/internal.h"

#define READY_MAX 64
#define LINGER_MAX 64
#define SELDOM_NS 50000u /* engines take about as long to tell */

/* ---- Looking up ---- */

struct tracer *tracer_by_pid(const struct personality *p, pid_t pid)
{
	list_for_each (&p->tracers, node, after) {
		struct tracer *t = list_entry(node, struct tracer, in_personality);

		if (t->pid == pid)
			return t;
	}
	return NULL;
}

struct tracer *tracer_get(struct personality *p, pid_t pid)
{
	struct tracer *t = tracer_by_pid(p, pid);

	if (t != NULL)
		return t;
	t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	t->p = p;
	t->pid = pid;
	list_init(&t->covered);
	list_init(&t->tracees);
	list_append(&p->tracers, &t->in_personality);
	return t;
}

struct tracee *tracee_by_tid(const struct tracer *t, pid_t tid)
{
	list_for_each (&t->tracees, node, after) {
		struct tracee *e = list_entry(node, struct tracee, in_tracer);

		if (e->tid == tid && e->state != TRACEE_DEAD)
			return e;
	}
	return NULL;
}

struct covered *covered_by_pid(const struct tracer *t, pid_t pid)
{
	list_for_each (&t->covered, node, after) {
		struct covered *c = list_entry(node, struct covered, in_tracer);

		if (c->pid == pid && !c->over)
			return c;
	}
	return NULL;
}

bool personality_is_tracer(const struct personality *p, pid_t pid)
{
	const struct tracer *t = tracer_by_pid(p, pid);

	if (t == NULL)
		return false;
	list_for_each (&t->tracees, node, after) {
		const struct tracee *e = list_entry(node, struct tracee, in_tracer);

		if (e->state != TRACEE_DEAD || e->fresh)
			return true;
	}
	return false;
}

bool personality_traces(const struct personality *p, pid_t tracer, pid_t pid)
{
	const struct tracer *t = tracer_by_pid(p, tracer);

	if (t == NULL)
		return false;
	list_for_each (&t->tracees, node, after)
		if (list_entry(node, struct tracee, in_tracer)->tid == pid)
			return true;
	return false;
}

enum personality_shown personality_shown(struct personality *p, pid_t tracer, pid_t tid)
{
	const struct tracer *t = tracer_by_pid(p, tracer);
	const struct tracee *e;

	personality_pump(p);
	e = t != NULL ? tracee_by_tid(t, tid) : NULL;
	if (e == NULL)
		return SHOWN_AS_IT_IS;
	return e->state == TRACEE_RUNS ? SHOWN_RUNNING : SHOWN_STOPPED;
}

/* The kernel keeps no child of such a one, but tells it of the end of those that it traces. */
bool tracer_ignores_children(const struct tracer *t)
{
	char path[32], text[2048], *at;

	snprintf(path, sizeof path, "/proc/%d/status", (int)t->pid);
	if (fd_read_file(path, text, sizeof text) < 0)
		return false;
	at = strstr(text, "\nSigIgn:");
	return at != NULL && strtoull(at + strlen("\nSigIgn:"), NULL, 16) >> (SIGCHLD - 1) & 1;
}

/* ---- Coming and going ---- */

static void arm(const struct covered *c, int signo)
{
	int fd = cotrace_fd(c->s), flags = fcntl(fd, F_GETFL);
	const struct f_owner_ex first_thread = { F_OWNER_TID, getpid() };
	struct pollfd p = { fd, POLLIN, 0 };

	if (signo) {
		fcntl(fd, F_SETOWN_EX, &first_thread);
		fcntl(fd, F_SETSIG, signo);
	}
	fcntl(fd, F_SETFL, signo ? flags | O_ASYNC : flags & ~O_ASYNC);
	if (signo && poll(&p, 1, 0) > 0) /* nothing tells of what came before */
		tgkill(getpid(), getpid(), signo);
}

struct covered *covered_new(struct tracer *tracer, pid_t pid, struct cotrace *s)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct covered *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	event.data.ptr = c;
	if (epoll_ctl(tracer->p->epoll, EPOLL_CTL_ADD, cotrace_fd(s), &event) < 0) {
		free(c);
		return NULL;
	}
	c->tracer = tracer;
	c->pid = pid;
	c->uid = (uid_t)fd_status_number(pid, "Uid");
	c->child = fd_status_number(pid, "PPid") == tracer->pid;
	c->s = s;
	list_init(&c->traps);
	list_append(&tracer->covered, &c->in_tracer);
	if (tracer->p->signo)
		arm(c, tracer->p->signo);
	return c;
}

static bool has_tracees(const struct covered *c)
{
	list_for_each (&c->tracer->tracees, node, after)
		if (list_entry(node, struct tracee, in_tracer)->covered == c)
			return true;
	return false;
}

void covered_over(struct covered *c)
{
	if (c->over)
		return;
	c->over = true;
	/* Closing is what takes it out of the epoll set. */
	cotrace_close(c->s);
	c->s = NULL;
	memory_forget_traps(c);
}

void covered_release(struct covered *c)
{
	if (has_tracees(c))
		return;
	covered_over(c);
	list_remove(&c->in_tracer);
	free(c);
}

struct tracee *tracee_new(struct covered *c, pid_t tid, uint64_t task)
{
	struct tracee *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->covered = c;
	t->tid = tid;
	t->task = task;
	list_append(&c->tracer->tracees, &t->in_tracer);
	return t;
}

void tracee_free(struct tracee *t)
{
	list_remove(&t->in_tracer);
	free(t);
}

/* ---- The whole ---- */

/* One process of our own that an engine traces, so that all tracees come to one engine. */
static int drop_anchor(struct personality *p)
{
	pid_t supervisor = getpid();
	int r;

	p->anchor_pid = fork();
	if (p->anchor_pid < 0)
		return -errno;
	if (p->anchor_pid == 0) {
		prctl(PR_SET_NAME, "cotrace-anchor", 0, 0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		while (getppid() == supervisor)
			pause();
		_exit(0);
	}
	r = cotrace_attach(&p->anchor, p->anchor_pid, NULL);
	if (r < 0)
		kill(p->anchor_pid, SIGKILL);
	return r;
}

int personality_new(struct personality **out, const struct host *host, void *arg, pid_t engine)
{
	struct personality *p = calloc(1, sizeof *p);
	int r;

	*out = NULL;
	if (p == NULL)
		return -ENOMEM;
	p->host = host;
	p->arg = arg;
	p->in_tracer = engine != 0;
	list_init(&p->tracers);
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = p->epoll < 0 ? -errno : engine ? 0 : drop_anchor(p);
	if (engine &&
	    r == 0) /* it may serve another user, or be gone: then each comes to its own */
		cotrace_open_engine(&p->anchor, engine);
	if (r < 0) {
		fd_close(p->epoll);
		free(p);
		return r;
	}
	*out = p;
	return 0;
}

/* As exit_ptrace() in the kernel: EXITKILL, else they run on. */
static void let_go(struct tracer *t, pid_t tid)
{
	list_for_each (&t->tracees, node, after) {
		struct tracee *e = list_entry(node, struct tracee, in_tracer);

		if (tid != 0 && e->owner != tid)
			continue;
		if ((e->options & PTRACE_O_EXITKILL) && e->covered->s != NULL)
			cotrace_kill(e->covered->s, e->task);
		e->pc_at = 0; /* it is not broken by a trap that goes with its tracer */
		if (e->state == TRACEE_STANDS && e->covered->s != NULL)
			resume_detach(e, 0);
		else
			tracee_free(e);
	}
	list_for_each (&t->covered, node, after)
		covered_release(list_entry(node, struct covered, in_tracer));
}

static void tracer_free(struct tracer *t)
{
	let_go(t, 0);
	list_remove(&t->in_personality);
	free(t);
}

void personality_tracer_gone(struct personality *p, pid_t pid, pid_t tid)
{
	struct tracer *t = tracer_by_pid(p, pid);

	if (t == NULL)
		return;
	if (tid == pid || tid == 0)
		tracer_free(t);
	else
		let_go(t, tid);
}

void personality_free(struct personality *p)
{
	if (p == NULL)
		return;
	while (!list_empty(&p->tracers))
		tracer_free(list_entry(p->tracers.next, struct tracer, in_personality));
	cotrace_close(p->anchor);
	if (p->anchor_pid) {
		kill(p->anchor_pid, SIGKILL);
		waitpid(p->anchor_pid, NULL, __WALL);
	}
	fd_close(p->epoll);
	free(p);
}

void personality_signal(struct personality *p, int signo)
{
	p->signo = signo;
	list_for_each (&p->tracers, node, after) {
		struct tracer *t = list_entry(node, struct tracer, in_personality);

		list_for_each (&t->covered, at, next)
			if (!list_entry(at, struct covered, in_tracer)->over)
				arm(list_entry(at, struct covered, in_tracer), signo);
	}
}

pid_t personality_engine(const struct personality *p)
{
	return cotrace_engine_pid(p->anchor);
}

pid_t personality_process(const struct personality *p, pid_t tracer, pid_t tid)
{
	const struct tracer *t = tracer_by_pid(p, tracer);
	const struct tracee *e = t != NULL ? tracee_by_tid(t, tid) : NULL;

	return e != NULL ? e->covered->pid : 0;
}

int personality_fd(const struct personality *p)
{
	return p->epoll;
}

static bool is_known(const struct personality *p, const struct covered *c)
{
	list_for_each (&p->tracers, node, after) {
		const struct tracer *t = list_entry(node, struct tracer, in_personality);

		list_for_each (&t->covered, at, next)
			if (list_entry(at, struct covered, in_tracer) == c)
				return !c->over;
	}
	return false;
}

/* An event can end the session, or free it with its last tracee. */
static void take_all(struct personality *p, struct covered *c)
{
	struct cotrace_event ev = { .size = sizeof ev };

	while (is_known(p, c)) {
		int r = cotrace_next(c->s, &ev, 0);

		if (r == 0 || r == -EINTR)
			return;
		if (r < 0)
			ev.kind = COTRACE_EVENT_ENGINE_GONE;
		covered_event(c, &ev);
	}
}

static size_t live_sessions(const struct personality *p, struct covered **covered,
			    struct cotrace **sessions, size_t max)
{
	size_t n = 0;

	list_for_each (&p->tracers, node, after) {
		const struct tracer *t = list_entry(node, struct tracer, in_personality);

		list_for_each (&t->covered, at, next) {
			struct covered *c = list_entry(at, struct covered, in_tracer);

			if (c->over || n == max)
				continue;
			covered[n] = c;
			sessions[n++] = c->s;
		}
	}
	return n;
}

bool personality_linger(struct personality *p)
{
	struct covered *covered[LINGER_MAX];
	struct cotrace *sessions[LINGER_MAX];
	struct cotrace_event ev = { .size = sizeof ev };
	bool any = false;
	size_t which;
	int r;

	/* An event can end sessions. */
	while ((r = cotrace_next_soon(sessions, live_sessions(p, covered, sessions, LINGER_MAX),
				      &which, &ev)) != 0) {
		if (r < 0)
			ev.kind = COTRACE_EVENT_ENGINE_GONE;
		covered_event(covered[which], &ev);
		any = true;
	}
	return any;
}

void personality_pump_seldom(struct personality *p)
{
	if (clock_now_ns() - p->pumped_ns > SELDOM_NS)
		personality_pump(p);
}

void personality_pump(struct personality *p)
{
	struct epoll_event ready[READY_MAX];
	int n;

	p->pumped_ns = clock_now_ns();
	do {
		n = epoll_wait(p->epoll, ready, READY_MAX, 0);
		for (int i = 0; i < n; i++)
			take_all(p, ready[i].data.ptr);
	} while (n == READY_MAX);
}
