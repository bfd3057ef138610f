/* SPDX-License-Identifier: MIT */
/* What sessions ask for about breakpoints. */
#include "engine/break.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/fd.h"
#include "engine/request.h"
#include "engine/session.h"
#include "engine/sigtrap.h"
#include "engine/task.h"

#define BREAKPOINTS_MAX 65536
#define PAGE 512u

static void free_expressions(struct breakpoint *b)
{
	expression_free(&b->condition);
	for (unsigned i = 0; i < COTRACE_BREAK_VALUES_MAX; i++)
		expression_free(&b->values[i]);
}

static struct breakpoint *by_id(const struct session *s, uint64_t id)
{
	return id ? map_get(&s->breakpoints_by_id, id) : NULL;
}

static int enlist(struct breakpoint *b)
{
	struct session *s = b->session;
	struct breakpoint *namesake = by_id(s, b->id);

	list_init(&b->namesakes);
	if (namesake != NULL)
		list_append(&namesake->namesakes, &b->namesakes);
	else if (map_put(&s->breakpoints_by_id, b->id, b) < 0)
		return -ENOMEM;
	list_append(&s->breakpoints, &b->in_session);
	list_append(&b->process->breakpoints, &b->in_process);
	s->breakpoint_count++;
	return 0;
}

static void delist(struct breakpoint *b)
{
	struct session *s = b->session;

	if (list_empty(&b->namesakes))
		map_take(&s->breakpoints_by_id, b->id);
	else if (by_id(s, b->id) == b) /* replacing takes no memory */
		map_put(&s->breakpoints_by_id, b->id,
			list_entry(b->namesakes.next, struct breakpoint, namesakes));
	list_remove(&b->namesakes);
	list_remove(&b->in_session);
	list_remove(&b->in_process);
	s->breakpoint_count--;
}

/* Leaves its site, which loses its trap when nobody else wants it. */
static void leave_site(struct breakpoint *b)
{
	struct trap_site *site = b->site;

	if (site == NULL)
		return;
	list_remove(&b->in_site);
	b->site = NULL;
	if (list_empty(&site->breakpoints))
		space_unplant(site);
}

void break_remove(struct breakpoint *b)
{
	leave_site(b);
	watch_leave(b);
	delist(b);
	if (b->flags & COTRACE_BREAK_REPLANT)
		process_interests(b->process);
	list_for_each (&b->process->tasks, node, after) {
		struct task *t = list_entry(node, struct task, in_process);

		if (t->hit == b)
			t->hit = NULL;
	}
	free_expressions(b);
	free(b);
}

void break_withdraw(struct session *s)
{
	/* From the last on: most are set by ascending address, and the table is in that order. */
	while (!list_empty(&s->breakpoints))
		break_remove(list_entry(s->breakpoints.prev, struct breakpoint, in_session));
}

static int join_site(struct breakpoint *b)
{
	struct process *p = b->process;
	struct backend *backend = p->engine->backend;
	const struct arch_code *code =
		arch_code_by_id(backend->ops->task_arch(backend, process_any_tid(p)));
	struct trap_site *site;
	int r;

	if (b->addr == 0 || b->addr == UINT64_MAX) /* the one is nowhere, the other no key */
		return -EFAULT;
	site = code ? space_add_site(p->space, code, b->addr) : NULL;
	r = code == NULL ? -ENODEV : site == NULL ? -ENOMEM : 0;
	/* Its memory may have been mapped anew beneath others' breakpoints. */
	if (r == 0 && site->planted)
		space_check(site);
	if (r == 0 && !site->planted)
		r = space_plant(site);
	if (r < 0) {
		if (site != NULL)
			space_drop_site(site);
		return r;
	}
	list_append(&site->breakpoints, &b->in_site);
	b->site = site;
	return 0;
}

