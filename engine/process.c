/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/break.h"
#include "engine/event.h"
#include "engine/keeper.h"
#include "engine/session.h"
#include "engine/task.h"

struct late_exit {
	struct list node;
	uint64_t task;
	pid_t tid;
	int status;
};

struct process *process_by_pid(struct engine *e, pid_t pid)
{
	return map_get(&e->processes, (uint64_t)pid);
}

struct process *process_new(struct engine *e, pid_t pid)
{
	struct process *p = calloc(1, sizeof *p);
	struct space *space;

	if (p == NULL || map_put(&e->processes, (uint64_t)pid, p) < 0) {
		free(p);
		return NULL;
	}
	p->engine = e;
	p->pid = pid;
	p->generation = 1;
	p->mem_read = p->mem_write = -1;
	list_init(&p->tasks);
	list_init(&p->covers);
	list_init(&p->late_exits);
	list_init(&p->breakpoints);
	list_init(&p->watches);
	p->space = NULL;
	space = space_new(e);
	if (space == NULL) {
		map_take(&e->processes, (uint64_t)pid);
		free(p);
		return NULL;
	}
	space_enter(space, p);
	return p;
}

void process_discard(struct process *p)
{
	map_take(&p->engine->processes, (uint64_t)p->pid);
	list_remove(&p->in_releases);
	space_leave(p);
	break_exec(p, true);
	keeper_process_gone(p);
	space_enter(NULL, p);
	fd_close(p->mem_read);
	fd_close(p->mem_write);
	list_for_each (&p->late_exits, node, after) /* NOLINT(clang-analyzer-unix.Malloc) */
		free(list_entry(node, struct late_exit, node));
	free(p);
}

struct attaching {
	struct process *process;
	int error;
};

static void attached(void *arg, pid_t tid)
{
	struct attaching *a = arg;
	struct process *p = a->process;
	struct task *t = task_by_tid(p->engine, tid);

	if (t == NULL)
		t = task_new(p->engine, p, tid);
	if (t == NULL) { /* it is let go when it stops, as one that belongs to nobody */
		p->engine->backend->ops->interrupt(p->engine->backend, tid);
		a->error = -ENOMEM;
		return;
	}
	t->state = TASK_RUNNING;
	t->announced = true;
}

/* A task of it that has its memory yet. */
static pid_t living_tid(const struct process *p)
{
	list_for_each (&p->tasks, node, after) {
		const struct task *t = list_entry(node, struct task, in_process);

		if (!task_has_left(t))
			return t->tid;
	}
	return p->pid;
}

void process_find_space(struct process *p)
{
	struct backend *b = p->engine->backend;
	pid_t tid = living_tid(p);
	struct process *q;
	size_t at = 0;

	while ((q = map_walk(&p->engine->processes, &at)) != NULL) {
		if (q->space == p->space || b->ops->same_memory(b, tid, living_tid(q)) <= 0)
			continue;
		space_enter(q->space, p);
		return;
	}
}

int process_attach(struct engine *e, pid_t pid, struct process **out, pid_t *tracer)
{
	struct process *p = process_by_pid(e, pid);
	bool is_new = p == NULL || p->task_count == 0;
	struct attaching a = { 0 };
	int r;

	*out = p;
	if (p != NULL && !p->partial)
		return 0;
	if (p == NULL)
		p = process_new(e, pid);
	if (p == NULL)
		return -ENOMEM;
	p->partial = true; /* until it is done: an attach that fails leaves it there for a moment */
	list_for_each (&p->tasks, node, after)
		list_entry(node, struct task, in_process)->detaching = false;
	a.process = p;
	r = e->backend->ops->attach(e->backend, pid, attached, &a, tracer);
	if (r == 0)
		r = a.error;
	/* A child whose parent has not told of it yet has all its tasks, and none that is known. */
	if (r == 0 && p->task_count == 0)
		r = -ESRCH;
	if (r < 0) {
		log_debug("attach %d: %d", (int)pid, r);
		process_release(p);
		return r;
	}
	p->partial = false;
	if (is_new)
		process_find_space(p);
	if (p->mem_read < 0)
		process_open_memory(p, process_any_tid(p));
	*out = p;
	return 0;
}

/* Not kept when it is of the last ones: those are for what must not fail. */
static int open_memory(struct process *p, pid_t tid, bool writable, int *error)
{
	struct engine *e = p->engine;
	int fd = e->backend->ops->memory_open(e->backend, tid, writable);

	*error = fd < 0 ? fd : 0;
	return engine_spare_fd(e, fd);
}

