/* SPDX-License-Identifier: MIT */
/* Events as lines of text. */
#include <string.h>

#include "cli/trace/tracer.h"

#define COLOUR_NAME "\033[1m"
#define COLOUR_ERROR "\033[31m"
#define COLOUR_SIGNAL "\033[33m"
#define COLOUR_END "\033[36m"
#define COLOUR_OFF "\033[m"

static void colour(struct tracer *tr, const char *code)
{
	if (tr->sink.colour)
		out_colour(&tr->out, code);
}

static void interrupt(struct tracer *tr, const char *why)
{
	if (!tr->open)
		return;
	out_str(&tr->out, why);
	out_newline(&tr->out);
	tr->open->cut = true;
	tr->open = NULL;
}

void line_interrupt(struct tracer *tr)
{
	interrupt(tr, " <unfinished ...>");
}

void line_detach(struct tracer *tr)
{
	interrupt(tr, " <detached ...>");
}

static void show_task(struct tracer *tr, const struct task *task)
{
	struct out *out = &tr->out;
	unsigned digits = 1;

	if (!tr->options.common.output) {
		if (!tr->several)
			return;
		out_str(out, "[pid ");
		out_u64_width(out, (uint64_t)task->tid, 5, ' ');
		out_str(out, "] ");
		return;
	}
	if (!tr->several && !tr->options.common.follow)
		return;
	out_u64(out, (uint64_t)task->tid);
	for (int32_t n = task->tid; n >= 10; n /= 10)
		digits++;
	do
		out_char(out, ' ');
	while (++digits <= 5);
}

static void begin(struct tracer *tr, const struct task *task, uint64_t time_ns)
{
	line_interrupt(tr);
	show_task(tr, task);
	stamp_show(&tr->stamp, &tr->out, time_ns);
}

static void show_name(struct tracer *tr, const struct decode_call *c)
{
	char buf[32];

	colour(tr, COLOUR_NAME);
	out_str(&tr->out, decode_call_name(c, buf));
	colour(tr, tr->sink.colour ? COLOUR_OFF : "");
}

/* Numbers and layouts are others from here on. */
static void show_mode(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	if (task->arch == ev->arch)
		return;
	if (!tr->options.common.quiet && !tr->options.common.output &&
	    (task->arch || ev->arch == COTRACE_ARCH_I386)) {
		line_interrupt(tr);
		out_str(&tr->out, "[ Process PID=");
		out_i64(&tr->out, task->tid);
		out_str(&tr->out, ev->arch == COTRACE_ARCH_I386 ? " runs in 32 bit mode. ]"
								: " runs in 64 bit mode. ]");
		out_newline(&tr->out);
	}
	task->arch = ev->arch;
}

static void line_entry(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	char buf[32];

	show_mode(tr, task, ev);
	begin(tr, task, ev->time_ns);
	show_name(tr, &task->call);
	out_char(&tr->out, '(');
	if (!strcmp(decode_name(ev->arch, ev->syscall.nr, buf), "restart_syscall")) {
		out_str(&tr->out, "<... resuming interrupted ");
		out_str(&tr->out, task->restarted_nr < 0
					  ? "system call"
					  : decode_name(ev->arch, task->restarted_nr, buf));
		out_str(&tr->out, " ...>");
	} else
		decode_entry_args(&task->call, &tr->style, &tr->out, ev, tr->data);
	tr->open = task;
}

static void begin_resumed(struct tracer *tr, struct task *task, uint64_t time_ns)
{
	begin(tr, task, time_ns);
	out_str(&tr->out, "<... ");
	show_name(tr, &task->call);
	out_str(&tr->out, " resumed>");
}

static void show_marks(struct tracer *tr, const struct cotrace_event *ev)
{
	if (ev->flags & COTRACE_EV_DENIED)
		out_str(&tr->out, " (DENIED)");
	if (ev->flags & COTRACE_EV_REPLACED)
		out_str(&tr->out, " (REPLACED)");
}

static void show_duration(struct tracer *tr, const struct task *task, uint64_t end_ns)
{
	uint64_t ns = end_ns - task->entry_ns;

	if (!tr->options.duration || !task->in_call)
		return;
	out_str(&tr->out, " <");
	stamp_seconds(&tr->out, ns);
	out_char(&tr->out, '>');
}

