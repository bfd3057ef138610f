/* SPDX-License-Identifier: MIT */
#include "engine/event.h"

#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "engine/break.h"
#include "engine/condition.h"
#include "engine/conn.h"
#include "engine/session.h"
#include "rules/told.h"

#define FIXED_MAX 512 /* no event is longer without captures */
#define UNDELAYED_MAX (8u << 20)
#define UNDELAYED_A_TASK 256u /* more: one cotrace_stop() brings an event for each */
#define CAPTURES_MAX (COTRACE_CAPTURES_MAX * (COTRACE_CAPTURE_BYTES_MAX + 16))

/* What is told of sessions, not of what tasks do. */
static void put_notice(struct wire_writer *w, const struct event *ev)
{
	switch (ev->kind) {
	case COTRACE_EVENT_STEP:
		wire_put_e_step(w, &ev->step);
		break;
	case COTRACE_EVENT_STOP_DONE:
		wire_put_e_stop(w, &ev->stop);
		break;
	case COTRACE_EVENT_CHANGED:
		wire_put_e_changed(w, &ev->changed);
		break;
	case COTRACE_EVENT_LOST:
		wire_put_e_lost(w, &ev->lost);
		break;
	case COTRACE_EVENT_REFUSED:
		wire_put_e_refused(w, &ev->refused);
		break;
	default:
		wire_put_e_end(w, &ev->end);
	}
}

static void put_payload(struct wire_writer *w, const struct event *ev)
{
	switch (ev->kind) {
	case COTRACE_EVENT_SYSCALL_ENTRY: {
		struct wire_e_syscall_entry entry = { .nr = ev->syscall.nr };

		memcpy(entry.args, ev->syscall.args, sizeof entry.args);
		wire_put_e_syscall_entry(w, &entry);
		break;
	}
	case COTRACE_EVENT_SYSCALL_EXIT:
		wire_put_e_syscall_exit(w, &ev->syscall);
		break;
	case COTRACE_EVENT_SIGNAL:
		wire_put_e_signal(w, &ev->signal);
		break;
	case COTRACE_EVENT_TASK_START:
	case COTRACE_EVENT_FORK:
	case COTRACE_EVENT_VFORK:
	case COTRACE_EVENT_VFORK_DONE:
	case COTRACE_EVENT_CLONE:
		wire_put_e_child(w, &ev->child);
		break;
	case COTRACE_EVENT_EXEC:
		wire_put_e_exec(w, &ev->exec);
		break;
	case COTRACE_EVENT_TASK_EXIT:
	case COTRACE_EVENT_PROCESS_EXIT:
		wire_put_e_exit(w, &ev->exit);
		break;
	case COTRACE_EVENT_JOB_STOP:
	case COTRACE_EVENT_JOB_CONTINUE:
		wire_put_e_job(w, &ev->job);
		break;
	case COTRACE_EVENT_BREAKPOINT:
		wire_put_e_breakpoint(w, &ev->breakpoint);
		break;
	case COTRACE_EVENT_WATCHPOINT:
		wire_put_e_watchpoint(w, &ev->watchpoint);
		break;
	case COTRACE_EVENT_SECCOMP:
		wire_put_e_seccomp(w, &ev->seccomp);
		break;
	default:
		put_notice(w, ev);
	}
}

static struct wire_event_head head_of(const struct event *ev, uint64_t now)
{
	const struct task *t = ev->task;
	struct wire_event_head head = { .time_ns = now, .tid = ev->tid, .pid = ev->pid };

	if (t == NULL)
		return head;
	head.task = t->id;
	head.tid = t->tid;
	head.pid = t->process ? t->process->pid : t->tid;
	if (t->state == TASK_STANDING) {
		head.pc = t->ev.pc;
		head.sp = t->ev.sp;
	}
	if (ev->kind == COTRACE_EVENT_SYSCALL_ENTRY || ev->kind == COTRACE_EVENT_SYSCALL_EXIT ||
	    ev->kind == COTRACE_EVENT_SECCOMP)
		head.arch = t->call.arch;
	else
		head.arch = t->engine->backend->ops->task_arch(t->engine->backend, t->tid);
	return head;
}

