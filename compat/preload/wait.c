/* SPDX-License-Identifier: MIT */
/*
 * Waits. Who traces nothing waits in the kernel. A tracer never does: a child of its may ask to
 * be traced at any time. It asks for what there is now, of the personality and of the kernel, and
 * sleeps until something happens: an event, a word from the supervisor, or a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "compat/preload/preload.h"
#include "compat/supervise/query.h"

#define BIT(signo) (1ull << ((signo)-1))
/* Between looks at children of whom no signal may tell. */
#define LATE_NS (50 * CLOCK_MS)
enum { LOOK_MS = 1000, LOOK_OFTEN_MS = 20 };

/* A thread that sleeps. */
struct waiter {
	struct list in_state;
	int fd; /* an eventfd; -1: it is the only thread */
};

struct wait {
	struct visit visit;
	struct wait_call how;
	uint64_t args[6];
	enum call call;
	long result;
	bool often;   /* look often */
	bool no_kids; /* SIGCHLD waits for somebody else to take it, and tells nothing new */
};

void waiters_wake(void)
{
	uint64_t one = 1;

	list_for_each (&state->waiters, node, after) {
		const struct waiter *w = list_entry(node, struct waiter, in_state);

		if (w->fd >= 0 && write(w->fd, &one, sizeof one) < 0)
			continue; /* it is awake */
	}
}

/* ---- The kernel's children ---- */

static long to_kernel(const struct wait *w, bool past)
{
	const uint64_t *a = w->args;
	long nr = w->call == CALL_WAITID ? SYS_waitid : SYS_wait4;

	return past ? raw_past(nr, a[0], a[1], a[2], a[3], a[4])
		    : raw_call(nr, a[0], a[1], a[2], a[3], a[4], 0);
}

/* The child of which the kernel has something to tell now; 0: none; -ECHILD. */
static long peek_kernel(const struct wait *w, bool *ended)
{
	const struct wait_query *q = &w->how.query;
	siginfo_t info = { 0 };
	long r = raw_past(SYS_waitid, (uint64_t)q->idtype, (uint64_t)q->id, (uintptr_t)&info,
			  (uint64_t)(q->options | WNOHANG | WNOWAIT), 0);

	*ended = info.si_code == CLD_EXITED || info.si_code == CLD_KILLED ||
		 info.si_code == CLD_DUMPED;
	return r < 0 ? r : info.si_pid;
}

static bool is_tracee(pid_t pid)
{
	return state->personality != NULL &&
	       personality_traces(state->personality, state->pid, pid);
}

/* What it has to tell, of this child, as the program asked for it. True: that is the result. */
static bool take_kernels(struct wait *w, pid_t pid)
{
	struct wait one = *w;
	bool waitid = w->call == CALL_WAITID;

	if (waitid)
		one.args[0] = P_PID;
	one.args[waitid] = (uint64_t)pid;
	one.args[waitid ? 3 : 2] |= WNOHANG;
	w->result = to_kernel(&one, true);
	return w->result != 0 || waitid;
}

/* True: w->result is the answer. *late: a tracee has ended, of which the event is on its way. */
static bool ask_kernel(struct wait *w, bool nobody, bool *late)
{
	bool ended;
	long r = peek_kernel(w, &ended);
	bool tracee = r > 0 && is_tracee((pid_t)r);

	*late = tracee && ended;
	w->often = tracee;
	if (tracee)
		return false;
	if (r > 0)
		return take_kernels(w, (pid_t)r);
	if (r == 0 || !nobody)
		return false;
	w->result = to_kernel(w, true); /* it fails in its own way */
	return true;
}

/* ---- Answers ---- */

static int store(const struct wait_call *how, const struct wait_result *r)
{
	uint8_t usage[WAIT_CALL_USAGE_MAX];
	struct piece pieces[2];
	int e = 0;

	if (r != NULL && how->status != 0)
		e = own_write(how->status, &r->status, sizeof r->status);
	if (e == 0 && r != NULL && how->usage != 0)
		e = own_write(how->usage, usage, wait_call_usage(usage, &r->usage, false));
	wait_call_siginfo(pieces, r, false);
	for (int i = 0; i < 2 && e == 0 && how->info != 0; i++)
		e = own_write(how->info + pieces[i].offset, pieces[i].v, pieces[i].size);
	return e;
}

