/* SPDX-License-Identifier: MIT */
/*
 * The course of a call into a target:
 *
 *	LEAVING     only from within a call of the program (fork, exec): to that call's exit
 *	ENTERING    to the entry
 *	AT_ENTRY    sessions nearer to the kernel judge it (judge.c)
 *	MADE        to the exit; an interruption that is not ours has it made again
 *	AT_EXIT     they are told
 *	RETURNING   until it stands as before
 *
 * What the kernel does meanwhile that the sessions are due is kept and told afterwards.
 */
#include "engine/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/log.h"
#include "engine/event.h"
#include "engine/regs.h"
#include "engine/session.h"
#include "engine/task.h"
#include "engine/watch.h"

#define LATE_MAX 8

enum stage { LEAVING, ENTERING, AT_ENTRY, MADE, AT_EXIT, RETURNING };

/* An answer at the outer stop; only one offer can be open there. */
struct deferred {
	uint64_t session; /* 0: none */
	struct wire_answer answer;
	siginfo_t siginfo;
	size_t size;
};

struct call {
	struct task *task;
	enum stage stage;
	struct backend_syscall made; /* with its result at the end */
	call_done *done;
	void *arg;
	int error;
	struct judge judge;
	bool entered, denied;
	bool cut_short; /* it is not to go on, if it can be helped */
	bool changed;	/* the target was, by some session */
	struct deferred deferred;
	struct backend_event end;    /* its exit */
	struct backend_event *exit;  /* of the program's own call, from which it was led away */
	bool job_known, job_stopped; /* by the last stop that said so */
	siginfo_t late[LATE_MAX];    /* signals that came in between: sent again */
	unsigned late_count;
};

void call_changed(struct task *t)
{
	t->calling->changed = true;
	call_reoffer(t);
}

bool call_busy(const struct task *t)
{
	return t->calling != NULL;
}

static void go(struct call *c, enum backend_resume how)
{
	struct backend *b = c->task->engine->backend;

	/* Failure means that it is dying: the death record is on its way. */
	b->ops->resume(b, c->task->tid, how, 0);
}

static void call_free(struct call *c)
{
	judge_deinit(&c->judge);
	c->task->engine->calls--;
	c->task->calling = NULL;
	free(c->exit);
	free(c);
}

static void send_late_signals(struct call *c)
{
	struct task *t = c->task;
	struct backend *b = t->engine->backend;

	for (unsigned i = 0; i < c->late_count; i++) {
		const siginfo_t *info = &c->late[i];

		b->ops->signal(b, t->process->pid, t->tid, info->si_signo,
			       info->si_code < 0 && info->si_code != SI_TKILL ? info : NULL);
	}
}

/* It may have been stopped, or continued, by job control meanwhile. */
static void take_note_of_job(struct call *c)
{
	struct task *t = c->task;
	struct backend *b = t->engine->backend;

	if (!c->job_known)
		return;
	if (t->ev.kind == BACKEND_JOB_STOP && !c->job_stopped) {
		t->ev.kind = BACKEND_INTERRUPTED;
		task_job_continued(t);
	} else if (t->ev.kind != BACKEND_JOB_STOP && c->job_stopped && !t->job_denier) {
		/* The stop is reported again when it runs. */
		b->ops->interrupt(b, t->tid);
	}
}

static void carry_out(struct task *t, const struct deferred *d)
{
	struct session *s = session_by_id(t->engine, d->session);
	struct event ev = EVENT(COTRACE_EVENT_REFUSED, NULL);

	if (s == NULL) {
		task_proceed(t);
		return;
	}
	ev.refused.error = verdict_apply(t, s, &d->answer, &d->siginfo, d->size);
	ev.refused.request = WIRE_ANSWER;
	if (ev.refused.error < 0)
		event_emit(s, &ev);
}

bool call_has_deferred(const struct task *t, uint64_t session)
{
	const struct call *c = t->calling;

	return c != NULL && c->deferred.session == session;
}

bool call_defers(struct task *t, struct session *s, const struct wire_answer *answer,
		 const void *siginfo, size_t size)
{
	struct call *c = t->calling;
	struct deferred *d;

	if (c == NULL || c->judge.inside || answer->action != COTRACE_REPLACE)
		return false;
	d = &c->deferred;
	d->session = s->id;
	d->answer = *answer;
	d->size = size;
	if (size > 0 && size <= sizeof d->siginfo)
		memcpy(&d->siginfo, siginfo, size);
	return true;
}

/* It stands as before. */
static void finish(struct call *c)
{
	struct task *t = c->task;
	struct engine *e = t->engine;
	uint64_t id = t->id;
	call_done *done = c->done;
	void *arg = c->arg;
	int error = c->error;
	int64_t result = c->made.result;
	struct deferred deferred;

	log_debug("call into %d is over: %d", (int)t->tid, error);
	regs_forget(t);
	send_late_signals(c);
	take_note_of_job(c);
	if (c->changed && t->ev.kind == BACKEND_SYSCALL_ENTRY) {
		t->kind = COTRACE_EVENT_SYSCALL_ENTRY;
		rules_renew(&t->rules);
	}
	if (c->exit != NULL)
		t->kept = c->exit;
	c->exit = NULL;
	deferred = c->deferred;
	call_free(c);
	watch_after_call(t);
	readers_answer(t, 0);
	done(t, error, result, arg);
	t = task_by_id(e, id);
	if (t != NULL && deferred.session != 0)
		carry_out(t, &deferred);
	else if (t != NULL)
		task_proceed(t);
}

