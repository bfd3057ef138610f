/* SPDX-License-Identifier: MIT */
/* Requests that only look: tasks, holds, sessions, a signal. Lists come in pages. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/call.h"
#include "engine/request.h"
#include "engine/session.h"
#include "engine/task.h"

#define PAGE 512u
#define RECORD_MAX 64 /* bytes of one, without what follows it */

static int by_id(const void *a, const void *b)
{
	uint64_t x = (*(struct task *const *)a)->id, y = (*(struct task *const *)b)->id;

	return x < y ? -1 : x > y;
}

/* The session's tasks with ids above @after, in order. The caller frees. */
static struct task **list_tasks(const struct session *s, uint64_t after, size_t *count,
				size_t *total)
{
	struct task **v;

	*count = *total = 0;
	list_for_each (&s->covers, node, next)
		*total += list_entry(node, struct cover, in_session)->process->task_count;
	v = calloc(*total + 1, sizeof *v);
	if (v == NULL)
		return NULL;
	list_for_each (&s->covers, at, next) {
		struct process *p = list_entry(at, struct cover, in_session)->process;

		list_for_each (&p->tasks, node, after_node) {
			struct task *t = list_entry(node, struct task, in_process);

			if (t->id > after)
				v[(*count)++] = t;
		}
	}
	qsort(v, *count, sizeof *v, by_id);
	return v;
}

static struct wire_task task_record(struct task *t, const struct session *s)
{
	struct backend *b = t->engine->backend;
	struct rules_party *party = rules_party(&t->rules, s->id);

	return (struct wire_task){
		.task = t->id,
		.tid = t->tid,
		.pid = t->process->pid,
		.state = t->exit_told			    ? COTRACE_TASK_EXITED
			 : t->rules.holders		    ? COTRACE_TASK_STOPPED
			 : t->job_stopped && !t->job_denier ? COTRACE_TASK_JOB_STOPPED
							    : COTRACE_TASK_RUNNING,
		.arch = b->ops->task_arch(b, t->tid),
		.holds = t->rules.holders,
		.held = party && party->holds,
	};
}

void request_tasks(struct request *rq, const struct wire_tasks *m)
{
	size_t count, total;
	struct task **v = list_tasks(rq->session, m->after, &count, &total);
	struct wire_r_tasks reply = { .error = v ? 0 : -ENOMEM, .total = (uint32_t)total };
	struct wire_writer *w = conn_reply_begin(rq->conn, WIRE_R_TASKS, rq->header->cookie, -1);

	reply.count = count < PAGE ? (uint32_t)count : PAGE;
	if (w != NULL) {
		wire_put_r_tasks(w, &reply);
		for (uint32_t i = 0; v && i < reply.count; i++) {
			struct wire_task record = task_record(v[i], rq->session);

			wire_put_task(w, &record);
		}
		conn_reply_finish(rq->conn);
	}
	free(v);
}

static void put_holds(struct wire_writer *w, struct task *t, const struct rules *rules,
		      uint32_t from, uint32_t *seen, uint32_t *stored)
{
	for (size_t i = 0; rules && i < rules->count; i++) {
		const struct rules_party *p = &rules->parties[i];
		struct session *s;
		struct wire_hold record;

		if (p->holds == 0)
			continue;
		if ((*seen)++ < from || *stored >= PAGE)
			continue;
		s = session_by_id(t->engine, p->session);
		record = (struct wire_hold){ .task = t->id,
					     .session = p->session,
					     .tid = t->tid,
					     .pid = t->process ? t->process->pid : t->tid,
					     .owner_pid = s->owner_pid,
					     .reason = p->reason,
					     .since_ns = p->since_ns };
		memcpy(record.owner_command, s->owner_command, sizeof record.owner_command);
		wire_put_hold(w, &record);
		(*stored)++;
	}
}

void request_holds(struct request *rq, const struct wire_holds *m)
{
	struct wire_r_holds reply = { 0 };
	struct wire_writer *w = conn_reply_begin(rq->conn, WIRE_R_HOLDS, rq->header->cookie, -1);
	size_t head_at, end, at = 0;
	struct task *t;

	if (w == NULL)
		return;
	head_at = w->used;
	wire_put_r_holds(w, &reply);
	while ((t = map_walk(&rq->conn->engine->tasks_by_id, &at)) != NULL) {
		put_holds(w, t, &t->rules, m->index, &reply.total, &reply.count);
		put_holds(w, t, call_rules(t), m->index, &reply.total, &reply.count);
	}
	end = w->used;
	w->used = head_at;
	wire_put_r_holds(w, &reply);
	w->used = end;
	conn_reply_finish(rq->conn);
}

