/* SPDX-License-Identifier: MIT */
/*
 * Attaching a whole process without stopping it (gotchas 18 to 22, 46).
 *
 * Tasks are seized one by one; each that is has its new threads attached by the kernel. A
 * pass over /proc/PID/task can miss tasks only when one that is not seized dies under it:
 * the kernel then cuts the listing short. Such a task was listed, and seizing it fails. So
 * a pass in which every task listed is ours proves that all are.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/ptrace/internal.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define ATTACH_DEADLINE_NS (10 * (int64_t)CLOCK_SECOND)

struct attach {
	struct ptrace_backend *b;
	pid_t pid;
	void (*attached)(void *arg, pid_t tid);
	void *arg;
	pid_t *tracer;
	size_t got;
	bool had;   /* tasks were attached before */
	bool clean; /* nothing new in this pass */
};

/* Why seizing failed with EPERM. 0: no reason to give up. */
static int refused(struct attach *a, pid_t tid)
{
	long tracer = fd_status_number(tid, "TracerPid");
	char state = proc_state(tid);

	if (tracer == getpid())
		return 0; /* attached by the kernel as a child of one of ours */
	if (tracer > 0) {
		*a->tracer = (pid_t)tracer;
		return -EAGAIN;
	}
	if (state == 'Z' || state == 'X' || state == 0) {
		/* A dead leader stays in the list as long as others live. */
		if (tid != a->pid)
			a->clean = false;
		return a->got == 0 && state == 0 ? -ESRCH : 0;
	}
	return -EPERM;
}

static int seize(struct attach *a, pid_t tid)
{
	long r;

	if (ptrace_task(a->b, tid) != NULL) {
		a->had = true;
		return 0;
	}
	r = ptrace_call(PTRACE_SEIZE, tid, 0, PTRACE_BACKEND_OPTIONS);
	if (r == -EPERM)
		return refused(a, tid);
	a->clean = false;
	if (r < 0)
		return r == -ESRCH ? 0 : (int)r;
	a->b->base.ops->adopted(&a->b->base, tid);
	a->got++;
	a->attached(a->arg, tid);
	return 0;
}

static int pass(struct attach *a)
{
	char path[40];
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	a->clean = true;
	snprintf(path, sizeof path, "/proc/%d/task", (int)a->pid);
	dir = opendir(path);
	if (dir == NULL)
		return errno == ENOENT ? -ESRCH : -errno;
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			r = seize(a, (pid_t)atoi(entry->d_name));
	closedir(dir);
	return r;
}

int attach_process(struct backend *base, pid_t pid, void (*attached)(void *, pid_t), void *arg,
		   pid_t *tracer)
{
	struct attach a = { ptrace_backend(base), pid, attached, arg, tracer, 0, false, false };
	uint64_t deadline = clock_deadline(ATTACH_DEADLINE_NS);

	do {
		int r = pass(&a);

		if (r < 0)
			return r;
		if (clock_now_ns() > deadline)
			return -ETIMEDOUT;
	} while (!a.clean);
	log_debug("attached %d: %zu tasks", (int)pid, a.got);
	return a.got || a.had ? 0 : -ESRCH;
}
