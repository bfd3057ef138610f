/* SPDX-License-Identifier: MIT */
/* What goes on with a task: to its children, through exec, past its tracer. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/compat/facts.h"

static void fork_one_that_exits(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		syscall(SYS_getppid);
		_exit(2);
	}
	waitpid(pid, NULL, 0);
	_exit(3);
}

static void options_of(bool seize)
{
	unsigned options = PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT;
	pid_t child = seize ? seized("child", fork_one_that_exits, options)
			    : traced("child", fork_one_that_exits, options);
	unsigned long second = 0;

	resume(PTRACE_CONT, child, 0);
	request(PTRACE_GETEVENTMSG, child, 0, (uintptr_t)&second);
	role((pid_t)second, "second");
	next((pid_t)second, __WALL);
	until_entry((pid_t)second, SYS_getppid, PTRACE_SYSCALL);
	resume(PTRACE_SYSCALL, (pid_t)second, 0);
	ASK(PTRACE_INTERRUPT, second, 0, 0);
	resume(PTRACE_CONT, (pid_t)second, 0);
	tell_message((pid_t)second, NULL);
	resume(PTRACE_CONT, (pid_t)second, 0);
	ASK(PTRACE_SETOPTIONS, child, 0, 0);
	end(child);
}

FACTS(options_go_to_children)
{
	options_of(false);
	options_of(true);
}

static pid_t *shared;

static void fork_and_idle(void)
{
	fork();
	for (;;)
		pause();
}

static void trace_with_exitkill(void)
{
	pid_t pid = seized("child", fork_and_idle, PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL);
	unsigned long second = 0;

	resume(PTRACE_CONT, pid, 0);
	request(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&second);
	next((pid_t)second, __WALL);
	shared[0] = pid;
	shared[1] = (pid_t)second;
	request(PTRACE_CONT, pid, 0, 0);
	request(PTRACE_CONT, (pid_t)second, 0, 0);
	settle();
	_exit(0);
}

static bool is_gone(pid_t pid)
{
	for (int i = 0; i < 3000; i++) {
		char state = state_of(pid);

		if (state == '-' || state == 'Z')
			return true;
		usleep(1000);
	}
	return false;
}

FACTS(exitkill_goes_to_children)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	next(start("tracer", trace_with_exitkill), 0);
	say("the child is %s, its child is %s", is_gone(shared[0]) ? "gone" : "there",
	    is_gone(shared[1]) ? "gone" : "there");
	kill(shared[1], SIGKILL);
}

static void handler(int signo)
{
	_exit(signo);
}

static void call_on_and_on(void)
{
	signal(SIGUSR1, handler);
	for (;;) {
		syscall(SYS_getppid);
		usleep(1000);
	}
}

static void fork_on_and_on(void)
{
	signal(SIGUSR1, handler);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

/* At a stop that is no signal's the signal counts as sent; at an event it is lost. */
static void detach_at(const char *stop, pid_t pid, int signo)
{
	say("%s, signal %d", stop, signo);
	ask("DETACH", PTRACE_DETACH, pid, 0, (uintptr_t)signo);
	settle();
	if (next(pid, WNOHANG) == -1)
		end(pid);
}

FACTS(detach_with_a_signal_at_every_stop)
{
	for (int signo = 0; signo <= SIGUSR1; signo += SIGUSR1) {
		pid_t pid = traced("child", call_on_and_on, PTRACE_O_TRACESYSGOOD);
		unsigned long second = 0;

		until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
		detach_at("entry", pid, signo);
		pid = traced("child", call_on_and_on, PTRACE_O_TRACESYSGOOD);
		until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
		resume(PTRACE_SYSCALL, pid, 0);
		detach_at("exit", pid, signo);
		pid = traced("child", fork_on_and_on, PTRACE_O_TRACEFORK);
		resume(PTRACE_CONT, pid, 0);
		request(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&second);
		kill((pid_t)second, SIGKILL);
		detach_at("fork", pid, signo);
		pid = traced("child", call_on_and_on, 0);
		request(PTRACE_CONT, pid, 0, 0);
		settle();
		kill(pid, SIGWINCH);
		next(pid, __WALL);
		detach_at("signal", pid, signo);
		pid = traced("child", call_on_and_on, 0);
		until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
		resume(PTRACE_SINGLESTEP, pid, 0);
		detach_at("step", pid, signo);
	}
}

static volatile pid_t *thread_tid;

static void *exec_when_told(void *arg)
{
	thread_tid[0] = (pid_t)syscall(SYS_gettid);
	while (!thread_tid[1])
		usleep(1000);
	execl(target("tiny"), "tiny", "6", (char *)NULL);
	return arg;
}

static void wait_for_exec(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_when_told, NULL);
	for (;;)
		pause();
}

/* The traced thread takes its leader's id along; the leader is not traced. */
static void exec_of_one(int how, unsigned options)
{
	pid_t pid, thread;

	thread_tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = start("leader", wait_for_exec);
	while (!(thread = thread_tid[0]))
		usleep(1000);
	role(thread, "thread");
	settle();
	request(how, thread, 0, how == PTRACE_SEIZE ? options : 0);
	if (how == PTRACE_ATTACH) {
		next(thread, __WALL);
		ASK(PTRACE_SETOPTIONS, thread, 0, options);
		request(PTRACE_CONT, thread, 0, 0);
	}
	thread_tid[1] = 1;
	if (!(options & PTRACE_O_TRACEEXEC) && how == PTRACE_SEIZE) {
		next(pid, __WALL);
		return;
	}
	next(-1, __WALL);
	tell_message(pid, "the former thread");
	ASK(PTRACE_CONT, thread, 0, 0);
	ASK(PTRACE_CONT, pid, 0, 0);
	next(-1, __WALL);
	next(-1, __WALL);
}

FACTS(exec_of_the_only_traced_thread)
{
	exec_of_one(PTRACE_SEIZE, PTRACE_O_TRACEEXEC);
	exec_of_one(PTRACE_SEIZE, 0);
	exec_of_one(PTRACE_ATTACH, PTRACE_O_TRACEEXEC);
}
