/* SPDX-License-Identifier: MIT */
/*
 * Steps (R5). The kernel cannot step and stop at system calls at once (gotcha 87), so when
 * somebody wants to see the call it is run as one, and its exit is the end of the step.
 */
#include <errno.h>

#include "engine/request.h"
#include "engine/session.h"
#include "engine/task.h"

/* Whether the next thing it does is a system call. */
static bool at_call(struct task *t)
{
	struct backend *b = t->engine->backend;

	return t->ev.kind == BACKEND_SYSCALL_ENTRY || t->restarting ||
	       b->ops->at_call(b, t->tid, t->ev.pc);
}

enum backend_resume step_begin(struct task *t, bool sees_calls)
{
	t->step_pc = t->ev.pc;
	t->steps_call = sees_calls && at_call(t);
	t->steps = !t->steps_call;
	return t->steps ? BACKEND_STEP : BACKEND_SYSCALLS;
}

bool step_ends(struct task *t, const struct backend_event *ev)
{
	bool ours = t->steps && (ev->trap == BACKEND_TRAP_STEP || ev->trap == BACKEND_TRAP_NOTICE);

	if (ours)
		t->steps = false;
	return ours;
}

bool step_done(struct task *t)
{
	struct backend *b = t->engine->backend;
	bool branched = !b->ops->follows(b, t->tid, t->step_pc, t->ev.pc);

	return rules_stepped(&t->rules, t->ev.pc, branched);
}

bool step_follows(struct task *t)
{
	if (!t->steps_call || t->ev.kind != BACKEND_SYSCALL_EXIT || t->call_suspended)
		return false;
	t->steps_call = false;
	if (!rules_stepped(&t->rules, t->ev.pc, false))
		return false;
	rules_run(&t->rules);
	rules_stop(&t->rules, RULES_TO_PROGRAM, false);
	t->kind = COTRACE_EVENT_STEP;
	t->flags = 0;
	return true;
}

static int check_step(struct request *rq, const struct wire_step *m, struct task *t)
{
	struct rules_party *p = t ? rules_party(&t->rules, rq->session->id) : NULL;
	int r = request_may_change(rq);

	if (r < 0)
		return r;
	if (t == NULL || p == NULL)
		return -ESRCH;
	if (m->kind < COTRACE_STEP_INSTRUCTION || m->kind > COTRACE_STEP_RANGE)
		return -EINVAL;
	return p->holds & (RULES_HOLD_ASKED | RULES_HOLD_OFFER) ? 0 : -EBUSY;
}

void request_step(struct request *rq, const struct wire_step *m)
{
	struct task *t = request_task(rq, m->task);
	int r = check_step(rq, m, t);

	if (r == 0) {
		rules_step(rules_party(&t->rules, rq->session->id), (enum rules_step)m->kind,
			   m->from, m->to);
		task_release(t, rq->session, RULES_HOLD_ASKED | RULES_HOLD_OFFER);
	}
	request_done(rq, r);
}
