/* SPDX-License-Identifier: MIT */
/*
 * A thread that waits in the kernel does not hear of tracees. It is stopped for a moment, by a
 * session on its process: the kernel makes its call anew then, and so we get to see it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "compat/supervise/supervise.h"

/*
 * A process with a session has its signals and its children go through an engine. So the
 * session ends soon, but not between calls that follow each other closely.
 */
#define IDLE_NS (50 * CLOCK_MS)

static void use(struct supervisor *s, struct tool *t)
{
	list_remove(&t->idle);
	list_append(&s->idle, &t->idle);
	t->idle_by_ns = clock_now_ns() + IDLE_NS;
}

void callback_close(struct supervisor *s, struct tool *t)
{
	if (!t->session)
		return;
	list_remove(&t->idle);
	if (t->session_source.fd >= 0)
		epoll_ctl(s->epoll, EPOLL_CTL_DEL, t->session_source.fd, NULL);
	/* The fd is the session's to close. */
	t->session_source.fd = -1;
	cotrace_close(t->session);
	t->session = NULL;
}

uint64_t callback_expire(struct supervisor *s)
{
	while (!list_empty(&s->idle)) {
		struct tool *t = list_entry(s->idle.next, struct tool, idle);

		if (clock_now_ns() < t->idle_by_ns)
			return t->idle_by_ns;
		callback_close(s, t);
	}
	return CLOCK_NEVER;
}

static void session_ready(struct supervisor *s, struct source *source)
{
	struct tool *t = list_entry(source, struct tool, session_source);
	struct cotrace_event ev = { .size = sizeof ev };

	while (t->session && cotrace_next(t->session, &ev, 0) == 1) {
		switch (ev.kind) {
		case COTRACE_EVENT_STOP_DONE:
			cotrace_resume(t->session, ev.task);
			use(s, t);
			break;
		case COTRACE_EVENT_SESSION_END:
		case COTRACE_EVENT_ENGINE_GONE:
			callback_close(s, t);
			break;
		}
	}
}

static bool open_session(struct supervisor *s, struct tool *t)
{
	int r;

	if (t->session)
		return true;
	r = cotrace_attach(&t->session, t->pid, NULL);
	if (r < 0) {
		log_debug("%d cannot be called back: %d", t->pid, r);
		return false;
	}
	t->session_source.ready = session_ready;
	r = source_add(s, &t->session_source, cotrace_fd(t->session));
	if (r < 0)
		callback_close(s, t);
	return r == 0;
}

/*
 * The call in which it waits, if it does: what it was notified of may be over since. A thread
 * that runs is about to wait, or has just done so; stopping it then does no harm.
 */
static bool may_wait(pid_t tid, bool compat)
{
	char path[48], text[256];
	enum call call;
	int nr;

	snprintf(path, sizeof path, "/proc/%d/syscall", (int)tid);
	if (fd_read_file(path, text, sizeof text) <= 0 || sscanf(text, "%d", &nr) != 1)
		return true;
	call = calls_find_any(nr, compat);
	return call == CALL_WAIT4 || call == CALL_WAITPID || call == CALL_WAITID;
}

void callback(struct supervisor *s, struct tool *t, struct wait *w)
{
	pid_t tid = w->notice.caller.tid;
	bool waits = may_wait(tid, w->notice.caller.compat);
	struct cotrace_task_info info;

	/* Either way it is called back once: it asks again, or it did not wait. */
	wait_free(s, w);
	if (!waits || !open_session(s, t))
		return;
	use(s, t);
	if (session_find_task(t->session, tid, &info) == 0 &&
	    cotrace_stop(t->session, info.task, COTRACE_ONE, 0) != -ESRCH)
		t->calling++;
	log_debug("%d is called back from its wait", tid);
}