static void line_exit(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	struct out *out = &tr->out;

	if (!task->in_call) {
		begin(tr, task, ev->time_ns);
		show_name(tr, &task->call);
		out_char(out, '(');
	} else if (tr->open != task)
		begin_resumed(tr, task, ev->time_ns);
	decode_exit_args(&task->call, &tr->style, out, ev, tr->data);
	out_char(out, ')');
	out_pad(out, tr->options.column - 1);
	out_mem(out, " = ", 3);
	if (ev->flags & COTRACE_EV_NO_RETURN)
		out_char(out, '?');
	else {
		if (ev->syscall.is_error)
			colour(tr, COLOUR_ERROR);
		decode_result(&task->call, &tr->style, out, ev, tr->data);
		if (ev->syscall.is_error)
			colour(tr, COLOUR_OFF);
		show_marks(tr, ev);
	}
	show_duration(tr, task, ev->time_ns);
	out_newline(out);
	tr->open = NULL;
}

/* A call that death has ended. */
static void end_call(struct tracer *tr, struct task *task, uint64_t time_ns)
{
	if (tr->open != task)
		begin_resumed(tr, task, time_ns);
	out_char(&tr->out, ')');
	out_pad(&tr->out, tr->options.column - 1);
	out_str(&tr->out, " = ?");
	out_newline(&tr->out);
	tr->open = NULL;
	task->in_call = false;
}

/* The task that is in execve(), and so takes over the process. */
static int32_t successor(const struct tracer *tr, const struct cotrace_event *ev)
{
	for (unsigned i = 0; i < tr->target_count; i++)
		for (size_t n = 0; n < tr->targets[i].tasks.capacity; n++) {
			const struct task *task = tr->targets[i].tasks.slots[n];

			if (task && task->pid == ev->pid && task->id != ev->task && task->in_call &&
			    !strncmp(task->call.call->name, "execve", 6))
				return task->tid;
		}
	return ev->pid;
}

static void show_exit(struct tracer *tr, const struct cotrace_event *ev)
{
	struct out *out = &tr->out;

	/* The process's first task does not exit: it becomes another one. */
	if (ev->exit.cause == COTRACE_EXIT_EXEC && ev->tid == ev->pid) {
		out_str(out, "+++ superseded by execve in pid ");
		out_i64(out, successor(tr, ev));
		out_str(out, " +++");
	} else if (ev->exit.signo) {
		out_str(out, "+++ killed by ");
		decode_signal_name(out, ev->exit.signo);
		out_str(out, ev->exit.dumped_core ? " (core dumped) +++" : " +++");
	} else {
		out_str(out, "+++ exited with ");
		out_i64(out, ev->exit.code);
		out_str(out, " +++");
	}
}

static void marked_line(struct tracer *tr, const struct task *task, const struct cotrace_event *ev,
			const char *code,
			void (*show)(struct tracer *, const struct cotrace_event *))
{
	begin(tr, task, ev->time_ns);
	colour(tr, code);
	show(tr, ev);
	colour(tr, COLOUR_OFF);
	out_newline(&tr->out);
}

static void show_signal(struct tracer *tr, const struct cotrace_event *ev)
{
	out_str(&tr->out, "--- ");
	decode_signal_name(&tr->out, ev->signal.signo);
	out_char(&tr->out, ' ');
	decode_signal(&tr->out, ev);
	out_str(&tr->out, " ---");
	show_marks(tr, ev);
}

static void show_job_stop(struct tracer *tr, const struct cotrace_event *ev)
{
	out_str(&tr->out, "--- stopped by ");
	decode_signal_name(&tr->out, ev->job.signo);
	out_str(&tr->out, " ---");
}

static void line_other(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	switch (ev->kind) {
	case COTRACE_EVENT_SIGNAL:
		marked_line(tr, task, ev, COLOUR_SIGNAL, show_signal);
		break;
	case COTRACE_EVENT_JOB_STOP:
		marked_line(tr, task, ev, COLOUR_SIGNAL, show_job_stop);
		break;
	case COTRACE_EVENT_TASK_EXIT:
		if (task->in_call)
			end_call(tr, task, ev->time_ns);
		if (tr->options.common.quiet < 2)
			marked_line(tr, task, ev, COLOUR_END, show_exit);
		break;
	case COTRACE_EVENT_LOST:
		line_interrupt(tr);
		out_str(&tr->out, "+++ ");
		out_u64(&tr->out, ev->lost.notes);
		out_str(&tr->out, " notes were lost here: the events came faster than they were "
				  "taken +++");
		out_newline(&tr->out);
		break;
	}
}

const struct renderer line_renderer = { line_entry, line_exit, line_other };
