/* SPDX-License-Identifier: MIT */
/* What a test says and asks. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backend/fake/internal.h"

static int grow(struct fake *f)
{
	struct fake_task *tasks;

	if (f->top < f->room)
		return 0;
	tasks = realloc(f->tasks, 2 * (size_t)f->room * sizeof *tasks);
	if (tasks == NULL)
		return -1;
	f->tasks = tasks;
	f->room *= 2;
	return 0;
}

struct fake_task *fake_add(struct fake *f, pid_t pid, pid_t tid)
{
	int i = 0;

	while (i < f->top && f->tasks[i].tid)
		i++;
	if (i == f->top) {
		if (grow(f) < 0)
			return NULL;
		f->top++;
	}
	f->tasks[i] = (struct fake_task){
		.tid = tid, .pid = pid, .arch = 1, .memory = fake_memory_of(f, pid)
	};
	return &f->tasks[i];
}

void fake_push(struct fake *f, const struct backend_event *ev)
{
	if (f->event_count == FAKE_EVENTS) {
		fake_complain(f, "more than %d events in the script", FAKE_EVENTS);
		return;
	}
	f->events[(f->event_head + f->event_count++) % FAKE_EVENTS] = *ev;
}

void fake_push_kind(struct fake *f, pid_t tid, enum backend_kind kind)
{
	fake_push(f, &(struct backend_event){ .kind = kind, .tid = tid });
}

void fake_push_child(struct fake *f, pid_t tid, enum backend_kind kind, pid_t child)
{
	struct backend_event ev = { .kind = kind, .tid = tid };
	const struct fake_task *parent = fake_task(f, tid);
	pid_t pid = parent ? parent->pid : 0;
	unsigned extra_stops = parent ? parent->extra_stops : 0;

	ev.child.tid = child;
	if (fake_task(f, child) == NULL)
		fake_add(f, kind == BACKEND_CLONE && pid ? pid : child, child);
	if (fake_task(f, child) != NULL) {
		fake_task(f, child)->attached = true;
		fake_task(f, child)->parent = pid;
		fake_task(f, child)->extra_stops = extra_stops;
	}
	fake_push(f, &ev);
}

void fake_push_entry(struct fake *f, pid_t tid, int64_t nr, uint64_t first_arg)
{
	struct backend_event ev = { .kind = BACKEND_SYSCALL_ENTRY, .tid = tid };

	ev.syscall.arch = 1;
	ev.syscall.nr = nr;
	ev.syscall.args[0] = first_arg;
	fake_push(f, &ev);
}

void fake_push_seccomp(struct fake *f, pid_t tid, int64_t nr, uint64_t first_arg, uint32_t data)
{
	struct backend_event ev = { .kind = BACKEND_SECCOMP, .tid = tid };

	ev.syscall.arch = 1;
	ev.syscall.nr = nr;
	ev.syscall.args[0] = first_arg;
	ev.syscall.data = data;
	fake_push(f, &ev);
}

void fake_push_exit(struct fake *f, pid_t tid, int64_t nr, int64_t result)
{
	struct backend_event ev = { .kind = BACKEND_SYSCALL_EXIT, .tid = tid };

	ev.syscall.arch = 1;
	ev.syscall.nr = nr;
	ev.syscall.result = result;
	ev.syscall.is_error = result < 0;
	fake_push(f, &ev);
}

void fake_push_signal(struct fake *f, pid_t tid, int signo)
{
	struct backend_event ev = { .kind = BACKEND_SIGNAL, .tid = tid };

	memset(&ev.siginfo, 0, sizeof ev.siginfo);
	ev.siginfo.si_signo = signo;
	fake_push(f, &ev);
}

static void push_trap(struct fake *f, pid_t tid, enum backend_trap trap, bool unsaid, uint64_t pc)
{
	struct backend_event ev = { .kind = BACKEND_TRAP, .tid = tid, .pc = pc };

	memset(&ev.siginfo, 0, sizeof ev.siginfo);
	ev.siginfo.si_signo = SIGTRAP;
	ev.siginfo.si_code = TRAP_TRACE;
	ev.trap = trap;
	ev.unsaid = unsaid;
	fake_push(f, &ev);
}

void fake_push_trap(struct fake *f, pid_t tid, enum backend_trap trap, uint64_t pc)
{
	push_trap(f, tid, trap, false, pc);
}

void fake_push_unsaid(struct fake *f, pid_t tid, uint64_t pc)
{
	push_trap(f, tid, BACKEND_TRAP_DEBUG, true, pc);
}

void fake_push_exec(struct fake *f, pid_t tid, pid_t former)
{
	struct backend_event ev = { .kind = BACKEND_EXEC, .tid = tid };

	ev.exec.former_tid = former;
	fake_push(f, &ev);
}

void fake_push_exiting(struct fake *f, pid_t tid, int status, enum backend_exit_call call)
{
	struct backend_event ev = { .kind = BACKEND_EXITING, .tid = tid };

	ev.exit.status = status;
	ev.exit.call = call;
	fake_push(f, &ev);
}

void fake_push_dead(struct fake *f, pid_t tid, int status)
{
	struct backend_event ev = { .kind = BACKEND_DEAD, .tid = tid };

	ev.exit.status = status;
	fake_push(f, &ev);
}

void fake_fail(struct fake *f, enum fake_op op, int error, unsigned times)
{
	f->failures[op].error = error;
	f->failures[op].times = times;
}

static const struct fake_call *find(const struct fake *f, enum fake_op op, pid_t tid,
				    unsigned *count)
{
	size_t kept = f->call_count < FAKE_CALLS ? f->call_count : FAKE_CALLS;
	const struct fake_call *last = NULL;

	for (size_t i = f->call_count - kept; i < f->call_count; i++) {
		const struct fake_call *call = &f->calls[i % FAKE_CALLS];

		if (call->op != op || (tid && call->tid != tid))
			continue;
		last = call;
		(*count)++;
	}
	return last;
}

unsigned fake_count(const struct fake *f, enum fake_op op, pid_t tid)
{
	unsigned count = 0;

	find(f, op, tid, &count);
	return count;
}

const struct fake_call *fake_last(const struct fake *f, enum fake_op op, pid_t tid)
{
	unsigned count = 0;

	return find(f, op, tid, &count);
}

void fake_forget_calls(struct fake *f)
{
	f->call_count = 0;
}