void break_exec(struct process *p, bool gone)
{
	list_for_each (&p->breakpoints, node, after) {
		struct breakpoint *b = list_entry(node, struct breakpoint, in_process);

		/*
		 * The memory is gone, and with it the site, unless others have it too; debug
		 * registers are not memory.
		 */
		if (b->site != NULL && !list_empty(&b->site->space->processes))
			leave_site(b);
		list_remove(&b->in_site);
		b->site = NULL;
		if (gone || !(b->flags & COTRACE_BREAK_REPLANT))
			break_remove(b);
	}
}

bool break_follows_maps(const struct process *p)
{
	list_for_each (&p->breakpoints, node, after) {
		const struct breakpoint *b = list_entry(node, struct breakpoint, in_process);

		if ((b->flags & COTRACE_BREAK_REPLANT) && !watch_is(b->kind))
			return true;
	}
	return false;
}

void break_after_call(const struct task *t)
{
	const struct arch *arch = arch_by_id(t->call.arch);

	if (t->process != NULL && t->process->replants && arch != NULL &&
	    arch_lists_call(arch->calls->maps, t->call.nr))
		break_replant(t->process);
}

void break_replant(struct process *p)
{
	list_for_each (&p->breakpoints, node, after) {
		struct breakpoint *b = list_entry(node, struct breakpoint, in_process);

		if (!(b->flags & COTRACE_BREAK_REPLANT) || watch_is(b->kind))
			continue;
		if (b->site == NULL)
			join_site(b);
		else
			space_check(b->site);
	}
}

static struct breakpoint *copy_of(const struct breakpoint *b)
{
	struct breakpoint *c = calloc(1, sizeof *c);
	int r = 0;

	if (c == NULL)
		return NULL;
	*c = *b;
	c->in_session = c->in_process = c->in_site = c->namesakes = (struct list){ 0 };
	c->site = NULL;
	c->watch = NULL;
	c->pending = false;
	c->condition = (struct expression){ 0 };
	memset(c->values, 0, sizeof c->values);
	if (b->condition.code != NULL)
		r = expression_copy(&c->condition, &b->condition);
	for (unsigned i = 0; i < b->value_count && r == 0; i++)
		r = expression_copy(&c->values[i], &b->values[i]);
	if (r == 0)
		return c;
	free_expressions(c);
	free(c);
	return NULL;
}

static int join(struct breakpoint *b)
{
	return watch_is(b->kind) ? watch_join(b) : join_site(b);
}

void break_inherit(struct process *child, const struct process *parent)
{
	list_for_each (&parent->breakpoints, node, after) {
		struct breakpoint *b = list_entry(node, struct breakpoint, in_process), *c;

		if (!(b->flags & COTRACE_BREAK_INHERIT) || b->task ||
		    session_find_cover(b->session, child) == NULL ||
		    b->session->breakpoint_count >= BREAKPOINTS_MAX)
			continue;
		c = copy_of(b);
		if (c == NULL)
			return;
		c->process = child;
		c->hits = 0;
		if (enlist(c) < 0) {
			free_expressions(c);
			free(c);
			return;
		}
		if (join(c) < 0 && (watch_is(c->kind) || !(c->flags & COTRACE_BREAK_REPLANT)))
			break_remove(c);
	}
}

static int take_expressions(struct request *rq, const struct wire_break *m, struct breakpoint *b)
{
	struct backend *backend = b->process->engine->backend;
	const struct arch *arch =
		arch_by_id(backend->ops->task_arch(backend, process_any_tid(b->process)));
	int r = arch ? 0 : -ENODEV;

	if (r == 0 && m->condition)
		r = expression_take(rq->body, m->condition, arch, &b->condition);
	for (; r == 0 && b->value_count < m->values; b->value_count++) {
		struct wire_expression value;

		r = wire_get_expression(rq->body, &value)
			    ? expression_take(rq->body, value.size, arch,
					      &b->values[b->value_count])
			    : -EINVAL;
	}
	return r == 0 && wire_left(rq->body) ? -EINVAL : r;
}

