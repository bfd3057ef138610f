/* SPDX-License-Identifier: MIT */
/*
 * Attaching a whole process without stopping it (gotchas 18 to 22, 46).
 *
 * Tasks are seized one by one; each that is has its new threads attached by the kernel. A
 * pass over /proc/PID/task can miss tasks only when one that is not seized dies under it:
 * the kernel then cuts the listing short. Such a task was listed, and seizing it fails. So
 * a pass in which every task listed is ours proves that all are, but for those that are just
 * being made: by tasks that were in clone() when they were seized, and which the kernel does
 * not attach. So those that were running then get the time to come to the end of it first.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "backend/ptrace/internal.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define ATTACH_DEADLINE_NS (10 * (int64_t)CLOCK_SECOND)

#define BUSY_MAX 128
#define BUSY_WAIT_NS (50 * CLOCK_MS) /* altogether: there may be many, and few CPUs */
#define BUSY_PAUSE_NS 200000
#define CLONE_NS 500000 /* of CPU time; what it takes is a tenth of that */

/* A task that ran when it was seized, and the CPU time that it had used. */
struct busy {
	pid_t tid;
	uint64_t used_ns;
};

struct attach {
	struct ptrace_backend *b;
	pid_t pid;
	void (*attached)(void *arg, pid_t tid);
	void *arg;
	pid_t *tracer;
	size_t got;
	bool had;   /* tasks were attached before */
	bool clean; /* nothing new in this pass */
	struct busy busy[BUSY_MAX];
	size_t busy_count;
	uint64_t busy_until; /* 0: none was met yet */
};

static uint64_t used_ns(pid_t tid)
{
	char path[48], text[80];

	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)tid);
	return fd_read_file(path, text, sizeof text) > 0 ? strtoull(text, NULL, 10) : UINT64_MAX;
}

static bool is_on_its_way(pid_t tid)
{
	char state = proc_state(tid);

	return state == 'R' || state == 'D';
}

static void note_busy(struct attach *a, pid_t tid)
{
	if (a->busy_count < BUSY_MAX && is_on_its_way(tid))
		a->busy[a->busy_count++] = (struct busy){ tid, used_ns(tid) };
}

/* Whether another pass is due, as they may have made others. */
static bool await_busy(struct attach *a)
{
	const struct timespec pause = { 0, BUSY_PAUSE_NS };
	bool any = a->busy_count > 0;

	if (any && a->busy_until == 0)
		a->busy_until = clock_now_ns() + BUSY_WAIT_NS;
	while (a->busy_count > 0 && clock_now_ns() < a->busy_until) {
		const struct busy *last = &a->busy[a->busy_count - 1];

		if (is_on_its_way(last->tid) && used_ns(last->tid) < last->used_ns + CLONE_NS)
			nanosleep(&pause, NULL);
		else
			a->busy_count--;
	}
	a->busy_count = 0;
	return any;
}

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

/*
 * SEIZE waits for a lock that a task in execve() holds until its siblings are dead and
 * reaped; when one of those is ours already, only we can let it go, and both would wait for
 * ever (test/kernel/lives.c). A handler that does not return leads out of the call.
 */
#define SEIZE_TICK_NS (5 * (long)CLOCK_MS)

static sigjmp_buf out_of_seize;
static volatile sig_atomic_t seizing, ticks;

static void on_tick(int signo)
{
	(void)signo;
	if (seizing && ++ticks >= 2)
		siglongjmp(out_of_seize, 1);
}

static int start_ticking(timer_t *timer)
{
	/* Not blocked in its own handler, so leaving it leaves no mask behind. */
	struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART | SA_NODEFER };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM };
	struct itimerspec spec = { { 0, SEIZE_TICK_NS }, { 0, SEIZE_TICK_NS } };

	if (sigaction(SIGVTALRM, &action, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, timer) < 0)
		return -errno;
	timer_settime(*timer, 0, &spec, NULL);
	return 0;
}

/* As PTRACE_SEIZE; -EAGAIN when it would wait for us. */
static long seize_in_time(pid_t tid)
{
	long r;

	if (sigsetjmp(out_of_seize, 0) == 0) {
		ticks = 0;
		seizing = 1;
		r = ptrace_call(PTRACE_SEIZE, tid, 0, PTRACE_BACKEND_OPTIONS);
		seizing = 0;
		return r;
	}
	seizing = 0;
	log_debug("seizing %d would wait for us", (int)tid);
	return fd_status_number(tid, "TracerPid") == getpid() ? 0 : -EAGAIN;
}

static int seize(struct attach *a, pid_t tid)
{
	long r;

	if (ptrace_task(a->b, tid) != NULL) {
		a->had = true;
		return 0;
	}
	r = seize_in_time(tid);
	if (r == -EPERM)
		return refused(a, tid);
	a->clean = false;
	if (r < 0)
		return r == -ESRCH ? 0 : (int)r;
	a->b->base.ops->adopted(&a->b->base, tid);
	a->got++;
	note_busy(a, tid);
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
	struct attach a = { ptrace_backend(base), pid, attached, arg, tracer };
	uint64_t deadline = clock_deadline(ATTACH_DEADLINE_NS);
	timer_t timer;
	int r = start_ticking(&timer);

	if (r < 0)
		return r;
	do
		r = pass(&a);
	while (r == 0 && (!a.clean || await_busy(&a)) && clock_now_ns() <= deadline);
	timer_delete(timer);
	if (r == 0 && !a.clean)
		r = -ETIMEDOUT;
	if (r < 0)
		return r;
	log_debug("attached %d: %zu tasks", (int)pid, a.got);
	return a.got || a.had ? 0 : -ESRCH;
}
