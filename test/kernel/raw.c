/* SPDX-License-Identifier: MIT */
#include "test/kernel/raw.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

long raw(int request, pid_t tid, uintptr_t addr, uintptr_t data)
{
	long r = syscall(SYS_ptrace, (long)request, (long)tid, addr, data);

	return r == -1 ? -errno : r;
}

void raw_seize(pid_t tid, unsigned options)
{
	CHECK_EQ(raw(PTRACE_SEIZE, tid, 0, options), 0);
}

int raw_status_now(pid_t tid)
{
	int status = 0;
	pid_t pid = waitpid(tid, &status, WNOHANG | __WALL);

	return pid == tid ? status : -1;
}

int raw_status(pid_t tid)
{
	int status = 0;
	char about[300];

	if (!WAIT_FOR((status = raw_status_now(tid)) != -1, 5000)) {
		proc_describe(tid, about, sizeof about);
		FAIL("no status of %d: %s", (int)tid, about);
	}
	return status;
}

void raw_stop(pid_t tid)
{
	CHECK_EQ(raw(PTRACE_INTERRUPT, tid, 0, 0), 0);
	CHECK_EQ(raw_status(tid) >> 16, PTRACE_EVENT_STOP);
}

void raw_cont(pid_t tid, int signo)
{
	CHECK_EQ(raw(PTRACE_CONT, tid, 0, (uintptr_t)signo), 0);
}

pid_t raw_child(void (*body)(void))
{
	pid_t self = getpid(), pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == self)
			body();
		_exit(0);
	}
	return pid;
}

struct nth {
	unsigned left;
	pid_t tid;
};

static void pick_nth(pid_t tid, void *arg)
{
	struct nth *n = arg;

	if (n->left-- == 0)
		n->tid = tid;
}

pid_t raw_task(pid_t pid, unsigned which)
{
	struct nth n = { which, -1 };

	proc_each_task(pid, pick_nth, &n);
	CHECK(n.tid > 0);
	return n.tid;
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

pid_t raw_sleeper(void)
{
	pid_t pid = raw_child(sleep_for_ever);

	CHECK_SOON(proc_state(pid) == 'S' && proc_blocked_in(pid) == SYS_pause, 2000);
	return pid;
}

void raw_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && !WIFEXITED(status) && !WIFSIGNALED(status))
		raw(PTRACE_CONT, pid, 0, 0);
}

bool raw_sigchld(int *pid, int *code, int *status, unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (sigtimedwait(&set, &info, &t) != SIGCHLD)
		return false;
	*pid = info.si_pid;
	*code = info.si_code;
	*status = info.si_status;
	return true;
}
