/* SPDX-License-Identifier: MIT */
#include "test/system/system.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>

struct cotrace *attached(pid_t pid, const struct cotrace_options *options)
{
	struct cotrace *s = NULL;

	CHECK_EQ(cotrace_attach(&s, pid, options), 0);
	CHECK(s != NULL);
	return s;
}

struct cotrace *spawned(struct target *t, const struct cotrace_options *options,
			const char *const argv[])
{
	int in[2], out[2], saved_in, saved_out, r;
	struct cotrace *s = NULL;

	*t = TARGET_NULL;
	CHECK_SYS(pipe2(in, O_CLOEXEC));
	CHECK_SYS(pipe2(out, O_CLOEXEC));
	/* The child inherits stdin and stdout. */
	saved_in = (int)CHECK_SYS(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10));
	saved_out = (int)CHECK_SYS(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10));
	dup2(in[0], STDIN_FILENO);
	dup2(out[1], STDOUT_FILENO);
	r = cotrace_spawn(&s, &t->pid, target_path(argv[0]), (char *const *)argv, options);
	dup2(saved_in, STDIN_FILENO);
	dup2(saved_out, STDOUT_FILENO);
	close(saved_in);
	close(saved_out);
	close(in[0]);
	close(out[1]);
	t->in = in[1];
	t->out = out[0];
	CHECK_EQ(r, 0);
	return s;
}

void puppet_start_as(struct target *t, const char *program)
{
	TARGET_START(t, program);
	target_expect(t, "ready");
}

void puppet_start(struct target *t)
{
	puppet_start_as(t, "puppet");
}

static void tell(struct target *t, const char *format, va_list args)
{
	char line[1024];
	int n = vsnprintf(line, sizeof line - 1, format, args);

	line[n] = '\n';
	CHECK_EQ(write(t->in, line, (size_t)n + 1), n + 1);
}

void puppet_tell(struct target *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(t, format, args);
	va_end(args);
}

long puppet_answer(struct target *t)
{
	char line[256];

	do
		target_line(t, line, sizeof line);
	while (strncmp(line, "= ", 2) != 0);
	return strtol(line + 2, NULL, 0);
}

long puppet_ask(struct target *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(t, format, args);
	va_end(args);
	return puppet_answer(t);
}

bool puppet_answers(struct target *t, unsigned ms)
{
	struct pollfd p = { .fd = t->out, .events = POLLIN };

	return poll(&p, 1, (int)ms) == 1;
}

void puppet_end(struct target *t)
{
	puppet_tell(t, "exit 0");
	target_ends_well(t, 5000);
}

/* As cotrace_next(), past signals of the test's own. */
static int next(struct cotrace *s, struct cotrace_event *ev, unsigned ms)
{
	int r;

	do {
		*ev = EVENT_NULL;
		r = cotrace_next(s, ev, test_ns(ms));
	} while (r == -EINTR);
	return r;
}

void take(struct cotrace *s, struct cotrace_event *ev)
{
	CHECK_EQ(next(s, ev, 5000), 1);
}

static const char *name_of(const struct cotrace_event *ev)
{
	const char *name = cotrace_event_name(ev->kind);

	return name ? name : "nameless";
}

void take_kind(struct cotrace *s, struct cotrace_event *ev, enum cotrace_event_kind kind)
{
	take(s, ev);
	if (ev->kind != kind)
		FAIL("expected %s, got %s of task %d", cotrace_event_name(kind), name_of(ev),
		     ev->tid);
}

static void let_go(struct cotrace *s, const struct cotrace_event *ev)
{
	if (ev->flags & COTRACE_EV_STOP)
		CHECK_EQ(cotrace_answer(s, ev, NULL), 0);
}

void skip_to(struct cotrace *s, struct cotrace_event *ev, enum cotrace_event_kind kind)
{
	for (;;) {
		int r = next(s, ev, 5000);

		if (r != 1)
			FAIL("no %s comes: %d (%s)", cotrace_event_name(kind), r,
			     test_errno_name(r));
		if (ev->kind == kind)
			return;
		let_go(s, ev);
	}
}

void take_none(struct cotrace *s, unsigned ms)
{
	struct cotrace_event ev = EVENT_NULL;
	int r = cotrace_next(s, &ev, (int64_t)ms * 1000000);

	if (r != 0)
		FAIL("unexpected: %d, %s of task %d", r, r == 1 ? name_of(&ev) : "", ev.tid);
}

unsigned run_to_end(struct cotrace *s)
{
	unsigned count = 0;

	for (;;) {
		struct cotrace_event ev;
		int r = next(s, &ev, 20000);

		if (r == -ESHUTDOWN)
			return count;
		CHECK_EQ(r, 1);
		count++;
		let_go(s, &ev);
	}
}

unsigned drain(struct cotrace *s)
{
	struct cotrace_event ev = EVENT_NULL;
	unsigned count = 0;

	for (; cotrace_next(s, &ev, 0) == 1; count++)
		let_go(s, &ev);
	return count;
}

void subscribe(struct cotrace *s, enum cotrace_event_kind kind, enum cotrace_mode mode)
{
	CHECK_EQ(cotrace_subscribe(s, kind, mode), 0);
}

void subscribe_all(struct cotrace *s, enum cotrace_mode mode)
{
	static const enum cotrace_event_kind stops[] = {
		COTRACE_EVENT_TASK_START, COTRACE_EVENT_TASK_EXIT,  COTRACE_EVENT_FORK,
		COTRACE_EVENT_VFORK,	  COTRACE_EVENT_VFORK_DONE, COTRACE_EVENT_CLONE,
		COTRACE_EVENT_EXEC,	  COTRACE_EVENT_JOB_STOP,
	};

	for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++)
		subscribe(s, stops[i], mode);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE);
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY | COTRACE_EXIT, NULL, mode), 0);
	CHECK_EQ(cotrace_subscribe_signals(s, ~SIGNAL_BIT(SIGKILL), mode), 0);
}

void subscribe_call(struct cotrace *s, long nr, unsigned phases, enum cotrace_mode mode)
{
	struct cotrace_syscall_set set;

	cotrace_syscall_set_clear(&set);
	cotrace_syscall_set_add(&set, (int)nr);
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, phases, &set, mode), 0);
}

uint64_t task_of(struct cotrace *s, pid_t tid)
{
	struct cotrace_task_info v[256];
	int n = cotrace_tasks(s, v, 256);

	CHECK_OP(n, >, 0);
	for (int i = 0; i < n && i < 256; i++)
		if (v[i].tid == tid)
			return v[i].task;
	FAIL("the session has no task %d", (int)tid);
}

bool is_traced_by(pid_t pid, pid_t tracer)
{
	return proc_status_number(pid, "TracerPid") == tracer;
}

void check_untouched(pid_t pid)
{
	CHECK_SOON(proc_tasks_traced_by(pid, 0) == proc_each_task(pid, NULL, NULL), 2000);
	CHECK_SOON(proc_stopped_tasks(pid) == 0, 2000);
}