static struct wire_session session_record(const struct session *s)
{
	struct wire_session record = {
		.session = s->id,
		.owner_pid = s->owner_pid,
		.owner_uid = s->owner_uid,
		.role = s->role,
		.scope = s->scope,
		.flags = s->flags,
		.root_pid = s->root_pid,
		.notes = s->notes,
		.stops = s->stops,
		.holds = s->held,
		.lost = s->lost,
		.queued_bytes = s->queue.bytes,
		.since_ns = s->since_ns,
	};

	memcpy(record.owner_command, s->owner_command, sizeof record.owner_command);
	list_for_each (&s->covers, node, after) {
		struct process *p = list_entry(node, struct cover, in_session)->process;

		record.processes++;
		record.tasks += (uint32_t)p->task_count;
	}
	return record;
}

/* In one pass over the tasks: each session by itself would look at each task's others. */
static void count_holds(struct engine *e)
{
	struct task *t;
	size_t at = 0;

	list_for_each (&e->sessions, node, after)
		list_entry(node, struct session, in_engine)->held = 0;
	while ((t = map_walk(&e->tasks_by_id, &at)) != NULL)
		for (size_t i = 0; t->rules.holders && i < t->rules.count; i++)
			if (t->rules.parties[i].holds)
				session_by_id(e, t->rules.parties[i].session)->held++;
}

void request_sessions(struct request *rq, const struct wire_sessions *m)
{
	struct engine *e = rq->conn->engine;
	struct wire_r_sessions reply = { 0 };
	struct wire_writer *w = conn_reply_begin(rq->conn, WIRE_R_SESSIONS, rq->header->cookie, -1);
	size_t head_at, end;

	if (w == NULL)
		return;
	count_holds(e);
	head_at = w->used;
	wire_put_r_sessions(w, &reply);
	list_for_each (&e->sessions, node, after) {
		const struct session *s = list_entry(node, struct session, in_engine);
		struct wire_session record;

		reply.total++;
		if (s->id <= m->after || reply.count >= PAGE)
			continue;
		record = session_record(s);
		wire_put_session(w, &record);
		reply.count++;
	}
	end = w->used;
	w->used = head_at;
	wire_put_r_sessions(w, &reply);
	w->used = end;
	conn_reply_finish(rq->conn);
}

static int check_siginfo(const struct task *t)
{
	if (t == NULL)
		return -ESRCH;
	if (!task_stands(t))
		return -EBUSY;
	return t->kind == COTRACE_EVENT_SIGNAL ? 0 : -ENODATA;
}

void request_siginfo_read(struct request *rq, const struct wire_siginfo_read *m)
{
	struct task *t = request_task(rq, m->task);
	struct wire_r_siginfo_read reply = { .error = check_siginfo(t) };
	struct wire_writer *w;

	w = conn_reply_begin(rq->conn, WIRE_R_SIGINFO_READ, rq->header->cookie, -1);
	if (w == NULL)
		return;
	wire_put_r_siginfo_read(w, &reply);
	if (reply.error == 0)
		wire_put_bytes(w, &t->ev.siginfo, sizeof t->ev.siginfo);
	conn_reply_finish(rq->conn);
}

/* Who would have to wait is told so, and asks for that one alone. */
static ssize_t read_set(struct task *t, const struct session *s, unsigned set, uint8_t *buf)
{
	int r = t == NULL ? -ESRCH : !task_stands(t) ? -EBUSY : call_hides(t, s->id) ? -EAGAIN : 0;

	if (r < 0)
		return r;
	if (set != NT_SIGINFO)
		return t->engine->backend->ops->regset_get(t->engine->backend, t->tid, set, buf,
							   REGSET_MAX);
	r = check_siginfo(t);
	if (r < 0)
		return r;
	memcpy(buf, &t->ev.siginfo, sizeof t->ev.siginfo);
	return sizeof t->ev.siginfo;
}

/* As many as one datagram has room for; at least one. */
void request_regsets_read(struct request *rq, const struct wire_regsets_read *m)
{
	struct wire_r_regsets_read reply = { 0 };
	struct wire_writer *w =
		conn_reply_begin(rq->conn, WIRE_R_REGSETS_READ, rq->header->cookie, -1);
	struct wire_regset_asked asked;
	uint8_t buf[REGSET_MAX];
	size_t head_at, end;

	if (w == NULL)
		return;
	head_at = w->used;
	wire_put_r_regsets_read(w, &reply);
	while (reply.count < m->count && reply.count < PAGE &&
	       wire_get_regset_asked(rq->body, &asked)) {
		ssize_t n = read_set(request_task(rq, asked.task), rq->session, asked.set, buf);
		struct wire_regset record = { n < 0 ? (int32_t)n : 0, n < 0 ? 0 : (uint32_t)n };

		if (w->used + RECORD_MAX + record.size > w->size)
			break;
		wire_put_regset(w, &record);
		wire_put_bytes(w, buf, record.size);
		reply.count++;
	}
	end = w->used;
	w->used = head_at;
	wire_put_r_regsets_read(w, &reply);
	w->used = end;
	conn_reply_finish(rq->conn);
}
