/* SPDX-License-Identifier: MIT */
/*
 * A task from stop to stop.
 *
 *	RUNNING --event--> STANDING: turns (rules.c), holds --nobody holds--> RUNNING
 *
 * What the kernel leaves behind is absorbed here: surplus interrupts (gotcha 35), calls
 * that a stop broke (21, 22, 77), job control (32 to 34).
 */
#include "engine/task.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/conn.h"
#include "engine/event.h"
#include "engine/session.h"

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
	if (p != NULL)
		task_join_process(t, p);
	return t;
}

void task_join_process(struct task *t, struct process *p)
{
	t->process = p;
	list_append(&p->tasks, &t->in_process);
	p->task_count++;
	list_for_each (&p->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;

		rules_join(&t->rules, s->id, s->flags & COTRACE_POLICY);
	}
}

static void unpoke(struct task *t)
{
	t->interrupted = false;
	if (t->poked) {
		t->poked = false;
		if (--t->engine->pokes == 0)
			waiters_check(t->engine);
	}
}

static void set_disturbed(struct task *t, bool disturbed)
{
	if (t->disturbed == disturbed)
		return;
	t->disturbed = disturbed;
	if (disturbed)
		t->engine->disturbed++;
	else
		t->engine->disturbed--;
}

static void set_stops_at_calls(struct task *t, bool stops)
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
	unpoke(t);
	set_disturbed(t, false);
	set_stops_at_calls(t, false);
	rules_died(&t->rules);
	task_awaited_no_more(t);
	timer_cancel(&t->timer);
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

void task_interrupt(struct task *t)
{
	struct backend *b = t->engine->backend;

	if (t->state != TASK_RUNNING || t->interrupted)
		return;
	/* Failure means that it is dying: the death record is on its way. */
	if (b->ops->interrupt(b, t->tid) == 0) {
		t->interrupted = true;
		set_disturbed(t, true);
	}
}

static void tell_stop_done(struct task *t, struct session *s)
{
	struct event ev = EVENT(COTRACE_EVENT_STOP_DONE, t);

	ev.stop.where = t->kind;
	event_emit(s, &ev);
}

/* The first thing after a stop: those who asked for it learn that it stands. */
static void tell_holders(struct task *t)
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

void task_tell_born(struct task *t)
{
	task_awaited_no_more(t);
	for (size_t i = 0; i < t->rules.count; i++)
		if (t->rules.parties[i].holds & RULES_HOLD_ASKED)
			tell_stop_done(t, session_by_id(t->engine, t->rules.parties[i].session));
}

static void note_hold(struct rules_party *p, uint32_t reason, uint64_t seq)
{
	p->reason = reason;
	p->since_ns = clock_now_ns();
	if (seq)
		p->offer_seq = seq;
}

static void exit_stop_over(struct timer *timer)
{
	struct task *t = list_entry(timer, struct task, timer);

	/* Nothing may delay death (R6). */
	for (size_t i = 0; i < t->rules.count; i++)
		rules_release(&t->rules, &t->rules.parties[i], ~0u);
	log_debug("exit stop of %d is over", (int)t->tid);
	task_proceed(t);
}

/* One session's turn. */
static void ask(struct task *t, struct rules_party *p)
{
	struct session *s = session_by_id(t->engine, p->session);
	enum cotrace_mode mode = s ? event_interest(s, t) : COTRACE_OFF;
	struct event ev;
	uint64_t seq;

	if (mode == COTRACE_OFF) {
		rules_told(&t->rules, p);
		return;
	}
	event_of_stop(t, &ev);
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
		if (s->queue_full && !(s->flags & COTRACE_LOSSY)) {
			rules_hold(&t->rules, p, RULES_HOLD_QUEUE);
			note_hold(p, t->kind, 0);
		}
		return;
	}
	ev.flags |= COTRACE_EV_STOP;
	seq = event_emit(s, &ev);
	if (seq == 0) { /* no memory: the session cannot be asked, so it does not decide */
		rules_told(&t->rules, p);
		return;
	}
	rules_offered(&t->rules, p);
	note_hold(p, t->kind, seq);
	if (t->kind == COTRACE_EVENT_TASK_EXIT)
		timer_set(&t->engine->timers, &t->timer, clock_now_ns() + ENGINE_EXIT_STOP_NS,
			  exit_stop_over);
}

/* What a signal stop leaves to do: broken calls, and the signal that goes on. */
static int leave_signal_stop(struct task *t)
{
	struct backend *b = t->engine->backend;
	int signo = t->flags & COTRACE_EV_DENIED ? 0 : t->signo;

	if (signo && b->ops->disposition(b, t->tid, signo) != BACKEND_SIG_IGNORED) {
		b->ops->take_back(b, t->tid);
		return signo;
	}
	/* Untraced, a signal that changes nothing would not have broken the call. */
	if (!t->regs_written && b->ops->put_back(b, t->tid))
		t->restarting = true;
	return signo;
}

