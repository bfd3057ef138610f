/* SPDX-License-Identifier: MIT */
/*
 * A task, its holds, and who waits for them. From stop to stop:
 *
 *	RUNNING --stop.c--> STANDING: turns, holds (rules.c) --run.c--> RUNNING
 */
#include "engine/task.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/call.h"
#include "engine/conn.h"
#include "engine/event.h"
#include "engine/past.h"
#include "engine/session.h"
#include "engine/watch.h"
#include "rules/told.h"

struct task *task_by_tid(struct engine *e, pid_t tid)
{
	return map_get(&e->tasks_by_tid, (uint64_t)tid);
}

struct task *task_by_id(struct engine *e, uint64_t id)
{
	return map_get(&e->tasks_by_id, id);
}

struct task *task_new(struct engine *e, struct process *p, pid_t tid)
{
	struct task *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->engine = e;
	t->tid = tid;
	t->id = ++e->last_task;
	if (map_put(&e->tasks_by_tid, (uint64_t)tid, t) < 0 ||
	    map_put(&e->tasks_by_id, t->id, t) < 0) {
		map_take(&e->tasks_by_tid, (uint64_t)tid);
		free(t);
		return NULL;
	}
	if (p != NULL && task_join_process(t, p) < 0) {
		task_free(t);
		return NULL;
	}
	return t;
}

int task_join_process(struct task *t, struct process *p)
{
	list_for_each (&p->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;

		if (rules_join(&t->rules, s->id, s->flags & COTRACE_POLICY) < 0) {
			rules_deinit(&t->rules);
			return -ENOMEM;
		}
	}
	t->process = p;
	list_append(&p->tasks, &t->in_process);
	p->task_count++;
	return 0;
}

void task_unpoke(struct task *t)
{
	t->interrupted = false;
	if (t->poked) {
		t->poked = false;
		if (--t->engine->pokes == 0)
			waiters_check(t->engine);
	}
}

void task_poke(struct task *t)
{
	if (t->state != TASK_RUNNING || t->poked || task_has_left(t))
		return;
	t->poked = true;
	t->engine->pokes++;
	task_interrupt(t);
}

void task_poke_in_call(struct task *t)
{
	if (t->poked)
		return;
	t->poked = true;
	t->engine->pokes++;
}

void task_set_disturbed(struct task *t, bool disturbed)
{
	if (t->disturbed == disturbed)
		return;
	t->disturbed = disturbed;
	if (disturbed)
		t->engine->disturbed++;
	else
		t->engine->disturbed--;
}

void task_set_stops_at_calls(struct task *t, bool stops)
{
	if (t->stops_at_calls != stops)
		t->engine->stopping_at_calls += stops ? 1 : (size_t)-1;
	t->stops_at_calls = stops;
}

/* Those who waited for it to stand need not any longer. */
void task_awaited_no_more(struct task *t)
{
	for (size_t i = 0; i < t->rules.count; i++) {
		struct rules_party *p = &t->rules.parties[i];
		struct session *s = p->awaited ? session_by_id(t->engine, p->session) : NULL;

		p->awaited = false;
		if (s != NULL)
			session_stood(s);
	}
}

void task_free(struct task *t)
{
	call_died(t);
	watch_new_program(t);
	free(t->struck);
	task_unpoke(t);
	task_set_disturbed(t, false);
	task_set_stops_at_calls(t, false);
	rules_died(&t->rules);
	task_awaited_no_more(t);
	past_lifted(t);
	timer_cancel(&t->timer);
	timer_cancel(&t->leader_timer);
	list_remove(&t->in_orphans);
	if (t->process != NULL) {
		list_remove(&t->in_process);
		t->process->task_count--;
	}
	if (t->parent != NULL)
		t->parent->unannounced = NULL;
	if (t->unannounced != NULL)
		t->unannounced->parent = NULL;
	if (map_get(&t->engine->tasks_by_tid, (uint64_t)t->tid) == t)
		map_take(&t->engine->tasks_by_tid, (uint64_t)t->tid);
	map_take(&t->engine->tasks_by_id, t->id);
	rules_deinit(&t->rules);
	free(t);
}

bool task_stands(const struct task *t)
{
	return t->state == TASK_STANDING;
}

bool task_listens(const struct task *t)
{
	return t->ev.kind == BACKEND_JOB_STOP && t->job_denier == 0;
}

bool task_at_entry(const struct task *t)
{
	return t->ev.kind == BACKEND_SYSCALL_ENTRY || t->ev.kind == BACKEND_SECCOMP;
}

bool task_has_left(const struct task *t)
{
	struct backend *b = t->engine->backend;

	if (t->state != TASK_RUNNING || t->process == NULL)
		return false;
	if (t->exit_told)
		return true;
	/* A leader's death is reported with that of the last task. */
	return t->tid == t->process->pid && t->process->task_count > 1 && b->ops->has_exited &&
	       b->ops->has_exited(b, t->tid);
}

