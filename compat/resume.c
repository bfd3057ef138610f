/* SPDX-License-Identifier: MIT */
/* How stops end: PTRACE_CONT and its kind, DETACH, LISTEN, INTERRUPT. */
#include <errno.h>
#include <linux/ptrace.h>
#include <string.h>

#include "compat/internal.h"

int resume_hold(struct tracee *t)
{
	int r;

	if (t->held)
		return 0;
	r = cotrace_stop(t->covered->s, t->task, COTRACE_ONE, 0);
	if (r < 0 && r != -ETIMEDOUT)
		return r;
	t->dones++;
	t->held = true;
	return 0;
}

static bool signal_verdict(const struct tracee *t, int signo, struct cotrace_verdict *v)
{
	if (signo == 0) {
		v->action = COTRACE_DENY;
	} else if (signo != t->ev.signal.signo || t->info_set) {
		v->action = COTRACE_REPLACE;
		v->signo = signo;
		if (t->info_set && t->info.si_signo == signo) {
			v->siginfo_size = sizeof t->info;
			memcpy(v->siginfo, &t->info, sizeof t->info);
		}
	} else {
		return false;
	}
	return true;
}

/* What the end of this stop decides. False: nothing. */
static bool verdict_of(struct tracee *t, int signo, struct cotrace_verdict *v)
{
	*v = (struct cotrace_verdict){ .size = sizeof *v };
	if (t->kind == STOP_SIGNAL)
		return signal_verdict(t, signo, v);
	if (t->kind == STOP_CALL && t->emulated && t->ev.kind == COTRACE_EVENT_SYSCALL_ENTRY) {
		v->action = COTRACE_DENY;
		v->result = user_result(t);
		return true;
	}
	if (t->kind == STOP_GROUP) {
		v->action = COTRACE_DENY; /* it runs although its process is stopped */
		return true;
	}
	return false;
}

/* At some stops that are no signal's the kernel takes a signal, too; at the others it is lost. */
static void inject(struct tracee *t, int signo)
{
	const void *info = t->info_set && t->info.si_signo == signo ? &t->info : NULL;

	if (signo == 0 || (t->kind != STOP_TRAP && t->kind != STOP_CALL))
		return;
	if (t->kind == STOP_TRAP)
		t->injected = signo;
	if (t->kind == STOP_CALL)
		t->given = signo;
	if (cotrace_signal(t->covered->s, t->task, COTRACE_ONE, signo, info) < 0)
		cotrace_signal(t->covered->s, t->task, COTRACE_ONE, signo, NULL);
}

/*
 * A stop ends by being killed, and that of its exit may follow at once: whoever then goes on
 * answers the wrong one. False: @signo is none that kills here.
 */
static bool kill_at_stop(struct tracee *t, int signo)
{
	if (signo != SIGKILL || t->kind == STOP_EVENT || t->kind == STOP_GROUP)
		return false;
	t->due = 0;
	t->event_open = false;
	t->state = TRACEE_RUNS;
	cotrace_signal(t->covered->s, t->task, COTRACE_ONE, signo, NULL);
	return true;
}

static int answer(struct tracee *t, bool decides, const struct cotrace_verdict *v)
{
	if (!t->event_open)
		return 0;
	t->event_open = false;
	return cotrace_answer(t->covered->s, &t->ev, decides ? v : NULL);
}

static enum cotrace_step_kind kind_of(enum resume_mode mode)
{
	return mode == MODE_STEP || mode == MODE_EMULATE_STEP ? COTRACE_STEP_INSTRUCTION
							      : COTRACE_STEP_SYSCALL;
}

/* An instruction that makes a system call is to stop before that, to be emulated. */
static int follow_entries(struct tracee *t)
{
	struct covered *c = t->covered;
	bool wanted = t->mode == MODE_EMULATE_STEP;
	int r;

	if (wanted == c->sees_entries)
		return 0;
	list_for_each (&c->tracer->tracees, node, after) {
		const struct tracee *other = list_entry(node, struct tracee, in_tracer);

		wanted |= other->covered == c && other->mode == MODE_EMULATE_STEP;
	}
	if (wanted == c->sees_entries)
		return 0;
	r = cotrace_subscribe_syscalls(c->s, COTRACE_ARCH_ANY, COTRACE_ENTRY, NULL,
				       wanted ? COTRACE_STOP : COTRACE_OFF);
	if (r == 0)
		c->sees_entries = wanted;
	return r;
}

/* Until an instruction or a system call is done: a request that needs the hold. */
static int step(struct tracee *t, bool decides, const struct cotrace_verdict *v)
{
	bool open = t->event_open;

	t->event_open = t->held = false;
	if (open && decides)
		return cotrace_answer_step(t->covered->s, &t->ev, v, kind_of(t->mode), 0, 0);
	return cotrace_step(t->covered->s, t->task, kind_of(t->mode), 0, 0);
}

static int run(struct tracee *t, bool decides, const struct cotrace_verdict *v)
{
	int r = answer(t, decides, v);

	if (t->held)
		r = cotrace_resume(t->covered->s, t->task);
	t->held = false;
	return r;
}

/* Whether its call goes on when it does, and whether it may block then. */
static bool is_in_call(const struct tracee *t, bool *blocks)
{
	int event = t->status >> 16;

	*blocks = t->kind == STOP_CALL || event == PTRACE_EVENT_SECCOMP;
	if (t->kind == STOP_CALL)
		return t->ev.kind == COTRACE_EVENT_SYSCALL_ENTRY;
	return t->kind == STOP_EVENT && event != PTRACE_EVENT_STOP && event != PTRACE_EVENT_EXIT;
}

