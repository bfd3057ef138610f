/* SPDX-License-Identifier: MIT */
/* Turns at a stop, one session at a time, and what happens when all have had theirs. */
#include <errno.h>

#include "base/log.h"
#include "engine/break.h"
#include "engine/call.h"
#include "engine/event.h"
#include "engine/past.h"
#include "engine/regs.h"
#include "engine/session.h"
#include "engine/sigtrap.h"
#include "engine/step.h"
#include "engine/task.h"
#include "engine/watch.h"

#define REST_NS (20 * CLOCK_MS)

static void exit_stop_over(struct timer *timer)
{
	struct task *t = list_entry(timer, struct task, timer);

	for (size_t i = 0; i < t->rules.count; i++)
		rules_release(&t->rules, &t->rules.parties[i], ~0u);
	log_debug("exit stop of %d is over", (int)t->tid);
	task_proceed(t);
}

/* Nothing may delay death (R6): all holds and offers together have this long. */
static bool is_overdue(const struct task *t)
{
	return t->ev.kind == BACKEND_EXITING && !list_linked(&t->timer.node);
}

void task_limit_exit_stop(struct task *t)
{
	timer_set(&t->engine->timers, &t->timer, clock_now_ns() + ENGINE_EXIT_STOP_NS,
		  exit_stop_over);
}

/* One session's turn. */
static void ask(struct task *t, struct rules_party *p)
{
	struct session *s = session_by_id(t->engine, p->session);
	enum cotrace_mode mode = s ? event_interest(s, t) : COTRACE_OFF;
	uint32_t step = p->step;
	struct event ev;
	uint64_t seq;

	if (mode == COTRACE_OFF) {
		rules_told(&t->rules, p);
		return;
	}
	if (is_overdue(t))
		mode = COTRACE_NOTE;
	p->saw_entry |= t->kind == COTRACE_EVENT_SYSCALL_ENTRY;
	regs_flush(t);
	event_of_stop(t, &ev);
	if (t->kind == COTRACE_EVENT_STEP)
		ev.step.kind = step;
	if (p->reoffer)
		ev.flags |= COTRACE_EV_REOFFER;
	if ((s->flags & COTRACE_CHILD_FDS) && t->unannounced != NULL &&
	    t->unannounced->process != t->process) {
		ev.fd = session_for_child(s, t->unannounced->process);
		ev.child.has_fd = ev.fd >= 0;
	}
	if (mode == COTRACE_NOTE) {
		rules_told(&t->rules, p);
		event_emit(s, &ev);
		hit_told(t);
		if (s->queue_full && !(s->flags & COTRACE_LOSSY) && !is_overdue(t)) {
			rules_hold(&t->rules, p, RULES_HOLD_QUEUE);
			task_note_hold(p, t->kind, 0);
		}
		return;
	}
	ev.flags |= COTRACE_EV_STOP;
	/* The offer first: a queue that is flushed can let tasks run, this one too. */
	rules_offered(&t->rules, p);
	seq = event_emit(s, &ev);
	hit_told(t);
	if (seq != 0) {
		task_note_hold(p, t->kind, seq);
		return;
	}
	/* No memory: it cannot be asked, so it does not decide; but a policy fails closed. */
	rules_release(&t->rules, p, RULES_HOLD_OFFER);
	if (p->policy && task_at_entry(t)) {
		t->rules.denied = true;
		t->flags |= COTRACE_EV_DENIED;
		t->denied_result = -ENOMEM;
	}
}

/* What a signal stop leaves to do: broken calls, and the signal that goes on. */
static int leave_signal_stop(struct task *t)
{
	struct backend *b = t->engine->backend;
	int signo = t->flags & COTRACE_EV_DENIED ? 0 : t->signo;
	enum backend_disposition disposition =
		signo ? b->ops->disposition(b, t->tid, signo) : BACKEND_SIG_IGNORED;

	if (disposition != BACKEND_SIG_IGNORED) {
		b->ops->take_back(b, t->tid);
		t->to_handler = disposition == BACKEND_SIG_HANDLED;
		if (t->to_handler)
			t->restarting = false; /* the handler's calls come first */
		return signo;
	}
	/* Untraced, a signal that changes nothing would not have broken the call. */
	if (!t->regs_written && b->ops->put_back(b, t->tid))
		t->restarting = true;
	return signo;
}

static void sync_extra_stops(struct task *t)
{
	struct backend *b = t->engine->backend;
	unsigned want = t->process ? t->process->wants_extra : 0;

	if (t->extra_stops != want && b->ops->extra_stops(b, t->tid, want) == 0)
		t->extra_stops = want;
}

/* A SIGTRAP of the kernel's accesses may wait. From an interrupt's stop it is let come. */
static bool goes_on_first(struct task *t, int signo)
{
	struct backend *b = t->engine->backend;

	if (!t->kernel_had)
		return false;
	watch_disarm(t);
	if (t->ev.kind != BACKEND_SYSCALL_EXIT && t->ev.kind != BACKEND_SIGNAL &&
	    t->ev.kind != BACKEND_CLONE && t->ev.kind != BACKEND_FORK &&
	    t->ev.kind != BACKEND_VFORK && t->ev.kind != BACKEND_VFORK_DONE)
		return false;
	t->state = TASK_RUNNING;
	t->kind = 0;
	task_interrupt(t);
	b->ops->resume(b, t->tid, BACKEND_RUN, signo);
	return true;
}

