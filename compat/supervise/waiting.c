/* SPDX-License-Identifier: MIT */
/*
 * Waits. The kernel knows about children that are no tracees, the personality about tracees.
 * A wait for the former goes into the kernel; one for the latter is held; one for both is held
 * with an eye on the end of those children, or goes into the kernel until it is called back.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "compat/supervise/children.h"
#include "compat/supervise/supervise.h"

/* How often held waits look for children that are new: by another thread, by adoption. */
#define RESCAN_NS (1000 * CLOCK_MS)
#define RESCAN_THREADS_NS (50 * CLOCK_MS)

enum { WAITS_PURGE_MIN = 256 };

/* A child that is no tracee, for whose end a held wait looks. */
struct child {
	struct source source;
	struct list of_wait;
	struct wait *wait;
	pid_t pid;
};

static void child_free(struct supervisor *s, struct child *k)
{
	list_remove(&k->of_wait);
	source_remove(s, &k->source);
	free(k);
}

void wait_free(struct supervisor *s, struct wait *w)
{
	list_for_each (&w->children, node, after)
		child_free(s, list_entry(node, struct child, of_wait));
	if (!w->in_kernel)
		s->held--;
	list_remove(&w->of_tool);
	map_take(&s->waits, (uint64_t)w->notice.caller.tid);
	free(w);
}

void wait_drop(struct supervisor *s, pid_t tid)
{
	struct wait *w = map_get(&s->waits, (uint64_t)tid);

	if (!w)
		return;
	if (!w->in_kernel)
		spare_page_remove(s, w->notice.slot);
	wait_free(s, w);
}

/* Threads that ended without another call; now and then, so that it costs next to nothing. */
static void purge(struct supervisor *s)
{
	size_t at = 0, count = 0;
	pid_t *dead;
	struct wait *w;

	if (s->waits.count < s->waits_purge)
		return;
	dead = calloc(s->waits.count, sizeof *dead);
	while (dead && (w = map_walk(&s->waits, &at)))
		if (kill(w->notice.caller.tid, 0) < 0 && errno == ESRCH)
			dead[count++] = w->notice.caller.tid;
	while (count)
		wait_drop(s, dead[--count]);
	free(dead);
	s->waits_purge = 2 * s->waits.count;
	if (s->waits_purge < WAITS_PURGE_MIN)
		s->waits_purge = WAITS_PURGE_MIN;
}

/* A copy that lives on. NULL: no memory. */
static struct wait *wait_new(struct supervisor *s, const struct notice *n,
			     const struct wait_call *how)
{
	struct wait *w = calloc(1, sizeof *w);
	struct tool *t;

	if (!w)
		return NULL;
	w->notice = *n;
	w->how = *how;
	w->in_kernel = true;
	list_init(&w->children);
	if (map_put(&s->waits, (uint64_t)n->caller.tid, w) < 0) {
		free(w);
		return NULL;
	}
	t = n->caller.pid ? tool_find(s, n->caller.pid) : NULL;
	if (t)
		list_append(&t->waits, &w->of_tool);
	return w;
}

/*
 * The kernel answers. The caller may block there, and become a tracer later: then its wait is
 * to be called back.
 */
static void leave_to_kernel(struct supervisor *s, const struct notice *n,
			    const struct wait_call *how)
{
	if (wait_call_blocks(how))
		wait_new(s, n, how);
	notice_continue(s, n);
}

/* Into the caller's memory, if it still waits. */
static int store(struct supervisor *s, const struct notice *n, const struct wait_call *how,
		 const struct wait_result *r)
{
	uint8_t usage[WAIT_CALL_USAGE_MAX];
	struct piece pieces[2];
	int e = 0;

	s->now = n;
	if (r && how->status)
		e = caller_write(s, &n->caller, how->status, &r->status, sizeof r->status);
	if (e == 0 && r && how->usage)
		e = caller_write(s, &n->caller, how->usage, usage,
				 wait_call_usage(usage, &r->usage, n->caller.compat));
	wait_call_siginfo(pieces, r, n->caller.compat);
	for (int i = 0; i < 2 && e == 0 && how->info; i++)
		e = caller_write(s, &n->caller, how->info + pieces[i].offset, pieces[i].v,
				 pieces[i].size);
	s->now = NULL;
	return e;
}

