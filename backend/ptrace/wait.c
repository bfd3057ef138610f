/* SPDX-License-Identifier: MIT */
/*
 * Which task stopped, in O(1) on a stock kernel and without privilege.
 *
 * A stop sends SIGCHLD, whose siginfo names the task, so sigtimedwait() tells the tid and
 * waitpid(tid) takes the status. But SIGCHLD coalesces: while one is pending, further stops
 * send none. Those are found by waitpid(-1), which the kernel answers in O(tasks); it is
 * asked only if there are other tasks, and, when it is slow,
 * so seldom that it takes a bounded share of the time.
 *
 * Sockets are watched by O_ASYNC: SIGIO ends the same sigtimedwait(). So there is one place
 * to sleep, no race between a check and the sleep, and no hop over epoll per stop.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/ptrace/internal.h"
#include "base/clock.h"
#include "base/log.h"

#define IO_EVERY 32	    /* a busy target must not keep clients waiting */
#define SCAN_CHEAP_TASKS 32 /* below this a scan costs less than deciding about it */
#define EARLY_MAX 16
#define YIELDS_MAX 8
#define YIELD_AGAIN 512
#define YIELD_LONG_NS 20000
#define REST_NS (5 * CLOCK_MS)
#define REST_PAUSE_NS 20000
#define SCAN_SHARE 16	/* a scan of cost c is followed by 16 c without one */
#define RECENT 16	/* so many stops back */
#define LOOKS_IN_VAIN 8 /* a task may take its time to stop */

int wait_init(struct ptrace_backend *b)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };

	sigemptyset(&b->wait.signals);
	sigaddset(&b->wait.signals, SIGCHLD);
	sigaddset(&b->wait.signals, SIGIO);
	sigaddset(&b->wait.signals, SIGALRM);
	sigaddset(&b->wait.signals, WAIT_PERF_SIGNAL);
	/* An inherited SIG_IGN for SIGCHLD would silence every stop. */
	signal(SIGCHLD, SIG_DFL);
	if (sigprocmask(SIG_BLOCK, &b->wait.signals, NULL) < 0)
		return -errno;
	b->wait.armed = CLOCK_NEVER;
	list_init(&b->wait.expected);
	list_init(&b->wait.recent);
	return timer_create(CLOCK_MONOTONIC, &event, &b->wait.timer) < 0 ? -errno : 0;
}

void wait_deinit(struct ptrace_backend *b)
{
	timer_delete(b->wait.timer);
}

