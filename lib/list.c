/* SPDX-License-Identifier: MIT */
/* Lists come from the engine page by page. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/session.h"

struct page {
	struct call call;
	uint32_t total, count;
};

/* The list replies have one layout. */
static int page_run(struct page *p)
{
	struct wire_r_tasks reply;
	int r = call_run(&p->call, -1, CLOCK_NEVER);

	if (r == 0 && !wire_get_r_tasks(&p->call.in, &reply))
		r = -EPROTO;
	if (r == 0) {
		p->total = reply.total;
		p->count = reply.count;
	}
	return r;
}

static int ask_tasks(struct page *p, struct cotrace *s, uint64_t after)
{
	int r = call_begin(&p->call, s, WIRE_TASKS);

	if (r < 0)
		return r;
	wire_put_tasks(&p->call.out, &(struct wire_tasks){ after });
	return page_run(p);
}

/* The list's end, or all that there is room for: how many there are. */
static int count_of(size_t seen, uint32_t total)
{
	if (total > seen)
		seen = total;
	return seen > INT_MAX ? INT_MAX : (int)seen;
}

int cotrace_tasks(struct cotrace *s, struct cotrace_task_info *v, size_t max)
{
	uint64_t after = 0;
	size_t n = 0;
	struct page p;
	int r;

	do {
		r = ask_tasks(&p, s, after);
		for (uint32_t i = 0; r == 0 && i < p.count && n < max; i++) {
			struct wire_task m;

			if (!wire_get_task(&p.call.in, &m) || m.task <= after)
				r = -EPROTO;
			after = m.task;
			v[n++] = (struct cotrace_task_info){ m.task, m.tid,   m.pid, m.state,
							     m.arch, m.holds, m.held };
		}
		call_end(&p.call);
	} while (r == 0 && p.count > 0 && n < max && n < p.total);
	return r < 0 ? r : count_of(n, n < max ? 0 : p.total);
}

static int ask_holds(struct page *p, struct cotrace *s, size_t index)
{
	int r = call_begin(&p->call, s, WIRE_HOLDS);

	if (r < 0)
		return r;
	wire_put_holds(&p->call.out, &(struct wire_holds){ (uint32_t)index });
	return page_run(p);
}

static void hold_from_wire(struct cotrace_hold *v, const struct wire_hold *m)
{
	*v = (struct cotrace_hold){
		.task = m->task,
		.session = m->session,
		.tid = m->tid,
		.pid = m->pid,
		.owner_pid = m->owner_pid,
		.reason = m->reason,
		.since_ns = m->since_ns,
	};
	memcpy(v->owner_command, m->owner_command, sizeof v->owner_command - 1);
}

int cotrace_holds(struct cotrace *s, struct cotrace_hold *v, size_t max)
{
	size_t n = 0;
	struct page p;
	int r;

	do {
		r = ask_holds(&p, s, n);
		for (uint32_t i = 0; r == 0 && i < p.count && n < max; i++) {
			struct wire_hold m;

			if (!wire_get_hold(&p.call.in, &m))
				r = -EPROTO;
			else
				hold_from_wire(&v[n++], &m);
		}
		call_end(&p.call);
	} while (r == 0 && p.count > 0 && n < max && n < p.total);
	return r < 0 ? r : count_of(n, n < max ? 0 : p.total);
}

static int ask_sessions(struct page *p, struct cotrace *s, uint64_t after)
{
	int r = call_begin(&p->call, s, WIRE_SESSIONS);

	if (r < 0)
		return r;
	wire_put_sessions(&p->call.out, &(struct wire_sessions){ after });
	return page_run(p);
}

static void session_from_wire(struct cotrace_session_info *v, const struct wire_session *m)
{
	*v = (struct cotrace_session_info){
		.session = m->session,
		.owner_pid = m->owner_pid,
		.owner_uid = m->owner_uid,
		.role = m->role,
		.scope = m->scope,
		.flags = m->flags,
		.root_pid = m->root_pid,
		.processes = m->processes,
		.tasks = m->tasks,
		.holds = m->holds,
		.notes = m->notes,
		.stops = m->stops,
		.lost = m->lost,
		.queued_bytes = m->queued_bytes,
		.since_ns = m->since_ns,
	};
	memcpy(v->owner_command, m->owner_command, sizeof v->owner_command - 1);
}

int cotrace_sessions(struct cotrace *s, struct cotrace_session_info *v, size_t max)
{
	uint64_t after = 0;
	size_t n = 0;
	struct page p;
	int r;

	do {
		r = ask_sessions(&p, s, after);
		for (uint32_t i = 0; r == 0 && i < p.count && n < max; i++) {
			struct wire_session m;

			if (!wire_get_session(&p.call.in, &m) || m.session <= after)
				r = -EPROTO;
			after = m.session;
			session_from_wire(&v[n++], &m);
		}
		call_end(&p.call);
	} while (r == 0 && p.count > 0 && n < max && n < p.total);
	return r < 0 ? r : count_of(n, n < max ? 0 : p.total);
}

/* @session: 0, the own ones. */
static int ask_breakpoints(struct page *p, struct cotrace *s, uint64_t session, size_t index)
{
	int r = call_begin(&p->call, s, session ? WIRE_BREAKPOINTS_OF : WIRE_BREAKPOINTS);

	if (r < 0)
		return r;
	if (session)
		wire_put_breakpoints_of(&p->call.out,
					&(struct wire_breakpoints_of){ session, index });
	else
		wire_put_breakpoints(&p->call.out, &(struct wire_breakpoints){ index });
	return page_run(p);
}

static int list_breakpoints(struct cotrace *s, uint64_t session, struct cotrace_break_info *v,
			    size_t max)
{
	size_t n = 0;
	struct page p;
	int r;

	do {
		r = ask_breakpoints(&p, s, session, n);
		for (uint32_t i = 0; r == 0 && i < p.count && n < max; i++) {
			struct wire_break_info m;

			if (!wire_get_break_info(&p.call.in, &m))
				r = -EPROTO;
			else
				v[n++] = (struct cotrace_break_info){ m.id,	m.addr, m.hits,
								      m.pid,	m.kind, m.length,
								      m.planted };
		}
		call_end(&p.call);
	} while (r == 0 && p.count > 0 && n < max && n < p.total);
	return r < 0 ? r : count_of(n, n < max ? 0 : p.total);
}

int cotrace_breakpoints(struct cotrace *s, struct cotrace_break_info *v, size_t max)
{
	return list_breakpoints(s, 0, v, max);
}

int cotrace_breakpoints_of(struct cotrace *s, uint64_t session, struct cotrace_break_info *v,
			   size_t max)
{
	return session ? list_breakpoints(s, session, v, max) : -ENOENT;
}

int cotrace_end(struct cotrace *s, uint64_t session)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_END);

	if (r < 0)
		return r;
	wire_put_end(&c.out, &(struct wire_end){ session });
	return call_finish(&c);
}