void call_died(struct task *t)
{
	struct call *c = t->calling;
	call_done *done;
	void *arg;

	free(t->kept);
	t->kept = NULL;
	done = c ? c->done : NULL;
	arg = c ? c->arg : NULL;
	if (c != NULL)
		call_free(c);
	readers_answer(t, -ESRCH);
	if (done != NULL)
		done(t, -ESRCH, 0, arg);
}

/* One step of the way back. */
static void come_back(struct call *c, const struct backend_event *ev)
{
	struct backend *b = c->task->engine->backend;
	enum backend_resume how = BACKEND_RUN;
	int r = b->ops->call_end(b, c->task->tid, ev, &how);

	c->stage = RETURNING;
	if (r > 0)
		finish(c);
	else if (r == 0)
		go(c, how);
}

/* Sent by somebody: it is not the doing of the call. */
static bool was_sent(const struct backend_event *ev)
{
	return ev->siginfo.si_signo == SIGSTOP || ev->siginfo.si_code <= 0;
}

static void keep_signal(struct call *c, const struct backend_event *ev)
{
	if (c->late_count < LATE_MAX)
		c->late[c->late_count++] = ev->siginfo;
}

static bool is_signal(const struct backend_event *ev)
{
	return ev->kind == BACKEND_SIGNAL || ev->kind == BACKEND_TRAP;
}

static void make(struct call *c)
{
	struct backend *b = c->task->engine->backend;

	c->stage = MADE;
	/* One that need not wait is made all the same. */
	if (c->cut_short)
		b->ops->interrupt(b, c->task->tid);
	go(c, BACKEND_SYSCALLS);
}

/* All who judge have had their turn. */
static void judged(struct task *t)
{
	struct backend *b = t->engine->backend;
	struct call *c = t->calling;
	const struct arch *arch;
	int64_t result;

	c->made = *judge_call(&c->judge);
	if (c->stage == AT_EXIT) {
		come_back(c, &c->end);
		return;
	}
	c->denied = judge_denies(&c->judge, &result);
	arch = arch_by_id(c->made.arch);
	if (!c->denied && c->judge.hurried) {
		c->denied = true;
		result = -EINTR;
	} else if (!c->denied && (arch == NULL || arch_refuses_call(arch, c->made.nr))) {
		c->denied = true; /* replaced by one that has no way back */
		result = -EPERM;
	}
	if (c->denied)
		b->ops->syscall_deny(b, t->tid, result);
	c->judge.other.call_denied = c->denied;
	make(c);
}

/* Not waited for: an answer that came too late is none. */
static void judge(struct call *c, enum stage stage, const struct backend_event *ev)
{
	struct engine *e = c->task->engine;
	uint64_t id = c->task->id;
	struct task *t;

	c->stage = stage;
	judge_stop(&c->judge, ev);
	t = task_by_id(e, id); /* all may be over */
	if (t != NULL && t->calling == c && c->stage == stage && c->cut_short)
		judge_hurry(&c->judge);
}

static void at_entry(struct call *c, const struct backend_event *ev)
{
	if (c->entered) { /* it is made again */
		make(c);
		return;
	}
	c->entered = true;
	judge(c, AT_ENTRY, ev);
}

static void entering(struct call *c, const struct backend_event *ev)
{
	if (ev->kind == BACKEND_SYSCALL_ENTRY) {
		at_entry(c, ev);
		return;
	}
	if (ev->kind == BACKEND_TRAP &&
	    (ev->trap == BACKEND_TRAP_DEBUG || ev->trap == BACKEND_TRAP_KERNEL)) {
		go(c, BACKEND_SYSCALLS); /* it has not reached what it is to execute */
		return;
	}
	if (is_signal(ev) && !was_sent(ev)) {
		c->error = -EPERM; /* the program itself does not let it through */
		come_back(c, ev);
		return;
	} else if (is_signal(ev)) {
		keep_signal(c, ev);
	}
	go(c, BACKEND_SYSCALLS);
}

static void at_exit(struct call *c, const struct backend_event *ev)
{
	struct backend *b = c->task->engine->backend;

	c->made.result = ev->syscall.result;
	if (b->ops->call_refused(b, c->task->tid, &c->made)) {
		c->error = -EPERM;
	} else if (ev->syscall.interrupted && c->cut_short) {
		c->error = -EINTR;
	} else if (ev->syscall.interrupted && !c->denied &&
		   b->ops->call_again(b, c->task->tid, &c->made)) {
		c->stage = ENTERING;
		go(c, BACKEND_SYSCALLS);
		return;
	}
	c->end = *ev;
	judge(c, AT_EXIT, ev);
}