static int check_break(const struct request *rq, const struct wire_break *m,
		       const struct process *p)
{
	const uint32_t flags = COTRACE_BREAK_INHERIT | COTRACE_BREAK_REPLANT | COTRACE_BREAK_ONCE |
			       COTRACE_WATCH_SOFTWARE;
	int r = request_may_change(rq);

	if (r < 0)
		return r;
	if (p == NULL || (m->task && request_task(rq, m->task) == NULL))
		return -ESRCH;
	if (m->kind > COTRACE_WATCH_ACCESS ||
	    (m->mode != COTRACE_NOTE && m->mode != COTRACE_STOP) || (m->flags & ~flags) ||
	    m->values > COTRACE_BREAK_VALUES_MAX)
		return -EINVAL;
	if ((m->kind == COTRACE_WATCH_WRITE || m->kind == COTRACE_WATCH_ACCESS) &&
	    (m->length < 1 || m->length > BACKEND_DEBUG_BYTES || m->addr > UINT64_MAX - m->length))
		return -EINVAL;
	return rq->session->breakpoint_count >= BREAKPOINTS_MAX ? -E2BIG : 0;
}

static int set_breakpoint(struct request *rq, const struct wire_break *m, uint64_t *id)
{
	struct process *p = request_process(rq, m->pid);
	int r = check_break(rq, m, p);
	struct breakpoint *b;

	if (r < 0)
		return r;
	b = calloc(1, sizeof *b);
	if (b == NULL)
		return -ENOMEM;
	*b = (struct breakpoint){ .session = rq->session,
				  .process = p,
				  .kind = m->kind,
				  .mode = m->mode,
				  .flags = m->flags,
				  .length = m->length,
				  .addr = m->addr,
				  .task = m->task,
				  .ignore = m->ignore };
	b->id = ++p->engine->last_breakpoint;
	b->pending = watch_is(b->kind) && !(rq->header->flags & WIRE_REQUEST_NO_REPLY);
	if (enlist(b) < 0) {
		free(b);
		return -ENOMEM;
	}
	r = take_expressions(rq, m, b);
	sigtrap_look(p);
	if (r == 0)
		r = join(b);
	if (r == -EFAULT && (b->flags & COTRACE_BREAK_REPLANT))
		r = 0;
	*id = b->id;
	if (r < 0)
		break_remove(b);
	else if (b->flags & COTRACE_BREAK_REPLANT)
		process_interests(p);
	return r;
}

int break_effective(struct session *s, uint64_t id)
{
	struct breakpoint *b = by_id(s, id);
	int r;

	if (b == NULL)
		return -ESRCH; /* it has ended with its program */
	r = b->refused;
	b->refused = 0;
	if (r < 0 && watch_step_instead(b) == 0)
		return -EINPROGRESS;
	b->pending = false;
	if (r < 0)
		break_remove(b);
	return r;
}

/* Whether the answer has to wait. */
static bool is_awaited(struct request *rq, uint64_t id, int *error)
{
	struct engine *e = rq->conn->engine;

	if (*error == 0 && e->pokes == 0)
		*error = break_effective(rq->session, id);
	if (*error != 0 && *error != -EINPROGRESS)
		return false;
	if (e->pokes && waiter_add_break(rq->conn, id, rq->header->cookie) == 0)
		return true;
	*error = break_effective(rq->session, id);
	return false;
}

void request_break(struct request *rq, const struct wire_break *m)
{
	struct wire_r_break reply = { 0 };
	struct wire_writer *w;

	reply.error = set_breakpoint(rq, m, &reply.id);
	if (rq->header->flags & WIRE_REQUEST_NO_REPLY) {
		request_done(rq, reply.error);
		return;
	}
	if (watch_is(m->kind) && is_awaited(rq, reply.id, &reply.error))
		return;
	w = conn_reply_begin(rq->conn, WIRE_R_BREAK, rq->header->cookie, -1);
	if (w == NULL)
		return;
	wire_put_r_break(w, &reply);
	conn_reply_finish(rq->conn);
}