static int leave(struct tracee *t, bool decides, const struct cotrace_verdict *v)
{
	bool to_end_of_call = (t->exec_exit || t->at_end) && t->mode == MODE_CONT;

	return t->mode == MODE_CONT && !to_end_of_call ? run(t, decides, v) : step(t, decides, v);
}

void resume_to_end(struct tracee *t)
{
	t->at_end = true;
	leave(t, false, NULL);
}

void resume_carry_on(struct tracee *t, const struct cotrace_event *ev)
{
	if (!(ev->flags & COTRACE_EV_STOP))
		return;
	/* Another stop of the same task, under which this one has come. */
	if (t->state != TRACEE_RUNS) {
		cotrace_answer(t->covered->s, ev, NULL);
		return;
	}
	t->ev = *ev;
	t->event_open = true;
	leave(t, false, NULL);
}

/*
 * To its tracer it executes a trap now. In fact that has been hit, and it would get past it; or
 * somebody else's, there too. At other stops it runs into it by itself.
 */
static bool comes_to_trap(struct tracee *t, uint64_t *pc)
{
	const struct covered *c = t->covered;
	bool interrupted = t->kind == STOP_TRAP || t->status >> 16 == PTRACE_EVENT_STOP;

	if (!interrupted || t->moved_from != 0 || list_empty(&c->traps))
		return false;
	if (t->event_open &&
	    (t->ev.kind != COTRACE_EVENT_BREAKPOINT || !memory_has_trap(c, t->ev.pc)))
		return false;
	return user_next_pc(t, pc) && memory_has_trap(c, *pc);
}

/* Again, or for the first time. */
static void hit(struct tracee *t, uint64_t pc)
{
	if (t->has_later && t->later.kind == COTRACE_EVENT_BREAKPOINT) {
		t->ev = t->later;
		t->event_open = true;
		t->has_later = false;
	}
	event_hit(t, pc);
}

int resume_go_on(struct tracee *t, enum resume_mode mode, int signo)
{
	struct cotrace_verdict v;
	bool decides, blocks;
	uint64_t pc;
	int r;

	t->mode = mode;
	t->fresh = false;
	r = follow_entries(t);
	if (t->due & DUE_SIGNAL) {
		event_next_due(t);
		return 0;
	}
	if (r < 0)
		return r;
	if (kill_at_stop(t, signo))
		return 0;
	user_move(t);
	inject(t, signo);
	decides = verdict_of(t, signo, &v);
	if (t->status >> 16 == PTRACE_EVENT_EXIT)
		t->due = 0; /* it will not stop any more */
	if (t->due != 0 && !t->only_told && is_in_call(t, &blocks)) {
		/* What is due comes when the kernel is done with the call. */
		t->state = TRACEE_RUNS;
		t->at_end = !blocks;
		r = leave(t, decides, &v);
		return r == 0 && blocks ? resume_make_stand(t, 0) : r;
	}
	if (t->due != 0) {
		r = resume_hold(t);
		if (r == 0)
			r = answer(t, decides, &v);
		event_next_due(t);
		return r;
	}
	if (signo == 0 && comes_to_trap(t, &pc)) {
		hit(t, pc);
		return 0;
	}
	t->state = TRACEE_RUNS;
	if (t->has_later) {
		event_later(t);
		return 0;
	}
	if (!t->only_told)
		r = leave(t, decides, &v);
	/* It has told of its end already. */
	if (t->status >> 16 == PTRACE_EVENT_EXIT && t->tid != t->covered->pid)
		event_dead(t, t->ev.exit.status);
	return r == -ESHUTDOWN ? -ESRCH : r;
}

int resume_detach(struct tracee *t, int signo)
{
	struct covered *c = t->covered;
	struct cotrace_verdict v;
	bool decides;

	if (kill_at_stop(t, signo))
		signo = 0;
	inject(t, signo);
	/* One that is stopped stays so. */
	decides = t->kind != STOP_GROUP && verdict_of(t, signo, &v);
	t->due = 0;
	t->mode = MODE_CONT;
	user_move(t);
	user_clear_debug(t);
	run(t, decides, &v);
	if (t->has_later)
		cotrace_answer(c->s, &t->later, NULL);
	tracee_free(t);
	attach_follow_options(c);
	covered_release(c);
	return 0;
}

int resume_make_stand(struct tracee *t, unsigned due)
{
	int r;

	t->due |= due;
	if (t->held || t->state == TRACEE_STANDS)
		return 0;
	r = cotrace_stop(t->covered->s, t->task, COTRACE_ONE, 0);
	return r == -ETIMEDOUT ? 0 : r;
}

int resume_interrupt(struct tracee *t)
{
	if (!t->seized)
		return -EIO;
	if (t->state == TRACEE_STANDS) {
		t->due |= DUE_INTERRUPT;
		return 0;
	}
	return resume_make_stand(t, t->state == TRACEE_LISTENS ? DUE_GROUP : DUE_INTERRUPT);
}

bool personality_stop(struct personality *p, const struct caller *c, pid_t pid, pid_t tid)
{
	const struct tracer *tracer = tracer_by_pid(p, c->pid);
	struct tracee *t = tracer != NULL ? tracee_by_tid(tracer, tid) : NULL;

	if (t == NULL || (pid != 0 && t->covered->pid != pid) ||
	    (t->state != TRACEE_RUNS && t->state != TRACEE_STANDS))
		return false;
	return resume_make_stand(t, DUE_SENT) == 0;
}

int resume_listen(struct tracee *t)
{
	if (!t->seized || t->status >> 16 != PTRACE_EVENT_STOP)
		return -EIO;
	t->state = TRACEE_LISTENS;
	t->fresh = false;
	answer(t, false, NULL);
	if (t->held)
		cotrace_resume(t->covered->s, t->task);
	t->held = false;
	if (t->has_later)
		event_later(t);
	return 0;
}