static int begin(struct call *c, const struct backend_event *at)
{
	struct backend *b = c->task->engine->backend;
	struct backend_event entry = *at;
	int r = b->ops->call_begin(b, c->task->tid, at, &c->made);

	if (r < 0)
		return r;
	c->stage = ENTERING;
	if (r == 0) {
		go(c, BACKEND_SYSCALLS);
		return 0;
	}
	entry.syscall = c->made;
	at_entry(c, &entry);
	return 0;
}

/* The program's own call is over: that is what it stands at from now on. */
static void at_own_exit(struct call *c, const struct backend_event *ev)
{
	*c->exit = *ev;
	c->error = begin(c, ev);
	if (c->error < 0)
		finish(c);
}

bool call_event(struct task *t, const struct backend_event *ev)
{
	struct backend *b = t->engine->backend;
	struct call *c = t->calling;

	if (ev->kind == BACKEND_EXITING || ev->kind == BACKEND_EXEC) { /* killed, or replaced */
		call_died(t);
		return false;
	}
	if (ev->kind == BACKEND_JOB_STOP || ev->kind == BACKEND_INTERRUPTED) {
		c->job_known = true;
		c->job_stopped = ev->kind == BACKEND_JOB_STOP;
	}
	if (ev->kind == BACKEND_SECCOMP) {
		b->ops->syscall_deny(b, t->tid, -ENOSYS); /* as its filter does untraced */
		go(c, BACKEND_SYSCALLS);
	} else if (c->stage == RETURNING)
		come_back(c, ev);
	else if (c->stage == ENTERING)
		entering(c, ev);
	else if (ev->kind != BACKEND_SYSCALL_EXIT)
		go(c, BACKEND_SYSCALLS);
	else if (c->stage == LEAVING)
		at_own_exit(c, ev);
	else
		at_exit(c, ev);
	return true;
}

void call_cut_short(struct task *t)
{
	struct backend *b = t->engine->backend;
	struct call *c = t->calling;

	if (c == NULL || c->cut_short)
		return;
	c->cut_short = true;
	if (c->stage == MADE)
		b->ops->interrupt(b, t->tid);
	else if (c->stage == AT_ENTRY || c->stage == AT_EXIT)
		judge_hurry(&c->judge);
}

struct judge *call_judge(const struct task *t)
{
	return t->calling ? &t->calling->judge : NULL;
}

bool call_tells_kept(struct task *t)
{
	struct backend_event *kept = t->kept;

	if (kept == NULL)
		return false;
	t->kept = NULL;
	t->state = TASK_RUNNING;
	task_event(t->engine, kept);
	free(kept);
	return true;
}

/* A call that goes on in the kernel as soon as the task runs: it must end first. */
static bool is_within_call(const struct backend_event *ev)
{
	return ev->kind == BACKEND_FORK || ev->kind == BACKEND_CLONE ||
	       ev->kind == BACKEND_VFORK_DONE || ev->kind == BACKEND_EXEC;
}

static int check(const struct task *t, int64_t nr, uint32_t arch)
{
	const struct arch *a = arch_by_id(arch);

	if (!task_stands(t) || t->process == NULL)
		return -ESRCH;
	/* A parent in vfork() has to wait; a task that exits makes no calls; a filter asks once. */
	if (t->calling != NULL || t->ev.kind == BACKEND_VFORK || t->ev.kind == BACKEND_EXITING ||
	    t->ev.kind == BACKEND_SECCOMP)
		return -EBUSY;
	if (a == NULL || arch_refuses_call(a, nr))
		return -EOPNOTSUPP;
	return 0;
}

static int set_out(struct call *c)
{
	struct task *t = c->task;

	if (t->kept != NULL || !is_within_call(&t->ev))
		return begin(c, t->kept ? t->kept : &t->ev);
	c->stage = LEAVING;
	c->exit = calloc(1, sizeof *c->exit);
	if (c->exit == NULL)
		return -ENOMEM;
	go(c, BACKEND_SYSCALLS);
	return 0;
}

int call_start_for(struct task *t, uint64_t session, const struct wire_syscall *call,
		   call_done *done, void *arg)
{
	struct backend *b = t->engine->backend;
	uint32_t arch = b->ops->task_arch(b, t->tid);
	struct call *c;
	int r = check(t, call->nr, arch);

	if (r < 0)
		return r;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return -ENOMEM;
	c->task = t;
	c->made = (struct backend_syscall){ .arch = arch, .nr = call->nr };
	memcpy(c->made.args, call->args, sizeof c->made.args);
	c->done = done;
	c->arg = arg;
	t->calling = c;
	t->engine->calls++;
	regs_flush(t);
	regs_forget(t);
	r = judge_init(&c->judge, t, session, judged);
	if (r == 0)
		r = set_out(c);
	if (r < 0)
		call_free(c);
	return r;
}

int call_start(struct task *t, int64_t nr, const uint64_t args[6], call_done *done, void *arg)
{
	struct wire_syscall call = { .nr = nr };

	memcpy(call.args, args, sizeof call.args);
	return call_start_for(t, 0, &call, done, arg);
}
