/* SPDX-License-Identifier: MIT */
#include "engine/session.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/box.h"
#include "engine/break.h"
#include "engine/condition.h"
#include "engine/conn.h"
#include "engine/event.h"
#include "engine/task.h"

#ifndef QUEUE_HIGH	      /* fuzzing has it smaller */
#define QUEUE_HIGH (1u << 20) /* bytes: from here on a lossless session delays tasks */
#endif
#define QUEUE_LOW (QUEUE_HIGH / 4)
#define END_NS (10 * CLOCK_SECOND)
#define FLUSH_NS (CLOCK_SECOND / 2000) /* longest delay of a note */

static void read_command(pid_t pid, char *out, size_t size)
{
	char path[40];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	n = fd_read_file(path, out, size);
	if (n < 0)
		n = 0;
	out[strcspn(out, "\n")] = '\0';
	if (n == 0)
		out[0] = '\0';
}

struct session *session_new(struct engine *e, struct conn *main)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->engine = e;
	s->id = ++e->last_session;
	if (map_put(&e->sessions_by_id, s->id, s) < 0) {
		free(s);
		return NULL;
	}
	s->main = main;
	main->session = s;
	s->owner_pid = main->pid;
	s->owner_uid = main->uid;
	read_command(main->pid, s->owner_command, sizeof s->owner_command);
	s->since_ns = clock_now_ns();
	s->queue_deadline_ns = ENGINE_QUEUE_DEADLINE_NS;
	list_init(&s->channels);
	list_init(&s->covers);
	list_init(&s->breakpoints);
	list_init(&s->conditions);
	queue_init(&s->queue);
	list_append(&e->sessions, &s->in_engine);
	return s;
}

struct session *session_by_id(struct engine *e, uint64_t id)
{
	return map_get(&e->sessions_by_id, id);
}

struct cover *session_find_cover(struct session *s, const struct process *p)
{
	list_for_each (&p->covers, node, after) {
		struct cover *c = list_entry(node, struct cover, in_process);

		if (c->session == s)
			return c;
	}
	return NULL;
}

/* It has its place in the order of every task, or of none. */
static int join_all(struct session *s, struct process *p)
{
	int r = 0;

	list_for_each (&p->tasks, node, after) {
		struct task *t = list_entry(node, struct task, in_process);

		r = rules_join(&t->rules, s->id, s->flags & COTRACE_POLICY);
		if (r < 0)
			break;
	}
	if (r < 0)
		list_for_each (&p->tasks, at, next)
			rules_leave(&list_entry(at, struct task, in_process)->rules, s->id);
	return r;
}

int session_cover(struct session *s, struct process *p)
{
	struct cover *c;

	if (session_find_cover(s, p) != NULL)
		return 0;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return -ENOMEM;
	if (join_all(s, p) < 0) {
		free(c);
		return -ENOMEM;
	}
	c->process = p;
	c->session = s;
	list_append(&p->covers, &c->in_process);
	list_append(&s->covers, &c->in_session);
	s->attached = true;
	list_for_each (&p->tasks, node, after)
		list_entry(node, struct task, in_process)->detaching = false;
	process_keep_guests(p->space);
	return 0;
}

void session_uncover(struct cover *c)
{
	assert(list_linked(&c->in_process) && list_linked(&c->in_session));
	list_remove(&c->in_process);
	list_remove(&c->in_session);
	free(c);
}

/* What it wants to see. */
static int inherit(struct session *s, const struct session *parent)
{
	int r;

	if (!(parent->flags & COTRACE_CHILD_INHERITS))
		return 0;
	memcpy(s->modes, parent->modes, sizeof s->modes);
	memcpy(s->calls, parent->calls, sizeof s->calls);
	s->signal_note = parent->signal_note;
	s->signal_stop = parent->signal_stop;
	r = captures_copy(s, parent);
	return r < 0 ? r : conditions_copy(s, parent);
}

