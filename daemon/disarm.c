/* SPDX-License-Identifier: MIT */
#include "daemon/disarm.h"

#include <signal.h>

#include "base/clock.h"
#include "base/log.h"

#define DISARM_NS CLOCK_SECOND /* for a task that does not stop, deep in the kernel */

struct disarming {
	struct backend *backend;
	unsigned left; /* tasks that have not stopped yet */
};

static void attached(void *arg, pid_t tid)
{
	struct disarming *d = arg;

	d->left++;
	d->backend->ops->interrupt(d->backend, tid);
}

/* What it is to get when it goes on. A hit is nobody's business any more. */
static int signal_of(const struct backend_event *ev)
{
	if (ev->kind == BACKEND_SIGNAL)
		return ev->siginfo.si_signo;
	return ev->kind == BACKEND_TRAP && ev->trap != BACKEND_TRAP_DEBUG &&
			       ev->trap != BACKEND_TRAP_KERNEL
		       ? SIGTRAP
		       : 0;
}

static void let_go(struct backend *b, const struct backend_event *ev)
{
	static const struct backend_debug nothing[BACKEND_DEBUG_MAX];
	int signo = signal_of(ev);

	b->ops->debug_set(b, ev->tid, nothing, nothing);
	if (signo == 0)
		b->ops->put_back(b, ev->tid);
	b->ops->detach(b, ev->tid, signo);
}

void disarm(struct backend *b, pid_t pid)
{
	uint64_t until = clock_now_ns() + DISARM_NS;
	struct disarming d = { .backend = b };
	struct backend_event ev;
	pid_t tracer = 0;
	int r = b->ops->attach(b, pid, attached, &d, &tracer);

	log_debug("disarming %d: %d, %u tasks", (int)pid, r, d.left);
	while (d.left > 0 && clock_now_ns() < until) {
		if (b->ops->next(b, &ev, until) != 1)
			continue;
		if (ev.kind == BACKEND_KERNEL_HIT)
			continue;
		if (ev.kind == BACKEND_INTERRUPTED && b->ops->trap_waits(b, ev.tid)) {
			b->ops->resume(b, ev.tid, BACKEND_RUN, 0);
			continue;
		}
		if (ev.kind == BACKEND_FORK || ev.kind == BACKEND_VFORK || ev.kind == BACKEND_CLONE)
			d.left++;
		d.left--;
		if (ev.kind != BACKEND_DEAD)
			let_go(b, &ev);
	}
}
