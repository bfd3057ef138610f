/* SPDX-License-Identifier: MIT */
/* What a session tells becomes what wait() tells. */
#include <errno.h>
#include <linux/ptrace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "compat/internal.h"

#ifndef TRAP_HWBKPT
#define TRAP_HWBKPT 4
#endif

/* ---- Reports ---- */

/* The signal tells less than a wait, and something else where the process may be stopped. */
static void as_signal(const struct tracee *t, siginfo_t *info)
{
	info->si_status &= 0x7f;
	if (t->kind != STOP_GROUP && t->status >> 16 != PTRACE_EVENT_STOP)
		return;
	info->si_code = CLD_STOPPED;
	if (!t->covered->job_stopped)
		info->si_status = 0;
}

static void tell(struct tracee *t, bool traced, bool sigchld)
{
	struct personality *p = tracer_of(t)->p;
	siginfo_t info;

	status_stop_info(&info, SIGCHLD, 0, t->tid, t->covered->uid);
	status_to_siginfo(t->status, traced, &info);
	if (traced)
		as_signal(t, &info);
	t->fresh = true;
	p->host->changed(p->arg, tracer_of(t)->pid, sigchld, &info);
}

static void report(struct tracee *t, enum stop_kind kind, int status, uint64_t message)
{
	int signo = WSTOPSIG(status), event = status >> 16;

	t->kind = kind;
	t->state = TRACEE_STANDS;
	t->pc_at = 0;
	t->only_told = false;
	t->status = status;
	t->info_set = t->touched = false;
	t->looked = 0;
	t->message = message;
	if (kind == STOP_EVENT || kind == STOP_CALL)
		status_stop_info(&t->info, signo & ~STATUS_SYSGOOD, signo | event << 8, t->tid,
				 t->covered->uid);
	t->has_info = kind != STOP_SIGNAL && (kind != STOP_GROUP || t->seized);
	if (t->moved_from != 0)
		user_moved(t);
	tell(t, true, true);
}

static void report_event(struct tracee *t, int event, uint64_t message)
{
	report(t, STOP_EVENT, status_stopped(SIGTRAP, event), message);
}

static void report_trap(struct tracee *t, int code, uint64_t addr)
{
	status_stop_info(&t->info, SIGTRAP, code, 0, 0);
	if (addr != 0)
		t->info.si_addr = (void *)(uintptr_t)addr;
	report(t, STOP_TRAP, status_stopped(SIGTRAP, 0), 0);
}

/* As if somebody had sent it, which is what the kernel's own look like as well. */
static void report_made_signal(struct tracee *t, int signo, int code, bool own)
{
	status_stop_info(&t->info, signo, code, own ? t->tid : 0, own ? t->covered->uid : 0);
	report(t, STOP_TRAP, status_stopped(signo, 0), 0);
}

static void report_group(struct tracee *t, int signo)
{
	status_stop_info(&t->info, signo, signo | PTRACE_EVENT_STOP << 8, t->tid, t->covered->uid);
	report(t, STOP_GROUP, status_stopped(signo, t->seized ? PTRACE_EVENT_STOP : 0), 0);
}

bool event_next_due(struct tracee *t)
{
	unsigned due = t->due & -t->due;

	t->due &= ~due;
	switch (due) {
	case DUE_TRAP:
		report_made_signal(t, SIGTRAP, SI_USER, true);
		break;
	case DUE_GROUP:
		report_group(t, SIGSTOP);
		break;
	case DUE_SIGSTOP:
		report_made_signal(t, SIGSTOP, SI_KERNEL, false);
		break;
	case DUE_INTERRUPT:
		report_event(t, PTRACE_EVENT_STOP, 0);
		break;
	case DUE_BIRTH:
		report_made_signal(t, SIGSTOP, SI_USER, false);
		break;
	case DUE_SENT:
		status_stop_info(&t->info, SIGSTOP, SI_TKILL, tracer_of(t)->pid, t->covered->uid);
		report(t, STOP_TRAP, status_stopped(SIGSTOP, 0), 0);
		break;
	case DUE_SIGNAL:
		report(t, STOP_SIGNAL, status_stopped(t->ev.signal.signo, 0), 0);
		break;
	default:
		return false;
	}
	return true;
}

