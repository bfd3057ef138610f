/* SPDX-License-Identifier: MIT */
/* cotrace_syscall(): a session has a task that it holds make a call. */
#include <errno.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "engine/break.h"
#include "engine/call.h"
#include "engine/event.h"
#include "engine/request.h"
#include "engine/session.h"
#include "engine/task.h"

struct injection {
	struct list in_engine;
	struct engine *engine;
	uint64_t task;
	uint64_t session;
	struct conn *conn; /* NULL: nobody waits for the answer */
	uint64_t cookie;
	int64_t nr;
	struct timer timer;
	bool timed_out;
};

static void reply(struct conn *conn, uint64_t cookie, int error, int64_t result)
{
	struct wire_r_syscall r = { error, error ? 0 : result };
	struct wire_writer *w = conn_reply_begin(conn, WIRE_R_SYSCALL, cookie, -1);

	if (w == NULL)
		return;
	wire_put_r_syscall(w, &r);
	conn_reply_finish(conn);
}

static void free_injection(struct injection *in)
{
	list_remove(&in->in_engine);
	timer_cancel(&in->timer);
	free(in);
}

/* The session is gone: what it had done is judged all the same. */
static void judge_again(struct process *p)
{
	p->changes++;
	list_for_each (&p->tasks, node, after) {
		struct task *t = list_entry(node, struct task, in_process);

		if (!task_stands(t) || !task_at_entry(t) || call_busy(t))
			continue;
		if (t->kind == COTRACE_EVENT_SECCOMP) {
			task_entry_due(t, NULL);
			continue;
		}
		t->kind = COTRACE_EVENT_SYSCALL_ENTRY;
		if (rules_renew(&t->rules))
			task_proceed(t);
	}
}

/* It may have changed anything. */
static void tell(struct task *t, struct session *s, int64_t nr)
{
	struct backend *b = t->engine->backend;
	const struct arch *arch = arch_by_id(b->ops->task_arch(b, t->tid));

	if (t->process->replants && arch != NULL && arch_lists_call(arch->calls->maps, nr))
		break_replant(t->process);
	if (s == NULL) {
		judge_again(t->process);
		return;
	}
	event_changed(t->process, s, t, COTRACE_CHANGE_CALL, (uint64_t)nr, 0);
	memory_changed(s);
}

static void done(struct task *t, int error, int64_t result, void *arg)
{
	struct injection *in = arg;
	struct session *s = session_by_id(t->engine, in->session);

	if (error == -EINTR && in->timed_out)
		error = -ETIMEDOUT;
	if (error != -ESRCH)
		tell(t, s, in->nr);
	if (in->conn != NULL)
		reply(in->conn, in->cookie, error, result);
	free_injection(in);
}

static void cut_short(struct injection *in)
{
	struct task *t = task_by_id(in->engine, in->task);

	if (t != NULL)
		call_cut_short(t);
}

static void timeout(struct timer *timer)
{
	struct injection *in = list_entry(timer, struct injection, timer);

	in->timed_out = true;
	cut_short(in);
}

void injections_drop_session(struct engine *e, const struct session *s)
{
	list_for_each (&e->injections, node, after) {
		struct injection *in = list_entry(node, struct injection, in_engine);

		if (in->session != s->id)
			continue;
		in->conn = NULL;
		cut_short(in);
	}
}

void injections_drop_conn(struct engine *e, const struct conn *conn)
{
	list_for_each (&e->injections, node, after) {
		struct injection *in = list_entry(node, struct injection, in_engine);

		if (in->conn == conn)
			in->conn = NULL;
	}
}

static int check(struct request *rq, struct task *t)
{
	struct rules_party *p;
	int r = request_part(rq, t, &p);

	if (r < 0)
		return r;
	if (rq->header->flags & WIRE_REQUEST_NO_REPLY)
		return -EINVAL;
	return task_stands(t) && p->holds & (RULES_HOLD_ASKED | RULES_HOLD_OFFER) ? 0 : -EBUSY;
}

static int start(struct request *rq, const struct wire_syscall *m, struct task *t)
{
	struct injection *in = calloc(1, sizeof *in);
	int r;

	if (in == NULL)
		return -ENOMEM;
	in->engine = t->engine;
	in->task = t->id;
	in->session = rq->session->id;
	in->conn = rq->conn;
	in->cookie = rq->header->cookie;
	in->nr = m->nr;
	list_append(&t->engine->injections, &in->in_engine);
	r = call_start_for(t, in->session, m, done, in);
	if (r < 0)
		free_injection(in);
	else if (m->timeout_ns >= 0)
		timer_set(&t->engine->timers, &in->timer, clock_deadline(m->timeout_ns), timeout);
	return r;
}

void request_syscall(struct request *rq, const struct wire_syscall *m)
{
	struct task *t = request_task(rq, m->task);
	int r = check(rq, t);

	if (r == 0)
		r = start(rq, m, t);
	if (r < 0 && rq->header->flags & WIRE_REQUEST_NO_REPLY)
		request_done(rq, r);
	else if (r < 0)
		reply(rq->conn, rq->header->cookie, r, 0);
}