/* A caller whose memory cannot be written has lost the status, as it would to the kernel. */
static void deliver(struct supervisor *s, const struct notice *n, const struct wait_call *how,
		    const struct wait_result *r)
{
	int e = store(s, n, how, r);

	log_debug("%d: wait = %d, %#x", n->caller.tid, r->tid, (unsigned)r->status);
	if (notice_answer(s, n, e < 0 ? e : wait_call_value(how, r)) == -ENOENT &&
	    !(how->query.options & WNOWAIT))
		personality_untake(s->personality, &n->caller, r);
}

static void deliver_nothing(struct supervisor *s, const struct notice *n,
			    const struct wait_call *how)
{
	int e = how->again ? -EAGAIN : store(s, n, how, NULL);

	notice_answer(s, n, e);
}

/* ---- Children that are no tracees ---- */

struct others {
	struct supervisor *s;
	struct wait *w; /* to be watched for; may be NULL */
	pid_t tracer;
	const struct wait_query *query;
	unsigned count;
	bool report;
};

static void child_ready(struct supervisor *s, struct source *source)
{
	struct child *k = list_entry(source, struct child, source);
	struct wait *w = k->wait;
	struct notice n = w->notice;
	struct wait_call how = w->how;

	wait_free(s, w);
	leave_to_kernel(s, &n, &how);
}

static void watch_child(struct supervisor *s, struct wait *w, pid_t pid)
{
	struct child *k;
	int fd;

	list_for_each (&w->children, node, after)
		if (list_entry(node, struct child, of_wait)->pid == pid)
			return;
	k = calloc(1, sizeof *k);
	fd = k ? pidfd_open(pid, 0) : -1;
	if (fd < 0) {
		free(k);
		return;
	}
	k->source.ready = child_ready;
	k->wait = w;
	k->pid = pid;
	list_append(&w->children, &k->of_wait);
	if (source_add(s, &k->source, fd) < 0)
		child_free(s, k);
}

static bool is_tracee(pid_t pid, void *arg)
{
	const struct others *o = arg;

	return personality_traces(o->s->personality, o->tracer, pid);
}

static void look_at(const struct kid *k, void *arg)
{
	struct others *o = arg;

	o->count++;
	o->report |= kid_reports(k, o->query);
	if (o->w && o->query->options & WEXITED)
		watch_child(o->s, o->w, k->pid);
}

static struct others others_of(struct supervisor *s, const struct notice *n,
			       const struct wait_query *q, struct wait *w)
{
	struct others o = { .s = s, .w = w, .tracer = n->caller.pid, .query = q };
	const struct children_visit v = { q, is_tracee, look_at, &o };

	/* One that has this id is a tracee, or nobody would have said that nothing happened. */
	if (q->idtype != P_PID)
		children_each(&n->caller, &v);
	return o;
}

/* ---- Waits ---- */

/* Only the kernel knows who of them stops or continues. */
static bool asks_for_stops(const struct wait_query *q)
{
	return q->options & (WSTOPPED | WCONTINUED);
}

static void hold(struct supervisor *s, const struct notice *n, const struct wait_call *how)
{
	struct wait *w = wait_new(s, n, how);
	uint64_t now = clock_now_ns(), at;
	struct others o;

	if (!w) {
		notice_answer(s, n, -EAGAIN);
		return;
	}
	w->in_kernel = false;
	s->held++;
	o = others_of(s, n, &how->query, w);
	at = now + (children_of_many(n->caller.pid) ? RESCAN_THREADS_NS : RESCAN_NS);
	if (at < s->rescan_ns)
		s->rescan_ns = at;
	if (o.report || (o.count && asks_for_stops(&how->query))) {
		wait_free(s, w);
		leave_to_kernel(s, n, how);
	}
}

/* Some tracees match, none reports. */
static void nothing_yet(struct supervisor *s, const struct notice *n, const struct wait_call *how)
{
	if (wait_call_blocks(how))
		hold(s, n, how);
	else if (others_of(s, n, &how->query, NULL).count)
		leave_to_kernel(s, n, how);
	else
		deliver_nothing(s, n, how);
}