void event_dead(struct tracee *t, int status)
{
	struct covered *c = t->covered;

	t->state = TRACEE_DEAD;
	t->status = status;
	t->event_open = t->held = t->has_later = false;
	t->kernels = t->tid == c->pid && c->child && !tracer_ignores_children(tracer_of(t));
	/* For its own child the kernel does that. */
	tell(t, false, !t->kernels);
	attach_follow_options(c);
}

void event_dead_again(struct tracee *t)
{
	tell(t, false, true);
}

/* ---- Events of tracees ---- */

static void pass(struct covered *c, const struct cotrace_event *ev)
{
	if (ev->flags & COTRACE_EV_STOP)
		cotrace_answer(c->s, ev, NULL);
}

/* From here on the stop waits for the tracer. */
static void keep(struct tracee *t, const struct cotrace_event *ev)
{
	t->ev = *ev;
	t->event_open = true;
}

/* Tasks that were seized trap when SIGCONT comes, before anything else. */
static void continued(struct covered *c)
{
	if (!c->job_stopped)
		return;
	c->job_stopped = false;
	c->continued = true;
	list_for_each (&c->tracer->tracees, node, after) {
		struct tracee *t = list_entry(node, struct tracee, in_tracer);

		if (t->covered == c && t->seized &&
		    (t->state == TRACEE_LISTENS || t->state == TRACEE_RUNS))
			resume_make_stand(t, DUE_INTERRUPT);
	}
}

static void signal_event(struct tracee *t, const struct cotrace_event *ev)
{
	int signo = ev->signal.signo;

	if (t->injected == signo) {
		t->injected = 0;
		resume_carry_on(t, ev);
		return;
	}
	if (signo == SIGCONT)
		continued(t->covered);
	keep(t, ev);
	if (t->due & DUE_INTERRUPT) { /* the kernel looks for that before it takes a signal */
		t->due = (t->due & ~DUE_INTERRUPT) | DUE_SIGNAL;
		report_event(t, PTRACE_EVENT_STOP, 0);
		return;
	}
	report(t, STOP_SIGNAL, status_stopped(signo, 0), 0);
	if (t->given == signo) { /* the kernel's own, as if no engine had sent it */
		t->given = 0;
		status_stop_info(&t->info, signo, SI_KERNEL, 0, 0);
		t->has_info = t->info_set = true;
	}
}

static void report_call(struct tracee *t, const struct cotrace_event *ev, uint64_t message)
{
	int mark = t->options & PTRACE_O_TRACESYSGOOD ? STATUS_SYSGOOD : 0;

	keep(t, ev);
	report(t, STOP_CALL, status_stopped(SIGTRAP | mark, 0), message);
}

static void entry_event(struct tracee *t, const struct cotrace_event *ev)
{
	if (t->mode == MODE_CONT || t->mode == MODE_STEP) {
		resume_carry_on(t, ev);
		return;
	}
	t->emulated = t->mode != MODE_CALL;
	report_call(t, ev, PTRACE_EVENTMSG_SYSCALL_ENTRY);
}

/* A call has ended that another session's stop has broken; what comes next is on its way. */
static void broken_exit_event(struct tracee *t, const struct cotrace_event *ev)
{
	if (t->state != TRACEE_RUNS || t->mode != MODE_CALL || t->emulated)
		return;
	report_call(t, ev, PTRACE_EVENTMSG_SYSCALL_EXIT);
	t->event_open = false;
	t->only_told = true;
}

static void due_or_carry_on(struct tracee *t, const struct cotrace_event *ev)
{
	if (t->due == 0 || t->state != TRACEE_RUNS) {
		resume_carry_on(t, ev);
		return;
	}
	keep(t, ev);
	event_next_due(t);
}