int process_open_memory(struct process *p, pid_t tid)
{
	int error, ignored;

	fd_close(p->mem_read);
	fd_close(p->mem_write);
	p->mem_read = open_memory(p, tid, false, &error);
	p->mem_write = open_memory(p, tid, true, &ignored);
	return error;
}

static const struct task *any_standing(const struct process *p)
{
	list_for_each (&p->tasks, node, after) {
		const struct task *t = list_entry(node, struct task, in_process);

		if (task_stands(t))
			return t;
	}
	return NULL;
}

int process_memory(struct process *p)
{
	struct engine *e = p->engine;
	const struct task *t = p->mem_read == -EMFILE ? any_standing(p) : NULL;
	int fd;

	if (t != NULL) /* there is no exec under way that would be overlooked */
		process_open_memory(p, t->tid);
	if (p->mem_read == -EMFILE)
		return -EMFILE;
	if (p->mem_read < 0)
		fd = e->backend->ops->memory_open(e->backend, process_any_tid(p), false);
	else
		fd = fcntl(p->mem_read, F_DUPFD_CLOEXEC, 0);
	return engine_spare_fd(e, fd == -1 ? -errno : fd);
}

pid_t process_any_tid(const struct process *p)
{
	list_for_each (&p->tasks, node, after) {
		const struct task *t = list_entry(node, struct task, in_process);

		if (!t->exit_told)
			return t->tid;
	}
	return p->pid;
}

/*
 * A task that runs does not hear of new wishes until it stops, so it is interrupted; what
 * that does to a blocked call is put back.
 */
static void change_course(struct process *p)
{
	list_for_each (&p->tasks, node, after)
		task_poke(list_entry(node, struct task, in_process));
}

void process_interests(struct process *p)
{
	bool had_syscalls = p->wants_syscalls;
	unsigned had_extra = p->wants_extra;

	p->replants = break_follows_maps(p);
	p->wants_syscalls = p->replants;
	p->wants_extra = 0;
	list_for_each (&p->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;

		p->wants_syscalls |= s->wants_syscalls;
		if (s->modes[COTRACE_EVENT_TASK_EXIT] != COTRACE_OFF)
			p->wants_extra |= BACKEND_EXTRA_EXITING;
		if (s->modes[COTRACE_EVENT_SECCOMP] != COTRACE_OFF)
			p->wants_extra |= BACKEND_EXTRA_SECCOMP;
	}
	/* Fewer wishes need no haste: the next stop does it. */
	if ((p->wants_syscalls && !had_syscalls) || (p->wants_extra & ~had_extra))
		change_course(p);
}

/* Put off to the end of the turn: whoever calls may still be looking at its tasks. */
static void enlist(struct process *p)
{
	if (!list_linked(&p->in_releases))
		list_append(&p->engine->releases, &p->in_releases);
}

void process_release_guests(struct space *s)
{
	list_for_each (&s->processes, node, after) {
		struct process *p = list_entry(node, struct process, in_space);

		if (list_empty(&p->covers))
			enlist(p);
	}
}

void process_release(struct process *p)
{
	enlist(p);
	process_release_guests(p->space); /* they may have been there for its sake */
}

static void let_go(struct process *p)
{
	if (p->task_count == 0) {
		process_discard(p);
		return;
	}
	p->partial = true;
	list_for_each (&p->tasks, node, after) {
		struct task *t = list_entry(node, struct task, in_process);

		t->detaching = true;
		if (t->state == TASK_RUNNING)
			task_interrupt(t);
		else
			task_proceed(t); /* detaches and frees it */
	}
}

/* It was covered again before it was let go. */
static void go_on(struct process *p)
{
	list_for_each (&p->tasks, node, after)
		task_proceed(list_entry(node, struct task, in_process));
}

static bool is_covered(const struct space *s)
{
	list_for_each (&s->processes, node, after)
		if (!list_empty(&list_entry(node, struct process, in_space)->covers))
			return true;
	return false;
}

/* The task that has called vfork() and waits for @p. */
static const struct task *who_awaits(const struct process *p)
{
	list_for_each (&p->space->processes, node, after) {
		struct process *parent = list_entry(node, struct process, in_space);

		list_for_each (&parent->tasks, at, next) {
			struct task *t = list_entry(at, struct task, in_process);

			if (t->in_vfork == p->pid)
				return t;
		}
	}
	return NULL;
}

