/* SPDX-License-Identifier: MIT */
/* Requests that stop, resume and change. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "engine/call.h"
#include "engine/event.h"
#include "engine/request.h"
#include "engine/session.h"
#include "engine/space.h"
#include "engine/task.h"
#include "engine/watch.h"

static void release(struct task *t, struct session *s)
{
	struct rules_party *p = rules_party(&t->rules, s->id);

	if (p != NULL)
		rules_unstep(p);
	task_release(t, s, RULES_HOLD_ASKED | RULES_HOLD_OFFER);
}

/* Calls @act for each task that (task, reach) means. Returns 0, -ESRCH, -EINVAL. */
static int for_reach(struct request *rq, uint64_t task, uint32_t reach,
		     void (*act_process)(struct cover *, bool all),
		     void (*act)(struct task *, struct session *))
{
	struct session *s = rq->session;
	struct task *t = task ? request_task(rq, task) : NULL;

	if (reach > COTRACE_ALL || (reach == COTRACE_ALL) != (task == 0))
		return -EINVAL;
	if (reach != COTRACE_ALL && t == NULL)
		return -ESRCH;
	if (reach == COTRACE_ONE) {
		act(t, s);
		return 0;
	}
	list_for_each (&s->covers, node, after) {
		struct cover *c = list_entry(node, struct cover, in_session);

		if (t != NULL && c->process != t->process)
			continue;
		if (act_process != NULL)
			act_process(c, t == NULL);
		list_for_each (&c->process->tasks, at, next) {
			struct task *each = list_entry(at, struct task, in_process);

			/* One that stands unannounced is held from its start: hold_new. */
			if (each->announced || each->state == TASK_UNBORN || act == release)
				act(each, s);
		}
	}
	return 0;
}

static void hold_new(struct cover *c, bool all)
{
	c->hold_new = true;
	if (all)
		c->session->hold_new = true;
}

static void reply_stop(struct request *rq, int error)
{
	struct wire_r_stop reply = { error, (uint32_t)rq->session->unstood };
	struct wire_writer *w;

	if (rq->header->flags & WIRE_REQUEST_NO_REPLY) {
		request_done(rq, error);
		return;
	}
	w = conn_reply_begin(rq->conn, WIRE_R_STOP, rq->header->cookie, -1);
	if (w == NULL)
		return;
	wire_put_r_stop(w, &reply);
	conn_reply_finish(rq->conn);
}

void request_stop(struct request *rq, const struct wire_stop *m)
{
	int r = request_may_change(rq);

	if (r == 0)
		r = for_reach(rq, m->task, m->reach, hold_new, task_hold);
	/* One who waits too often is told at once that tasks are still to stand. */
	if (r < 0 || !m->wait || rq->session->unstood == 0 ||
	    (rq->header->flags & WIRE_REQUEST_NO_REPLY) ||
	    waiter_add(rq->conn, WIRE_STOP, rq->header->cookie, CLOCK_NEVER) < 0)
		reply_stop(rq, r);
	session_flush(rq->session);
}

static void release_new(struct cover *c, bool all)
{
	c->hold_new = false;
	if (all)
		c->session->hold_new = false;
}

void request_resume(struct request *rq, const struct wire_resume *m)
{
	uint32_t reach = m->task ? m->reach : COTRACE_ALL;
	int r = request_may_change(rq);

	if (r == 0)
		r = for_reach(rq, m->task, reach, release_new, release);
	request_done(rq, r);
}

void request_answer(struct request *rq, const struct wire_answer *m)
{
	struct task *t = request_task(rq, m->task);
	size_t size = wire_left(rq->body);
	int r = request_may_change(rq);

	/* A task that has died meanwhile needs no answer. */
	if (r == 0 && t != NULL)
		r = verdict_apply(t, rq->session, m, wire_get_bytes(rq->body, size), size);
	request_done(rq, r);
}

static int check_siginfo(struct request *rq, siginfo_t *info, int signo)
{
	size_t size = wire_left(rq->body);

	if (signo < 1 || signo > 64 || size > sizeof *info)
		return -EINVAL;
	if (size == 0)
		return 0;
	memset(info, 0, sizeof *info);
	memcpy(info, wire_get_bytes(rq->body, size), size);
	info->si_signo = signo;
	return info->si_code < 0 ? 1 : -EINVAL;
}

void request_signal(struct request *rq, const struct wire_signal *m)
{
	struct backend *b = rq->conn->engine->backend;
	struct task *t = request_task(rq, m->task);
	siginfo_t info;
	int r = request_may_change(rq), with_info = r ? r : check_siginfo(rq, &info, m->signo);

	if (with_info < 0)
		r = with_info;
	else if (m->reach > COTRACE_ITS_PROCESS)
		r = -EINVAL;
	else if (t == NULL)
		r = -ESRCH;
	else
		r = b->ops->signal(b, t->process->pid, m->reach == COTRACE_ONE ? t->tid : 0,
				   m->signo, with_info ? &info : NULL);
	request_done(rq, r);
}

void request_kill(struct request *rq, const struct wire_kill *m)
{
	struct backend *b = rq->conn->engine->backend;
	struct task *t = m->task ? request_task(rq, m->task) : NULL;
	int r = request_may_change(rq);

	if (r == 0 && m->task && t == NULL)
		r = -ESRCH;
	if (r == 0)
		list_for_each (&rq->session->covers, node, after) {
			struct process *p = list_entry(node, struct cover, in_session)->process;

			if (t == NULL || t->process == p)
				b->ops->signal(b, p->pid, 0, SIGKILL, NULL);
		}
	request_done(rq, r);
}

