/* SPDX-License-Identifier: MIT */
/* Events as JSON: one object a line. The keys are described in trace_help. */
#include <string.h>

#include "cli/json.h"
#include "cli/trace/tracer.h"

static void begin(struct tracer *tr, const struct cotrace_event *ev)
{
	struct out *out = &tr->out;
	const char *name = cotrace_event_name(ev->kind);

	out_str(out, "{\"event\":");
	json_string(out, name ? name : "?", name ? strlen(name) : 1);
	json_i64(out, "seq", (int64_t)ev->seq);
	json_key(out, "time");
	json_seconds(out, stamp_real(&tr->stamp, ev->time_ns));
	if (ev->pid)
		json_i64(out, "pid", ev->pid);
	if (ev->tid)
		json_i64(out, "tid", ev->tid);
	if (ev->task)
		json_i64(out, "task", (int64_t)ev->task);
}

static void finish(struct tracer *tr)
{
	out_char(&tr->out, '}');
	out_newline(&tr->out);
}

static void show_call(struct tracer *tr, const struct task *task, const struct cotrace_event *ev)
{
	struct out *out = &tr->out;
	const char *arch = cotrace_arch_name(ev->arch);
	char buf[32];

	json_text(out, "arch", arch ? arch : "?");
	json_i64(out, "nr", ev->syscall.nr);
	json_text(out, "name", decode_call_name(&task->call, buf));
	json_key(out, "raw");
	out_char(out, '[');
	for (unsigned i = 0; i < decode_arg_count(&task->call); i++) {
		if (i)
			out_char(out, ',');
		out_char(out, '"');
		out_hex(out, task->call.args[i]);
		out_char(out, '"');
	}
	out_char(out, ']');
	json_flag(out, "denied", ev->flags & COTRACE_EV_DENIED);
	json_flag(out, "replaced", ev->flags & COTRACE_EV_REPLACED);
	json_flag(out, "restarted", ev->flags & COTRACE_EV_RESTARTED);
	json_flag(out, "no_return", ev->flags & COTRACE_EV_NO_RETURN);
}

static void show_scratch(struct tracer *tr, const char *name)
{
	struct out *s = &tr->scratch;

	json_key(&tr->out, name);
	json_string(&tr->out, s->len ? s->buf : "", s->len);
	s->len = 0;
}

/* What was shown with separators, as an array. */
static void show_args(struct tracer *tr)
{
	struct out *s = &tr->scratch;
	size_t from = 0;

	json_key(&tr->out, "args");
	out_char(&tr->out, '[');
	for (size_t i = 0; i <= s->len && s->len; i++) {
		if (i < s->len && s->buf[i] != tr->style.separator)
			continue;
		if (from)
			out_char(&tr->out, ',');
		json_string(&tr->out, s->buf + from, i - from);
		from = i + 1;
	}
	out_char(&tr->out, ']');
	s->len = 0;
}

static void json_entry(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	begin(tr, ev);
	show_call(tr, task, ev);
	decode_entry_args(&task->call, &tr->style, &tr->scratch, ev, tr->data);
	show_args(tr);
	finish(tr);
}

static void json_exit(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	struct out *out = &tr->out;
	const char *name;

	begin(tr, ev);
	show_call(tr, task, ev);
	decode_exit_args(&task->call, &tr->style, &tr->scratch, ev, tr->data);
	show_args(tr);
	if (!(ev->flags & COTRACE_EV_NO_RETURN)) {
		json_i64(out, "result", ev->syscall.result);
		name = ev->syscall.is_error ? decode_error_name(-ev->syscall.result) : NULL;
		if (ev->syscall.is_error)
			json_text(out, "error", name ? name : "ERESTART");
		decode_result(&task->call, &tr->style, &tr->scratch, ev, tr->data);
		show_scratch(tr, "text");
	}
	if (task->in_call) {
		json_key(out, "duration");
		json_seconds(out, ev->time_ns - task->entry_ns);
	}
	finish(tr);
}

static void key_signal(struct tracer *tr, const char *name, int32_t signo)
{
	decode_signal_name(&tr->scratch, signo);
	show_scratch(tr, name);
}

static void show_signal(struct tracer *tr, const struct cotrace_event *ev)
{
	struct out *out = &tr->out;

	key_signal(tr, "signal", ev->signal.signo);
	json_i64(out, "code", ev->signal.code);
	json_i64(out, "sender_pid", ev->signal.sender_pid);
	json_i64(out, "sender_uid", ev->signal.sender_uid);
	decode_signal(&tr->scratch, ev);
	show_scratch(tr, "siginfo");
	json_flag(out, "denied", ev->flags & COTRACE_EV_DENIED);
	json_flag(out, "replaced", ev->flags & COTRACE_EV_REPLACED);
}

static void show_exit(struct tracer *tr, const struct cotrace_event *ev)
{
	static const char *const causes[] = { "own", "group", "signal", "exec" };

	json_text(&tr->out, "cause", ev->exit.cause < 4 ? causes[ev->exit.cause] : "?");
	if (ev->exit.signo)
		key_signal(tr, "signal", ev->exit.signo);
	else
		json_i64(&tr->out, "code", ev->exit.code);
	json_flag(&tr->out, "core_dumped", ev->exit.dumped_core);
}

static void json_other(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	struct out *out = &tr->out;

	(void)task;
	begin(tr, ev);
	switch (ev->kind) {
	case COTRACE_EVENT_SIGNAL:
		show_signal(tr, ev);
		break;
	case COTRACE_EVENT_TASK_EXIT:
	case COTRACE_EVENT_PROCESS_EXIT:
		show_exit(tr, ev);
		break;
	case COTRACE_EVENT_TASK_START:
	case COTRACE_EVENT_FORK:
	case COTRACE_EVENT_VFORK:
	case COTRACE_EVENT_VFORK_DONE:
	case COTRACE_EVENT_CLONE:
		json_i64(out, "other_pid", ev->child.pid);
		json_i64(out, "other_tid", ev->child.tid);
		json_i64(out, "other_task", (int64_t)ev->child.task);
		break;
	case COTRACE_EVENT_EXEC:
		json_i64(out, "generation", (int64_t)ev->exec.generation);
		json_i64(out, "former_tid", ev->exec.former_tid);
		break;
	case COTRACE_EVENT_JOB_STOP:
	case COTRACE_EVENT_JOB_CONTINUE:
		key_signal(tr, "signal", ev->job.signo);
		break;
	case COTRACE_EVENT_LOST:
		json_i64(out, "notes", (int64_t)ev->lost.notes);
		break;
	case COTRACE_EVENT_SESSION_END:
		json_i64(out, "reason", ev->end.reason);
		break;
	}
	finish(tr);
}

const struct renderer json_renderer = { json_entry, json_exit, json_other };
