/* SPDX-License-Identifier: MIT */
/* Whom a wait finds: real children and traced tasks, by every id and with every flag. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/compat/facts.h"

static void exit_three(void)
{
	_exit(3);
}

FACTS(nobody_to_wait_for)
{
	pid_t pid;

	next(-1, 0);
	next(-1, WNOHANG);
	next(-1, __WALL);
	next(0, 0);
	next(getpid(), 0);
	next(getppid(), WNOHANG);
	next(-getpgrp(), 0);
	next_id(P_ALL, 0, WEXITED);
	next_id(P_PID, (id_t)getpid(), WEXITED | WNOHANG);
	pid = start("child", exit_three);
	next(pid, __WCLONE);
	next(-1, (int)__WCLONE);
	next(-1, __WALL);
	next(-1, __WALL);
}

FACTS(a_real_child_beside_a_traced_one)
{
	pid_t real = sleeper("real"), pid = traced("traced", exit_three, 0);

	next(-1, WNOHANG | __WALL);
	request(PTRACE_CONT, pid, 0, 0);
	next(-1, __WALL);
	next(-1, WNOHANG | __WALL);
	kill(real, SIGSTOP);
	await(real, 'T');
	next(-1, WNOHANG | __WALL);
	next(-1, WUNTRACED);
	next(-1, WNOHANG | WUNTRACED);
	kill(real, SIGCONT);
	next(-1, WCONTINUED);
	kill(real, SIGTERM);
	next(-1, 0);
	next(-1, 0);
}

/* Two that are not children, one real child. */
static pid_t others[2];

static void trace_others(void)
{
	pid_t real = sleeper("real");

	for (int i = 0; i < 2; i++) {
		ASK(PTRACE_SEIZE, others[i], 0, 0);
		ASK(PTRACE_INTERRUPT, others[i], 0, 0);
	}
	next(others[1], __WALL);
	next(others[0], 0);
	next(others[0], WNOHANG);
	next(-1, WNOHANG);
	next(0, WNOHANG);
	kill(real, SIGKILL);
	next(-1, 0);
	next(-1, WNOHANG);
	ASK(PTRACE_DETACH, others[0], 0, 0);
	next(others[0], WNOHANG);
	next(-1, WNOHANG);
	ASK(PTRACE_DETACH, others[1], 0, 0);
	next(-1, WNOHANG);
}

FACTS(tasks_of_other_parents)
{
	others[0] = sleeper("first");
	others[1] = sleeper("second");
	next(start("tracer", trace_others), 0);
	end(others[0]);
	end(others[1]);
	next(-1, 0);
}

