/* SPDX-License-Identifier: MIT */
/* Every way to ask who has stopped or ended, beside those of waits.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <pthread.h>
#include <unistd.h>

#include "test/compat/facts.h"

static void burn_then_stop(void)
{
	volatile unsigned long x = 0;

	for (unsigned i = 0; i < 60000000; i++)
		x += i;
	kill(getpid(), SIGUSR1);
	_exit(5);
}

static void tell_usage(const char *what, const struct rusage *usage)
{
	say("%s: time %s, memory %s", what,
	    usage->ru_utime.tv_sec || usage->ru_utime.tv_usec > 10000 ? "yes" : "no",
	    usage->ru_maxrss > 500 ? "yes" : "no");
}

static void by_id(pid_t pid, int options, const char *what)
{
	struct rusage usage;
	siginfo_t info;
	long r;

	memset(&usage, 0, sizeof usage);
	memset(&info, 0x55, sizeof info);
	r = syscall(SYS_waitid, P_PID, pid, &info, options, &usage);
	tell(what, r < 0 ? -errno : r);
	say("  code %d, status %x", info.si_code, (unsigned)info.si_status);
	tell_usage("  usage", &usage);
}

FACTS(resources_told_by_waitid)
{
	pid_t pid = traced("child", burn_then_stop, 0);

	request(PTRACE_CONT, pid, 0, 0);
	by_id(pid, WSTOPPED | WNOWAIT, "left");
	by_id(pid, WSTOPPED, "taken");
	request(PTRACE_CONT, pid, 0, 0);
	by_id(pid, WEXITED | WNOWAIT, "its end left");
	by_id(pid, WEXITED, "its end taken");
	by_id(pid, WEXITED, "again");
}

FACTS(nowhere_to_store)
{
	pid_t pid = sleeper("child");

	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	tell("waitid", syscall(SYS_waitid, P_PID, pid, NULL, WSTOPPED | WNOWAIT, NULL));
	tell("waitid to nowhere",
	     syscall(SYS_waitid, P_PID, pid, 8, WSTOPPED | WNOWAIT, NULL) < 0 ? -errno : 0);
	tell("wait4", syscall(SYS_wait4, pid, NULL, 0, NULL) == pid ? 0 : -errno);
	end(pid);
}

FACTS(a_pidfd_that_does_not_block)
{
	pid_t pid = sleeper("child");
	int fd = (int)syscall(SYS_pidfd_open, pid, O_NONBLOCK);

	request(PTRACE_SEIZE, pid, 0, 0);
	next_id(P_PIDFD, (id_t)fd, WSTOPPED);
	next_id(P_PIDFD, (id_t)fd, WSTOPPED | WNOHANG);
	next_id(P_PIDFD, (id_t)fd, WEXITED | WSTOPPED);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	await(pid, 't');
	next_id(P_PIDFD, (id_t)fd, WSTOPPED);
	kill(pid, SIGKILL);
	await(pid, 'Z');
	next_id(P_PIDFD, (id_t)fd, WSTOPPED | WEXITED);
	close(fd);
}

static pid_t other;

static void wait_by_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, other, 0);

	next_id(P_PIDFD, (id_t)fd, WSTOPPED | WNOHANG);
	ASK(PTRACE_SEIZE, other, 0, 0);
	next_id(P_PIDFD, (id_t)fd, WSTOPPED | WNOHANG);
	ASK(PTRACE_INTERRUPT, other, 0, 0);
	next_id(P_PIDFD, (id_t)fd, WSTOPPED);
	next_id(P_PID, (id_t)other, WSTOPPED | WEXITED | WNOHANG);
	kill(other, SIGKILL);
	next_id(P_PIDFD, (id_t)fd, WEXITED);
	next_id(P_PIDFD, (id_t)fd, WEXITED);
	close(fd);
}

FACTS(a_pidfd_of_a_process_of_another_parent)
{
	pid_t tracer;

	other = sleeper("sleeper");
	tracer = start("tracer", wait_by_pidfd);
	next(tracer, 0);
	next(other, 0);
}

static volatile pid_t *thread_tid;

static void *tell_id(void *arg)
{
	*thread_tid = (pid_t)syscall(SYS_gettid);
	while (*thread_tid)
		usleep(1000);
	return arg;
}

static void with_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, tell_id, NULL);
	for (;;)
		pause();
}

/* A tracer's own tracees are found without __WALL and __WCLONE. */
FACTS(a_thread_by_every_flag)
{
	static const int flags[] = { 0, (int)__WALL, (int)__WCLONE, __WNOTHREAD };
	pid_t pid, thread;

	thread_tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = start("leader", with_thread);
	while (!(thread = *thread_tid))
		usleep(1000);
	role(thread, "thread");
	next_id(P_PID, (id_t)thread, WSTOPPED | WNOHANG | (int)__WALL);
	request(PTRACE_SEIZE, thread, 0, 0);
	for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		request(PTRACE_INTERRUPT, thread, 0, 0);
		await(thread, 't');
		next_id(P_PID, (id_t)pid, WSTOPPED | WNOHANG | flags[i]);
		next_id(P_PGID, (id_t)getpgrp(), WSTOPPED | WNOWAIT | WNOHANG | flags[i]);
		next_id(P_PID, (id_t)thread, WSTOPPED | flags[i]);
		request(PTRACE_CONT, thread, 0, 0);
	}
	*thread_tid = 0;
	next(thread, 0);
	next(thread, __WALL);
	end(pid);
}

static void idle(void)
{
	for (;;)
		pause();
}

/* That its process goes on is told of a tracee as of any child, once. */
FACTS(a_traced_child_continues)
{
	pid_t pid = seized("child", idle, 0);

	request(PTRACE_CONT, pid, 0, 0);
	await(pid, 'S');
	kill(pid, SIGSTOP);
	next(pid, __WALL);
	resume(PTRACE_CONT, pid, SIGSTOP);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	next(pid, WNOHANG | WCONTINUED | __WALL);
	kill(pid, SIGCONT);
	await(pid, 't');
	next(pid, __WALL);
	next_id(P_PID, (id_t)pid, WCONTINUED | WNOHANG | WNOWAIT);
	next(pid, WNOHANG | WCONTINUED);
	next(pid, WNOHANG | WCONTINUED);
	end(pid);
}