/* Of tracees. True: w->result. */
static bool ask_personality(struct wait *w, enum wait_answer *a)
{
	struct wait_result found;
	int e;

	*a = WAIT_NOBODY;
	if (state->personality == NULL)
		return false;
	*a = personality_wait(state->personality, &w->visit.caller, &w->how.query, &found);
	if (*a == WAIT_KERNEL)
		w->result = to_kernel(w, true);
	if (*a != WAIT_FOUND)
		return *a == WAIT_KERNEL;
	e = store(&w->how, &found);
	w->result = e < 0 ? e : wait_call_value(&w->how, &found);
	return true;
}

/* What there is now. True: w->result. */
static bool look_once(struct wait *w, bool *late)
{
	enum wait_answer a;

	*late = false;
	state_take_tracees();
	if (state->personality != NULL)
		personality_pump(state->personality);
	return ask_personality(w, &a) || ask_kernel(w, a == WAIT_NOBODY, late);
}

/*
 * The engine reaps before it tells. Who was called by the kernel's SIGCHLD and finds nothing would
 * not look again.
 */
static bool look(struct wait *w)
{
	uint64_t until = 0;
	bool late;

	for (;;) {
		struct pollfd p;

		if (look_once(w, &late))
			return true;
		if (!late || (until && clock_now_ns() > until))
			return false;
		if (!until)
			until = clock_now_ns() + LATE_NS;
		p = (struct pollfd){ personality_fd(state->personality), POLLIN, 0 };
		poll(&p, 1, LOOK_OFTEN_MS);
	}
}

/*
 * The short way to what most waits find. True: w->result. Who asks again and again without
 * blocking gets only that, for a moment, as long as nothing but time can have told it of more.
 */
static bool look_first(struct wait *w)
{
	static uint64_t complete_ns; /* when everything was looked at last */
	enum wait_answer a;
	uint64_t now;

	if (ask_personality(w, &a))
		return true;
	if (a != WAIT_NOTHING)
		return false;
	if (wait_call_blocks(&w->how))
		return personality_linger(state->personality) && ask_personality(w, &a);
	now = clock_now_ns();
	if (state->async || now - complete_ns > CLOCK_MS) {
		complete_ns = now;
		return false;
	}
	personality_pump_seldom(state->personality);
	if (ask_personality(w, &a))
		return true;
	if (a != WAIT_NOTHING || w->how.again)
		return false;
	w->result = store(&w->how, NULL);
	return true;
}

/* ---- Sleeping ---- */

/* Only to look at: nothing is taken from it. The last one is kept, as they seldom differ. */
static int open_signals(uint64_t mask)
{
	long fd;

	if (state->signals > 0 && state->signals_mask == mask)
		return state->signals;
	fd = raw_call(SYS_signalfd4, state->signals > 0 ? (uint64_t)state->signals : ~0ull,
		      (uintptr_t)&mask, sizeof mask, SFD_CLOEXEC | SFD_NONBLOCK, 0, 0);
	if (fd < 0)
		return -1;
	if (state->signals <= 0)
		state->signals = fd_hide((int)fd);
	state->signals_mask = mask;
	return state->signals;
}

static uint64_t pending(void)
{
	uint64_t set = 0;

	raw_call(SYS_rt_sigpending, (uintptr_t)&set, sizeof set, 0, 0, 0, 0);
	return set;
}

/* 1: a handler that lets the call go on; -EINTR: one that does not; 0: none. */
static int handler_says(uint64_t set)
{
	for (int n = 1; n <= 64; n++) {
		struct sigaction act;

		if (!(set & BIT(n)) || sigaction(n, NULL, &act) < 0)
			continue;
		if (act.sa_handler != SIG_DFL && act.sa_handler != SIG_IGN)
			return act.sa_flags & SA_RESTART ? 1 : -EINTR;
	}
	return 0;
}

/* Signals that wait get their turn, as they would in the kernel. -EINTR ends the wait. */
static int take_signals(struct wait *w)
{
	uint64_t waiting = pending(), due = waiting & ~w->visit.mask;
	int r;

	w->no_kids = waiting & w->visit.mask & BIT(SIGCHLD);
	if (due == 0)
		return 0;
	r = handler_says(due);
	visit_pause(&w->visit);
	raw_mask(w->visit.mask);
	raw_mask(~0ull);
	visit_go_on(&w->visit);
	return r < 0 ? r : 0;
}

