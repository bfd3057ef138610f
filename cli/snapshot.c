/* SPDX-License-Identifier: MIT */
#include "cli/snapshot.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/maps.h"
#include "cli/program.h"
#include "cli/trace/progress.h"

#define STOP_NS 2000000000ll /* for those that can stand: the others are left out */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

int snapshot_attach(struct snapshot *s, pid_t tid)
{
	/* Nobody reads the notes: they must not hold up the target. */
	const struct cotrace_options options = { .size = sizeof options, .flags = COTRACE_LOSSY };
	int r;

	*s = (struct snapshot){ .pid = tid, .tid = tid };
	progress_begin(tid);
	r = cotrace_attach(&s->session, tid, &options);
	progress_end();
	return r < 0 ? program_not_attached(tid, r) : 0;
}

static int by_tid(const void *a, const void *b)
{
	const struct cotrace_task_info *x = a, *y = b;

	if ((x->tid == x->pid) != (y->tid == y->pid))
		return x->tid == x->pid ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static int list_tasks(struct snapshot *s)
{
	int n = cotrace_tasks(s->session, NULL, 0), max;

	for (;;) {
		if (n < 0)
			return n;
		max = n + 16;
		free(s->tasks);
		s->tasks = calloc((size_t)max, sizeof *s->tasks);
		if (!s->tasks)
			return -ENOMEM;
		n = cotrace_tasks(s->session, s->tasks, (size_t)max);
		if (n <= max)
			break;
	}
	if (n <= 0)
		return n < 0 ? n : -ESRCH;
	s->count = (size_t)n;
	qsort(s->tasks, s->count, sizeof *s->tasks, by_tid);
	s->pid = s->tasks[0].pid;
	for (size_t i = s->count; i-- > 0;)
		if (s->tasks[i].state != COTRACE_TASK_EXITED)
			s->tid = s->tasks[i].tid;
	return 0;
}

/* Leaves only the task @tid in the list. */
static int choose_task(struct snapshot *s, pid_t tid)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->tasks[i].tid == tid) {
			s->tasks[0] = s->tasks[i];
			s->count = 1;
			return 0;
		}
	return -ESRCH;
}

static void skip_events(struct snapshot *s)
{
	struct cotrace_event ev = { .size = sizeof ev };

	while (cotrace_next(s->session, &ev, 0) == 1)
		;
}

/* Learns of an exec between attaching and stopping, which a read would report. */
static void settle_memory(struct snapshot *s)
{
	char byte;

	for (int i = 0; i < 2; i++)
		if (cotrace_read_memory(s->session, s->pid, 0, &byte, 1) != -ESTALE)
			return;
}

static int stop_one(struct snapshot *s, pid_t tid)
{
	int r = list_tasks(s);

	if (r == 0)
		r = choose_task(s, tid);
	s->since_ns = now_ns();
	return r ? r : cotrace_stop(s->session, s->tasks[0].task, COTRACE_ONE, STOP_NS);
}

static int stop_all(struct snapshot *s)
{
	int r, listed;

	s->since_ns = now_ns();
	r = cotrace_stop(s->session, 0, COTRACE_ALL, STOP_NS);
	listed = r == 0 || r == -ETIMEDOUT ? list_tasks(s) : r;
	return listed < 0 ? listed : r;
}

int snapshot_stop(struct snapshot *s, pid_t tid)
{
	int r = tid ? stop_one(s, tid) : stop_all(s);

	if (r < 0 && r != -ETIMEDOUT)
		return snapshot_failed(s, r, "stopped");
	s->incomplete = r == -ETIMEDOUT;
	settle_memory(s);
	skip_events(s);
	return 0;
}

void snapshot_resume(struct snapshot *s)
{
	if (!s->since_ns)
		return;
	cotrace_resume(s->session, 0);
	s->held_ns = now_ns() - s->since_ns;
	s->since_ns = 0;
}

void snapshot_close(struct snapshot *s)
{
	cotrace_close(s->session);
	free(s->tasks);
	s->session = NULL;
	s->tasks = NULL;
	s->count = 0;
}

static bool has_ended(pid_t pid)
{
	ssize_t size;
	char *text = maps_slurp(pid, "stat", &size);
	const char *name_end = text ? strrchr(text, ')') : NULL;
	bool dead = !name_end || strchr("ZX", name_end[2]);

	free(text);
	return dead;
}

int snapshot_failed(const struct snapshot *s, int error, const char *what)
{
	if (error == -ESRCH || error == -ESTALE || error == -ENOENT || has_ended(s->pid))
		return complain(EXIT_FAILURE, "process %d has ended before it could be %s",
				(int)s->pid, what);
	if (error == -ESHUTDOWN)
		return complain(EXIT_FAILURE,
				"the engine of process %d has ended before it could be %s; it runs "
				"on untraced: try again",
				(int)s->pid, what);
	return complain(EXIT_FAILURE, "process %d cannot be %s: %s", (int)s->pid, what,
			strerror(-error));
}