static void sync_exit_stops(struct task *t)
{
	struct backend *b = t->engine->backend;
	bool want = t->process && t->process->wants_exit_stops;

	if (t->exit_stops == want)
		return;
	if (b->ops->exit_stops(b, t->tid, want) == 0)
		t->exit_stops = want;
}

static void detach(struct task *t, int signo)
{
	struct backend *b = t->engine->backend;
	struct process *p = t->process;

	b->ops->detach(b, t->tid, signo);
	task_free(t);
	if (p != NULL && p->task_count == 0 && list_empty(&p->covers))
		process_release(p);
}

static void run(struct task *t)
{
	struct backend *b = t->engine->backend;
	enum backend_resume how = BACKEND_RUN;
	int signo = 0;

	timer_cancel(&t->timer);
	if (t->ev.kind == BACKEND_SYSCALL_ENTRY && (t->flags & COTRACE_EV_DENIED)) {
		b->ops->syscall_deny(b, t->tid, t->denied_result);
		t->call_denied = true;
	} else if (t->ev.kind == BACKEND_SIGNAL) {
		signo = leave_signal_stop(t);
	}
	if (t->detaching) {
		if (t->ev.kind == BACKEND_SYSCALL_ENTRY && !(t->flags & COTRACE_EV_DENIED))
			b->ops->put_off(b, t->tid);
		detach(t, signo);
		return;
	}
	sync_exit_stops(t);
	/* A call that an interrupt may have broken, or with other arguments, is seen to its end. */
	if ((t->process && t->process->wants_syscalls) ||
	    (t->ev.kind == BACKEND_SYSCALL_ENTRY && (t->disturbed || t->call_replaced)))
		how = BACKEND_SYSCALLS;
	if (t->ev.kind == BACKEND_JOB_STOP)
		how = BACKEND_LISTEN;
	t->state = TASK_RUNNING;
	t->kind = 0;
	set_stops_at_calls(t, how == BACKEND_SYSCALLS);
	b->ops->resume(b, t->tid, how, signo);
}

void task_proceed(struct task *t)
{
	struct rules_party *p;

	if (t->state != TASK_STANDING || t->rules.phase != RULES_STOPPED)
		return;
	while ((p = rules_turn(&t->rules)) != NULL)
		ask(t, p);
	if (t->unannounced != NULL && rules_all_asked(&t->rules))
		birth_announced(t);
	if (!rules_may_run(&t->rules))
		return;
	rules_run(&t->rules);
	run(t);
}

static void stand(struct task *t, const struct backend_event *ev, uint32_t kind)
{
	bool to_kernel = ev->kind == BACKEND_SYSCALL_ENTRY;

	unpoke(t);
	t->ev = *ev;
	t->state = TASK_STANDING;
	t->kind = kind;
	t->flags = 0;
	t->signo = 0;
	t->regs_written = false;
	if (t->rules.phase == RULES_RUNNING)
		rules_stop(&t->rules, to_kernel ? RULES_TO_KERNEL : RULES_TO_PROGRAM, to_kernel);
}

static bool same_call(const struct backend_syscall *a, const struct backend_syscall *b)
{
	if (a->arch != b->arch || (a->nr != b->nr && !b->restart))
		return false;
	for (int i = 0; i < 6; i++)
		if (a->args[i] != b->args[i])
			return false;
	return true;
}

/* A call whose exit was kept back will not be made again after all. */
static void tell_kept_exit(struct task *t)
{
	uint32_t kind = t->kind;

	if (!t->call_suspended)
		return;
	t->call_suspended = false;
	t->kind = COTRACE_EVENT_SYSCALL_EXIT;
	for (size_t i = 0; i < t->rules.count; i++) {
		struct session *s = session_by_id(t->engine, t->rules.parties[i].session);
		struct event ev;

		if (s == NULL || event_interest(s, t) == COTRACE_OFF)
			continue;
		event_of_stop(t, &ev);
		event_emit(s, &ev);
	}
	t->kind = kind;
}

void task_registers_written(struct task *t)
{
	t->regs_written = true;
	tell_kept_exit(t); /* it may be another call now, and is judged anew */
}

static void on_entry(struct task *t, const struct backend_event *ev)
{
	bool again = t->call_suspended && same_call(&t->call, &ev->syscall) && t->process &&
		     t->call_changes == t->process->changes;

	/* A call that was judged already and that nobody could have changed since. */
	if (!again)
		tell_kept_exit(t);
	stand(t, ev, again ? 0 : COTRACE_EVENT_SYSCALL_ENTRY);
	t->call_suspended = false;
	t->in_call = true;
	t->call_denied = t->call_replaced = false;
	if (!again)
		t->call = t->asked = ev->syscall;
	if (t->restarting || ev->syscall.restart)
		t->flags |= COTRACE_EV_RESTARTED;
	t->restarting = false;
	t->call_changes = t->process ? t->process->changes : 0;
}

