/* SPDX-License-Identifier: MIT */
/* Programs that trace, and when they end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "compat/supervise/supervise.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* A wait that was called back from the kernel comes again within microseconds, or never. */
#define SIGCHLD_DELAY_NS (100 * CLOCK_MS)

enum { CALLS_IN_A_ROW = 64 };

struct tool *tool_find(const struct supervisor *s, pid_t pid)
{
	return map_get(&s->tools, (uint64_t)pid);
}

static void tool_free(struct supervisor *s, struct tool *t)
{
	callback_close(s, t);
	list_for_each (&t->waits, node, after)
		wait_drop(s, list_entry(node, struct wait, of_tool)->notice.caller.tid);
	list_remove(&t->dirty);
	map_take(&s->tools, (uint64_t)t->pid);
	source_remove(s, &t->source);
	free(t);
}

static void tool_ended(struct supervisor *s, struct source *source)
{
	struct tool *t = list_entry(source, struct tool, source);
	pid_t pid = t->pid;

	log_debug("tracer %d has ended", pid);
	tool_free(s, t);
	personality_tracer_gone(s->personality, pid, 0);
}

/* Waits that went into the kernel before their process traced anything. */
static void adopt_waits(struct supervisor *s, struct tool *t)
{
	struct wait *w;
	size_t at = 0;

	while ((w = map_walk(&s->waits, &at)) != NULL) {
		if (!w->notice.caller.pid)
			w->notice.caller.pid =
				(pid_t)fd_status_number(w->notice.caller.tid, "Tgid");
		if (w->notice.caller.pid == t->pid)
			list_append(&t->waits, &w->of_tool);
	}
}

struct tool *tool_get(struct supervisor *s, pid_t pid)
{
	struct tool *t = tool_find(s, pid);
	int fd;

	if (t)
		return t;
	t = calloc(1, sizeof *t);
	fd = t ? pidfd_open(pid, 0) : -1;
	if (fd < 0 || map_put(&s->tools, (uint64_t)pid, t) < 0) {
		fd_close(fd);
		free(t);
		return NULL;
	}
	t->pid = pid;
	t->source.ready = tool_ended;
	t->source.fd = t->session_source.fd = -1;
	list_init(&t->waits);
	if (source_add(s, &t->source, fd) < 0)
		log_debug("the end of %d cannot be watched", pid);
	adopt_waits(s, t);
	log_debug("%d is a tracer", pid);
	return t;
}

void tool_changed(void *arg, pid_t pid, bool sigchld, const void *info)
{
	struct supervisor *s = arg;
	struct tool *t = tool_get(s, pid);

	(void)info; /* no process can send it in the name of another */
	if (!t)
		return;
	if (!list_linked(&t->dirty))
		list_append(&s->dirty, &t->dirty);
	if (sigchld && !t->sigchld) {
		t->sigchld = true;
		t->sigchld_by_ns = 0;
	}
}

/*
 * A call that has come and is not received would be interrupted by the signal, where the kernel
 * would have looked for its report first. One that comes in between still is.
 */
static void take_what_has_come(struct supervisor *s)
{
	struct pollfd p = { s->listener, POLLIN, 0 };

	for (int i = 0; i < CALLS_IN_A_ROW && poll(&p, 1, 0) == 1 && p.revents & POLLIN; i++)
		notify_ready(s, &s->listener_source);
}

/*
 * First the waits, then the signal: to the kernel they are one, and a wait that the signal
 * interrupts would fail where it should succeed.
 */
static void settle(struct supervisor *s, struct tool *t)
{
	uint64_t now;

	list_remove(&t->dirty);
	list_for_each (&t->waits, node, after)
		wait_retry(s, list_entry(node, struct wait, of_tool));
	if (!t->sigchld)
		return;
	now = clock_now_ns();
	if (!t->sigchld_by_ns)
		t->sigchld_by_ns = t->calling ? now + SIGCHLD_DELAY_NS : now;
	if (t->calling && now < t->sigchld_by_ns) {
		list_append(&s->dirty, &t->dirty);
		return;
	}
	t->sigchld = false;
	t->calling = 0;
	take_what_has_come(s);
	pidfd_send_signal(t->source.fd, SIGCHLD, NULL, 0);
}

void tools_settle(struct supervisor *s)
{
	struct list now;

	if (list_empty(&s->dirty))
		return;
	list_init(&now);
	list_for_each (&s->dirty, node, after) {
		list_remove(node);
		list_append(&now, node);
	}
	while (!list_empty(&now))
		settle(s, list_entry(now.next, struct tool, dirty));
}

uint64_t tools_deadline(const struct supervisor *s)
{
	uint64_t first = CLOCK_NEVER;

	list_for_each (&s->dirty, node, after) {
		const struct tool *t = list_entry(node, struct tool, dirty);

		if (t->sigchld_by_ns < first)
			first = t->sigchld_by_ns;
	}
	return first;
}

/* ---- Threads ---- */

static void thread_ended(struct supervisor *s, struct source *source)
{
	struct thread *t = list_entry(source, struct thread, source);
	pid_t tid = t->tid, pid = t->pid;

	map_take(&s->threads, (uint64_t)tid);
	source_remove(s, source);
	free(t);
	wait_drop(s, tid);
	ptrace_drop(s, tid);
	if (tid != pid && tool_find(s, pid))
		personality_tracer_gone(s->personality, pid, tid);
}

/* Its process is known as long as we hear when it ends. */
static void thread_add(struct supervisor *s, pid_t tid, pid_t pid)
{
	int fd = pidfd_open(tid, PIDFD_THREAD);
	struct thread *t;

	if (fd < 0)
		return;
	t = calloc(1, sizeof *t);
	if (!t || map_put(&s->threads, (uint64_t)tid, t) < 0) {
		fd_close(fd);
		free(t);
		return;
	}
	*t = (struct thread){ { -1, thread_ended }, tid, pid };
	if (source_add(s, &t->source, fd) < 0) {
		map_take(&s->threads, (uint64_t)tid);
		free(t);
	}
}

pid_t thread_process(struct supervisor *s, pid_t tid)
{
	struct thread *t = map_get(&s->threads, (uint64_t)tid);
	long pid;

	if (t)
		return t->pid;
	pid = fd_status_number(tid, "Tgid");
	if (pid > 0)
		thread_add(s, tid, (pid_t)pid);
	return pid > 0 ? (pid_t)pid : -ESRCH;
}