static void exit_event(struct tracee *t, const struct cotrace_event *ev)
{
	bool trap = t->exec_exit, emulated = t->emulated;

	if (!(ev->flags & COTRACE_EV_STOP)) {
		broken_exit_event(t, ev);
		return;
	}
	t->exec_exit = t->emulated = t->at_end = false;
	if (t->mode == MODE_CALL && !emulated) {
		t->due |= trap ? DUE_TRAP : 0;
		report_call(t, ev, PTRACE_EVENTMSG_SYSCALL_EXIT);
	} else if (trap) {
		keep(t, ev);
		report_made_signal(t, SIGTRAP, SI_USER, true);
	} else if (t->mode == MODE_STEP) { /* a call is one instruction */
		keep(t, ev);
		report_trap(t, user_stepped(t, ev->pc), ev->pc);
	} else {
		due_or_carry_on(t, ev);
	}
}

/* What is told only with an option; that is a bit with the number of its event. */
static void option_event(struct tracee *t, const struct cotrace_event *ev, uint32_t option,
			 uint64_t message)
{
	if (!(t->options & option)) {
		resume_carry_on(t, ev);
		return;
	}
	keep(t, ev);
	report_event(t, __builtin_ctz(option), message);
}

/* By which option one stops there, in the midst of a call; 0: elsewhere. */
static uint32_t option_of(uint32_t where)
{
	switch (where) {
	case COTRACE_EVENT_FORK:
		return PTRACE_O_TRACEFORK;
	case COTRACE_EVENT_VFORK:
		return PTRACE_O_TRACEVFORK;
	case COTRACE_EVENT_CLONE:
		return PTRACE_O_TRACECLONE;
	case COTRACE_EVENT_VFORK_DONE:
		return PTRACE_O_TRACEVFORKDONE;
	default:
		return 0;
	}
}

/* The caller of exec has its leader's tid now; what else there was is gone. */
static struct tracee *exec_survivor(struct covered *c, const struct cotrace_event *ev)
{
	struct tracee *caller = tracee_by_tid(c->tracer, ev->exec.former_tid);
	struct tracee *leader = tracee_by_tid(c->tracer, ev->tid);

	if (caller != NULL && caller->covered != c)
		caller = NULL;
	if (leader != NULL && leader != caller)
		tracee_free(leader);
	if (caller != NULL) {
		caller->tid = ev->tid;
		caller->task = ev->task;
	}
	return caller;
}

/* What becomes of the tracees, at once. NULL: nobody is left. */
static struct tracee *executed(struct covered *c, const struct cotrace_event *ev)
{
	struct tracee *t = exec_survivor(c, ev);

	memory_forget_traps(c);
	if (t == NULL)
		return NULL;
	t->pc_at = t->moved_from = 0; /* where it was is no more */
	user_forget_debug(t);
	return t;
}

static void exec_event(struct tracee *t, const struct cotrace_event *ev)
{
	t->exec_exit = !t->seized && !(t->options & PTRACE_O_TRACEEXEC);
	option_event(t, ev, PTRACE_O_TRACEEXEC, (uint64_t)ev->exec.former_tid);
}

/* A child that neither tracer nor program want traced has come for nothing: its session ends. */
static void unannounced(struct tracee *t, const struct cotrace_event *ev)
{
	if (ev->kind != COTRACE_EVENT_CLONE && user_clones_traced(t, ev->arch))
		attach_child(t, ev->child.pid, ev->child.task, ev->child.fd);
	else if (ev->kind != COTRACE_EVENT_CLONE)
		fd_close(ev->child.fd);
	resume_carry_on(t, ev);
}

static void birth_event(struct tracee *t, const struct cotrace_event *ev)
{
	uint32_t option = option_of(ev->kind);

	if (!(t->options & option)) {
		unannounced(t, ev);
		return;
	}
	keep(t, ev);
	if (resume_hold(t) == 0) {
		/* The new task starts when all have answered this event; tracers wait for that. */
		t->event_open = false;
		pass(t->covered, ev);
	}
	report_event(t, __builtin_ctz(option), (uint64_t)ev->child.tid);
	if (ev->kind == COTRACE_EVENT_CLONE)
		attach_new(t->covered, t, ev->child.tid, ev->child.task);
	else
		attach_child(t, ev->child.pid, ev->child.task, ev->child.fd);
}

