/* SPDX-License-Identifier: MIT */
/*
 * What the backend reported, made into a stop. What the kernel leaves behind is absorbed
 * here: surplus interrupts (gotcha 35), calls that a stop broke (21, 22, 77), job control
 * (32 to 34), tids that change (60).
 */
#include <errno.h>

#include "base/fd.h"
#include "base/log.h"
#include "engine/break.h"
#include "engine/call.h"
#include "engine/event.h"
#include "engine/past.h"
#include "engine/regs.h"
#include "engine/session.h"
#include "engine/sigtrap.h"
#include "engine/space.h"
#include "engine/step.h"
#include "engine/task.h"
#include "engine/watch.h"

void task_stand(struct task *t, const struct backend_event *ev, uint32_t kind)
{
	bool to_kernel = ev->kind == BACKEND_SYSCALL_ENTRY || ev->kind == BACKEND_SECCOMP;

	task_unpoke(t);
	t->ev = *ev;
	t->state = TASK_STANDING;
	t->kind = kind;
	t->flags = 0;
	t->signo = 0;
	t->regs_written = t->entry_due = t->steppers_only = false;
	t->rested = t->resting = false;
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

/* Who steps from call to call has seen one begin: its end is not the next beginning. */
static bool awaits_exit(const struct rules_party *p)
{
	return p->step == RULES_STEP_SYSCALL && p->saw_entry;
}

/*
 * A call whose exit was kept back will not be made again after all. @same: it will, but is to
 * be judged again, which is nothing to those who do not judge.
 */
static void tell_kept_exit(struct task *t, bool same)
{
	uint32_t kind = t->kind;

	if (!t->call_suspended)
		return;
	t->call_suspended = false;
	t->kind = COTRACE_EVENT_SYSCALL_EXIT;
	for (size_t i = 0; i < t->rules.count; i++) {
		struct rules_party *p = &t->rules.parties[i];
		struct session *s = session_by_id(t->engine, p->session);
		bool awaited = !same && awaits_exit(p);
		struct event ev;

		if (s == NULL || (!awaited && event_interest(s, t) == COTRACE_OFF))
			continue;
		p->saw_entry = p->saw_entry && !awaited;
		event_of_stop(t, &ev);
		event_emit(s, &ev);
	}
	t->kind = kind;
}

void task_registers_written(struct task *t)
{
	t->regs_written = true;
	regs_forget(t);
	t->engine->backend->ops->where(t->engine->backend, t->tid, &t->ev.pc, &t->ev.sp);
	tell_kept_exit(t, false); /* it may be another call now, and is judged anew */
}

static void on_entry(struct task *t, const struct backend_event *ev)
{
	bool once_more = t->call_suspended && same_call(&t->call, &ev->syscall) && t->process;
	bool again = once_more && t->call_changes == t->process->changes;

	/* Not what a handler calls meanwhile. */
	bool same = t->call_broken && t->call_pc == ev->pc && same_call(&t->asked, &ev->syscall);

	/* A call that was judged already and that nobody could have changed since. */
	if (!again)
		tell_kept_exit(t, once_more);
	task_stand(t, ev, COTRACE_EVENT_SYSCALL_ENTRY);
	for (size_t i = 0; i < t->rules.count && !once_more; i++)
		t->rules.parties[i].saw_entry = false;
	t->steppers_only = again;
	if (!rules_called(&t->rules, once_more) && again)
		t->kind = 0;
	t->call_suspended = false;
	t->in_call = true;
	t->call_denied = t->call_replaced = false;
	if (!again)
		t->call = t->asked = ev->syscall;
	if (t->restarting || same || ev->syscall.restart)
		t->flags |= COTRACE_EV_RESTARTED;
	t->restarting = t->call_broken = false;
	t->call_again = again;
	t->call_pc = ev->pc;
	t->call_changes = t->process ? t->process->changes : 0;
}

/* A session that decides for the filter, not one that only looks. */
static bool has_decider(const struct task *t)
{
	for (size_t i = 0; i < t->rules.count; i++) {
		struct session *s = session_by_id(t->engine, t->rules.parties[i].session);

		if (s != NULL && event_interest(s, t) == COTRACE_STOP)
			return true;
	}
	return false;
}

/*
 * The filter wants to know from a tracer whether the call is made. One made again by itself
 * was told of: untraced it would not have been broken.
 */
static void on_seccomp(struct task *t, const struct backend_event *ev)
{
	bool none = ev->syscall.nr == -1 && t->call_denied; /* whatever the filter says to that */
	bool entered =
		t->in_call && t->call_pc == ev->pc && (none || same_call(&t->call, &ev->syscall));
	bool changed = t->process == NULL || t->call_changes != t->process->changes;
	bool again = entered ? t->call_again
			     : t->restarting && !changed && t->call_pc == ev->pc &&
				       same_call(&t->asked, &ev->syscall);

	if (!entered) {
		tell_kept_exit(t, false);
		t->call = t->asked = ev->syscall;
		t->in_call = t->call_denied = t->call_replaced = t->call_broken = false;
		t->call_pc = ev->pc;
		t->call_changes = t->process ? t->process->changes : 0;
	}
	t->restarting = t->call_again = false;
	task_stand(t, ev, again || none ? 0 : COTRACE_EVENT_SECCOMP);
	if (t->kind == 0 || has_decider(t))
		return;
	t->rules.denied = true;
	t->flags |= COTRACE_EV_DENIED;
	t->denied_result = -ENOSYS;
}

/*
 * Whatever stop comes first takes the interrupt away, but the call under way still finds a
 * signal pending and gives up. So it is put back here, where its end is seen.
 */
static void on_exit_of_call(struct task *t, const struct backend_event *ev)
{
	struct backend *b = t->engine->backend;
	bool replaced = t->call_replaced, again, suspended, only;

	/* First, so that a call put back is the one that the program made. */
	if (replaced)
		b->ops->syscall_restore(b, t->tid, &t->call, &t->asked);
	t->call_replaced = false;
	again = t->disturbed && ev->syscall.interrupted && !t->call_denied &&
		!b->ops->signal_waits(b, t->tid) && b->ops->put_back(b, t->tid);
	suspended = again && !replaced; /* a replaced one is judged anew, so this one ends */
	task_set_disturbed(t, false);
	only = !t->in_call && !again && rules_wants_call(&t->rules);
	task_stand(t, ev, (t->in_call && !suspended) || only ? COTRACE_EVENT_SYSCALL_EXIT : 0);
	if (t->kind != 0)
		rules_called(&t->rules, false);
	t->steppers_only = only;
	if (only)
		t->call = t->asked = (struct backend_syscall){ .arch = ev->syscall.arch, .nr = -1 };
	t->call.result = ev->syscall.result;
	t->call.is_error = ev->syscall.is_error;
	if (t->call_denied)
		t->flags |= COTRACE_EV_DENIED;
	if (replaced)
		t->flags |= COTRACE_EV_REPLACED;
	t->call_suspended = suspended && t->in_call;
	if (t->in_call)
		break_after_call(t);
	t->in_call = t->call_again = false;
	t->restarting = false;
	t->call_broken = ev->syscall.interrupted;
}

void task_job_continued(struct task *t)
{
	t->job_stopped = false;
	t->job_denier = 0;
	for (size_t i = 0; i < t->rules.count; i++) {
		struct session *s = session_by_id(t->engine, t->rules.parties[i].session);
		struct event ev = EVENT(COTRACE_EVENT_JOB_CONTINUE, t);

		if (s && s->modes[COTRACE_EVENT_JOB_CONTINUE] != COTRACE_OFF) {
			ev.job.signo = SIGCONT;
			event_emit(s, &ev);
		}
	}
}

/* A trap was hit, or a step made, and tells of it next: that is the better stop. */
static bool trap_comes_first(const struct task *t, const struct backend_event *ev)
{
	struct backend *b = t->engine->backend;

	return (ev->kind == BACKEND_INTERRUPTED || ev->kind == BACKEND_JOB_STOP) &&
	       (t->steps || t->is_armed || t->kernel_had ||
		(t->process && t->process->space->used)) &&
	       b->ops->trap_waits(b, t->tid);
}

/* A stop without meaning of its own: somebody asked for it, or nobody does any more. */
static void on_interrupted(struct task *t, const struct backend_event *ev)
{
	struct backend *b = t->engine->backend;

	task_set_disturbed(t, false);
	task_stand(t, ev, 0);
	if (t->job_stopped)
		task_job_continued(t);
	t->restarting = b->ops->put_back(b, t->tid);
	if (t->call_suspended && (!t->restarting || b->ops->signal_waits(b, t->tid))) {
		/* The call ends here after all: this is its exit. */
		t->call_suspended = false;
		t->kind = COTRACE_EVENT_SYSCALL_EXIT;
		rules_called(&t->rules, false);
	}
}

static void on_job_stop(struct task *t, const struct backend_event *ev)
{
	/* One that was let run has stopped anew, unless the engine has interrupted it. */
	bool again = t->job_stopped && (t->job_denier == 0 || t->interrupted);

	if (!again)
		t->job_denier = 0;
	task_set_disturbed(t, false);
	task_stand(t, ev, again ? 0 : COTRACE_EVENT_JOB_STOP);
	t->job_stopped = true;
}

/* All that was in the memory is gone. */
static void new_program(struct task *t, struct process *p)
{
	struct space *space = space_new(p->engine);

	t->passed = t->slot_of = t->site_call = 0;
	past_forget_unfinished(t, UINT64_MAX);
	t->hit = NULL;
	watch_new_program(t);
	if (space == NULL) {
		list_append(&p->space->processes, &p->in_space);
		return;
	}
	break_exec(p, false);
	space_enter(space, p);
	break_replant(p);
	watch_written(p, 0, SIZE_MAX);
	if (list_empty(&p->covers)) /* it was kept for the memory it has left now */
		process_release(p);
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
	task_set_disturbed(t, false);
	t->call_replaced = false;
	new_program(t, p);
	p->generation++;
	p->changes++;
	p->group_exiting = false;
	t->job_stopped = false;
	t->job_denier = 0;
	process_late_exits_told(p, COTRACE_EXIT_EXEC);
	task_stand(t, ev, COTRACE_EVENT_EXEC);
	if (p->spawner != NULL) {
		struct rules_party *party = rules_party(&t->rules, p->spawner->id);

		p->spawner = NULL;
		p->generation = 1;
		if (party == NULL)
			return;
		rules_hold(&t->rules, party, RULES_HOLD_ASKED);
		task_note_hold(party, COTRACE_EVENT_EXEC, 0);
		/* cotrace_spawn() itself waits for this: no event is due. */
		if (party->awaited) {
			party->awaited = false;
			session_stood(session_by_id(e, party->session));
		}
	}
}

/*
 * After an exec that the kernel guards, clients that are not root must prove access again. So
 * they must where it cannot be told.
 */
static void guard_exec(struct process *p)
{
	int r = process_open_memory(p, p->pid);

	if (r != -EACCES && r != -EPERM && r != -EMFILE && r != -ENFILE && r != -ENOMEM)
		return;
	list_for_each (&p->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;

		if (s->owner_uid != 0)
			session_end(s, COTRACE_END_PRIVILEGE_GAINED);
	}
}

static void on_signal(struct task *t, const struct backend_event *ev)
{
	tell_kept_exit(t, false);
	task_set_disturbed(t, false);
	if (t->requeue) {
		task_stand(t, ev, 0);
		return;
	}
	task_stand(t, ev, COTRACE_EVENT_SIGNAL);
	t->restarting = false; /* that is found out when it runs on */
	t->signo = ev->siginfo.si_signo;
}

/* A signal that the engine has asked for; what it is about may have been told before. */
static void on_kernel_trap(struct task *t, const struct backend_event *ev)
{
	tell_kept_exit(t, false);
	task_set_disturbed(t, false);
	t->struck_told = t->struck_count != 0;
	task_stand(t, ev, struck_kind(t));
}

/* A trap of the engine's own making; else it is a signal of the program. */
static void on_trap(struct task *t, struct backend_event *ev)
{
	bool stepped;

	t->restarting = false;
	if (ev->trap == BACKEND_TRAP_KERNEL) {
		on_kernel_trap(t, ev);
		return;
	}
	log_debug("trap %d of %d at %lx", (int)ev->trap, (int)t->tid, (unsigned long)ev->pc);
	if (ev->trap == BACKEND_TRAP_CODE && hit_trap(t, ev)) {
		sigtrap_taken(t, true);
		task_set_disturbed(t, false);
		return;
	}
	stepped = step_ends(t, ev);
	if (!stepped && ev->trap != BACKEND_TRAP_DEBUG) {
		on_signal(t, ev);
		return;
	}
	if (ev->trap != BACKEND_TRAP_NOTICE)
		sigtrap_taken(t, ev->trap == BACKEND_TRAP_DEBUG);
	tell_kept_exit(t, false);
	task_set_disturbed(t, false);
	t->struck_told = t->struck_count != 0;
	task_stand(t, ev, t->struck_told ? struck_kind(t) : stepped ? COTRACE_EVENT_STEP : 0);
	if (t->struck_told)
		t->step.virtual = stepped; /* it is told after them (gotcha 39) */
	else if (stepped && !step_done(t))
		t->kind = 0;
}

static void dispatch(struct task *t, struct backend_event *ev)
{
	switch (ev->kind) {
	case BACKEND_SYSCALL_ENTRY:
		on_entry(t, ev);
		break;
	case BACKEND_SECCOMP:
		on_seccomp(t, ev);
		break;
	case BACKEND_SYSCALL_EXIT:
		on_exit_of_call(t, ev);
		break;
	case BACKEND_SIGNAL:
		on_signal(t, ev);
		break;
	case BACKEND_TRAP:
		on_trap(t, ev);
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
		task_stand(t, ev, COTRACE_EVENT_CLONE);
		birth_event(t, ev);
		break;
	case BACKEND_VFORK_DONE:
		task_stand(t, ev, COTRACE_EVENT_VFORK_DONE);
		break;
	case BACKEND_EXITING:
		task_stand(t, ev, COTRACE_EVENT_TASK_EXIT);
		task_limit_exit_stop(t);
		death_exiting(t);
		break;
	default:
		task_stand(t, ev, 0);
	}
}

static struct task *task_of_event(struct engine *e, const struct backend_event *ev)
{
	struct task *t = NULL;

	if (ev->kind == BACKEND_EXEC && ev->exec.former_tid != ev->tid)
		t = task_by_tid(e, ev->exec.former_tid);
	return t ? t : task_by_tid(e, ev->tid);
}

/* Nothing of what the engine did to get it past a trap is to be seen. */
static void settle(struct task *t, struct backend_event *ev)
{
	bool same_place = (t->lifted || t->listened) && t->passed == ev->pc;

	regs_forget(t);
	if (ev->kind == BACKEND_EXITING)
		space_vfork_cut_short(t);
	t->in_vfork = 0;
	past_lifted(t);
	if (!same_place)
		t->passed = 0;
	past_forget_unfinished(t, ev->sp);
	if (ev->kind == BACKEND_SYSCALL_EXIT)
		past_call_ended(t, ev);
	past_settle(t, ev);
	sigtrap_settle(t, ev);
	step_settle(t, ev);
}

/* It is no stop, or not one of a task that all know. */
static bool is_done(struct engine *e, struct task *t, const struct backend_event *ev)
{
	bool known = t != NULL && t->announced;

	if (ev->kind == BACKEND_DEAD && known)
		death_event(t, ev->exit.status);
	else if (ev->kind == BACKEND_DEAD)
		birth_died(e, ev->tid, ev->exit.status);
	else if (ev->kind == BACKEND_KERNEL_HIT && known)
		struck_heard(t);
	else if (ev->kind == BACKEND_KERNEL_HIT)
		return true;
	else if (t == NULL || t->state == TASK_UNBORN || t->died)
		birth_first_stop(e, ev);
	else if (!known)
		birth_killed(t);
	else
		return false;
	return true;
}

void task_event(struct engine *e, const struct backend_event *ev)
{
	struct task *t = task_of_event(e, ev);
	struct backend_event now = *ev;

	if (is_done(e, t, ev))
		return;
	if (call_busy(t) && call_event(t, ev))
		return;
	if (t->resting && t->state == TASK_STANDING) {
		t->resting = false;
		readers_answer(t, 0);
		if (ev->kind == BACKEND_INTERRUPTED)
			return;
	}
	if (t->rules.phase == RULES_STOPPED) { /* it was killed out of one stop into another */
		birth_cut_short(t);
		rules_died(&t->rules);
		t->rules.phase = RULES_RUNNING;
	}
	if (trap_comes_first(t, ev)) {
		t->job_due = ev->kind == BACKEND_JOB_STOP;
		e->backend->ops->resume(e->backend, t->tid, BACKEND_RUN, 0);
		return;
	}
	if (ev->kind == BACKEND_EXEC && t->process != NULL)
		space_leave(t->process); /* what is done to that memory is not done to it */
	settle(t, &now);
	struck_take(t, &now);
	if (ev->kind != BACKEND_EXEC) /* it has no registers yet, of the new program */
		watch_arm(t);
	if (ev->kind == BACKEND_EXEC && t->process != NULL) {
		/* First who may see the new program at all. */
		guard_exec(t->process);
		on_exec(e, t, &now);
	} else {
		dispatch(t, &now);
	}
	if (t->process != NULL && t->process->space->lifting != NULL)
		space_wake(t->process->space);
	if (!task_stands(t))
		return;
	regs_flush(t);
	sigtrap_mend(t);
	task_tell_holders(t);
	task_proceed(t);
}
