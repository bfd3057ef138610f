/* SPDX-License-Identifier: MIT */
/*
 * New tasks. The kernel may report a child's first stop before its parent's event (gotcha
 * 53), so a child waits until every session has had the parent's event.
 *
 * orphan: stopped, parent not known yet. unborn: known from its parent, not stopped yet.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/break.h"
#include "engine/event.h"
#include "engine/session.h"
#include "engine/sigtrap.h"
#include "engine/space.h"
#include "engine/task.h"

#define ORPHAN_NS CLOCK_SECOND

/*
 * For lack of memory a task cannot be taken in. It would run untraced; but what a policy
 * watches over must not, nor what has traps of ours in its memory.
 */
static void kill_process_of(struct engine *e, pid_t tid)
{
	struct backend *b = e->backend;
	pid_t pid = b->ops->process_of(b, tid);

	log_debug("no memory for %d, which must not run without us", (int)tid);
	b->ops->signal(b, pid > 0 ? pid : tid, 0, SIGKILL, NULL);
}

static bool must_not_leave(const struct process *p, bool child)
{
	list_for_each (&p->covers, node, after) {
		const struct session *s = list_entry(node, struct cover, in_process)->session;

		if ((s->flags & COTRACE_POLICY) && (!child || s->scope == COTRACE_TREE))
			return true;
	}
	return p->space->used;
}

/* Its first instruction is still ahead. */
void birth_start(struct task *t)
{
	struct backend *b = t->engine->backend;
	bool covered = t->process != NULL && !list_empty(&t->process->covers);

	if (t->process == NULL) {
		if (t->must_not_run)
			kill_process_of(t->engine, t->tid);
		if (t->ev.kind == BACKEND_INTERRUPTED)
			b->ops->put_back(b, t->tid);
		b->ops->detach(b, t->tid, 0);
		task_free(t);
		return;
	}
	if (t->ev.kind == BACKEND_EXITING) {
		/* It was killed before it ever ran. */
		struct backend_event ev = t->ev;

		t->state = TASK_RUNNING;
		task_event(t->engine, &ev);
		return;
	}
	sigtrap_born(t);
	t->kind = covered ? COTRACE_EVENT_TASK_START : 0;
	rules_stop(&t->rules, RULES_TO_PROGRAM, false);
	if (!covered) {
		/* Not now: whoever calls may be walking the process's tasks. */
		process_release(t->process);
		return;
	}
	if (t->process->mem_read < 0)
		process_open_memory(t->process, t->tid);
	task_tell_born(t);
	list_for_each (&t->process->covers, node, after) {
		struct cover *c = list_entry(node, struct cover, in_process);

		if (c->hold_new)
			task_hold(t, c->session);
	}
	task_proceed(t);
}

/* Returns 0, or -ENOMEM if it is not covered by all that must. */
static int cover_child(struct process *child, const struct process *parent)
{
	list_for_each (&parent->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;

		if (s->scope != COTRACE_TREE)
			continue;
		if (session_cover(s, child) == 0) {
			if (s->hold_new)
				session_find_cover(s, child)->hold_new = true;
		} else {
			if (s->flags & COTRACE_POLICY)
				return -ENOMEM;
			s->lost++;
			s->lost_untold++;
		}
	}
	process_interests(child);
	return 0;
}

static void abandon(struct process *p)
{
	while (!list_empty(&p->covers))
		session_uncover(list_entry(p->covers.next, struct cover, in_process));
	process_discard(p);
}

static struct process *new_child(struct process *parent, pid_t pid, enum backend_kind kind)
{
	struct process *p = process_new(parent->engine, pid);

	if (p == NULL)
		return NULL;
	space_of_child(p, parent, kind);
	sigtrap_inherit(p, parent);
	if (cover_child(p, parent) < 0) {
		abandon(p);
		return NULL;
	}
	break_inherit(p, parent);
	return p;
}

/* Finds or makes the child's process and puts the child into it. */
static void place(struct task *child, struct process *parent, pid_t pid, enum backend_kind kind)
{
	struct process *p = process_by_pid(child->engine, pid);

	if (child->process != NULL)
		return;
	if (p == NULL && parent != NULL)
		p = new_child(parent, pid, kind);
	if (p != NULL && task_join_process(child, p) < 0 && p->task_count == 0)
		abandon(p);
	if (child->process == NULL && parent != NULL)
		child->must_not_run = must_not_leave(parent, pid != parent->pid);
}

static pid_t process_of_child(struct task *parent, const struct backend_event *ev)
{
	struct backend *b = parent->engine->backend;
	pid_t pid;

	if (ev->kind != BACKEND_CLONE)
		return ev->child.tid;
	pid = b->ops->process_of(b, ev->child.tid);
	return pid > 0 ? pid : parent->process->pid;
}

/* Who has stopped all tasks waits for this one too. */
static void hold_unborn(struct task *child)
{
	list_for_each (&child->process->covers, node, after) {
		struct cover *c = list_entry(node, struct cover, in_process);

		if (c->hold_new)
			task_hold(child, c->session);
	}
}