/*
 * Whatever stop comes first takes the interrupt away, but the call under way still finds a
 * signal pending and gives up. So it is put back here, where its end is seen.
 */
static void on_exit_of_call(struct task *t, const struct backend_event *ev)
{
	struct backend *b = t->engine->backend;
	bool suspended = t->disturbed && ev->syscall.interrupted &&
			 !b->ops->signal_waits(b, t->tid) && b->ops->put_back(b, t->tid);

	set_disturbed(t, false);
	stand(t, ev, t->in_call && !suspended ? COTRACE_EVENT_SYSCALL_EXIT : 0);
	t->call.result = ev->syscall.result;
	t->call.is_error = ev->syscall.is_error;
	if (t->call_denied)
		t->flags |= COTRACE_EV_DENIED;
	if (t->call_replaced) {
		t->flags |= COTRACE_EV_REPLACED;
		b->ops->syscall_restore(b, t->tid, &t->call, &t->asked);
		t->call_replaced = false;
	}
	t->call_suspended = suspended && t->in_call;
	t->in_call = false;
	t->restarting = ev->syscall.interrupted;
}

static void tell_continued(struct task *t)
{
	t->job_stopped = false;
	for (size_t i = 0; i < t->rules.count; i++) {
		struct session *s = session_by_id(t->engine, t->rules.parties[i].session);
		struct event ev = EVENT(COTRACE_EVENT_JOB_CONTINUE, t);

		if (s && s->modes[COTRACE_EVENT_JOB_CONTINUE] != COTRACE_OFF) {
			ev.job.signo = SIGCONT;
			event_emit(s, &ev);
		}
	}
}

/* A stop without meaning of its own: somebody asked for it, or nobody does any more. */
static void on_interrupted(struct task *t, const struct backend_event *ev)
{
	struct backend *b = t->engine->backend;

	set_disturbed(t, false);
	stand(t, ev, 0);
	if (t->job_stopped)
		tell_continued(t);
	t->restarting = b->ops->put_back(b, t->tid);
	if (t->call_suspended && (!t->restarting || b->ops->signal_waits(b, t->tid))) {
		/* The call ends here after all: this is its exit. */
		t->call_suspended = false;
		t->kind = COTRACE_EVENT_SYSCALL_EXIT;
	}
}

static void on_job_stop(struct task *t, const struct backend_event *ev)
{
	bool again = t->job_stopped;

	set_disturbed(t, false);
	stand(t, ev, again ? 0 : COTRACE_EVENT_JOB_STOP);
	t->job_stopped = true;
}

static void on_exec(struct engine *e, struct task *t, const struct backend_event *ev)
{
	struct task *leader = task_by_tid(e, ev->tid);
	struct process *p = t->process;

	if (leader != NULL && leader != t)
		death_by_exec(leader);
	if (t->tid != ev->tid) {
		map_take(&e->tasks_by_tid, (uint64_t)t->tid);
		e->backend->ops->renamed(e->backend, t->tid, ev->tid);
		t->tid = ev->tid;
		map_put(&e->tasks_by_tid, (uint64_t)t->tid, t);
	}
	set_disturbed(t, false);
	t->call_replaced = false;
	p->generation++;
	p->changes++;
	p->group_exiting = false;
	t->job_stopped = false;
	process_late_exits_told(p, COTRACE_EXIT_EXEC);
	stand(t, ev, COTRACE_EVENT_EXEC);
	if (p->spawner != NULL) {
		struct rules_party *party = rules_party(&t->rules, p->spawner->id);

		p->spawner = NULL;
		p->generation = 1;
		if (party == NULL)
			return;
		rules_hold(&t->rules, party, RULES_HOLD_ASKED);
		note_hold(party, COTRACE_EVENT_EXEC, 0);
		/* cotrace_spawn() itself waits for this: no event is due. */
		if (party->awaited) {
			party->awaited = false;
			session_stood(session_by_id(e, party->session));
		}
	}
}

/* After an exec that the kernel guards, clients that are not root must prove access again. */
static void guard_exec(struct process *p)
{
	struct backend *b = p->engine->backend;
	int fd = b->ops->memory_open(b, p->pid, false);

	if (fd >= 0) {
		fd_close(fd);
		return;
	}
	if (fd != -EACCES && fd != -EPERM)
		return;
	list_for_each (&p->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;

		if (s->owner_uid != 0)
			session_end(s, COTRACE_END_PRIVILEGE_GAINED);
	}
}