/* A new thread: its creator's options say whether it is a tracee. */
static struct tracee *started(struct covered *c, const struct cotrace_event *ev)
{
	const struct tracee *creator = tracee_by_tid(c->tracer, ev->child.tid);

	if (creator != NULL && creator->covered == c && creator->options & PTRACE_O_TRACECLONE)
		return attach_new(c, creator, ev->tid, ev->task);
	return NULL;
}

static void task_exit_event(struct tracee *t, const struct cotrace_event *ev)
{
	if (ev->flags & COTRACE_EV_STOP) {
		option_event(t, ev, PTRACE_O_TRACEEXIT, (uint64_t)(unsigned)ev->exit.status);
		return;
	}
	t->covered->dying =
		ev->exit.cause == COTRACE_EXIT_GROUP || ev->exit.cause == COTRACE_EXIT_SIGNAL;
	if (t->tid != t->covered->pid)
		event_dead(t, ev->exit.status);
}

static void job_stop_event(struct tracee *t, const struct cotrace_event *ev)
{
	t->covered->job_stopped = true;
	t->covered->continued = false;
	keep(t, ev);
	report_group(t, ev->job.signo);
}

static void stop_done_event(struct tracee *t, const struct cotrace_event *ev)
{
	if (t->dones > 0) {
		t->dones--;
		return;
	}
	t->held = true;
	if (t->state == TRACEE_RUNS && t->due != 0 && option_of(ev->stop.where) != 0) {
		/* Who traces that is about to be told; all others find it when the call is done. */
		if (!(t->options & option_of(ev->stop.where)))
			resume_to_end(t);
		return;
	}
	if (t->state == TRACEE_RUNS || t->state == TRACEE_LISTENS)
		if (!event_next_due(t)) {
			t->held = false;
			cotrace_resume(t->covered->s, t->task);
		}
}

static void step_event(struct tracee *t, const struct cotrace_event *ev)
{
	bool emulated = t->emulated;

	t->emulated = false;
	/* The end of a call that was not made is no end of a step. */
	if (emulated && t->mode == MODE_EMULATE_STEP) {
		resume_carry_on(t, ev);
		return;
	}
	keep(t, ev);
	report_trap(t, user_stepped(t, ev->pc), ev->pc);
}

void event_hit(struct tracee *t, uint64_t addr)
{
	report_trap(t, SI_KERNEL, 0);
	t->pc_at = addr;
	t->pc_shown = addr + sizeof user_trap;
}

/* Not by its id: the trap may have been taken out and put back since. */
static void breakpoint_event(struct tracee *t, const struct cotrace_event *ev)
{
	if (user_debug_hit(t, ev->breakpoint.id)) {
		keep(t, ev);
		report_trap(t, TRAP_HWBKPT, ev->pc);
	} else if (memory_has_trap(t->covered, ev->pc) && t->moved_from != ev->pc) {
		keep(t, ev);
		event_hit(t, ev->pc);
	} else {
		resume_carry_on(t, ev);
	}
}

static void watchpoint_event(struct tracee *t, const struct cotrace_event *ev)
{
	if (!user_debug_hit(t, ev->watchpoint.id)) {
		resume_carry_on(t, ev);
		return;
	}
	keep(t, ev);
	report_trap(t, TRAP_HWBKPT, ev->watchpoint.addr);
}

/* Its stop's turn has come to us, but to its tracer it stands already. */
static bool comes_early(const struct tracee *t, const struct cotrace_event *ev)
{
	return t->state == TRACEE_STANDS && (t->held || t->only_told) && !t->event_open &&
	       ev->flags & COTRACE_EV_STOP && ev->kind != COTRACE_EVENT_TASK_EXIT;
}