FACTS(a_status_is_left_and_taken)
{
	pid_t pid = sleeper("child");

	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	for (int i = 0; i < 2; i++)
		next_id(P_PID, (id_t)pid, WSTOPPED | WNOWAIT);
	next_id(P_PID, (id_t)pid, WCONTINUED | WNOHANG | WNOWAIT);
	next_id(P_ALL, 0, WEXITED | WNOHANG);
	next_id(P_PID, (id_t)pid, WEXITED | WNOHANG);
	request(PTRACE_CONT, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	next_id(P_ALL, 0, WSTOPPED | __WALL);
	next_id(P_ALL, 0, WSTOPPED | WEXITED | WNOHANG);
	kill(pid, SIGKILL);
	next_id(P_ALL, 0, WEXITED | WNOWAIT);
	next_id(P_ALL, 0, WEXITED);
	next_id(P_ALL, 0, WEXITED);
}

static void raise_then_exit(void)
{
	kill(getpid(), SIGUSR1);
	_exit(200);
}

FACTS(waitid_of_every_kind_of_status)
{
	pid_t pid = traced("child", raise_then_exit, PTRACE_O_TRACEEXIT);

	request(PTRACE_CONT, pid, 0, 0);
	next_id(P_PID, (id_t)pid, WSTOPPED);
	request(PTRACE_CONT, pid, 0, 0);
	next_id(P_PID, (id_t)pid, WSTOPPED | WEXITED);
	request(PTRACE_CONT, pid, 0, 0);
	next_id(P_PID, (id_t)pid, WSTOPPED | WEXITED);
	pid = traced("child", raise_then_exit, 0);
	resume(PTRACE_CONT, pid, 0);
	request(PTRACE_CONT, pid, 0, SIGUSR1);
	next_id(P_PID, (id_t)pid, WEXITED);
}

FACTS(by_pidfd)
{
	pid_t pid = sleeper("child");
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	request(PTRACE_SEIZE, pid, 0, 0);
	next_id(P_PIDFD, (id_t)fd, WSTOPPED | WNOHANG);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	next_id(P_PIDFD, (id_t)fd, WSTOPPED);
	kill(pid, SIGKILL);
	next_id(P_PIDFD, (id_t)fd, WEXITED);
	next_id(P_PIDFD, (id_t)fd, WEXITED);
	close(fd);
}

static void own_group(void)
{
	setpgid(0, 0);
	kill(getpid(), SIGSTOP);
	_exit(4);
}

FACTS(by_process_group)
{
	pid_t same = sleeper("same"), other = start("other", own_group);

	role(-getpgrp(), "own group");
	role(-other, "other group");
	role(getpgrp(), "own group");
	next(other, WUNTRACED);
	request(PTRACE_SEIZE, same, 0, 0);
	request(PTRACE_SEIZE, other, 0, 0);
	next(0, WNOHANG);
	next(-other, 0);
	request(PTRACE_INTERRUPT, same, 0, 0);
	await(same, 't');
	next(-other, WNOHANG);
	next(0, 0);
	next(0, WNOHANG);
	next_id(P_PGID, 0, WSTOPPED | WNOHANG);
	kill(other, SIGKILL);
	kill(same, SIGKILL);
	next_id(P_PGID, (id_t)other, WEXITED);
	next_id(P_PGID, (id_t)other, WEXITED);
	next(-getpgrp(), 0);
	next(-1, 0);
}

static pid_t shared;
static volatile int stage;

static void *wait_beside(void *arg)
{
	(void)arg;
	next(shared, __WALL | __WNOTHREAD);
	next(-1, __WALL);
	stage = 1;
	next(-1, __WALL);
	return NULL;
}

FACTS(waits_of_another_thread)
{
	pthread_t thread;

	shared = sleeper("child");
	request(PTRACE_SEIZE, shared, 0, 0);
	pthread_create(&thread, NULL, wait_beside, NULL);
	settle();
	request(PTRACE_INTERRUPT, shared, 0, 0);
	while (!stage)
		usleep(1000);
	settle();
	say("its child runs on");
	request(PTRACE_CONT, shared, 0, 0);
	settle();
	kill(shared, SIGKILL);
	pthread_join(thread, NULL);
	next(-1, __WALL);
}

static void *trace_beside(void *arg)
{
	(void)arg;
	ASK(PTRACE_SEIZE, shared, 0, 0);
	ASK(PTRACE_INTERRUPT, shared, 0, 0);
	await(shared, 't');
	stage = 1;
	while (stage == 1)
		usleep(1000);
	next(shared, __WALL | __WNOTHREAD | WNOHANG);
	ASK(PTRACE_CONT, shared, 0, 0);
	ASK(PTRACE_DETACH, shared, 0, 0);
	request(PTRACE_INTERRUPT, shared, 0, 0);
	next(shared, __WALL | __WNOTHREAD);
	ASK(PTRACE_DETACH, shared, 0, 0);
	next(shared, __WALL | __WNOTHREAD | WNOHANG);
	return NULL;
}

FACTS(one_thread_attaches_and_another_waits)
{
	pthread_t thread;

	shared = sleeper("child");
	pthread_create(&thread, NULL, trace_beside, NULL);
	while (!stage)
		usleep(1000);
	next_id(P_PID, (id_t)shared, WSTOPPED | __WALL | __WNOTHREAD | WNOHANG | WNOWAIT);
	next(shared, __WALL);
	stage = 2;
	pthread_join(thread, NULL);
	end(shared);
}

static void begin_traced_later(void)
{
	usleep(100000);
	if (request(PTRACE_TRACEME, 0, 0, 0) == 0)
		kill(getpid(), SIGUSR1);
	_exit(5);
}

/* The wait is in the kernel before there is anything to emulate. */
FACTS(a_wait_that_began_before_anything_was_traced)
{
	pid_t pid = start("child", begin_traced_later);

	next(-1, 0);
	resume(PTRACE_CONT, pid, 0);
}

static void *attach_later(void *arg)
{
	(void)arg;
	settle();
	request(PTRACE_ATTACH, shared, 0, 0);
	while (!stage)
		usleep(1000);
	return NULL;
}

FACTS(a_wait_that_began_before_another_thread_attached)
{
	pthread_t thread;

	shared = sleeper("child");
	pthread_create(&thread, NULL, attach_later, NULL);
	next(-1, __WALL);
	stage = 1;
	pthread_join(thread, NULL);
	end(shared);
}

static void burn(void)
{
	volatile unsigned long x = 0;

	for (unsigned i = 0; i < 60000000; i++)
		x += i;
	_exit((int)(x & 1));
}

FACTS(resources_used)
{
	struct rusage usage, children;
	int status;
	pid_t pid = traced("child", burn, 0);

	request(PTRACE_CONT, pid, 0, 0);
	memset(&usage, 0, sizeof usage);
	say("%s %06x", who(wait4(pid, &status, __WALL, &usage)), (unsigned)status);
	say("time used: %s",
	    usage.ru_utime.tv_sec || usage.ru_utime.tv_usec > 10000 ? "yes" : "no");
	say("memory used: %s", usage.ru_maxrss > 500 ? "yes" : "no");
	getrusage(RUSAGE_CHILDREN, &children);
	say("counted for children: %s",
	    children.ru_utime.tv_sec || children.ru_utime.tv_usec > 10000 ? "yes" : "no");
	pid = sleeper("sleeper");
	request(PTRACE_ATTACH, pid, 0, 0);
	memset(&usage, 0x55, sizeof usage);
	say("%s", who(wait3(&status, 0, &usage)));
	say("time used at a stop: %s", usage.ru_utime.tv_sec == 0 ? "little" : "much");
	end(pid);
}

FACTS(the_parent_of_a_traced_task_that_another_traces)
{
	int fds[2];
	pid_t tracer;
	char byte;

	if (pipe(fds) != 0)
		return;
	others[0] = sleeper("child");
	tracer = fork();
	role(tracer, "tracer");
	if (tracer == 0) {
		request(PTRACE_SEIZE, others[0], 0, 0);
		request(PTRACE_INTERRUPT, others[0], 0, 0);
		quietly(others[0], __WALL);
		byte = write(fds[1], "x", 1) == 1;
		settle();
		settle();
		request(PTRACE_CONT, others[0], 0, 0);
		_exit(quietly(others[0], __WALL));
	}
	byte = read(fds[0], &byte, 1) == 1;
	next(others[0], WNOHANG | WUNTRACED);
	next(-1, WNOHANG | WUNTRACED);
	settle();
	settle();
	settle();
	kill(others[0], SIGKILL);
	next(others[0], 0);
	next(tracer, 0);
	next(-1, 0);
	close(fds[0]);
	close(fds[1]);
}

FACTS(waits_inside_libc)
{
	FILE *pipe_of;
	pid_t pid = traced("child", exit_three, 0);

	say("system: %x", (unsigned)system("exit 6"));
	pipe_of = popen("exit 7", "r");
	say("pclose: %x", pipe_of ? (unsigned)pclose(pipe_of) : 0);
	resume(PTRACE_CONT, pid, 0);
	next(-1, 0);
}
