/* SPDX-License-Identifier: MIT */
/* Who may trace whom: as the kernel says to the tracer itself, whoever does it for it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/compat/facts.h"

#define NOBODY 65534

static pid_t other;
static long word = 5;

static bool may_become_others(void)
{
	if (geteuid() == 0)
		return true;
	say("not root");
	return false;
}

static void become_nobody(void)
{
	if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) != 0)
		_exit(98);
}

static void try_all(pid_t pid)
{
	struct iovec local = { &word, sizeof word }, remote = { &word, sizeof word };
	char path[60];
	int fd;

	if (ASK(PTRACE_ATTACH, pid, 0, 0) == 0) {
		next(pid, __WALL);
		ASK(PTRACE_DETACH, pid, 0, 0);
	}
	if (ASK(PTRACE_SEIZE, pid, 0, 0) == 0) {
		ASK(PTRACE_INTERRUPT, pid, 0, 0);
		next(pid, __WALL);
		ASK(PTRACE_DETACH, pid, 0, 0);
	}
	tell("readv", process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 0);
	tell("writev", process_vm_writev(pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 0);
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	tell("mem", fd < 0 ? -errno : 0);
	if (fd >= 0)
		close(fd);
}

static void try_as_nobody(void)
{
	become_nobody();
	try_all(other);
	ASK(PTRACE_SEIZE, getppid(), 0, 0);
	ASK(PTRACE_SEIZE, 1, 0, 0);
	_exit(0);
}

FACTS(a_process_of_another_user)
{
	if (!may_become_others())
		return;
	other = sleeper("sleeper");
	next(start("tracer", try_as_nobody), 0);
	end(other);
}

static void idle(void)
{
	for (;;)
		pause();
}

static void idle_dumpable(void)
{
	prctl(PR_SET_DUMPABLE, 1);
	idle();
}

static void idle_not_dumpable(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	idle();
}

static void try_own(void)
{
	become_nobody();
	other = start("own, not dumpable", idle_not_dumpable);
	settle();
	try_all(other);
	kill(other, SIGKILL);
	quietly(other, 0);
	other = start("own, dumpable", idle_dumpable);
	settle();
	try_all(other);
	kill(other, SIGKILL);
	quietly(other, 0);
	_exit(0);
}

FACTS(an_own_process_that_is_not_dumpable)
{
	if (!may_become_others())
		return;
	next(start("tracer", try_own), 0);
}

/* Keeps its user, and of its capabilities none, or all but the one to trace. */
static void drop(bool all)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	syscall(SYS_capget, &header, data);
	for (int i = 0; i < 2; i++)
		if (all)
			data[i].effective = data[i].permitted = 0;
	data[0].effective &= ~(1u << CAP_SYS_PTRACE);
	if (syscall(SYS_capset, &header, data) != 0)
		_exit(97);
	prctl(PR_SET_DUMPABLE, 1);
}

static void try_without_any(void)
{
	drop(true);
	try_all(other);
	_exit(0);
}

static void try_without_one(void)
{
	drop(false);
	try_all(other);
	_exit(0);
}

FACTS(a_process_with_more_capabilities)
{
	if (!may_become_others())
		return;
	other = sleeper("sleeper");
	next(start("without any", try_without_any), 0);
	next(start("without one", try_without_one), 0);
	end(other);
}

static void traceme_of_a_weaker_parent(void)
{
	while (number_of(getppid(), "Uid:") == 0)
		usleep(1000);
	tell("TRACEME", request(PTRACE_TRACEME, 0, 0, 0));
	_exit(0);
}

static void be_the_weaker_parent(void)
{
	pid_t pid = start("child", traceme_of_a_weaker_parent);

	become_nobody();
	next(pid, 0);
	_exit(0);
}

FACTS(who_asks_to_be_traced_by_a_weaker_parent)
{
	if (!may_become_others())
		return;
	next(start("tracer", be_the_weaker_parent), 0);
}

static void keep_as_nobody(void)
{
	pid_t pid;

	become_nobody();
	prctl(PR_SET_DUMPABLE, 1);
	pid = traced("child", idle, PTRACE_O_EXITKILL);
	ASK(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_SUSPEND_SECCOMP);
	ASK(PTRACE_SECCOMP_GET_FILTER, pid, 0, 0);
	ASK(PTRACE_PEEKDATA, pid, &word, 0);
	ASK(PTRACE_POKEDATA, pid, &word, 6);
	resume(PTRACE_CONT, pid, SIGTERM);
	_exit(0);
}

FACTS(what_takes_a_privilege)
{
	if (!may_become_others())
		return;
	next(start("tracer", keep_as_nobody), 0);
}