static void tracee_event(struct tracee *t, const struct cotrace_event *ev)
{
	if (comes_early(t, ev)) {
		t->later = *ev;
		t->has_later = true;
		return;
	}
	switch (ev->kind) {
	case COTRACE_EVENT_TASK_START:
		due_or_carry_on(t, ev);
		break;
	case COTRACE_EVENT_EXEC:
		exec_event(t, ev);
		break;
	case COTRACE_EVENT_SIGNAL:
		signal_event(t, ev);
		break;
	case COTRACE_EVENT_SYSCALL_ENTRY:
		entry_event(t, ev);
		break;
	case COTRACE_EVENT_SYSCALL_EXIT:
		exit_event(t, ev);
		break;
	case COTRACE_EVENT_FORK:
	case COTRACE_EVENT_VFORK:
	case COTRACE_EVENT_CLONE:
		birth_event(t, ev);
		break;
	case COTRACE_EVENT_VFORK_DONE:
		option_event(t, ev, PTRACE_O_TRACEVFORKDONE, (uint64_t)ev->child.tid);
		break;
	case COTRACE_EVENT_SECCOMP:
		option_event(t, ev, PTRACE_O_TRACESECCOMP, ev->seccomp.data);
		break;
	case COTRACE_EVENT_TASK_EXIT:
		task_exit_event(t, ev);
		break;
	case COTRACE_EVENT_JOB_STOP:
		job_stop_event(t, ev);
		break;
	case COTRACE_EVENT_JOB_CONTINUE:
		continued(t->covered);
		break;
	case COTRACE_EVENT_STEP:
		step_event(t, ev);
		break;
	case COTRACE_EVENT_BREAKPOINT:
		breakpoint_event(t, ev);
		break;
	case COTRACE_EVENT_WATCHPOINT:
		watchpoint_event(t, ev);
		break;
	case COTRACE_EVENT_STOP_DONE:
		stop_done_event(t, ev);
		break;
	default:
		resume_carry_on(t, ev);
	}
}

void event_later(struct tracee *t)
{
	struct cotrace_event ev = t->later;

	t->has_later = false;
	tracee_event(t, &ev);
}

/* ---- Events of processes ---- */

static void process_exit_event(struct covered *c, const struct cotrace_event *ev)
{
	list_for_each (&c->tracer->tracees, node, after) {
		struct tracee *t = list_entry(node, struct tracee, in_tracer);

		if (t->covered == c && t->state != TRACEE_DEAD)
			event_dead(t, ev->exit.status);
	}
}

/* The session is over: what lives runs on without us. */
static void over_event(struct covered *c)
{
	struct tracer *tracer = c->tracer;

	list_for_each (&tracer->tracees, node, after) {
		struct tracee *t = list_entry(node, struct tracee, in_tracer);

		if (t->covered == c && t->state != TRACEE_DEAD)
			tracee_free(t);
	}
	covered_over(c);
	covered_release(c);
	tracer->p->host->changed(tracer->p->arg, tracer->pid, false, NULL);
}

static struct tracee *traced(struct covered *c, const struct cotrace_event *ev)
{
	struct tracee *t = tracee_by_tid(c->tracer, ev->tid);

	return t != NULL && t->covered == c ? t : NULL;
}

/* Nobody's stop is passed. */
static void untraced_event(struct covered *c, const struct cotrace_event *ev)
{
	if (ev->kind == COTRACE_EVENT_FORK || ev->kind == COTRACE_EVENT_VFORK)
		fd_close(ev->child.fd);
	pass(c, ev);
	if (ev->kind == COTRACE_EVENT_EXEC)
		covered_release(c);
}

void covered_event(struct covered *c, const struct cotrace_event *ev)
{
	struct tracee *t;

	switch (ev->kind) {
	case COTRACE_EVENT_ENGINE_GONE:
	case COTRACE_EVENT_SESSION_END:
		over_event(c);
		return;
	case COTRACE_EVENT_PROCESS_EXIT:
		process_exit_event(c, ev);
		return;
	case COTRACE_EVENT_EXEC:
		t = executed(c, ev);
		break;
	case COTRACE_EVENT_TASK_START:
		t = started(c, ev);
		break;
	default:
		t = traced(c, ev);
	}
	if (t != NULL)
		tracee_event(t, ev);
	else
		untraced_event(c, ev);
}
