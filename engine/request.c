/* SPDX-License-Identifier: MIT */
/* Which request it is; opening a session. */
#include "engine/request.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/event.h"
#include "engine/session.h"
#include "engine/task.h"
#include "rules/cycle.h"

#define CHANNELS_MAX 256

void request_done(struct request *rq, int error)
{
	struct event ev = EVENT(COTRACE_EVENT_REFUSED, NULL);

	if (!(rq->header->flags & WIRE_REQUEST_NO_REPLY)) {
		conn_reply_done(rq->conn, rq->header->type, rq->header->cookie, error);
		return;
	}
	if (error == 0 || rq->session == NULL)
		return;
	ev.refused = (struct wire_e_refused){ error, rq->header->type };
	event_emit(rq->session, &ev);
	session_flush(rq->session);
}

void request_done_when_effective(struct request *rq)
{
	struct engine *e = rq->conn->engine;

	if (e->pokes == 0 || (rq->header->flags & WIRE_REQUEST_NO_REPLY) ||
	    waiter_add(rq->conn, rq->header->type, rq->header->cookie,
		       clock_now_ns() + EFFECTIVE_NS) < 0)
		request_done(rq, 0);
}

int request_may_change(const struct request *rq)
{
	if (!rq->session->attached)
		return -ENOTCONN;
	return rq->session->role == COTRACE_OBSERVER ? -EPERM : 0;
}

int request_part(const struct request *rq, struct task *t, struct rules_party **part)
{
	int r = request_may_change(rq);

	if (r < 0)
		return r;
	*part = t ? rules_party(&t->rules, rq->session->id) : NULL;
	return *part ? 0 : -ESRCH;
}

struct task *request_task(const struct request *rq, uint64_t id)
{
	struct task *t = task_by_id(rq->conn->engine, id);

	if (t == NULL || t->process == NULL || !t->announced ||
	    session_find_cover(rq->session, t->process) == NULL)
		return NULL;
	return t;
}

struct process *request_process(const struct request *rq, pid_t pid)
{
	struct process *p = pid > 0 ? process_by_pid(rq->conn->engine, pid) : NULL;

	return p && session_find_cover(rq->session, p) ? p : NULL;
}

static bool known(const struct request *rq)
{
	unsigned type = rq->header->type;

	if (rq->session == NULL)
		return type == WIRE_HELLO;
	return true;
}