static bool is_note(const struct event *ev)
{
	return !(ev->flags & COTRACE_EV_STOP) && ev->kind != COTRACE_EVENT_STOP_DONE &&
	       (ev->kind < COTRACE_EVENT_LOST || ev->kind == COTRACE_EVENT_SECCOMP);
}

static bool is_hit(const struct event *ev)
{
	return ev->kind == COTRACE_EVENT_BREAKPOINT || ev->kind == COTRACE_EVENT_WATCHPOINT;
}

static bool has_captures(const struct session *s, const struct event *ev)
{
	if (is_hit(ev))
		return ev->task->hit->value_count != 0;
	return (ev->kind == COTRACE_EVENT_SYSCALL_ENTRY ||
		ev->kind == COTRACE_EVENT_SYSCALL_EXIT) &&
	       s->captures.count && ev->task->state == TASK_STANDING && capture_wanted(s, ev->task);
}

/* Encodes the event into the queue. The number of captures is known only afterwards. */
static uint64_t put(struct session *s, struct event *ev, uint64_t now)
{
	bool captures = has_captures(s, ev);
	struct wire_writer *w = queue_reserve(&s->queue, FIXED_MAX + (captures ? CAPTURES_MAX : 0),
					      ev->fd >= 0, ev->fd);
	struct wire_event_head head = head_of(ev, now);
	size_t head_at, end;

	if (w == NULL)
		return 0;
	wire_begin(w, WIRE_EVENT(ev->kind), ev->flags, ++s->engine->seq);
	head_at = w->used;
	wire_put_event_head(w, &head);
	put_payload(w, ev);
	if (captures) {
		head.captured = is_hit(ev) ? hit_values((struct task *)ev->task, w)
					   : capture_take(s, ev->task, w);
		end = w->used;
		w->used = head_at;
		wire_put_event_head(w, &head);
		w->used = end;
	}
	wire_finish(w);
	queue_commit(&s->queue);
	s->seq_queued = s->engine->seq;
	return s->engine->seq;
}

/*
 * Events that no task is delayed for: a session that causes them and does not read, or for
 * which another one causes them, must not fill the memory.
 */
static bool overruns(struct session *s, const struct event *ev)
{
	size_t max = UNDELAYED_MAX + UNDELAYED_A_TASK * s->engine->tasks_by_id.count;

	if (s->queue.bytes < max ||
	    (ev->kind != COTRACE_EVENT_STOP_DONE && ev->kind != COTRACE_EVENT_CHANGED &&
	     ev->kind != COTRACE_EVENT_REFUSED))
		return false;
	if (ev->kind == COTRACE_EVENT_CHANGED) {
		s->lost++;
		s->lost_untold++;
	} else if (s->main != NULL) {
		conn_mark_dead(s->main);
	}
	return true;
}

uint64_t event_emit(struct session *s, struct event *ev)
{
	uint64_t now = clock_now_ns(), seq;

	if (s->ended || (is_note(ev) && !session_takes_note(s)) || overruns(s, ev)) {
		fd_close(ev->fd);
		return 0;
	}
	if (s->lost_untold && ev->kind != COTRACE_EVENT_LOST) {
		struct event lost = EVENT(COTRACE_EVENT_LOST, NULL);

		lost.lost.notes = s->lost_untold;
		s->lost_untold = 0;
		put(s, &lost, now);
	}
	seq = put(s, ev, now);
	if (seq == 0)
		return 0;
	if (is_note(ev))
		s->notes++;
	else if (ev->flags & COTRACE_EV_STOP)
		s->stops++;
	session_dirty(s, now, !is_note(ev));
	if (ev->flags & COTRACE_EV_STOP)
		s->engine->asked = s->main;
	return seq;
}

static bool in_set(const uint64_t *set, int64_t nr)
{
	unsigned bit = nr >= 0 && nr < 1023 ? (unsigned)nr : 1023;

	return set[bit / 64] >> (bit % 64) & 1;
}

