/* SPDX-License-Identifier: MIT */
/*
 * The facts for R10: who can stop whom, as /proc and the engines tell. An engine can stop its
 * targets, and so can the owner of each session that covers them.
 */
#include "lib/cycle.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/proc.h"
#include "lib/session.h"
#include "rules/cycle.h"

/* The engine's sessions; the caller frees them. Their number; 0 when it does not say. */
static size_t list_sessions(struct cotrace_session_info **out, pid_t engine)
{
	struct cotrace_session_info *v = NULL;
	struct cotrace *s;
	size_t room = 16;
	int n = 0;

	*out = NULL;
	if (cotrace_open_engine(&s, engine) < 0)
		return 0;
	for (;;) {
		free(v);
		v = calloc(room, sizeof *v);
		n = v != NULL ? cotrace_sessions(s, v, room) : 0;
		if (n <= (int)room)
			break;
		room = (size_t)n + 16;
	}
	cotrace_close(s);
	*out = v;
	return n > 0 ? (size_t)n : 0;
}

/* Whose root has died, or who was reparented, may well be covered: better refuse once. */
static bool covers(const struct cotrace_session_info *info, pid_t process)
{
	if (info->root_pid == 0)
		return false;
	return info->scope == COTRACE_TREE || info->root_pid == process;
}

static void add_tracers(struct cycle *c, pid_t process)
{
	pid_t tracer = proc_tracer(process);
	struct cotrace_session_info *v;
	size_t n;

	if (tracer <= 0)
		return;
	cycle_add(c, tracer);
	if (!proc_is_engine(tracer))
		return;
	n = list_sessions(&v, tracer);
	for (size_t i = 0; i < n; i++)
		if (covers(&v[i], process))
			cycle_add(c, v[i].owner_pid);
	free(v);
}

static bool is_our_engine(pid_t process)
{
	struct cotrace_session_info *v;
	bool ours = false;
	size_t n;

	if (!proc_is_engine(process))
		return false;
	n = list_sessions(&v, process);
	for (size_t i = 0; i < n; i++)
		ours = ours || (v[i].owner_pid == getpid() && v[i].root_pid != 0);
	free(v);
	return ours;
}

int cycle_check(pid_t process)
{
	struct cycle c;
	pid_t pid;
	int r;

	cycle_init(&c, getpid());
	if (is_our_engine(process)) /* it can keep us waiting */
		cycle_add(&c, process);
	while ((pid = cycle_next(&c)) != 0)
		add_tracers(&c, pid);
	r = cycle_closes(&c, process);
	cycle_deinit(&c);
	return r;
}
