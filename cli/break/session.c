/* SPDX-License-Identifier: MIT */
/* Opening sessions: attach, spawn, and what they subscribe to. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/break/breaker.h"
#include "cli/command.h"
#include "cli/program.h"

static const struct cotrace_options *session_options(const struct breaker *b)
{
	static struct cotrace_options options = { .size = sizeof options };

	options.scope = b->options.common.follow ? COTRACE_TREE : COTRACE_PROCESS;
	return &options;
}

static void announce(const struct breaker *b, pid_t pid, const char *what)
{
	if (!b->options.common.quiet)
		fprintf(stderr, "cotrace: process %d %s\n", (int)pid, what);
}

static int subscribe(const struct breaker *b, struct cotrace *s)
{
	/* A new program is held until the breakpoints are in it. */
	int r = cotrace_subscribe(s, COTRACE_EVENT_EXEC, COTRACE_STOP);

	if (!r)
		r = cotrace_subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	if (!r && b->options.common.follow)
		r = cotrace_subscribe(s, COTRACE_EVENT_FORK, COTRACE_NOTE);
	if (!r && b->options.common.follow)
		r = cotrace_subscribe(s, COTRACE_EVENT_VFORK, COTRACE_NOTE);
	return r;
}

static bool is_covered(const struct breaker *b, pid_t pid)
{
	for (unsigned i = 0; i < b->field_count; i++)
		if (process_find(&b->fields[i], pid))
			return true;
	return false;
}

/* All processes that the session covers from the start. */
static int begin_all(struct breaker *b, struct field *f)
{
	int n = cotrace_tasks(f->session, NULL, 0), got;
	struct cotrace_task_info *v = n > 0 ? calloc((size_t)n, sizeof *v) : NULL;
	int status = 0;

	if (!v)
		return n > 0 ? complain(EXIT_FAILURE, "out of memory") : 0;
	got = cotrace_tasks(f->session, v, (size_t)n);
	for (int i = 0; i < got && i < n && !status; i++)
		if (!process_find(f, v[i].pid))
			status = process_begin(b, f, v[i].pid);
	free(v);
	return status;
}

static int refused(int error)
{
	return complain(EXIT_FAILURE, "the engine refused a subscription: %s", strerror(-error));
}

static int attach(struct breaker *b, pid_t pid)
{
	struct field *f = &b->fields[b->field_count];
	int r, status;

	if (is_covered(b, pid))
		return 0;
	r = cotrace_attach(&f->session, pid, session_options(b));
	if (r)
		return program_not_attached(pid, r);
	f->pid = pid;
	b->field_count++;
	b->live++;
	r = subscribe(b, f->session);
	status = r ? refused(r) : begin_all(b, f);
	if (!status)
		announce(b, pid, "attached");
	return status;
}

static int spawn(struct breaker *b)
{
	struct field *f = &b->fields[b->field_count];
	char **argv = b->options.common.command;
	int status = program_find(argv[0], &b->program), r;

	if (status)
		return status;
	r = cotrace_spawn(&f->session, &b->child, b->program, argv, session_options(b));
	if (r)
		return program_not_spawned(argv[0], b->program, r);
	f->pid = b->child;
	b->field_count++;
	b->live++;
	r = subscribe(b, f->session);
	status = r ? refused(r) : process_begin(b, f, b->child);
	if (!status) {
		cotrace_resume(f->session, 0);
		return 0;
	}
	/* It has not begun, and shall not without its breakpoints. */
	kill(b->child, SIGKILL);
	cotrace_resume(f->session, 0);
	waitpid(b->child, NULL, 0);
	b->child = 0;
	f->over = true;
	return status;
}

int break_open(struct breaker *b)
{
	const struct break_options *o = &b->options;
	int status = 0;

	b->fields = calloc(o->common.pid_count + 1u, sizeof *b->fields);
	if (!b->fields)
		return complain(EXIT_FAILURE, "out of memory");
	b->opening = true;
	for (unsigned i = 0; i < o->common.pid_count && !status; i++)
		status = attach(b, o->common.pids[i]);
	if (!status && o->common.command)
		status = spawn(b);
	b->opening = false;
	if (!status && !o->common.command)
		resolve_tell(b);
	return status;
}

void break_close(struct breaker *b)
{
	for (unsigned i = 0; i < b->field_count; i++) {
		struct field *f = &b->fields[i];

		if (!f->over && f->pid != b->child)
			announce(b, f->pid, "detached");
		cotrace_close(f->session);
		processes_free(f);
	}
	free(b->fields);
	b->fields = NULL;
	b->field_count = 0;
}
