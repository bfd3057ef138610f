/* SPDX-License-Identifier: MIT */
#include "engine/judge.h"

#include "engine/call.h"
#include "engine/regs.h"
#include "engine/session.h"
#include "engine/task.h"

#define EXCHANGE(a, b)                    \
	do {                              \
		__typeof__(a) was_ = (a); \
		(a) = (b);                \
		(b) = was_;               \
	} while (0)

static void exchange(struct judge *j)
{
	struct judge_stop *o = &j->other;
	struct task *t = j->task;

	j->inside = !j->inside;
	regs_forget(t); /* those of the call are others */
	EXCHANGE(t->rules, o->rules);
	EXCHANGE(t->ev, o->ev);
	EXCHANGE(t->call, o->call);
	EXCHANGE(t->asked, o->asked);
	EXCHANGE(t->kind, o->kind);
	EXCHANGE(t->flags, o->flags);
	EXCHANGE(t->denied_result, o->denied_result);
	EXCHANGE(t->signo, o->signo);
	EXCHANGE(t->in_call, o->in_call);
	EXCHANGE(t->call_denied, o->call_denied);
	EXCHANGE(t->call_replaced, o->call_replaced);
	EXCHANGE(t->unannounced, o->unannounced);
}

int judge_init(struct judge *j, struct task *t, uint64_t session, void (*judged)(struct task *))
{
	j->task = t;
	j->judged = judged;
	return rules_nearer(&j->other.rules, &t->rules, session);
}

void judge_deinit(struct judge *j)
{
	if (j->told) {
		exchange(j);
		rules_died(&j->task->rules);
		j->task->in_call = true;
		death_no_return(j->task);
		exchange(j);
	}
	rules_deinit(&j->other.rules);
}

/* A queue that was flushed meanwhile may have been in the way of the outer stop. */
static void release_outer_queues(struct judge *j)
{
	struct task *t = j->task;

	for (size_t i = 0; i < t->rules.count; i++) {
		struct rules_party *p = &t->rules.parties[i];
		struct session *s = session_by_id(t->engine, p->session);

		if (s == NULL || !s->queue_full)
			rules_release(&t->rules, p, RULES_HOLD_QUEUE);
	}
}

void judge_proceed(struct judge *j)
{
	bool over;

	if (j->inside || j->other.rules.phase != RULES_STOPPED)
		return;
	exchange(j);
	task_ask(j->task);
	over = rules_may_run(&j->task->rules);
	if (over)
		rules_run(&j->task->rules);
	exchange(j);
	release_outer_queues(j);
	if (over)
		j->judged(j->task);
}

void judge_stop(struct judge *j, const struct backend_event *ev)
{
	bool entry = ev->kind == BACKEND_SYSCALL_ENTRY;
	struct judge_stop *o = &j->other;

	o->ev = *ev;
	o->kind = entry ? COTRACE_EVENT_SYSCALL_ENTRY : COTRACE_EVENT_SYSCALL_EXIT;
	o->flags = 0;
	if (entry) {
		o->call = o->asked = ev->syscall;
		o->call_denied = o->call_replaced = false;
	} else {
		o->call.result = ev->syscall.result;
		o->call.is_error = ev->syscall.is_error;
		o->flags |= o->call_denied ? COTRACE_EV_DENIED : 0;
		o->flags |= o->call_replaced ? COTRACE_EV_REPLACED : 0;
	}
	j->told = entry;
	j->hurried = false;
	rules_stop(&o->rules, entry ? RULES_TO_KERNEL : RULES_TO_PROGRAM, entry);
	judge_proceed(j);
}

void judge_hurry(struct judge *j)
{
	struct rules *r = &j->other.rules;

	if (j->inside || r->phase != RULES_STOPPED)
		return;
	j->hurried = true;
	for (size_t i = 0; i < r->count; i++) {
		rules_release(r, &r->parties[i], ~0u);
		r->parties[i].asked = true;
	}
	judge_proceed(j);
}

bool judge_denies(const struct judge *j, int64_t *result)
{
	*result = j->other.denied_result;
	return j->other.kind == COTRACE_EVENT_SYSCALL_ENTRY && (j->other.flags & COTRACE_EV_DENIED);
}

const struct backend_syscall *judge_call(const struct judge *j)
{
	return &j->other.call;
}

/* ---- What sessions do at the inner stop. ---- */

/* The judge of a call into @t, when what @t's fields say is the outer stop. */
static struct judge *of(const struct task *t)
{
	struct judge *j = call_judge(t);

	return j != NULL && !j->inside && j->other.rules.phase == RULES_STOPPED ? j : NULL;
}

bool call_answers(struct task *t, uint64_t session, uint64_t seq)
{
	struct judge *j = of(t);
	struct rules_party *p = j ? rules_party(&j->other.rules, session) : NULL;

	return p != NULL && (p->holds & RULES_HOLD_OFFER) && p->offer_seq == seq;
}

int call_verdict(struct task *t, struct session *s, const struct wire_answer *answer,
		 const void *siginfo, size_t size)
{
	struct judge *j = of(t);
	int r;

	exchange(j);
	r = verdict_apply(t, s, answer, siginfo, size);
	exchange(j);
	judge_proceed(j);
	return r;
}

unsigned call_release(struct task *t, struct session *s, unsigned why)
{
	struct judge *j = of(t);
	struct rules_party *p = j ? rules_party(&j->other.rules, s->id) : NULL;

	if (call_has_deferred(t, s->id))
		why &= ~RULES_HOLD_OFFER; /* it has been answered */
	if (p != NULL && (p->holds & why)) {
		rules_release(&j->other.rules, p, why);
		judge_proceed(j);
	}
	return why;
}

void call_leave(struct task *t, struct session *s)
{
	struct judge *j = call_judge(t);

	if (j == NULL || j->inside)
		return;
	rules_leave(&j->other.rules, s->id);
	judge_proceed(j);
}

void call_reoffer(struct task *t)
{
	struct judge *j = of(t);

	if (j != NULL && rules_renew(&j->other.rules))
		judge_proceed(j);
}

bool call_hides(const struct task *t, uint64_t session)
{
	const struct judge *j = of(t);
	const struct rules_party *p =
		j ? rules_party((struct rules *)&j->other.rules, session) : NULL;

	return call_busy(t) && (p == NULL || !(p->holds & RULES_HOLD_OFFER));
}

const struct rules *call_rules(const struct task *t)
{
	const struct judge *j = of(t);

	return j ? &j->other.rules : NULL;
}