bool request_handle(struct conn *c, const struct wire_header *header, struct wire_reader *body,
		    int *fd)
{
	struct request rq = { c, c->session, header, body, fd };

	if (!known(&rq))
		return false;
	if (rq.session != NULL && rq.session->ended) {
		request_done(&rq, -ESHUTDOWN);
		return true;
	}
	switch (header->type) {
#define MESSAGE(NAME, name, number, tail, fields)                               \
	case number: {                                                          \
		struct wire_##name m;                                           \
                                                                                \
		if (!wire_get_##name(body, &m) || (!(tail) && wire_left(body))) \
			return false;                                           \
		log_debug("request " #NAME " of %d", (int)c->pid);              \
		request_##name(&rq, &m);                                        \
		return true;                                                    \
	}
		WIRE_REQUESTS(MESSAGE)
#undef MESSAGE
	default:
		/* Replies and events: its socket leads back to the engine. */
		if (header->type == 0 || header->type >= WIRE_REPLY(0))
			return false;
		/* From a newer client: it learns that this engine cannot. */
		request_done(&rq, -ENOSYS);
		return true;
	}
}

void request_hello(struct request *rq, const struct wire_hello *m)
{
	struct conn *c = rq->conn;
	struct wire_r_hello reply = { .version = WIRE_VERSION, .engine_pid = getpid() };
	struct wire_writer *w;

	if (m->version_min > WIRE_VERSION || m->version_max < WIRE_VERSION_MIN)
		reply.error = -EPROTONOSUPPORT;
	else if (c->session == NULL && session_new(c->engine, c) == NULL)
		reply.error = -ENOMEM;
	else
		timer_cancel(&c->timer);
	if (m->version_max < WIRE_VERSION)
		reply.version = m->version_max;
	if (c->session != NULL) {
		reply.session = c->session->id;
		reply.role = c->session->role;
	}
	w = conn_reply_begin(c, WIRE_R_HELLO, rq->header->cookie, -1);
	if (w == NULL)
		return;
	wire_put_r_hello(w, &reply);
	conn_reply_finish(c);
}

static void reply_attach(struct request *rq, int error, pid_t detail, const struct process *p)
{
	struct wire_r_attach reply = { .error = error, .detail = detail };
	struct wire_writer *w = conn_reply_begin(rq->conn, WIRE_R_ATTACH, rq->header->cookie, -1);

	if (p != NULL) {
		reply.pid = p->pid;
		reply.tasks = (uint32_t)p->task_count;
	}
	if (w == NULL)
		return;
	wire_put_r_attach(w, &reply);
	conn_reply_finish(rq->conn);
}

static int check_attach(const struct request *rq, const struct wire_attach *m)
{
	const uint32_t flags = COTRACE_POLICY | COTRACE_LOSSY | COTRACE_CHILD_FDS |
			       COTRACE_CHILD_INHERITS | COTRACE_NO_ENGINE_START;

	if (rq->session->attached)
		return -EISCONN;
	if (m->role > COTRACE_OBSERVER || m->scope > COTRACE_TREE || (m->flags & ~flags) ||
	    m->close_action > COTRACE_CLOSE_STOP || m->pid <= 0)
		return -EINVAL;
	if (rq->session->role == COTRACE_OBSERVER && m->role != COTRACE_OBSERVER)
		return -EPERM; /* it was attenuated, for good */
	if (m->role == COTRACE_OBSERVER && (m->close_action || (m->flags & COTRACE_POLICY)))
		return -EPERM;
	return 0;
}

/* Who can stop whom, as far as this engine knows; clients look further (lib/cycle.c). */
static void add_tracers(struct cycle *c, struct engine *e, pid_t pid)
{
	struct process *p = process_by_pid(e, pid);

	if (p == NULL)
		return;
	cycle_add(c, getpid());
	list_for_each (&p->covers, node, after)
		cycle_add(c, list_entry(node, struct cover, in_process)->session->owner_pid);
}

/* R10. A new program that offers itself traces nobody yet. */
static int check_cycle(const struct request *rq, pid_t target, bool spawning)
{
	struct cycle c;
	pid_t pid;
	int r;

	if (spawning && target == rq->conn->pid)
		return 0;
	cycle_init(&c, rq->conn->pid);
	cycle_add(&c, getpid()); /* it keeps its clients waiting */
	while ((pid = cycle_next(&c)) != 0)
		add_tracers(&c, rq->conn->engine, pid);
	r = cycle_closes(&c, target);
	cycle_deinit(&c);
	return r;
}

/* Proof of access, no cycle, then the kernel's own word. */
static int take_process(struct request *rq, pid_t tid, bool spawning, struct process **out,
			pid_t *tracer)
{
	struct engine *e = rq->conn->engine;
	pid_t pid = e->backend->ops->process_of(e->backend, tid);
	int r;

	*out = NULL;
	if (pid < 0)
		return pid;
	r = check_cycle(rq, pid, spawning);
	if (r == 0)
		r = e->backend->ops->check_access(e->backend, pid, *rq->fd);
	if (r < 0)
		return r;
	return process_attach(e, pid, out, tracer);
}

/* It was attached, but for nobody. */
static void uncovered(struct process *p)
{
	if (list_empty(&p->covers))
		process_release(p);
}

void request_attach(struct request *rq, const struct wire_attach *m)
{
	struct session *s = rq->session;
	struct process *p = NULL;
	uint32_t role;
	pid_t tracer = 0;
	int r = check_attach(rq, m);

	if (r == 0)
		r = take_process(rq, m->pid, m->spawning, &p, &tracer);
	if (r < 0) {
		reply_attach(rq, r, tracer, NULL);
		return;
	}
	role = s->role;
	s->role = m->role;
	s->scope = m->scope;
	s->flags = m->flags;
	s->close_action = m->close_action;
	s->queue_deadline_ns =
		m->queue_deadline_ns ? m->queue_deadline_ns : ENGINE_QUEUE_DEADLINE_NS;
	s->root_pid = p->pid;
	r = session_cover(s, p);
	if (r < 0) { /* as if it had not asked */
		s->role = role;
		s->flags = s->close_action = 0;
		s->root_pid = 0;
		uncovered(p);
		reply_attach(rq, r, 0, NULL);
		return;
	}
	if (m->spawning)
		p->spawner = s;
	session_interests(s);
	reply_attach(rq, 0, 0, p);
}

void request_add(struct request *rq, const struct wire_add *m)
{
	struct session *s = rq->session;
	struct process *p = NULL;
	pid_t tracer = 0;
	int r = s->attached ? take_process(rq, m->pid, false, &p, &tracer) : -ENOTCONN;

	if (r == -EAGAIN)
		r = -EXDEV;
	if (r == 0 && session_find_cover(s, p) != NULL)
		r = -EEXIST;
	if (r == 0) {
		r = session_cover(s, p);
		if (r < 0)
			uncovered(p);
	}
	if (r == 0 && s->hold_new) {
		session_find_cover(s, p)->hold_new = true;
		list_for_each (&p->tasks, node, after)
			task_hold(list_entry(node, struct task, in_process), s);
	}
	if (r == 0)
		process_interests(p);
	request_done(rq, r);
}

void request_channel(struct request *rq, const struct wire_channel *m)
{
	struct conn *c;
	size_t n = 0;

	(void)m;
	list_for_each (&rq->session->channels, node, after)
		n++;
	if (*rq->fd < 0 || n >= CHANNELS_MAX) {
		request_done(rq, *rq->fd < 0 ? -EBADF : -EMFILE);
		return;
	}
	c = conn_new(rq->conn->engine, *rq->fd);
	*rq->fd = -1;
	if (c == NULL)
		return;
	timer_cancel(&c->timer);
	c->session = rq->session;
	c->pid = rq->conn->pid;
	c->uid = rq->conn->uid;
	list_append(&rq->session->channels, &c->in_session);
	conn_reply_done(c, 0, rq->header->cookie, 0);
}