static void on_signal(struct task *t, const struct backend_event *ev)
{
	tell_kept_exit(t);
	set_disturbed(t, false);
	stand(t, ev, COTRACE_EVENT_SIGNAL);
	t->signo = ev->siginfo.si_signo;
}

static void dispatch(struct task *t, const struct backend_event *ev)
{
	switch (ev->kind) {
	case BACKEND_SYSCALL_ENTRY:
		on_entry(t, ev);
		break;
	case BACKEND_SYSCALL_EXIT:
		on_exit_of_call(t, ev);
		break;
	case BACKEND_SIGNAL:
		on_signal(t, ev);
		break;
	case BACKEND_JOB_STOP:
		on_job_stop(t, ev);
		break;
	case BACKEND_INTERRUPTED:
		on_interrupted(t, ev);
		break;
	case BACKEND_FORK:
	case BACKEND_VFORK:
	case BACKEND_CLONE:
		stand(t, ev, COTRACE_EVENT_CLONE);
		birth_event(t, ev);
		break;
	case BACKEND_VFORK_DONE:
		stand(t, ev, COTRACE_EVENT_VFORK_DONE);
		break;
	case BACKEND_EXITING:
		stand(t, ev, COTRACE_EVENT_TASK_EXIT);
		death_exiting(t);
		break;
	default:
		stand(t, ev, 0);
	}
}

static struct task *task_of_event(struct engine *e, const struct backend_event *ev)
{
	struct task *t = NULL;

	if (ev->kind == BACKEND_EXEC && ev->exec.former_tid != ev->tid)
		t = task_by_tid(e, ev->exec.former_tid);
	return t ? t : task_by_tid(e, ev->tid);
}

void task_event(struct engine *e, const struct backend_event *ev)
{
	struct task *t = task_of_event(e, ev);

	if (ev->kind == BACKEND_DEAD) {
		if (t != NULL && t->announced)
			death_event(t, ev->exit.status);
		else
			birth_died(e, ev->tid, ev->exit.status);
		return;
	}
	if (t == NULL || t->state == TASK_UNBORN || t->died) {
		birth_first_stop(e, ev);
		return;
	}
	if (!t->announced) {
		birth_killed(t);
		return;
	}
	if (t->rules.phase == RULES_STOPPED) { /* it was killed out of one stop into another */
		birth_cut_short(t);
		rules_died(&t->rules);
		t->rules.phase = RULES_RUNNING;
	}
	if (ev->kind == BACKEND_EXEC && t->process != NULL) {
		struct process *p = t->process;

		on_exec(e, t, ev);
		guard_exec(p);
	} else {
		dispatch(t, ev);
	}
	tell_holders(t);
	task_proceed(t);
}

void task_hold(struct task *t, struct session *s)
{
	struct rules_party *p = rules_party(&t->rules, s->id);

	if (p == NULL || (p->holds & RULES_HOLD_ASKED) || t->rules.phase == RULES_DEAD)
		return;
	rules_hold(&t->rules, p, RULES_HOLD_ASKED);
	if (!(p->holds & RULES_HOLD_OFFER))
		note_hold(p, COTRACE_EVENT_STOP_DONE, 0);
	if (t->announced)
		event_changed(t->process, s, t, COTRACE_CHANGE_HOLD, 0, 0);
	if (task_stands(t)) {
		tell_stop_done(t, s);
		return;
	}
	p->awaited = true;
	s->unstood++;
	task_interrupt(t);
}

void task_release(struct task *t, struct session *s, unsigned why)
{
	struct rules_party *p = rules_party(&t->rules, s->id);

	if (p == NULL || !(p->holds & why))
		return;
	if ((why & RULES_HOLD_ASKED) && p->awaited) {
		p->awaited = false;
		session_stood(s);
	}
	if (p->holds & why & RULES_HOLD_ASKED)
		event_changed(t->process, s, t, COTRACE_CHANGE_RELEASE, 0, 0);
	rules_release(&t->rules, p, why);
	task_proceed(t);
}

void task_leave(struct task *t, struct session *s)
{
	struct rules_party *p = rules_party(&t->rules, s->id);

	if (p != NULL && p->awaited)
		session_stood(s);
	rules_leave(&t->rules, s->id);
}

void task_reoffer(struct task *t, struct session *s)
{
	struct backend *b = t->engine->backend;
	struct backend_syscall now;

	if (t->kind != COTRACE_EVENT_SYSCALL_ENTRY || !task_stands(t))
		return;
	if (!(t->flags & COTRACE_EV_DENIED) && b->ops->syscall_get(b, t->tid, &now) == 0)
		t->call = now;
	if (rules_changed(&t->rules, s->id))
		task_proceed(t);
}