static void sleep_until_change(struct wait *w, int wake)
{
	uint64_t mask = ~w->visit.mask | (w->no_kids ? 0 : BIT(SIGCHLD));
	bool often = w->often || w->no_kids || !__libc_single_threaded;
	struct pollfd p[] = {
		{ open_signals(mask & ~BIT(SIGKILL) & ~BIT(SIGSTOP)), POLLIN, 0 },
		{ state->control, POLLIN, 0 },
		{ wake, POLLIN, 0 },
		{ state->personality ? personality_fd(state->personality) : -1, POLLIN, 0 },
	};

	visit_pause(&w->visit);
	poll(p, sizeof p / sizeof p[0], often ? LOOK_OFTEN_MS : LOOK_MS);
	visit_go_on(&w->visit);
}

static long wait_until_found(struct wait *w, struct waiter *waiter)
{
	if (look_first(w))
		return w->result;
	for (;;) {
		uint64_t drained;

		if (look(w))
			return w->result;
		if (!wait_call_blocks(&w->how))
			return w->how.again ? -EAGAIN : store(&w->how, NULL);
		if (take_signals(w) < 0)
			return -EINTR;
		sleep_until_change(w, waiter->fd);
		if (waiter->fd >= 0 && read(waiter->fd, &drained, sizeof drained) < 0)
			continue; /* nothing to drain */
	}
}

static long wait_as_tracer(struct wait *w)
{
	struct waiter waiter = { .fd = -1 };
	long r;

	visit_begin(&w->visit);
	if (!__libc_single_threaded && wait_call_blocks(&w->how))
		waiter.fd = fd_hide(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	list_append(&state->waiters, &waiter.in_state);
	r = wait_until_found(w, &waiter);
	list_remove(&waiter.in_state);
	fd_close(waiter.fd);
	visit_end(&w->visit);
	return r;
}

/* ---- The functions ---- */

static bool resolve_pidfd(struct wait_call *how)
{
	char path[64], text[512], *at;
	unsigned flags;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", (int)how->query.id);
	if (fd_read_file(path, text, sizeof text) < 0)
		return false;
	at = strstr(text, "\nPid:");
	if (at == NULL || sscanf(at + 5, "%d", &how->query.id) != 1 || how->query.id <= 0)
		return false;
	how->query.idtype = P_PID;
	at = strstr(text, "flags:");
	if (at != NULL && sscanf(at + 6, "%o", &flags) == 1 && flags & O_NONBLOCK) {
		how->again = wait_call_blocks(how);
		how->query.options |= WNOHANG;
	}
	return true;
}

/* False: the kernel has an error for it. */
static bool resolve(struct wait *w)
{
	if (!wait_call_parse(&w->how, w->call, w->args))
		return false;
	w->how.query.usage = w->how.usage != 0;
	if (w->how.query.idtype == P_PIDFD)
		return resolve_pidfd(&w->how);
	if (w->how.query.idtype == P_PGID && w->how.query.id == 0)
		w->how.query.id = getpgrp();
	return true;
}

static long wait_for(struct wait *w)
{
	if (state == NULL || !program_traces || state_inside())
		return to_kernel(w, true);
	if (!state_is_ours())
		return to_kernel(w, false);
	return resolve(w) ? wait_as_tracer(w) : to_kernel(w, true);
}

PRELOAD_EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	struct wait w = { .call = CALL_WAIT4,
			  .args = { (uint64_t)pid, (uintptr_t)status, (uint64_t)options,
				    (uintptr_t)usage } };

	return (pid_t)raw_result(wait_for(&w));
}

long wait_by_id(idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *usage)
{
	struct wait w = { .call = CALL_WAITID,
			  .args = { (uint64_t)type, id, (uintptr_t)info, (uint64_t)options,
				    (uintptr_t)usage } };

	return wait_for(&w);
}

PRELOAD_EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	return (int)raw_result(wait_by_id(type, id, info, options, NULL));
}

PRELOAD_EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
	return wait4(pid, status, options, NULL);
}

PRELOAD_EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
	return wait4(-1, status, options, usage);
}

PRELOAD_EXPORT pid_t wait(int *status)
{
	return wait4(-1, status, 0, NULL);
}