static enum wait_answer ask(struct supervisor *s, const struct notice *n,
			    const struct wait_query *q, struct wait_result *result)
{
	enum wait_answer a;

	s->now = n;
	a = personality_wait(s->personality, &n->caller, q, result);
	s->now = NULL;
	return a;
}

/* A held wait whose caller is not there any more must take nothing. */
static bool has_gone(struct supervisor *s, struct wait *w)
{
	if (notice_valid(s, &w->notice))
		return false;
	wait_drop(s, w->notice.caller.tid);
	return true;
}

void wait_retry(struct supervisor *s, struct wait *w)
{
	struct notice n = w->notice;
	struct wait_call how = w->how;
	struct wait_query q = how.query;
	struct wait_result result;
	enum wait_answer a;

	if (!w->in_kernel && has_gone(s, w))
		return;
	if (w->in_kernel)
		q.options |= WNOWAIT;
	a = ask(s, &n, &q, &result);
	if (w->in_kernel) {
		struct tool *t = tool_find(s, n.caller.pid);

		if (a == WAIT_FOUND && t)
			callback(s, t, w);
		return;
	}
	if (a == WAIT_NOTHING)
		return;
	wait_free(s, w);
	if (a == WAIT_FOUND)
		deliver(s, &n, &how, &result);
	else
		leave_to_kernel(s, &n, &how);
}

void wait_rescan(struct supervisor *s)
{
	size_t at = 0, count = 0;
	struct wait *w, **held;

	s->rescan_ns = CLOCK_NEVER;
	if (!s->held)
		return;
	held = calloc(s->held, sizeof(struct wait *));
	while (held && (w = map_walk(&s->waits, &at)))
		if (!w->in_kernel)
			held[count++] = w;
	while (count) {
		struct notice n = held[--count]->notice;
		struct wait_call how = held[count]->how;

		if (has_gone(s, held[count]))
			continue;
		wait_free(s, held[count]);
		hold(s, &n, &how);
	}
	free(held);
}

/* The process that a pidfd of the caller stands for. */
static bool resolve_pidfd(const struct notice *n, struct wait_call *how)
{
	char path[64], text[512], *at;
	unsigned flags;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)n->caller.tid, (int)how->query.id);
	if (fd_read_file(path, text, sizeof text) < 0)
		return false;
	at = strstr(text, "\nPid:");
	if (!at || sscanf(at + 5, "%d", &how->query.id) != 1 || how->query.id <= 0)
		return false;
	how->query.idtype = P_PID;
	at = strstr(text, "flags:");
	if (at && sscanf(at + 6, "%o", &flags) == 1 && flags & O_NONBLOCK) {
		how->again = wait_call_blocks(how);
		how->query.options |= WNOHANG;
	}
	return true;
}

/* False: not known, so the kernel's. */
static bool resolve(const struct notice *n, struct wait_call *how)
{
	if (how->query.idtype == P_PIDFD)
		return resolve_pidfd(n, how);
	if (how->query.idtype == P_PGID && how->query.id == 0) {
		how->query.id = getpgid(n->caller.tid);
		return how->query.id > 0;
	}
	return true;
}

void wait_begin(struct supervisor *s, struct notice *n)
{
	struct wait_result result;
	struct wait_call how;
	struct tool *t;

	if (!wait_call_parse(&how, n->call, n->args)) {
		notice_continue(s, n);
		return;
	}
	how.query.usage = how.usage != 0;
	purge(s);
	/* Nobody traces anything: that is all most programs ever see of us. */
	t = s->tools.count && notice_process(s, n) ? tool_find(s, n->caller.pid) : NULL;
	if (!t || !resolve(n, &how)) {
		leave_to_kernel(s, n, &how);
		return;
	}
	if (t->calling)
		t->calling--;
	switch (ask(s, n, &how.query, &result)) {
	case WAIT_FOUND:
		deliver(s, n, &how, &result);
		break;
	case WAIT_NOTHING:
		nothing_yet(s, n, &how);
		break;
	case WAIT_NOBODY:
	case WAIT_KERNEL:
		leave_to_kernel(s, n, &how);
	}
}