int wait_watch_fd(struct backend *base, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	(void)base;
	if (flags < 0 || fcntl(fd, F_SETOWN, getpid()) < 0 ||
	    fcntl(fd, F_SETFL, flags | O_ASYNC | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/*
 * The timer stays armed when deadlines move away, and fires once for nothing: a program
 * that is stopped 100,000 times a second must not set it each time.
 */
static void arm(struct ptrace_wait *w, uint64_t deadline)
{
	struct itimerspec at = { 0 };

	if (deadline >= w->armed)
		return;
	w->armed = deadline;
	at.it_value.tv_sec = (time_t)(deadline / CLOCK_SECOND);
	at.it_value.tv_nsec = (long)(deadline % CLOCK_SECOND);
	if (deadline == 0)
		at.it_value.tv_nsec = 1;
	timer_settime(w->timer, TIMER_ABSTIME, &at, NULL);
}

/* Takes the status of @tid (-1: of any task) if there is one. */
static bool take(struct ptrace_backend *b, pid_t tid, struct backend_event *ev)
{
	int status;
	pid_t got = waitpid(tid, &status, __WALL | WNOHANG);

	return got > 0 && classify(b, got, status, ev);
}

void wait_stopped(struct ptrace_backend *b, struct ptrace_task *t)
{
	struct ptrace_wait *w = &b->wait;

	list_remove(&t->likely);
	list_append(&w->recent, &t->likely);
	t->interrupted = false;
	t->stopped_at = ++w->stops;
}

void wait_expect(struct ptrace_backend *b, struct ptrace_task *t, bool sure)
{
	list_remove(&t->likely);
	list_append(&b->wait.expected, &t->likely);
	t->interrupted = t->interrupted || sure;
}

static bool look_at_expected(struct ptrace_backend *b, struct backend_event *ev)
{
	struct ptrace_wait *w = &b->wait;
	int in_vain = 0;

	while (in_vain < LOOKS_IN_VAIN && !list_empty(&w->expected)) {
		struct ptrace_task *t = list_entry(w->expected.next, struct ptrace_task, likely);

		list_remove(&t->likely);
		if (t->interrupted) {
			list_append(&w->expected, &t->likely);
			in_vain++;
		}
		if (take(b, t->tid, ev))
			return true;
	}
	return false;
}

static bool look_at_recent(struct ptrace_backend *b, struct backend_event *ev)
{
	struct ptrace_wait *w = &b->wait;

	list_for_each (&w->recent, node, after) {
		struct ptrace_task *t = list_entry(node, struct ptrace_task, likely);

		if (w->stops - t->stopped_at >= RECENT)
			list_remove(&t->likely);
		else if (take(b, t->tid, ev))
			return true;
	}
	return false;
}

/* One had stopped unheard: it may be one of many. By tid that is found out in O(1) for each. */
static void expect_all(struct ptrace_backend *b)
{
	struct ptrace_task *t;
	size_t at = 0;

	while ((t = map_walk(&b->tasks, &at)) != NULL)
		if (!list_linked(&t->likely))
			wait_expect(b, t, false);
}

static bool scan_all(struct ptrace_backend *b, struct backend_event *ev)
{
	int status;
	pid_t got;

	while ((got = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
		if (classify(b, got, status, ev))
			return true;
	b->wait.scan_due = false;
	return false;
}

static bool scan(struct ptrace_backend *b, struct backend_event *ev)
{
	uint64_t start, end;
	bool found;

	if (b->tasks.count <= SCAN_CHEAP_TASKS)
		return scan_all(b, ev);
	if (look_at_expected(b, ev) || look_at_recent(b, ev))
		return true;
	start = clock_now_ns();
	if (start < b->wait.scan_not_before)
		return false;
	found = scan_all(b, ev);
	end = clock_now_ns();
	b->wait.scan_not_before = end + SCAN_SHARE * (end - start);
	if (found)
		expect_all(b);
	return found;
}

/* Those can have stopped, or been killed as they stood, while @tid's signal was pending. */
static bool others_exist(struct ptrace_backend *b, pid_t tid)
{
	return b->tasks.count > (tid > 0 && ptrace_task(b, tid) ? 1u : 0u);
}

/*
 * Takes a signal: one that is there, or with @sleep the next that comes. 1: an event was found
 * for it; 0: none; -1: there is no signal.
 */
static int take_signal(struct ptrace_backend *b, struct backend_event *ev, bool *io, bool sleep)
{
	static const struct timespec no_time = { 0 };
	struct ptrace_wait *w = &b->wait;
	siginfo_t info;
	int signo;

	if (sleep)
		place_before_sleep(b);
	signo = sigtimedwait(&w->signals, &info, sleep ? NULL : &no_time);

	if (signo < 0 && errno == EAGAIN)
		return -1;
	if (signo == SIGIO)
		*io = true;
	if (signo == SIGALRM)
		w->armed = CLOCK_NEVER;
	if (signo == WAIT_PERF_SIGNAL)
		return perf_signal(b, info.si_fd, ev);
	if (signo != SIGCHLD)
		return 0;
	if (others_exist(b, info.si_pid))
		w->scan_due = true;
	return info.si_pid > 0 && take(b, info.si_pid, ev);
}

void wait_make_way(struct backend *base)
{
	(void)base;
	sched_yield();
}

/* No time to sleep; but stops that are there come before more work for clients. */
static int look_once(struct ptrace_backend *b, struct backend_event *ev)
{
	struct ptrace_wait *w = &b->wait;
	bool io = false;
	int r = 0;

	if (w->scan_due && scan(b, ev))
		return 1;
	while (r == 0 && !io)
		r = take_signal(b, ev, &io, false);
	if (r == 1)
		return 1;
	w->since_io = 0;
	return 0;
}

/*
 * On one CPU the task can be let run without going to sleep for it, which spares its SIGCHLD
 * and waking up for that. Where others want the CPU that takes long, and is not tried again
 * for a while; on several CPUs it brings nothing, which is found out in the same way.
 */
static bool stopped_meanwhile(struct ptrace_backend *b, struct backend_event *ev)
{
	struct ptrace_wait *w = &b->wait;
	uint64_t start;
	bool stopped;

	if (w->yields == 0 && ++w->since_yield < YIELD_AGAIN)
		return false;
	w->since_yield = 0;
	start = clock_now_ns();
	sched_yield();
	stopped = look_at_recent(b, ev);
	if (clock_now_ns() - start > YIELD_LONG_NS)
		w->yields = 0;
	else if (stopped)
		w->yields = YIELDS_MAX;
	else if (w->yields > 0)
		w->yields--;
	return stopped;
}

/*
 * On one CPU a task that is woken often takes the CPU at once and has stopped again before
 * the engine comes back from resume(). When that is how it goes, look before sleeping; the
 * SIGCHLD stays pending, which spares queueing the next.
 */
static bool stopped_early(struct ptrace_backend *b, struct backend_event *ev)
{
	struct ptrace_wait *w = &b->wait;

	if (w->signals_due || list_empty(&w->recent))
		return false;
	if (w->early < EARLY_MAX / 2 && ++w->early < EARLY_MAX / 2)
		return stopped_meanwhile(b, ev); /* seldom; try again after a while */
	if (look_at_recent(b, ev)) {
		w->early = EARLY_MAX;
		return true;
	}
	w->early = w->early > EARLY_MAX / 2 ? w->early - 1 : 0;
	return stopped_meanwhile(b, ev);
}

int wait_next(struct backend *base, struct backend_event *ev, uint64_t deadline)
{
	struct ptrace_backend *b = ptrace_backend(base);
	struct ptrace_wait *w = &b->wait;
	bool io = false;

	if (++w->since_io >= IO_EVERY) {
		w->since_io = 0;
		w->signals_due = true;
		return 0;
	}
	if (stopped_early(b, ev))
		return 1;
	w->signals_due = false;
	if (deadline == 0)
		return look_once(b, ev);
	for (;;) {
		uint64_t until = deadline;

		if (w->scan_due && scan(b, ev))
			return 1;
		if (w->scan_due && w->scan_not_before < until)
			until = w->scan_not_before;
		if (until != CLOCK_NEVER)
			arm(w, until);
		if (take_signal(b, ev, &io, true) == 1)
			return 1;
		if (io || (deadline != CLOCK_NEVER && w->armed == CLOCK_NEVER &&
			   clock_now_ns() >= deadline)) {
			w->since_io = 0;
			return 0;
		}
	}
}

/* Whether its next stop, which is left there if it is another, is the one it was sent to. */
static int rests(pid_t tid)
{
	siginfo_t info = { 0 };
	int status;

	if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
		return -ESRCH;
	if (info.si_pid != tid)
		return 0;
	if (info.si_code != CLD_TRAPPED || info.si_status != (SIGTRAP | PTRACE_EVENT_STOP << 8))
		return -EAGAIN;
	waitpid(tid, &status, __WALL | WNOHANG);
	return 1;
}

/*
 * Only being resumed takes the trap flag away. With an interrupt pending it goes no further
 * than to the next stop in the kernel: at once, unless it has to wait for a CPU.
 */
int wait_rest(struct backend *base, pid_t tid)
{
	const struct timespec pause = { 0, REST_PAUSE_NS };
	struct ptrace_backend *b = ptrace_backend(base);
	struct ptrace_task *t = ptrace_task(b, tid);
	uint64_t until = clock_now_ns() + REST_NS;
	int r;

	if (t == NULL || !t->stepped)
		return 0;
	if (ptrace_call(PTRACE_INTERRUPT, tid, 0, 0) < 0 || ptrace_call(PTRACE_CONT, tid, 0, 0) < 0)
		return -ESRCH;
	t->stepped = false;
	while ((r = rests(tid)) == 0 && clock_now_ns() < until)
		nanosleep(&pause, NULL);
	log_debug("rest of %d: %d", (int)tid, r);
	if (r == 1)
		return 0;
	wait_expect(b, t, true);
	return -EAGAIN;
}
