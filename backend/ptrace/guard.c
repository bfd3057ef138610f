/* SPDX-License-Identifier: MIT */
#include "backend/ptrace/guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "backend/ptrace/internal.h"

int guard_begin(pid_t pid)
{
	return (int)ptrace_call(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT);
}

/* Whatever else it stops for is between it and others. */
static void pass(pid_t pid, int status)
{
	int signo = WSTOPSIG(status);

	if (status >> 16 != PTRACE_EVENT_STOP)
		ptrace_call(PTRACE_CONT, pid, 0, (uintptr_t)(status >> 16 ? 0 : signo));
	else
		ptrace_call(signo == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN, pid, 0, 0);
}

int guard_look(pid_t pid)
{
	int status;
	pid_t got;

	while ((got = waitpid(pid, &status, __WALL | WNOHANG)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || !WIFSTOPPED(status))
			return -ESRCH;
		if (status >> 16 == PTRACE_EVENT_EXIT)
			return 1;
		pass(pid, status);
	}
	return 0;
}

void guard_let_end(pid_t pid)
{
	ptrace_call(PTRACE_CONT, pid, 0, 0);
}

void guard_await(pid_t pid)
{
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, __WALL);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || !WIFSTOPPED(status))
			return;
		pass(pid, status);
	}
}

void guard_leave(pid_t pid)
{
	int status;

	if (ptrace_call(PTRACE_INTERRUPT, pid, 0, 0) < 0)
		return;
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return;
	if (!WIFSTOPPED(status))
		return;
	ptrace_call(PTRACE_DETACH, pid, 0, (uintptr_t)(status >> 16 ? 0 : WSTOPSIG(status)));
}
