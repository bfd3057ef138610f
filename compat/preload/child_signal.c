/* SPDX-License-Identifier: MIT */
/*
 * SIGCHLD. Programs that take it must hear of events while they do something else. So the
 * kernel is asked for a signal when a session has some; its handler has the personality look, and
 * sends SIGCHLD for reports: to ourselves, so with all that the kernel would tell. Programs that
 * leave SIGCHLD alone, such as strace, are not interrupted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat/preload/preload.h"

typedef int sigaction_function(int signo, const struct sigaction *act, struct sigaction *old);
typedef sighandler_t signal_function(int signo, sighandler_t handler);

static sigaction_function *real_sigaction;
static signal_function *real_signal;
static unsigned looks; /* how often on_event() has run */

static int set_action(int signo, const struct sigaction *act, struct sigaction *old)
{
	if (real_sigaction == NULL)
		*(void **)&real_sigaction = dlsym(RTLD_NEXT, "sigaction");
	return real_sigaction(signo, act, old);
}

static bool has_handler(void)
{
	struct sigaction act;

	return set_action(SIGCHLD, NULL, &act) == 0 && act.sa_handler != SIG_DFL &&
	       act.sa_handler != SIG_IGN;
}

static void on_event(int signo)
{
	struct visit v;

	(void)signo;
	looks++;
	visit_begin(&v);
	state_take_tracees();
	if (state->personality != NULL)
		personality_pump(state->personality);
	visit_end(&v);
}

static void arm(int fd, bool on)
{
	const struct f_owner_ex owner = { F_OWNER_TID, state->pid };
	int flags = fcntl(fd, F_GETFL);

	if (on) {
		fcntl(fd, F_SETOWN_EX, &owner);
		fcntl(fd, F_SETSIG, SIGRTMAX);
	}
	fcntl(fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC);
}

static void set_async(bool on)
{
	struct sigaction act = { .sa_handler = on_event, .sa_flags = SA_RESTART };

	if (on)
		set_action(SIGRTMAX, &act, NULL);
	state->async = on;
	if (state->control >= 0)
		arm(state->control, on);
	if (state->personality == NULL)
		return;
	personality_signal(state->personality, on ? SIGRTMAX : 0);
	if (on) /* what came before */
		personality_pump(state->personality);
}

void child_signal_init(void)
{
	state->handles_sigchld = has_handler();
}

void child_signal_renew(void)
{
	if (state->async)
		personality_signal(state->personality, SIGRTMAX);
}

void child_signal_follow(const struct visit *v)
{
	bool on = state->owner == OWNER_OURS &&
		  (state->handles_sigchld || v->mask >> (SIGCHLD - 1) & 1);

	if (on != state->async)
		set_async(on);
}

void child_signal_off(void)
{
	if (state->async)
		set_async(false);
}

void child_signal_send(const void *info)
{
	const siginfo_t *i = info;
	struct sigaction act;

	if (!state->async || set_action(SIGCHLD, NULL, &act) < 0 || act.sa_handler == SIG_IGN)
		return;
	if (act.sa_flags & SA_NOCLDSTOP && i->si_code != CLD_EXITED && i->si_code != CLD_KILLED &&
	    i->si_code != CLD_DUMPED)
		return;
	/* Only the first thread may say what the kernel says. */
	if (raw_call(SYS_rt_sigqueueinfo, (uint64_t)state->pid, SIGCHLD, (uintptr_t)info, 0, 0, 0) <
	    0)
		kill(state->pid, SIGCHLD);
}

/* ---- Calls that our signal ends, where the program's SIGCHLD is to be what ends them ---- */

PRELOAD_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info,
				const struct timespec *timeout)
{
	unsigned before;
	long r;

	do {
		before = looks;
		r = raw_call(SYS_rt_sigtimedwait, (uintptr_t)set, (uintptr_t)info,
			     (uintptr_t)timeout, sizeof(uint64_t), 0, 0);
	} while (r == -EINTR && looks != before);
	return (int)raw_result(r);
}

PRELOAD_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return sigtimedwait(set, info, NULL);
}

/* ---- When the program changes what it does about it ---- */

static void follow_action(int signo)
{
	struct visit v;

	/* A vfork child has signals of its own. */
	if (signo != SIGCHLD || state == NULL || state->owner != OWNER_OURS || state_inside() ||
	    !state_is_of_caller())
		return;
	visit_begin(&v);
	state->handles_sigchld = has_handler();
	visit_end(&v);
}

PRELOAD_EXPORT int sigaction(int signo, const struct sigaction *act, struct sigaction *old)
{
	int r = set_action(signo, act, old);

	if (act != NULL)
		follow_action(signo);
	return r;
}

PRELOAD_EXPORT sighandler_t signal(int signo, sighandler_t handler)
{
	sighandler_t before;

	if (real_signal == NULL)
		*(void **)&real_signal = dlsym(RTLD_NEXT, "signal");
	before = real_signal(signo, handler);
	follow_action(signo);
	return before;
}