static enum cotrace_mode set_mode(const struct call_set *set, int64_t nr)
{
	if (in_set(set->stop, nr))
		return COTRACE_STOP;
	return in_set(set->note, nr) ? COTRACE_NOTE : COTRACE_OFF;
}

/* Who was told of the entry is told of the exit, though another call was made of it. */
static enum cotrace_mode call_interest(const struct session *s, const struct task *t)
{
	uint32_t arch = t->call.arch < ENGINE_ARCHS ? t->call.arch : 0;
	bool exit = t->kind == COTRACE_EVENT_SYSCALL_EXIT;
	const struct call_set *set = &s->calls[arch][exit];
	enum cotrace_mode made = set_mode(set, t->call.nr), asked;

	if (exit && t->asked.nr != t->call.nr) {
		asked = set_mode(set, t->asked.nr);
		made = asked > made ? asked : made;
	}
	if (made != COTRACE_OFF && !list_empty(&s->conditions) &&
	    !condition_of_call(s, (struct task *)t, exit ? COTRACE_EXIT : COTRACE_ENTRY))
		return COTRACE_OFF;
	return made;
}

static bool stepped(const struct session *s, const struct task *t)
{
	const struct rules_party *p = rules_party((struct rules *)&t->rules, s->id);

	return p != NULL && p->stepped;
}

enum cotrace_mode event_interest(const struct session *s, const struct task *t)
{
	enum cotrace_mode mode = COTRACE_OFF;

	if (t->kind == 0 || s->ended)
		return COTRACE_OFF;
	if (t->kind == COTRACE_EVENT_SYSCALL_ENTRY || t->kind == COTRACE_EVENT_SYSCALL_EXIT) {
		mode = stepped(s, t)	  ? COTRACE_STOP
		       : t->steppers_only ? COTRACE_OFF
					  : call_interest(s, t);
	} else if (t->kind == COTRACE_EVENT_SIGNAL) {
		uint64_t bit = 1ull << (t->ev.siginfo.si_signo - 1);

		mode = s->signal_stop & bit   ? COTRACE_STOP
		       : s->signal_note & bit ? COTRACE_NOTE
					      : COTRACE_OFF;
	} else if (t->kind == COTRACE_EVENT_BREAKPOINT || t->kind == COTRACE_EVENT_WATCHPOINT) {
		mode = hit_interest((struct session *)s, (struct task *)t);
	} else if (t->kind == COTRACE_EVENT_STEP) {
		mode = stepped(s, t) ? COTRACE_STOP : COTRACE_OFF;
	} else {
		mode = s->modes[t->kind];
	}
	return mode == COTRACE_STOP && s->role == COTRACE_OBSERVER ? COTRACE_NOTE : mode;
}

static void signal_record(const struct task *t, struct wire_e_signal *out)
{
	const siginfo_t *info = &t->ev.siginfo;
	struct backend *b = t->engine->backend;

	*out = (struct wire_e_signal){ .signo = info->si_signo,
				       .code = info->si_code,
				       .error = info->si_errno };
	out->disposition = b->ops->disposition(b, t->tid, info->si_signo);
	if (info->si_code > 0 && info->si_code != SI_KERNEL) {
		switch (info->si_signo) {
		case SIGILL:
		case SIGFPE:
		case SIGSEGV:
		case SIGBUS:
		case SIGTRAP:
			out->addr = (uint64_t)(uintptr_t)info->si_addr;
			return;
		case SIGIO:
			out->value = (uint64_t)info->si_band;
			return;
		case SIGSYS:
			out->addr = (uint64_t)(uintptr_t)info->si_call_addr;
			out->value = (uint64_t)(uint32_t)info->si_syscall;
			return;
		}
	}
	out->sender_pid = info->si_pid;
	out->sender_uid = info->si_uid;
	if (info->si_signo == SIGCHLD)
		out->status = info->si_status;
	else if (info->si_code < 0)
		out->value = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
}

struct wire_e_exit event_exit_record(uint32_t cause, int status)
{
	struct wire_e_exit record = { .cause = cause, .status = status };