static void detach(struct task *t, int signo)
{
	struct backend *b = t->engine->backend;
	struct process *p = t->process;

	if (goes_on_first(t, signo))
		return;
	watch_disarm(t);
	b->ops->detach(b, t->tid, signo);
	task_free(t);
	if (p != NULL && p->task_count == 0 && list_empty(&p->covers))
		process_release(p);
}

static enum backend_resume how_to_run(struct task *t)
{
	bool sees_calls = (t->process && t->process->wants_syscalls) || rules_wants_call(&t->rules);

	t->steps = t->steps_call = false;
	if (task_listens(t))
		return BACKEND_LISTEN;
	if (watch_steps(t))
		struck_expect(t);
	if (rules_wants_step(&t->rules) || watch_steps(t))
		return step_begin(t);
	/* A call that an interrupt may have broken, or with other arguments, is seen to its end. */
	if (sees_calls || past_awaits_call(t) ||
	    (task_at_entry(t) && (t->disturbed || t->call_replaced)))
		return BACKEND_SYSCALLS;
	return BACKEND_RUN;
}

static void run(struct task *t)
{
	struct backend *b = t->engine->backend;
	enum backend_resume how;
	int signo = t->requeue ? SIGTRAP : 0;

	t->to_handler = false;
	timer_cancel(&t->timer);
	regs_flush(t);
	if (task_at_entry(t) && (t->flags & COTRACE_EV_DENIED)) {
		b->ops->syscall_deny(b, t->tid, t->denied_result);
		t->call_denied = true;
	} else if (t->signo) { /* not at a trap that the engine made */
		signo = leave_signal_stop(t);
	}
	if (t->detaching) {
		if (t->ev.kind == BACKEND_SYSCALL_ENTRY && !(t->flags & COTRACE_EV_DENIED))
			b->ops->put_off(b, t->tid);
		detach(t, signo);
		return;
	}
	if (call_tells_kept(t))
		return;
	sync_extra_stops(t);
	how = how_to_run(t);
	past_run(t, &how);
	sigtrap_run(t, how == BACKEND_STEP);
	t->step.chain = t->step.chain && how == BACKEND_STEP;
	regs_flush(t);
	watch_arm(t);
	if (t->is_armed && (t->lifted || watch_stands(t)))
		b->ops->debug_pass(b, t->tid);
	regs_forget(t);
	t->listened = how == BACKEND_LISTEN;
	t->state = TASK_RUNNING;
	t->kind = 0;
	/* One that steps must not be left alone with its trap either. */
	task_set_stops_at_calls(t, how == BACKEND_SYSCALLS || how == BACKEND_STEP);
	if (t->job_due) /* it did not stay stopped: the stop is reported again */
		b->ops->interrupt(b, t->tid);
	t->job_due = false;
	b->ops->resume(b, t->tid, how, signo);
}

void task_ask(struct task *t)
{
	struct rules_party *p;

	while ((p = rules_turn(&t->rules)) != NULL)
		ask(t, p);
}

static void rest(struct timer *timer)
{
	struct task *t = list_entry(timer, struct task, timer);
	struct backend *b = t->engine->backend;

	if (t->state != TASK_STANDING || call_busy(t))
		return;
	regs_flush(t);
	t->rested = true;
	t->resting = b->ops->rest(b, t->tid) == -EAGAIN;
}

/* Not at once: who steps on would wait for it. */
static void rest_later(struct task *t)
{
	if (t->ev.kind != BACKEND_TRAP || t->signo || t->rested || list_linked(&t->timer.node) ||
	    t->engine->backend->ops->rest == NULL)
		return;
	timer_set(&t->engine->timers, &t->timer, clock_now_ns() + REST_NS, rest);
}

/* The call was changed by what a session said of its filter's word: now it is judged as such. */
static bool entry_follows(struct task *t)
{
	if (!t->entry_due || (t->flags & COTRACE_EV_DENIED))
		return false;
	t->entry_due = false;
	t->kind = COTRACE_EVENT_SYSCALL_ENTRY;
	return t->changer && rules_party(&t->rules, t->changer)
		       ? rules_changed(&t->rules, t->changer)
		       : rules_renew(&t->rules);
}

void task_proceed(struct task *t)
{
	if (t->state != TASK_STANDING || t->rules.phase != RULES_STOPPED || call_busy(t))
		return;
	do {
		task_ask(t);
		if (t->unannounced != NULL && rules_all_asked(&t->rules))
			birth_announced(t);
		if (!rules_may_run(&t->rules) || call_busy(t) || !past_ready(t)) {
			regs_flush(t);
			rest_later(t);
			return;
		}
	} while (entry_follows(t) || struck_follows(t) || step_follows(t));
	if (!sigtrap_asked(t) || !step_ready(t)) {
		regs_flush(t);
		return;
	}
	rules_run(&t->rules);
	run(t);
}
