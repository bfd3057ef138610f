/* SPDX-License-Identifier: MIT */
#include "lib/decode.h"

#include <string.h>

static void decode_syscall(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_syscall_exit m = { 0 };

	if (ev->kind == COTRACE_EVENT_SYSCALL_EXIT) {
		wire_get_e_syscall_exit(r, &m);
	} else {
		struct wire_e_syscall_entry entry;

		wire_get_e_syscall_entry(r, &entry);
		m.nr = entry.nr;
		memcpy(m.args, entry.args, sizeof m.args);
	}
	ev->syscall.nr = m.nr;
	memcpy(ev->syscall.args, m.args, sizeof m.args);
	ev->syscall.result = m.result;
	ev->syscall.is_error = m.is_error;
}

static void decode_signal(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_signal m;

	wire_get_e_signal(r, &m);
	ev->signal.signo = m.signo;
	ev->signal.code = m.code;
	ev->signal.error = m.error;
	ev->signal.sender_pid = m.sender_pid;
	ev->signal.sender_uid = m.sender_uid;
	ev->signal.status = m.status;
	ev->signal.addr = m.addr;
	ev->signal.value = m.value;
	ev->signal.disposition = m.disposition;
}

static void decode_child(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_child m;

	wire_get_e_child(r, &m);
	ev->child.task = m.task;
	ev->child.tid = m.tid;
	ev->child.pid = m.pid;
	ev->child.fd = m.has_fd ? DECODE_FD_COMES : -1;
}

static void decode_exit(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_exit m;

	wire_get_e_exit(r, &m);
	ev->exit.cause = m.cause;
	ev->exit.code = m.code;
	ev->exit.signo = m.signo;
	ev->exit.dumped_core = m.dumped_core;
	ev->exit.status = m.status;
}

static void decode_exec(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_exec m;

	wire_get_e_exec(r, &m);
	ev->exec.generation = m.generation;
	ev->exec.former_tid = m.former_tid;
}

static void decode_seccomp(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_seccomp m;

	wire_get_e_seccomp(r, &m);
	ev->seccomp.nr = m.nr;
	memcpy(ev->seccomp.args, m.args, sizeof ev->seccomp.args);
	ev->seccomp.data = m.data;
}

static void decode_changed(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_changed m;

	wire_get_e_changed(r, &m);
	ev->changed.what = m.what;
	ev->changed.session = m.session;
	ev->changed.addr = m.addr;
	ev->changed.length = m.length;
}

static void decode_watchpoint(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_watchpoint m;

	wire_get_e_watchpoint(r, &m);
	ev->watchpoint.id = m.id;
	ev->watchpoint.hits = m.hits;
	ev->watchpoint.addr = m.addr;
	ev->watchpoint.before = m.before;
	ev->watchpoint.after = m.after;
	ev->watchpoint.length = m.length;
}

static void decode_break(struct wire_reader *r, struct cotrace_event *ev)
{
	struct wire_e_breakpoint m;

	wire_get_e_breakpoint(r, &m);
	ev->breakpoint.id = m.id;
	ev->breakpoint.hits = m.hits;
}

static void decode_rest(struct wire_reader *r, struct cotrace_event *ev)
{
	union {
		struct wire_e_job job;
		struct wire_e_step step;
		struct wire_e_stop stop;
		struct wire_e_lost lost;
		struct wire_e_refused refused;
		struct wire_e_end end;
	} m;

	switch (ev->kind) {
	case COTRACE_EVENT_JOB_STOP:
	case COTRACE_EVENT_JOB_CONTINUE:
		wire_get_e_job(r, &m.job);
		ev->job.signo = m.job.signo;
		break;
	case COTRACE_EVENT_STEP:
		wire_get_e_step(r, &m.step);
		ev->step.kind = m.step.kind;
		break;
	case COTRACE_EVENT_STOP_DONE:
		wire_get_e_stop(r, &m.stop);
		ev->stop.where = m.stop.where;
		break;
	case COTRACE_EVENT_LOST:
		wire_get_e_lost(r, &m.lost);
		ev->lost.notes = m.lost.notes;
		break;
	case COTRACE_EVENT_REFUSED:
		wire_get_e_refused(r, &m.refused);
		ev->refused.error = m.refused.error;
		ev->refused.request = m.refused.request;
		break;
	case COTRACE_EVENT_SESSION_END:
		wire_get_e_end(r, &m.end);
		ev->end.reason = m.end.reason;
		break;
	default:
		break;
	}
}

static void decode_payload(struct wire_reader *r, struct cotrace_event *ev)
{
	switch (ev->kind) {
	case COTRACE_EVENT_SYSCALL_ENTRY:
	case COTRACE_EVENT_SYSCALL_EXIT:
		decode_syscall(r, ev);
		break;
	case COTRACE_EVENT_SIGNAL:
		decode_signal(r, ev);
		break;
	case COTRACE_EVENT_TASK_START:
	case COTRACE_EVENT_FORK:
	case COTRACE_EVENT_VFORK:
	case COTRACE_EVENT_VFORK_DONE:
	case COTRACE_EVENT_CLONE:
		decode_child(r, ev);
		break;
	case COTRACE_EVENT_TASK_EXIT:
	case COTRACE_EVENT_PROCESS_EXIT:
		decode_exit(r, ev);
		break;
	case COTRACE_EVENT_EXEC:
		decode_exec(r, ev);
		break;
	case COTRACE_EVENT_BREAKPOINT:
		decode_break(r, ev);
		break;
	case COTRACE_EVENT_WATCHPOINT:
		decode_watchpoint(r, ev);
		break;
	case COTRACE_EVENT_CHANGED:
		decode_changed(r, ev);
		break;
	case COTRACE_EVENT_SECCOMP:
		decode_seccomp(r, ev);
		break;
	default:
		decode_rest(r, ev);
		break;
	}
}

static void decode_pieces(struct wire_reader *r, struct cotrace_event *ev, unsigned count,
			  struct decode_sink *sink)
{
	for (unsigned i = 0; i < count && i < COTRACE_CAPTURES_MAX; i++) {
		struct cotrace_captured *c = &ev->captured[i];
		struct wire_piece m;
		const void *bytes;

		if (!wire_get_piece(r, &m))
			return;
		bytes = wire_get_bytes(r, m.size);
		if (bytes == NULL)
			return;
		c->slot = m.slot;
		c->flags = m.flags;
		c->arg = m.arg;
		c->offset = (uint32_t)sink->used;
		c->size = m.size;
		if (c->size > sink->size - sink->used) {
			c->size = (uint32_t)(sink->size - sink->used);
			c->flags |= COTRACE_CAPTURED_MORE;
		}
		if (c->size)
			memcpy(sink->data + sink->used, bytes, c->size);
		sink->used += c->size;
		ev->captured_count = i + 1;
	}
}

void decode_event(const struct wire_header *h, struct wire_reader *r, struct cotrace_event *ev,
		  struct decode_sink *sink)
{
	struct wire_event_head m;

	memset(ev, 0, sizeof *ev);
	ev->size = sizeof *ev;
	ev->kind = (uint16_t)(h->type - WIRE_EVENT(0));
	ev->flags = h->flags;
	ev->seq = h->cookie;
	wire_get_event_head(r, &m);
	ev->time_ns = m.time_ns;
	ev->task = m.task;
	ev->tid = m.tid;
	ev->pid = m.pid;
	ev->arch = m.arch;
	ev->pc = m.pc;
	ev->sp = m.sp;
	decode_payload(r, ev);
	if (sink != NULL)
		decode_pieces(r, ev, m.captured, sink);
}