	if (WIFSIGNALED(status)) {
		record.cause = COTRACE_EXIT_SIGNAL;
		record.signo = WTERMSIG(status);
		record.dumped_core = WCOREDUMP(status) != 0;
	} else {
		record.code = WEXITSTATUS(status);
	}
	return record;
}

static void child_record(const struct task *t, struct wire_e_child *out)
{
	const struct task *child = t->unannounced;

	if (t->kind == COTRACE_EVENT_TASK_START) {
		const struct task *creator = map_get(&t->engine->tasks_by_id, t->creator);

		out->task = t->creator;
		out->tid = creator ? creator->tid : 0;
		out->pid = creator && creator->process ? creator->process->pid : 0;
	} else if (child != NULL) {
		out->task = child->id;
		out->tid = child->tid;
		out->pid = child->process ? child->process->pid : child->tid;
	} else {
		out->tid = out->pid = t->ev.child.tid;
	}
}

/* One instruction can hit several, of different kinds. */
static void hit_record(const struct task *t, struct event *ev)
{
	const struct breakpoint *b = t->hit;
	const struct struck *s = struck_of(t, b);

	ev->flags = 0;
	if (s == NULL || s->kind == BACKEND_DEBUG_EXECUTE) {
		ev->kind = COTRACE_EVENT_BREAKPOINT;
		ev->breakpoint = (struct wire_e_breakpoint){ b->id, b->hits };
		return;
	}
	ev->kind = COTRACE_EVENT_WATCHPOINT;
	ev->flags = s->kernel ? COTRACE_EV_KERNEL : 0;
	ev->watchpoint = (struct wire_e_watchpoint){ b->id,	b->hits,  s->addr,
						     s->before, s->after, s->length };
}

void event_of_stop(const struct task *t, struct event *ev)
{
	*ev = EVENT(t->kind, t);
	ev->flags = t->flags;
	switch (t->kind) {
	case COTRACE_EVENT_SYSCALL_EXIT:
		ev->syscall.result = t->call.result;
		ev->syscall.is_error = t->call.is_error;
		/* fall through */
	case COTRACE_EVENT_SYSCALL_ENTRY:
		ev->syscall.nr = t->call.nr;
		memcpy(ev->syscall.args, t->call.args, sizeof ev->syscall.args);
		break;
	case COTRACE_EVENT_SECCOMP:
		ev->seccomp.nr = t->call.nr;
		memcpy(ev->seccomp.args, t->call.args, sizeof ev->seccomp.args);
		ev->seccomp.data = t->ev.syscall.data;
		break;
	case COTRACE_EVENT_SIGNAL:
		signal_record(t, &ev->signal);
		break;
	case COTRACE_EVENT_EXEC:
		ev->exec.generation = t->process->generation;
		ev->exec.former_tid = t->ev.exec.former_tid;
		break;
	case COTRACE_EVENT_TASK_EXIT:
		ev->exit =
			event_exit_record(t->ev.exit.call == BACKEND_EXIT_TASK ? COTRACE_EXIT_OWN
									       : COTRACE_EXIT_GROUP,
					  t->ev.exit.status);
		break;
	case COTRACE_EVENT_JOB_STOP:
		ev->job.signo = t->ev.job.signo;
		break;
	case COTRACE_EVENT_BREAKPOINT:
	case COTRACE_EVENT_WATCHPOINT:
		hit_record(t, ev);
		break;
	case COTRACE_EVENT_STEP: /* its kind is the party's */
		break;
	default:
		child_record(t, &ev->child);
	}
}

void event_changed(struct process *p, const struct session *by, struct task *t, uint32_t what,
		   uint64_t addr, uint64_t length)
{
	struct told_act act = { by->id, what, length, t != NULL && !t->announced };

	list_for_each (&p->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;
		bool wants = s->modes[COTRACE_EVENT_CHANGED] != COTRACE_OFF;
		struct told_listener listener = { s->id, true, wants, s->ended };
		struct event ev = EVENT(COTRACE_EVENT_CHANGED, t);

		if (!told_is_due(&act, &listener))
			continue;
		ev.pid = ev.tid = p->pid;
		ev.changed = (struct wire_e_changed){ what, by->id, addr, length };
		event_emit(s, &ev);
	}
}
