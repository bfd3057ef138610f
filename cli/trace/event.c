/* SPDX-License-Identifier: MIT */
/* What each event means for the state of the run, and who shows it. */
#include "cli/trace/tracer.h"

#include "cli/program.h"

/* The kernel's ERESTART_RESTARTBLOCK: restart_syscall() follows. */
#define RESTART_BLOCK 516

void event_announce(struct tracer *tr, int32_t tid, const char *what)
{
	bool between = tr->out.fd == 2;

	/* As lines of a file are complete without it, so is a command's own trace. */
	if (tr->options.common.quiet || (tr->options.common.output && tr->child))
		return;
	if (between) {
		line_interrupt(tr);
		out_flush(&tr->out);
	}
	fprintf(stderr, "cotrace: process %d %s\n", (int)tid, what);
}

static struct task *task_of(struct tracer *tr, struct target *target,
			    const struct cotrace_event *ev)
{
	struct task *task;

	/* A record about a call that never returned may follow its task's end. */
	if (ev->flags & COTRACE_EV_NO_RETURN || ev->kind == COTRACE_EVENT_PROCESS_EXIT)
		return tasks_get(&target->tasks, ev->task);
	task = ev->task ? tasks_add(&target->tasks, ev->task) : NULL;

	if (task) {
		task->tid = ev->tid;
		task->pid = ev->pid;
	}
	if (target->tasks.count > 1)
		tr->several = true;
	return task;
}

static bool is_shown(const struct tracer *tr, const struct cotrace_event *ev)
{
	return filter_has(&tr->options.shown, ev->arch, ev->syscall.nr);
}

static void take_entry(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	decode_enter(&task->call, ev, tr->data);
	if (!is_shown(tr, ev)) {
		paths_at_entry(tr->paths, task, ev, tr->data);
		return;
	}
	task->in_call = true;
	task->cut = false;
	task->entry_ns = ev->time_ns;
	if (tr->paths)
		paths_at_entry(tr->paths, task, ev, tr->data);
	tr->renderer->entry(tr, task, ev);
}

static void take_exit(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	if (!task->in_call || task->call.nr != ev->syscall.nr) {
		task->in_call = false;
		decode_enter(&task->call, ev, tr->data);
	}
	if (tr->paths)
		paths_at_exit(tr->paths, task, ev, tr->data);
	if (!is_shown(tr, ev))
		return;
	if (tr->options.common.summary)
		summary_count(tr, task, ev);
	tr->renderer->exit(tr, task, ev);
	task->restarted_nr = ev->syscall.result == -RESTART_BLOCK ? ev->syscall.nr : -1;
	task->in_call = false;
}

static void take_start(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	tr->renderer->other(tr, task, ev);
	if (tr->paths && ev->child.pid && ev->child.pid != ev->pid)
		paths_inherit(tr->paths, ev->child.pid, ev->pid);
	if (!task->announced && ev->tid != tr->child)
		event_announce(tr, ev->tid, "attached");
	task->announced = true;
}

static void take_end(struct tracer *tr, struct target *target, const struct cotrace_event *ev)
{
	target->over = true;
	if (program_session_over(ev, target->session, target->pid))
		tr->failed = true;
}

void event_take(struct tracer *tr, struct target *target, const struct cotrace_event *ev)
{
	struct task *task = task_of(tr, target, ev);

	switch (ev->kind) {
	case COTRACE_EVENT_SYSCALL_ENTRY:
		if (task)
			take_entry(tr, task, ev);
		return;
	case COTRACE_EVENT_SYSCALL_EXIT:
		if (task)
			take_exit(tr, task, ev);
		return;
	case COTRACE_EVENT_TASK_START:
		if (task)
			take_start(tr, task, ev);
		return;
	case COTRACE_EVENT_ENGINE_GONE:
	case COTRACE_EVENT_SESSION_END:
		take_end(tr, target, ev);
		break;
	case COTRACE_EVENT_PROCESS_EXIT:
		if (tr->paths)
			paths_forget(tr->paths, ev->pid);
		break;
	}
	if (task || !ev->task || ev->kind == COTRACE_EVENT_PROCESS_EXIT)
		tr->renderer->other(tr, task, ev);
	if (ev->kind == COTRACE_EVENT_TASK_EXIT) {
		if (tr->open == task)
			line_interrupt(tr);
		tasks_remove(&target->tasks, ev->task);
	}
}

static void ignore_call(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	(void)tr;
	(void)task;
	(void)ev;
}

/* With -c alone nothing is shown but the table. */
const struct renderer no_renderer = { ignore_call, ignore_call, ignore_call };