static void reply_regset(const struct reading *what, struct task *t, int error)
{
	struct backend *b = what->conn->engine->backend;
	struct wire_r_regset_read reply = { 0 };
	uint8_t buf[REGSET_MAX];
	struct wire_writer *w;
	ssize_t n = error;

	if (n == 0)
		n = b->ops->regset_get(b, t->tid, what->kind, buf, sizeof buf);
	reply.error = n < 0 ? (int32_t)n : 0;
	reply.arch = t ? b->ops->task_arch(b, t->tid) : 0;
	w = conn_reply_begin(what->conn, WIRE_R_REGSET_READ, what->cookie, -1);
	if (w == NULL)
		return;
	wire_put_r_regset_read(w, &reply);
	wire_put_bytes(w, buf, n > 0 ? (size_t)n : 0);
	conn_reply_finish(what->conn);
}

void request_regset_read(struct request *rq, const struct wire_regset_read *m)
{
	readers_reply(rq, request_task(rq, m->task),
		      (struct reading){ .reply = reply_regset, .kind = m->set });
}

void request_regset_write(struct request *rq, const struct wire_regset_write *m)
{
	struct backend *b = rq->conn->engine->backend;
	struct task *t = request_task(rq, m->task);
	size_t size = wire_left(rq->body);
	struct rules_party *party = t ? rules_party(&t->rules, rq->session->id) : NULL;
	int r = request_may_change(rq);

	if (r == 0 && t == NULL)
		r = -ESRCH;
	if (r == 0 && (!task_stands(t) || call_busy(t) || party == NULL ||
		       !(party->holds & (RULES_HOLD_ASKED | RULES_HOLD_OFFER))))
		r = -EBUSY;
	if (r == 0)
		r = b->ops->regset_set(b, t->tid, m->set, wire_get_bytes(rq->body, size), size);
	if (r == 0) {
		task_registers_written(t);
		event_changed(t->process, rq->session, t, COTRACE_CHANGE_REGISTERS, 0, 0);
		task_reoffer(t, rq->session);
	}
	request_done(rq, r);
}

void request_memory(struct request *rq, const struct wire_memory *m)
{
	struct process *p = request_process(rq, m->pid);
	struct wire_r_memory reply = { .error = -ESRCH };
	struct wire_writer *w;
	int fd = -1;

	if (p != NULL) {
		fd = process_memory(p);
		reply.error = fd < 0 ? fd : 0;
		reply.generation = p->generation;
	}
	w = conn_reply_begin(rq->conn, WIRE_R_MEMORY, rq->header->cookie, fd);
	if (w == NULL)
		return;
	wire_put_r_memory(w, &reply);
	conn_reply_finish(rq->conn);
}

/*
 * Somebody's memory has changed. Processes can share it, so every call of the target that
 * has been judged and not been made yet is judged again.
 */
void memory_changed(struct session *s)
{
	list_for_each (&s->covers, node, after) {
		struct process *p = list_entry(node, struct cover, in_session)->process;

		p->changes++;
		list_for_each (&p->tasks, at, next)
			task_reoffer(list_entry(at, struct task, in_process), s);
	}
}

void request_memory_write(struct request *rq, const struct wire_memory_write *m)
{
	struct process *p = request_process(rq, m->pid);
	struct wire_r_memory_write reply = { 0 };
	size_t size = wire_left(rq->body);
	ssize_t n = request_may_change(rq);
	struct wire_writer *w;

	if (n == 0 && p == NULL)
		n = -ESRCH;
	if (n == 0 && m->generation && m->generation != p->generation)
		n = -ESTALE;
	if (n == 0)
		n = space_write(p, m->addr, wire_get_bytes(rq->body, size), size);
	reply.error = n < 0 ? (int32_t)n : 0;
	reply.written = n > 0 ? (uint32_t)n : 0;
	if (n > 0) {
		watch_written(p, m->addr, (size_t)n);
		event_changed(p, rq->session, NULL, COTRACE_CHANGE_MEMORY, m->addr, (uint64_t)n);
		memory_changed(rq->session);
	}
	w = conn_reply_begin(rq->conn, WIRE_R_MEMORY_WRITE, rq->header->cookie, -1);
	if (w == NULL)
		return;
	wire_put_r_memory_write(w, &reply);
	conn_reply_finish(rq->conn);
}

void request_end(struct request *rq, const struct wire_end *m)
{
	struct session *s = session_by_id(rq->conn->engine, m->session);
	int r = s == NULL ? -ENOENT : (s->flags & COTRACE_POLICY) ? -EPERM : 0;

	if (rq->session->role == COTRACE_OBSERVER && s != rq->session)
		r = -EPERM;
	/* First the reply: it may be its own session. */
	request_done(rq, r);
	if (r == 0)
		session_end(s, COTRACE_END_BY_USER);
}

void request_attenuate(struct request *rq, const struct wire_attenuate *m)
{
	struct session *s = rq->session;

	(void)m;
	if (s->role == COTRACE_CONTROLLER && s->attached)
		for_reach(rq, 0, COTRACE_ALL, release_new, release);
	s->role = COTRACE_OBSERVER;
	s->close_action = COTRACE_CLOSE_RUN;
	request_done(rq, 0);
}

void request_close_action(struct request *rq, const struct wire_close_action *m)
{
	int r = m->action > COTRACE_CLOSE_STOP ? -EINVAL : request_may_change(rq);

	if (r == 0)
		rq->session->close_action = m->action;
	request_done(rq, r);
}