void request_clear(struct request *rq, const struct wire_clear *m)
{
	struct breakpoint *b = by_id(rq->session, m->id);
	int r = request_may_change(rq);

	if (r == 0 && b == NULL)
		r = -ENOENT;
	/* Under the same id children may have inherited it. */
	for (; r == 0 && b != NULL; b = by_id(rq->session, m->id))
		break_remove(b);
	request_done(rq, r);
}

static uint32_t planted(const struct breakpoint *b)
{
	if (b->watch == NULL)
		return b->site && b->site->planted;
	return b->watch->stepped  ? COTRACE_PLANTED_STEPPING
	       : b->watch->kernel ? COTRACE_PLANTED_KERNEL
				  : 1;
}

static void put_breakpoint(struct wire_writer *w, const struct breakpoint *b)
{
	wire_put_break_info(w, &(struct wire_break_info){ b->id, b->addr, b->hits, b->process->pid,
							  b->kind, b->length, planted(b) });
}

static void put_breakpoints(struct wire_writer *w, const struct session *s, uint64_t index,
			    struct wire_r_breakpoints *reply)
{
	uint64_t i = 0;

	reply->total = (uint32_t)s->breakpoint_count;
	list_for_each (&s->breakpoints, node, after) {
		if (i++ < index)
			continue;
		if (reply->count == PAGE)
			return;
		put_breakpoint(w, list_entry(node, struct breakpoint, in_session));
		reply->count++;
	}
}

/* Of @s, or @error. The replies of both types have one layout. */
static void reply_breakpoints(struct request *rq, unsigned type, const struct session *s,
			      uint64_t index, int error)
{
	struct wire_r_breakpoints reply = { .error = error };
	struct wire_writer *w = conn_reply_begin(rq->conn, type, rq->header->cookie, -1);
	size_t head_at, end;

	if (w == NULL)
		return;
	head_at = w->used;
	wire_put_r_breakpoints(w, &reply);
	if (error == 0)
		put_breakpoints(w, s, index, &reply);
	end = w->used;
	w->used = head_at;
	wire_put_r_breakpoints(w, &reply);
	w->used = end;
	conn_reply_finish(rq->conn);
}

void request_breakpoints(struct request *rq, const struct wire_breakpoints *m)
{
	reply_breakpoints(rq, WIRE_R_BREAKPOINTS, rq->session, m->index, 0);
}

/* They are private (R7): only who has no target may see those of another session. */
void request_breakpoints_of(struct request *rq, const struct wire_breakpoints_of *m)
{
	const struct session *s = session_by_id(rq->conn->engine, m->session);
	int error = 0;

	if (s == NULL)
		error = -ENOENT;
	else if (s != rq->session && rq->session->attached)
		error = -EPERM;
	reply_breakpoints(rq, WIRE_R_BREAKPOINTS_OF, s, m->index, error);
}

void request_sites(struct request *rq, const struct wire_sites *m)
{
	struct process *p = request_process(rq, m->pid);
	struct wire_r_sites reply = { .error = -ESRCH };
	struct wire_writer *w;
	int fd = -1;

	if (p != NULL) {
		reply.error = space_table(p->space);
		if (reply.error == 0) {
			fd = fcntl(p->space->table.fd, F_DUPFD_CLOEXEC, 0);
			reply.error = fd < 0 ? -errno : 0;
		}
		reply.generation = p->generation;
	}
	w = conn_reply_begin(rq->conn, WIRE_R_SITES, rq->header->cookie, fd);
	if (w == NULL)
		return;
	wire_put_r_sites(w, &reply);
	conn_reply_finish(rq->conn);
}