/* The child's session is like its parent's, and holds the child. */
int session_for_child(struct session *parent, struct process *child)
{
	struct engine *e = parent->engine;
	struct session *s;
	struct conn *c;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	c = conn_new(e, pair[0]);
	pair[1] = engine_spare_fd(e, pair[1]);
	if (c == NULL || pair[1] < 0) {
		if (c != NULL)
			conn_close(c);
		fd_close(pair[1]);
		return -EMFILE;
	}
	/* A socketpair names the engine as its peer. */
	c->pid = parent->owner_pid;
	c->uid = parent->owner_uid;
	s = session_new(e, c);
	if (s != NULL) { /* before it covers: a policy has its own place in the order */
		s->role = parent->role;
		s->scope = parent->scope;
		s->flags = parent->flags;
		s->queue_deadline_ns = parent->queue_deadline_ns;
		s->root_pid = child->pid;
	}
	if (s == NULL || inherit(s, parent) < 0 || session_cover(s, child) < 0) {
		conn_close(c);
		fd_close(pair[1]);
		return -ENOMEM;
	}
	s->close_action = parent->close_action;
	session_interests(s);
	if (s->role == COTRACE_CONTROLLER)
		list_for_each (&child->tasks, node, after)
			task_hold(list_entry(node, struct task, in_process), s);
	return pair[1];
}

static void queue_timeout(struct timer *timer)
{
	struct session *s = list_entry(timer, struct session, queue_timer);
	struct event ev = EVENT(COTRACE_EVENT_LOST, NULL);

	log_debug("session %lu is lossy now", (unsigned long)s->id);
	s->flags |= COTRACE_LOSSY;
	event_emit(s, &ev);
	session_flush(s);
}

static void release_queue_holds(struct session *s)
{
	list_for_each (&s->covers, node, after) {
		struct process *p = list_entry(node, struct cover, in_session)->process;

		list_for_each (&p->tasks, at, next)
			task_release(list_entry(at, struct task, in_process), s, RULES_HOLD_QUEUE);
	}
}

bool session_takes_note(struct session *s)
{
	if (s->queue.bytes < QUEUE_HIGH)
		return true;
	if (!s->queue_full) {
		s->queue_full = true;
		if (s->queue_deadline_ns >= 0 && !(s->flags & COTRACE_LOSSY))
			timer_set(&s->engine->timers, &s->queue_timer,
				  clock_deadline(s->queue_deadline_ns), queue_timeout);
	}
	if (!(s->flags & COTRACE_LOSSY))
		return true; /* its task is delayed after this one */
	s->lost++;
	s->lost_untold++;
	return false;
}

static void flush_dirty(struct timer *timer)
{
	struct engine *e = list_entry(timer, struct engine, flush_timer);

	/* Flushing one can let tasks run, whose events flush others. */
	while (!list_empty(&e->dirty))
		session_flush(list_entry(e->dirty.next, struct session, in_dirty));
}

void session_dirty(struct session *s, uint64_t now, bool at_once)
{
	struct engine *e = s->engine;

	if (!e->corked && (at_once || queue_ripe(&s->queue))) {
		session_flush(s);
		return;
	}
	if (!list_linked(&s->in_dirty))
		list_append(&e->dirty, &s->in_dirty);
	if (!list_linked(&e->flush_timer.node))
		timer_set(&e->timers, &e->flush_timer, now + FLUSH_NS, flush_dirty);
}

static int send_queue(struct session *s)
{
	bool something = !queue_is_empty(&s->queue);
	int r = queue_send(&s->queue, s->main->fd);

	if (something)
		box_ring(s);
	return r;
}

