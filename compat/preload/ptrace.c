/* SPDX-License-Identifier: MIT */
/* ptrace(), and signals to single threads. */
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat/preload/preload.h"

/* Who asks to be traced may be a vfork child, and is no tracer: the supervisor hears of it. */
static bool is_for_others(uint64_t request)
{
	return request == PTRACE_TRACEME || state_inside();
}

/* A tracee can have been sent to us since; without a supervisor there are the kernel's. */
static long missing(const struct visit *v, uint64_t request, int64_t pid, uint64_t addr,
		    uint64_t data)
{
	if (state->control < 0)
		return raw_past(SYS_ptrace, request, (uint64_t)pid, addr, data, 0);
	state_take_tracees();
	if (state->personality == NULL)
		return -ESRCH;
	return (long)personality_ptrace(state->personality, &v->caller, request, pid, addr, data);
}

static long carry_out(const struct visit *v, uint64_t request, int64_t pid, uint64_t addr,
		      uint64_t data)
{
	struct personality *p;
	long r = -ESRCH;

	if (request == PTRACE_ATTACH || request == PTRACE_SEIZE) {
		if (state_personality(&p) < 0)
			return -EPERM;
		state_take_tracees();
	}
	if (state->personality != NULL)
		r = (long)personality_ptrace(state->personality, &v->caller, request, pid, addr,
					     data);
	return r == -ESRCH ? missing(v, request, pid, addr, data) : r;
}

/* As the system call. */
static long ask(uint64_t request, int64_t pid, uint64_t addr, uint64_t data)
{
	struct visit v;
	long r;

	if (is_for_others(request) || !state_is_ours())
		return raw_call(SYS_ptrace, request, (uint64_t)pid, addr, data, 0, 0);
	visit_begin(&v);
	visit_traces();
	r = carry_out(&v, request, pid, addr, data);
	visit_end(&v);
	return r;
}

static bool is_peek(uint64_t request)
{
	return request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA ||
	       request == PTRACE_PEEKUSR;
}

/* The C library returns what was peeked at. */
static long as_function(uint64_t request, int64_t pid, uint64_t addr, uint64_t data)
{
	long word, r;

	program_traces = true;
	if (!is_peek(request))
		return raw_result(ask(request, pid, addr, data));
	r = ask(request, pid, addr, (uintptr_t)&word);
	if (r < 0)
		return raw_result(r);
	errno = 0;
	return word;
}

PRELOAD_EXPORT long preload_ptrace(unsigned request, ...) __asm__("ptrace");

long preload_ptrace(unsigned request, ...)
{
	uint64_t addr, data;
	va_list list;
	pid_t pid;

	va_start(list, request);
	pid = va_arg(list, pid_t);
	addr = va_arg(list, uint64_t);
	data = va_arg(list, uint64_t);
	va_end(list);
	return as_function(request, pid, addr, data);
}

/* ---- SIGSTOP to a tracee is a wish to have it stand ---- */

static bool stops_tracee(pid_t pid, pid_t tid)
{
	struct visit v;
	bool stops;

	if (state == NULL || state->owner != OWNER_OURS || state_inside())
		return false;
	visit_begin(&v);
	state_take_tracees();
	stops = state->personality != NULL &&
		personality_stop(state->personality, &v.caller, pid, tid);
	visit_end(&v);
	return stops;
}

PRELOAD_EXPORT int tgkill(pid_t pid, pid_t tid, int signo)
{
	if (signo == SIGSTOP && stops_tracee(pid, tid))
		return 0;
	return (int)raw_result(
		raw_past(SYS_tgkill, (uint64_t)pid, (uint64_t)tid, (uint64_t)signo, 0, 0));
}

/* What programs call by number. As in C, but for the arguments not being variable. */
PRELOAD_EXPORT long preload_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
				    uint64_t e, uint64_t f) __asm__("syscall");

long preload_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
		     uint64_t f)
{
	switch (nr) {
	case SYS_ptrace:
		program_traces = true;
		return raw_result(ask(a, (pid_t)b, c, d));
	case SYS_tkill:
		if ((int)b == SIGSTOP && stops_tracee(0, (pid_t)a))
			return 0;
		return raw_result(raw_past(nr, a, b, 0, 0, 0));
	case SYS_tgkill:
		return tgkill((pid_t)a, (pid_t)b, (int)c);
	case SYS_wait4:
		return wait4((pid_t)a, (int *)(uintptr_t)b, (int)c, (struct rusage *)(uintptr_t)d);
	case SYS_waitid:
		return raw_result(wait_by_id((idtype_t)a, (id_t)b, (siginfo_t *)(uintptr_t)c,
					     (int)d, (struct rusage *)(uintptr_t)e));
	case SYS_close:
		return close((int)a);
	default:
		return raw_result(raw_call(nr, a, b, c, d, e, f));
	}
}