void task_interrupt(struct task *t)
{
	struct backend *b = t->engine->backend;

	if (t->state != TASK_RUNNING || t->interrupted || task_has_left(t))
		return;
	/* Failure means that it is dying: the death record is on its way. */
	if (b->ops->interrupt(b, t->tid) == 0) {
		t->interrupted = true;
		task_set_disturbed(t, true);
		death_expect_leader(t);
	}
}

static void tell_stop_done(struct task *t, struct session *s)
{
	struct event ev = EVENT(COTRACE_EVENT_STOP_DONE, t);

	ev.stop.where = t->kind;
	event_emit(s, &ev);
}

/* The first thing after a stop: those who asked for it learn that it stands. */
void task_tell_holders(struct task *t)
{
	if (t->rules.holders == 0)
		return;
	for (size_t i = 0; i < t->rules.count; i++) {
		struct rules_party *p = &t->rules.parties[i];
		struct session *s;

		if (!p->awaited)
			continue;
		p->awaited = false;
		s = session_by_id(t->engine, p->session);
		tell_stop_done(t, s);
		session_stood(s);
	}
}

/* What another hold of @s is to the other sessions (R9). */
static void tell_hold(struct task *t, struct session *s, unsigned before, unsigned after)
{
	uint32_t what = told_of_hold(before & RULES_HOLD_ASKED, after & RULES_HOLD_ASKED);

	if (t->process != NULL)
		event_changed(t->process, s, t, what, 0, 0);
}

void task_tell_born(struct task *t)
{
	task_awaited_no_more(t);
	for (size_t i = 0; i < t->rules.count; i++) {
		const struct rules_party *p = &t->rules.parties[i];
		struct session *s = session_by_id(t->engine, p->session);

		if (!(p->holds & RULES_HOLD_ASKED))
			continue;
		tell_hold(t, s, 0, p->holds);
		tell_stop_done(t, s);
	}
}

void task_note_hold(struct rules_party *p, uint32_t reason, uint64_t seq)
{
	p->reason = reason;
	p->since_ns = clock_now_ns();
	if (seq)
		p->offer_seq = seq;
}

void task_hold(struct task *t, struct session *s)
{
	struct rules_party *p = rules_party(&t->rules, s->id);

	if (p == NULL || (p->holds & RULES_HOLD_ASKED) || t->rules.phase == RULES_DEAD ||
	    task_has_left(t))
		return;
	rules_hold(&t->rules, p, RULES_HOLD_ASKED);
	rules_unstep(p); /* it will have a stop before that */
	if (!(p->holds & RULES_HOLD_OFFER))
		task_note_hold(p, COTRACE_EVENT_STOP_DONE, 0);
	tell_hold(t, s, 0, p->holds);
	if (task_stands(t)) {
		if (t->announced) /* else it is told when it starts */
			tell_stop_done(t, s);
		return;
	}
	p->awaited = true;
	s->unstood++;
	task_interrupt(t);
}

void task_release(struct task *t, struct session *s, unsigned why)
{
	struct rules_party *p;

	why = call_release(t, s, why);
	p = rules_party(&t->rules, s->id);
	if (p == NULL || !(p->holds & why))
		return;
	if ((why & RULES_HOLD_ASKED) && p->awaited) {
		p->awaited = false;
		session_stood(s);
	}
	tell_hold(t, s, p->holds, p->holds & ~why);
	rules_release(&t->rules, p, why);
	task_proceed(t);
}

void task_leave(struct task *t, struct session *s)
{
	struct rules_party *p = rules_party(&t->rules, s->id);

	if (p == NULL)
		return;
	if (p->awaited)
		session_stood(s);
	if (t->job_denier == s->id) {
		t->job_denier = 0;
		t->job_due |= task_stands(t) && !task_listens(t);
		task_interrupt(t);
	}
	tell_hold(t, s, p->holds, 0);
	rules_leave(&t->rules, s->id);
	call_leave(t, s);
}

void task_entry_due(struct task *t, const struct session *s)
{
	const struct rules_party *now = s ? rules_party(&t->rules, s->id) : NULL;
	const struct rules_party *before = rules_party(&t->rules, t->changer);

	/* The one farthest from the kernel counts: those between the two judge it as well. */
	if (!t->entry_due || now == NULL || (before && now > before))
		t->changer = now ? now->session : 0;
	t->entry_due = true;
}

void task_reoffer(struct task *t, struct session *s)
{
	struct backend *b = t->engine->backend;
	struct backend_syscall now;

	if (call_busy(t)) {
		call_changed(t);
		return;
	}
	if (!task_stands(t) || !task_at_entry(t))
		return;
	/* Made again after a stop, it was passed without a word: now it is another one. */
	t->steppers_only = false;
	if (t->kind != COTRACE_EVENT_SECCOMP)
		t->kind = COTRACE_EVENT_SYSCALL_ENTRY;
	else
		task_entry_due(t, s);
	if (!(t->flags & COTRACE_EV_DENIED) && b->ops->syscall_get(b, t->tid, &now) == 0)
		t->call = now;
	if (rules_changed(&t->rules, s->id))
		task_proceed(t);
}