void session_flush(struct session *s)
{
	int r;

	list_remove(&s->in_dirty);
	if (s->main == NULL)
		return;
	r = box_post(s) ? 0 : send_queue(s);
	/* Where some is left, nothing may overtake it. */
	s->seq_sent = r == 0 ? s->seq_queued : UINT64_MAX;
	conn_want_write(s->main, r == -EAGAIN);
	if (r < 0 && r != -EAGAIN) {
		conn_mark_dead(s->main);
		return;
	}
	if (s->queue_full && (s->queue.bytes < QUEUE_LOW || (s->flags & COTRACE_LOSSY))) {
		if (s->queue.bytes < QUEUE_LOW) {
			s->queue_full = false;
			if (!s->ended) /* else it is how long it has to read what is left */
				timer_cancel(&s->queue_timer);
		}
		release_queue_holds(s);
	}
	if (s->ended && queue_is_empty(&s->queue))
		conn_mark_dead(s->main);
}

static bool any_call(const struct session *s)
{
	for (int a = 0; a < ENGINE_ARCHS; a++)
		for (int phase = 0; phase < 2; phase++)
			for (int i = 0; i < ENGINE_SET_WORDS; i++)
				if (s->calls[a][phase].note[i] | s->calls[a][phase].stop[i])
					return true;
	return false;
}

void session_interests(struct session *s)
{
	s->wants_syscalls = any_call(s);
	list_for_each (&s->covers, node, after)
		process_interests(list_entry(node, struct cover, in_session)->process);
}

void session_stood(struct session *s)
{
	if (s->unstood > 0 && --s->unstood == 0)
		waiters_check(s->engine);
}

static void close_action(struct session *s)
{
	struct backend *b = s->engine->backend;
	int signo = s->close_action == COTRACE_CLOSE_KILL   ? SIGKILL
		    : s->close_action == COTRACE_CLOSE_STOP ? SIGSTOP
							    : 0;

	if (signo == 0)
		return;
	list_for_each (&s->covers, node, after)
		b->ops->signal(b, list_entry(node, struct cover, in_session)->process->pid, 0,
			       signo, NULL);
}

/* Withdraws everything: after this nothing of the session can happen any more. */
static void withdraw(struct session *s)
{
	struct engine *e = s->engine;
	/* Not answered: what they wait for will not be. */
	waiters_drop(e, s);
	close_action(s);
	break_withdraw(s);
	while (!list_empty(&s->covers)) {
		struct cover *c = list_entry(s->covers.next, struct cover, in_session);
		struct process *p = c->process;

		session_uncover(c);
		if (p->spawner == s)
			p->spawner = NULL;
		list_for_each (&p->tasks, node, after) {
			struct task *t = list_entry(node, struct task, in_process);

			task_leave(t, s);
			task_proceed(t);
		}
		if (list_empty(&p->covers))
			process_release(p);
		else
			process_interests(p);
	}
	s->unstood = 0;
}

static void unread(struct timer *timer)
{
	conn_mark_dead(list_entry(timer, struct session, queue_timer)->main);
}

void session_end(struct session *s, enum cotrace_end_reason reason)
{
	struct event ev = EVENT(COTRACE_EVENT_SESSION_END, NULL);

	if (s->ended)
		return;
	log_debug("session %lu ends: %d", (unsigned long)s->id, (int)reason);
	withdraw(s);
	ev.end.reason = reason;
	event_emit(s, &ev);
	s->ended = true;
	/* What is under way gets a while to be read. */
	timer_set(&s->engine->timers, &s->queue_timer, clock_now_ns() + END_NS, unread);
	session_flush(s);
}

void session_free(struct session *s)
{
	withdraw(s);
	list_remove(&s->in_dirty);
	list_remove(&s->in_engine);
	timer_cancel(&s->queue_timer);
	while (!list_empty(&s->channels)) {
		struct conn *c = list_entry(s->channels.next, struct conn, in_session);

		list_remove(&c->in_session);
		c->session = NULL;
		conn_mark_dead(c);
	}
	for (size_t i = 0; i < s->captures.capacity; i++)
		free(s->captures.slots[i].value);
	map_deinit(&s->captures);
	map_deinit(&s->breakpoints_by_id);
	conditions_free(s);
	queue_deinit(&s->queue);
	s->box = mailbox_unmap(s->box);
	map_take(&s->engine->sessions_by_id, s->id);
	free(s);
}
