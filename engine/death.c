/* SPDX-License-Identifier: MIT */
/* How tasks and processes end, each told once (gotchas 60, 61, 67, 68, 82). */
#include <sys/wait.h>

#include "base/log.h"
#include "engine/event.h"
#include "engine/past.h"
#include "engine/session.h"
#include "engine/space.h"
#include "engine/task.h"

/* Puts one note about @t to all who want @kind. */
static void tell(struct task *t, struct event *ev)
{
	for (size_t i = 0; i < t->rules.count; i++) {
		struct session *s = session_by_id(t->engine, t->rules.parties[i].session);

		if (s && s->modes[ev->kind] != COTRACE_OFF)
			event_emit(s, ev);
	}
	t->exit_told = true;
}

void death_no_return(struct task *t)
{
	if (!t->in_call)
		return;
	t->in_call = false;
	t->state = TASK_RUNNING; /* its memory cannot be read any more */
	t->kind = COTRACE_EVENT_SYSCALL_EXIT;
	t->flags = COTRACE_EV_NO_RETURN;
	t->call.result = 0;
	t->call.is_error = false;
	for (size_t i = 0; i < t->rules.count; i++) {
		struct session *s = session_by_id(t->engine, t->rules.parties[i].session);
		struct event ev;

		if (s == NULL || event_interest(s, t) == COTRACE_OFF)
			continue;
		event_of_stop(t, &ev);
		event_emit(s, &ev);
	}
}

/*
 * A task that did not call exit itself and has status 0 dies with its group or by an exec:
 * which of the two is known only when one of them follows.
 */
static bool cause_is_open(const struct task *t)
{
	return t->ev.exit.call == BACKEND_EXIT_OTHER && !WIFSIGNALED(t->ev.exit.status) &&
	       !t->process->group_exiting;
}

void death_exiting(struct task *t)
{
	bool stop = false;

	if (t->process == NULL)
		return;
	if (t->ev.exit.call == BACKEND_EXIT_GROUP) {
		t->process->group_exiting = true;
		process_late_exits_told(t->process, COTRACE_EXIT_GROUP);
	}
	t->exit_told = true;
	if (!cause_is_open(t))
		return;
	for (size_t i = 0; i < t->rules.count; i++) {
		struct session *s = session_by_id(t->engine, t->rules.parties[i].session);

		stop |= s && event_interest(s, t) == COTRACE_STOP;
	}
	if (stop)
		return;
	t->kind = 0;
	process_late_exit(t->process, t, t->ev.exit.status);
}

static void tell_exit(struct task *t, uint32_t cause, int status)
{
	struct event ev = EVENT(COTRACE_EVENT_TASK_EXIT, t);

	if (t->exit_told)
		return;
	ev.exit = event_exit_record(cause, status);
	tell(t, &ev);
}

void death_by_exec(struct task *t)
{
	birth_cut_short(t);
	rules_died(&t->rules);
	death_no_return(t);
	tell_exit(t, COTRACE_EXIT_EXEC, 0);
	task_free(t);
}

void death_event(struct task *t, int status)
{
	struct engine *e = t->engine;
	struct process *p = t->process;
	pid_t tid = t->tid;

	space_vfork_cut_short(t);
	birth_cut_short(t);
	rules_died(&t->rules);
	if (p != NULL) {
		death_no_return(t);
		t->state = TASK_RUNNING;
		tell_exit(t,
			  p->group_exiting || t->tid == p->pid ? COTRACE_EXIT_GROUP
							       : COTRACE_EXIT_OWN,
			  status);
	}
	task_free(t);
	/* Its other tasks may still have children to tell of. */
	if (p == NULL || p->task_count == 0)
		birth_orphaned(e, p ? p->pid : tid);
	if (p != NULL && p->task_count == 0)
		process_ended(p, status);
}

/*
 * A leader that is exiting when it is interrupted, or steps in place, does not stop any more,
 * and its death is reported with that of the last task. Nothing tells that but a look.
 */
#define LOOK_FIRST_NS (2 * CLOCK_MS)
#define LOOK_LAST_NS (128 * CLOCK_MS)

static void leader_left(struct task *t)
{
	log_debug("leader %d has exited under an interrupt or a step", (int)t->tid);
	past_lifted(t);
	for (size_t i = 0; i < t->rules.count; i++)
		rules_release(&t->rules, &t->rules.parties[i], ~0u);
	task_set_disturbed(t, false);
	task_unpoke(t);
	task_awaited_no_more(t);
}

static void look(struct timer *timer)
{
	struct task *t = list_entry(timer, struct task, leader_timer);

	if (t->state != TASK_RUNNING || !(t->interrupted || t->lifted))
		return;
	if (task_has_left(t)) {
		leader_left(t);
		return;
	}
	if (t->leader_pause < LOOK_LAST_NS)
		t->leader_pause *= 2;
	timer_set(&t->engine->timers, timer, clock_now_ns() + t->leader_pause, look);
}

void death_expect_leader(struct task *t)
{
	if (t->process == NULL || t->tid != t->process->pid || t->process->task_count < 2)
		return;
	t->leader_pause = LOOK_FIRST_NS;
	timer_set(&t->engine->timers, &t->leader_timer, clock_now_ns() + t->leader_pause, look);
}
