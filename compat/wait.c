/* SPDX-License-Identifier: MIT */
/* What wait*() finds among the tracees (kernel/exit.c has the rules). */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "compat/internal.h"

#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif

#define DEATHS_MAX 100000 /* events, before a wait is answered all the same */
#define DEATH_MS 50

/* The thread that has made it waits for it as its tracer would. */
static bool is_child_of(const struct tracee *t, const struct caller *c)
{
	char path[64], text[4096], id[16];

	if (!t->covered->child)
		return false;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)c->pid, (int)c->tid);
	text[0] = ' ';
	if (fd_read_file(path, text + 1, sizeof text - 1) < 0)
		return false;
	snprintf(id, sizeof id, " %d ", (int)t->tid);
	return strstr(text, id) != NULL;
}

static bool matches(const struct tracee *t, const struct caller *c, const struct wait_query *q)
{
	if ((q->options & __WNOTHREAD) && t->owner != 0 && t->owner != c->tid && !is_child_of(t, c))
		return false;
	switch (q->idtype) {
	case P_PID:
		return t->tid == q->id;
	case P_PGID:
		return getpgid(t->covered->pid) == q->id;
	default:
		return true;
	}
}

static bool is_leader(const struct tracee *t)
{
	return t->tid == t->covered->pid;
}

/* A child of the tracer's own that has ended, and that the kernel keeps for its wait. */
static bool is_kernels(const struct tracee *t)
{
	return t->state == TRACEE_DEAD && is_leader(t) &&
	       fd_status_number(t->tid, "PPid") == tracer_of(t)->pid;
}

static void read_usage(pid_t tid, struct rusage *usage)
{
	unsigned long user = 0, system = 0, minor = 0, major = 0;
	long tick = sysconf(_SC_CLK_TCK);
	char path[32], text[512], *at;

	*usage = (struct rusage){ 0 };
	snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
	if (fd_read_file(path, text, sizeof text) < 0)
		return;
	at = strrchr(text, ')');
	if (at == NULL || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %lu %lu",
				 &minor, &major, &user, &system) != 4)
		return;
	usage->ru_utime = (struct timeval){ (time_t)(user / (unsigned long)tick),
					    (suseconds_t)(user % (unsigned long)tick * 1000000 /
							  (unsigned long)tick) };
	usage->ru_stime = (struct timeval){ (time_t)(system / (unsigned long)tick),
					    (suseconds_t)(system % (unsigned long)tick * 1000000 /
							  (unsigned long)tick) };
	usage->ru_minflt = (long)minor;
	usage->ru_majflt = (long)major;
}

/* A first task's end is told when all others of its process have been waited for. */
static bool is_delayed(const struct tracee *t)
{
	if (t->state != TRACEE_DEAD || !is_leader(t))
		return false;
	list_for_each (&tracer_of(t)->tracees, node, after) {
		const struct tracee *other = list_entry(node, struct tracee, in_tracer);

		if (other != t && other->covered == t->covered &&
		    (other->state != TRACEE_DEAD || other->fresh))
			return true;
	}
	return false;
}

static bool has_report(const struct tracee *t, const struct wait_query *q)
{
	return t->fresh && (t->state != TRACEE_DEAD || (q->options & WEXITED));
}

static void take(struct tracee *t, const struct wait_query *q, struct wait_result *result)
{
	result->tid = t->tid;
	result->uid = t->covered->uid;
	result->status = t->status;
	if (q->usage)
		read_usage(t->tid, &result->usage);
	if (q->options & WNOWAIT)
		return;
	t->fresh = false;
}

/* Ended, and waited for: by us once the caller surely has it, or by the kernel. */
static bool is_done_with(const struct tracee *t)
{
	return t->state == TRACEE_DEAD && (!t->fresh || (t->kernels && !is_kernels(t)));
}

static bool is_dying(const struct tracer *tracer)
{
	bool dying = false;

	list_for_each (&tracer->tracees, node, after) {
		const struct tracee *t = list_entry(node, struct tracee, in_tracer);

		if (t->state == TRACEE_STANDS)
			return false; /* its end waits for the tracer */
		dying = dying || (t->state != TRACEE_DEAD && t->covered->dying);
	}
	return dying;
}

/*
 * The tasks of a process that is killed end all at once, and tracers look at /proc between
 * their waits: who is shown a dead first task while others are still to be told is misled.
 */
static void let_all_die(struct personality *p, const struct tracer *tracer)
{
	struct pollfd events = { .fd = p->epoll, .events = POLLIN };

	for (int i = 0; i < DEATHS_MAX && is_dying(tracer); i++) {
		if (poll(&events, 1, DEATH_MS) <= 0)
			return;
		personality_pump(p);
	}
}

enum wait_answer personality_wait(struct personality *p, const struct caller *c,
				  const struct wait_query *q, struct wait_result *result)
{
	struct tracer *tracer = tracer_by_pid(p, c->pid);
	enum wait_answer answer = WAIT_NOBODY;

	if (tracer == NULL)
		return WAIT_NOBODY;
	let_all_die(p, tracer);
	list_for_each (&tracer->tracees, node, after) {
		struct tracee *t = list_entry(node, struct tracee, in_tracer);
		struct covered *covered = t->covered;

		if (is_done_with(t)) {
			tracee_free(t);
			covered_release(covered);
			continue;
		}
		if (!matches(t, c, q))
			continue;
		if (has_report(t, q) && !is_delayed(t)) {
			if (is_kernels(t))
				return WAIT_KERNEL;
			take(t, q, result);
			return WAIT_FOUND;
		}
		answer = WAIT_NOTHING;
	}
	return answer;
}

void personality_untake(struct personality *p, const struct caller *c,
			const struct wait_result *result)
{
	struct tracer *tracer = tracer_by_pid(p, c->pid);

	if (tracer == NULL)
		return;
	list_for_each (&tracer->tracees, node, after) {
		struct tracee *t = list_entry(node, struct tracee, in_tracer);

		if (t->tid == result->tid && t->status == result->status &&
		    (t->state == TRACEE_STANDS || t->state == TRACEE_DEAD))
			t->fresh = true;
	}
}