/*
 * No session covers it, but it runs in memory of one that is covered, where it might hit a
 * trap. As long as there are none a child of vfork() is let go: what it calls next is exec,
 * which would not heed set-user-ID if it were traced. Its parent knows where to find it.
 */
static bool is_guest(const struct process *p)
{
	return p->task_count && is_covered(p->space) &&
	       (space_has_traps(p->space) || who_awaits(p) == NULL);
}

static void take_in(struct engine *e, pid_t pid)
{
	struct process *p;
	pid_t tracer;

	if (process_attach(e, pid, &p, &tracer) == 0)
		process_release_guests(p->space); /* it may have an exec behind it */
}

void process_keep_guests(struct space *s)
{
	list_for_each (&s->processes, node, after) {
		struct process *p = list_entry(node, struct process, in_space);

		if (p->partial && list_empty(&p->covers) && is_guest(p))
			take_in(s->engine, p->pid);
	}
}

void process_gather(struct space *s)
{
	list_for_each (&s->processes, node, after) {
		struct process *p = list_entry(node, struct process, in_space);

		list_for_each (&p->tasks, at, next) {
			const struct task *t = list_entry(at, struct task, in_process);

			if (t->in_vfork)
				take_in(s->engine, t->in_vfork);
		}
	}
}

void process_release_all(struct engine *e)
{
	while (!list_empty(&e->releases)) {
		struct process *p = list_entry(e->releases.next, struct process, in_releases);

		list_remove(&p->in_releases);
		if (list_empty(&p->covers) && !is_guest(p))
			let_go(p);
		else
			go_on(p);
	}
}

void process_discard_empty(struct engine *e)
{
	list_for_each (&e->releases, node, after) {
		struct process *p = list_entry(node, struct process, in_releases);

		if (p->task_count == 0 && list_empty(&p->covers))
			process_discard(p);
	}
}

void process_let_go_softly(struct process *p)
{
	p->partial = true;
	list_for_each (&p->tasks, node, after) {
		struct task *t = list_entry(node, struct task, in_process);

		/* One that may have run, or may run, into a trap must not be left alone. */
		if (!t->stops_at_calls && !t->disturbed && !p->space->used && !t->is_armed &&
		    !t->kernel_had)
			continue;
		t->detaching = true;
		task_interrupt(t);
	}
}

void process_late_exit(struct process *p, const struct task *t, int status)
{
	struct late_exit *late = calloc(1, sizeof *late);

	if (late == NULL)
		return;
	late->task = t->id;
	late->tid = t->tid;
	late->status = status;
	list_append(&p->late_exits, &late->node);
}

void process_late_exits_told(struct process *p, enum cotrace_exit_cause cause)
{
	list_for_each (&p->late_exits, node, after) {
		struct late_exit *late = list_entry(node, struct late_exit, node);
		struct task gone = {
			.engine = p->engine, .process = p, .id = late->task, .tid = late->tid
		};

		list_for_each (&p->covers, at, next) {
			struct session *s = list_entry(at, struct cover, in_process)->session;
			struct event ev = EVENT(COTRACE_EVENT_TASK_EXIT, &gone);

			if (s->modes[COTRACE_EVENT_TASK_EXIT] == COTRACE_OFF)
				continue;
			ev.exit = event_exit_record(cause, late->status);
			event_emit(s, &ev);
		}
		list_remove(&late->node);
		free(late);
	}
}

void process_ended(struct process *p, int status)
{
	space_leave(p); /* others may live on in it */
	process_late_exits_told(p, COTRACE_EXIT_GROUP);
	list_for_each (&p->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;
		struct event ev = EVENT(COTRACE_EVENT_PROCESS_EXIT, NULL);

		if (s->modes[COTRACE_EVENT_PROCESS_EXIT] == COTRACE_OFF)
			continue;
		ev.pid = ev.tid = p->pid;
		ev.exit = event_exit_record(COTRACE_EXIT_OWN, status);
		event_emit(s, &ev);
	}
	list_for_each (&p->covers, at, next) {
		struct cover *c = list_entry(at, struct cover, in_process);
		struct session *s = c->session;

		session_uncover(c);
		if (list_empty(&s->covers))
			session_end(s, COTRACE_END_TARGET_GONE);
	}
	process_discard(p);
}