void birth_event(struct task *parent, const struct backend_event *ev)
{
	struct engine *e = parent->engine;
	struct task *child = task_by_tid(e, ev->child.tid);
	pid_t pid;

	parent->in_vfork = ev->kind == BACKEND_VFORK ? ev->child.tid : 0;
	if (parent->process == NULL)
		return;
	pid = process_of_child(parent, ev);
	if (pid != parent->process->pid)
		parent->kind = ev->kind == BACKEND_VFORK ? COTRACE_EVENT_VFORK : COTRACE_EVENT_FORK;
	if (child != NULL && child->announced)
		return; /* taken in without its parent's word */
	if (child == NULL)
		child = task_new(e, NULL, ev->child.tid);
	if (child == NULL)
		return;
	if (child->died)
		map_take(&e->tasks_by_tid, (uint64_t)child->tid);
	else
		e->backend->ops->adopted(e->backend, child->tid);
	list_remove(&child->in_orphans);
	timer_cancel(&child->timer);
	child->creator = parent->id;
	child->extra_stops = parent->extra_stops; /* as the kernel has it */
	child->parent = parent;
	parent->unannounced = child;
	place(child, parent->process, pid, ev->kind);
	if (child->state == TASK_UNBORN && child->process != NULL)
		hold_unborn(child);
}

void birth_announced(struct task *parent)
{
	struct task *child = parent->unannounced;

	parent->unannounced = NULL;
	child->parent = NULL;
	child->announced = true;
	if (child->died)
		list_append(&child->engine->deaths, &child->in_orphans);
	else if (child->state == TASK_STANDING)
		birth_start(child);
}

void birth_cut_short(struct task *parent)
{
	if (parent->unannounced == NULL)
		return;
	for (size_t i = 0; i < parent->rules.count; i++) {
		struct rules_party *p = &parent->rules.parties[i];
		struct session *s = session_by_id(parent->engine, p->session);
		struct event ev;

		if (p->asked || s == NULL || event_interest(s, parent) == COTRACE_OFF)
			continue;
		event_of_stop(parent, &ev);
		event_emit(s, &ev);
	}
	birth_announced(parent);
}

/* Nobody knows its parent any more, but it may have the memory of somebody who is known. */
static void place_by_memory(struct task *t, pid_t pid)
{
	struct process *p = process_new(t->engine, pid);

	if (p == NULL)
		return;
	process_find_space(p);
	if (!space_is_shared(p->space) || task_join_process(t, p) < 0)
		process_discard(p);
}

static void take_in(struct task *t)
{
	struct engine *e = t->engine;
	pid_t pid = e->backend->ops->process_of(e->backend, t->tid);
	struct process *parent = process_by_pid(e, t->parent_pid);

	log_debug("taking in %d without its parent's event", (int)t->tid);
	timer_cancel(&t->timer);
	list_remove(&t->in_orphans);
	if (t->died) { /* nobody will ever hear of it */
		task_free(t);
		return;
	}
	/* Its parent's memory may be history, the process have another by an exec. */
	space_of_orphan(e, t->tid);
	if (pid > 0)
		place(t, parent, pid, BACKEND_NONE);
	if (pid > 0 && parent == NULL && process_by_pid(e, pid) == NULL)
		place_by_memory(t, pid);
	t->announced = true;
	t->extra_stops = TASK_EXTRA_UNKNOWN;
	birth_start(t);
}

static void orphan_waited(struct timer *timer)
{
	take_in(list_entry(timer, struct task, timer));
}

void birth_orphaned(struct engine *e, pid_t pid)
{
	list_for_each (&e->orphans, node, after) {
		struct task *t = list_entry(node, struct task, in_orphans);

		if (t->parent_pid == pid)
			take_in(t);
	}
}

static struct task *new_orphan(struct engine *e, pid_t tid)
{
	struct task *t = task_new(e, NULL, tid);
	long parent;

	if (t == NULL)
		return NULL;
	parent = e->backend->ops->process_of(e->backend, tid);
	if (parent == tid)
		parent = e->backend->ops->parent_of(e->backend, tid);
	t->parent_pid = parent > 0 ? (pid_t)parent : 0;
	list_append(&e->orphans, &t->in_orphans);
	timer_set(&e->timers, &t->timer, clock_now_ns() + ORPHAN_NS, orphan_waited);
	return t;
}

void birth_first_stop(struct engine *e, const struct backend_event *ev)
{
	struct task *t = task_by_tid(e, ev->tid);

	if (t != NULL && t->died) { /* its tid is used again */
		task_free(t);
		t = NULL;
	}
	if (t == NULL)
		t = new_orphan(e, ev->tid);
	if (t == NULL) { /* whose child it is cannot be found out any more */
		kill_process_of(e, ev->tid);
		e->backend->ops->detach(e->backend, ev->tid, 0);
		return;
	}
	t->state = TASK_STANDING;
	t->ev = *ev;
	if (ev->kind == BACKEND_JOB_STOP)
		t->job_stopped = true;
	if (t->announced)
		birth_start(t);
	else
		task_awaited_no_more(t);
}

void birth_killed(struct task *t)
{
	/* What it goes through to its death is told then. */
	t->state = TASK_RUNNING;
	t->engine->backend->ops->resume(t->engine->backend, t->tid, BACKEND_RUN, 0);
}

void birth_died(struct engine *e, pid_t tid, int status)
{
	struct task *t = task_by_tid(e, tid);

	if (t == NULL)
		t = new_orphan(e, tid);
	if (t == NULL)
		return;
	t->died = true;
	t->exit_status = status;
	t->state = TASK_RUNNING;
	if (t->parent != NULL) /* the tid may be used again */
		map_take(&e->tasks_by_tid, (uint64_t)tid);
}

void birth_deaths(struct engine *e)
{
	while (!list_empty(&e->deaths)) {
		struct task *t = list_entry(e->deaths.next, struct task, in_orphans);

		list_remove(&t->in_orphans);
		death_event(t, t->exit_status);
	}
}
