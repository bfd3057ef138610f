/* SPDX-License-Identifier: MIT */
/* What a session says at a stop, carried out. */
#include <errno.h>
#include <string.h>

#include "engine/call.h"
#include "engine/regs.h"
#include "engine/session.h"
#include "engine/task.h"

static int entry_verdict(struct task *t, struct session *s, const struct wire_answer *a)
{
	struct backend *b = t->engine->backend;
	struct backend_syscall call = t->call;
	int r;

	t->steppers_only = false; /* those nearer to the kernel have not judged that */
	if (a->action == COTRACE_DENY) {
		t->flags |= COTRACE_EV_DENIED;
		t->denied_result = a->result;
		return 0;
	}
	call.nr = a->nr;
	memcpy(call.args, a->args, sizeof call.args);
	r = b->ops->syscall_set(b, t->tid, &call);
	if (r < 0)
		return r;
	t->call = call;
	if (t->kind == COTRACE_EVENT_SECCOMP)
		task_entry_due(t, s);
	t->call_replaced = true;
	t->flags |= COTRACE_EV_REPLACED;
	return 0;
}

static int exit_verdict(struct task *t, const struct wire_answer *a)
{
	struct backend *b = t->engine->backend;
	int r;

	if (a->action != COTRACE_REPLACE)
		return -EINVAL;
	if (t->call_denied)
		return -EPERM; /* what was denied stays denied */
	r = b->ops->result_set(b, t->tid, a->result);
	if (r < 0)
		return r;
	t->call.result = a->result;
	t->call.is_error = a->result < 0 && a->result >= -4095;
	t->flags |= COTRACE_EV_REPLACED;
	return 0;
}

static int signal_verdict(struct task *t, const struct wire_answer *a, const void *siginfo,
			  size_t size)
{
	struct backend *b = t->engine->backend;
	siginfo_t info = { 0 };
	int r;

	if (a->action == COTRACE_DENY) {
		t->flags |= COTRACE_EV_DENIED;
		return 0;
	}
	if (a->signo < 1 || a->signo > 64 || a->signo == SIGKILL)
		return -EINVAL;
	if (size > sizeof info)
		return -EINVAL;
	if (size)
		memcpy(&info, siginfo, size);
	else
		info.si_code = SI_USER;
	info.si_signo = a->signo;
	r = b->ops->siginfo_set(b, t->tid, &info);
	if (r < 0)
		return r;
	t->ev.siginfo = info;
	t->signo = a->signo;
	t->flags |= COTRACE_EV_REPLACED;
	return 0;
}

static int carry_out(struct task *t, struct session *s, const struct wire_answer *a,
		     const void *siginfo, size_t size)
{
	switch (t->kind) {
	case COTRACE_EVENT_SYSCALL_ENTRY:
	case COTRACE_EVENT_SECCOMP:
		return entry_verdict(t, s, a);
	case COTRACE_EVENT_SYSCALL_EXIT:
		return exit_verdict(t, a);
	case COTRACE_EVENT_JOB_STOP:
		if (a->action != COTRACE_DENY)
			return -EINVAL;
		t->flags |= COTRACE_EV_DENIED;
		t->job_denier = s->id;
		return 0;
	case COTRACE_EVENT_SIGNAL:
		return signal_verdict(t, a, siginfo, size);
	default:
		return -EINVAL;
	}
}

int verdict_apply(struct task *t, struct session *s, const struct wire_answer *answer,
		  const void *siginfo, size_t size)
{
	bool denied_before = t->rules.denied;
	struct rules_party *p = rules_party(&t->rules, s->id);
	int r = 0;

	if (answer->action > COTRACE_DENY)
		return -EINVAL;
	if (call_answers(t, s->id, answer->seq))
		return call_verdict(t, s, answer, siginfo, size);
	if (p == NULL || !(p->holds & RULES_HOLD_OFFER) || p->offer_seq != answer->seq)
		return 0; /* that stop is over */
	if (call_defers(t, s, answer, siginfo, size))
		return 0;
	if (!rules_answer(&t->rules, s->id, (enum rules_action)answer->action))
		r = denied_before && answer->action == COTRACE_DENY ? 0 : -EPERM;
	else if (answer->action != COTRACE_PASS)
		r = carry_out(t, s, answer, siginfo, size);
	regs_forget(t); /* they may be others now */
	/* A denial that does not apply to this kind of stop leaves no trace. */
	if (r < 0 && !denied_before)
		t->rules.denied = false;
	task_proceed(t);
	return r;
}
