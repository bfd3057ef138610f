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
#define LOOKS_MAX 8
#define LOOK_MS 2

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
	return t->kernels && t->state == TRACEE_DEAD && is_leader(t) &&
	       fd_status_number(t->tid, "PPid") == tracer_of(t)->pid;
}

static struct timeval seconds(unsigned long ticks)
{
	unsigned long tick = (unsigned long)sysconf(_SC_CLK_TCK);

	return (struct timeval){ (time_t)(ticks / tick),
				 (suseconds_t)(ticks % tick * 1000000 / tick) };
}

/* Its process and the children of that, as far as /proc tells. */
static void read_usage(pid_t tid, struct rusage *usage)
{
	unsigned long user, system, minor, major, users, systems, minors, majors;
	char text[512];
	long most = fd_status_number(tid, "VmHWM");

	*usage = (struct rusage){ .ru_maxrss = most > 0 ? most : 0 };
	if (fd_read_stat(tid, 0, text, sizeof text) < 0 ||
	    sscanf(text, "%*c %*d %*d %*d %*d %*d %*u %lu %lu %lu %lu %lu %lu %lu %lu", &minor,
		   &minors, &major, &majors, &user, &system, &users, &systems) != 8)
		return;
	usage->ru_utime = seconds(user + users);
	usage->ru_stime = seconds(system + systems);
	usage->ru_minflt = (long)(minor + minors);
	usage->ru_majflt = (long)(major + majors);
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
	if (t->state != TRACEE_DEAD && q->options & WCONTINUED && t->covered->continued)
		return true;
	return t->fresh && (t->state != TRACEE_DEAD || (q->options & WEXITED));
}

/* That it has continued is told after all else. */
static void take(struct tracee *t, const struct wait_query *q, struct wait_result *result)
{
	bool *report = t->fresh ? &t->fresh : &t->covered->continued;

	result->tid = t->tid;
	result->uid = t->covered->uid;
	result->status = t->fresh ? t->status : STATUS_CONTINUED;
	if (q->usage)
		read_usage(t->tid, &result->usage);
	if (!(q->options & WNOWAIT))
		*report = false;
}

/* The last of the others has been waited for: now the kernel tells of the first task. */
static void tell_delayed(const struct tracee *t)
{
	struct tracee *leader = NULL;

	if (t->state != TRACEE_DEAD || t->fresh || is_leader(t))
		return;
	list_for_each (&tracer_of(t)->tracees, node, after) {
		struct tracee *other = list_entry(node, struct tracee, in_tracer);

		if (other->covered == t->covered && is_leader(other) &&
		    other->state == TRACEE_DEAD && other->fresh)
			leader = other;
	}
	if (leader != NULL && !is_delayed(leader))
		event_dead_again(leader);
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

/* Who ends has no program any more, and soon after that can be waited for. */
static bool may_have_ended(pid_t pid)
{
	char path[32], byte;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	return readlink(path, &byte, sizeof byte) < 0;
}

/*
 * By SIGCHLD the kernel has shown that an own child has ended: who is told that there is nothing
 * to wait for sleeps for ever. The engine has reaped it, and answers nothing before it tells.
 */
static bool hear_of_ends(const struct tracer *tracer, const struct wait_query *q)
{
	const struct covered *asked = NULL;

	list_for_each (&tracer->tracees, node, after) {
		const struct tracee *t = list_entry(node, struct tracee, in_tracer);
		struct covered *c = t->covered;

		if (c == asked || t->state == TRACEE_DEAD || c->s == NULL || !is_leader(t) ||
		    !(c->child || (q->idtype == P_PID && q->id == t->tid)) ||
		    !may_have_ended(t->tid))
			continue;
		asked = c;
		cotrace_tasks(c->s, NULL, 0);
	}
	return asked != NULL;
}

/* A stop that was asked for, and that /proc shows already. It is looked for a few times. */
static bool is_overdue(struct tracee *t)
{
	return t->due != 0 && (t->state == TRACEE_RUNS || t->state == TRACEE_LISTENS) &&
	       t->looked < LOOKS_MAX && ++t->looked && task_state(t->tid) == 't';
}

static bool hear_of_stops(struct personality *p, const struct tracer *tracer)
{
	struct pollfd events = { .fd = p->epoll, .events = POLLIN };

	list_for_each (&tracer->tracees, node, after) {
		if (!is_overdue(list_entry(node, struct tracee, in_tracer)))
			continue;
		poll(&events, 1, LOOK_MS);
		return true;
	}
	return false;
}

/* What the kernel has shown already is to be found by a wait. */
static void hear_expected(struct personality *p, const struct tracer *tracer,
			  const struct wait_query *q)
{
	/* Who hosts us in the tracer asks the kernel about its children. */
	if (!p->in_tracer && hear_of_ends(tracer, q))
		personality_pump(p);
	while (hear_of_stops(p, tracer))
		personality_pump(p);
}

static enum wait_answer find(struct tracer *tracer, const struct caller *c,
			     const struct wait_query *q, struct wait_result *result)
{
	enum wait_answer answer = WAIT_NOBODY;

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
			tell_delayed(t);
			return WAIT_FOUND;
		}
		answer = WAIT_NOTHING;
	}
	return answer;
}

enum wait_answer personality_wait(struct personality *p, const struct caller *c,
				  const struct wait_query *q, struct wait_result *result)
{
	struct tracer *tracer = tracer_by_pid(p, c->pid);
	enum wait_answer answer;

	if (tracer == NULL)
		return WAIT_NOBODY;
	let_all_die(p, tracer);
	answer = find(tracer, c, q, result);
	if (answer == WAIT_NOTHING && q->options & WNOHANG) {
		hear_expected(p, tracer, q);
		answer = find(tracer, c, q, result);
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

		if (t->tid == result->tid && result->status == STATUS_CONTINUED)
			t->covered->continued = true;
		else if (t->tid == result->tid && t->status == result->status &&
			 (t->state == TRACEE_STANDS || t->state == TRACEE_DEAD))
			t->fresh = true;
	}
}
