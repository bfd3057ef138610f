/* SPDX-License-Identifier: MIT */
/* Births, execs, exits, seccomp. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/compat/facts.h"

#define BIRTHS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)
#define ALL_EVENTS (BIRTHS | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT)

static void fork_twice(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			_exit(1);
		waitpid(pid, NULL, 0);
		_exit(2);
	}
	waitpid(pid, NULL, 0);
	_exit(3);
}

/* The event that tells of @name's birth, and its first stop, whichever is first. */
static pid_t birth(pid_t parent, const char *name)
{
	unsigned long message = 0;

	next(parent, __WALL);
	tell_message(parent, name);
	request(PTRACE_GETEVENTMSG, parent, 0, (uintptr_t)&message);
	if (message) {
		next((pid_t)message, __WALL);
		tell_siginfo((pid_t)message);
		say("state %c", state_of((pid_t)message));
	}
	return (pid_t)message;
}

static void until_gone(pid_t pid)
{
	int status;

	do {
		request(PTRACE_CONT, pid, 0, 0);
		status = next(pid, __WALL);
	} while (status != -1 && WIFSTOPPED(status));
}

static void forks_of(bool seize)
{
	unsigned options = BIRTHS;
	pid_t child =
		seize ? seized("child", fork_twice, options) : traced("child", fork_twice, options);
	pid_t second, third;

	request(PTRACE_CONT, child, 0, 0);
	second = birth(child, "second");
	request(PTRACE_CONT, child, 0, 0);
	request(PTRACE_CONT, second, 0, 0);
	third = birth(second, "third");
	request(PTRACE_CONT, second, 0, 0);
	until_gone(third);
	next(second, __WALL);
	until_gone(second);
	next(child, __WALL);
	until_gone(child);
	next(-1, __WALL);
}

FACTS(forks_of_a_child)
{
	forks_of(false);
}

FACTS(forks_of_a_seized_child)
{
	forks_of(true);
}

static void tell_result(pid_t pid)
{
	long rax = request(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rax), 0);

	say("the call has returned %s", rax > 0		 ? who((pid_t)rax)
					: rax == -ENOSYS ? "nothing"
							 : "0");
}

/* A stop that was asked for meanwhile comes when the call is done. */
static void stop_at_a_fork(int how)
{
	pid_t child = how == PTRACE_INTERRUPT ? seized("child", fork_twice, BIRTHS)
					      : traced("child", fork_twice, BIRTHS);
	unsigned long second = 0;

	resume(PTRACE_CONT, child, 0);
	request(PTRACE_GETEVENTMSG, child, 0, (uintptr_t)&second);
	role((pid_t)second, "second");
	tell_result(child);
	if (how == PTRACE_INTERRUPT)
		ASK(PTRACE_INTERRUPT, child, 0, 0);
	else
		tell("tgkill", syscall(SYS_tgkill, child, child, SIGSTOP));
	resume(how == PTRACE_SYSCALL ? PTRACE_SYSCALL : PTRACE_CONT, child, 0);
	tell_result(child);
	if (how == PTRACE_SYSCALL)
		resume(PTRACE_CONT, child, 0);
	kill((pid_t)second, SIGKILL);
	quietly((pid_t)second, __WALL);
	request(PTRACE_SETOPTIONS, child, 0, 0);
	end(child);
	quietly((pid_t)second, __WALL);
}

FACTS(a_stop_is_asked_for_at_a_fork)
{
	stop_at_a_fork(PTRACE_CONT);
	stop_at_a_fork(PTRACE_SYSCALL);
	stop_at_a_fork(PTRACE_INTERRUPT);
}

FACTS(forks_that_nobody_asked_for)
{
	pid_t child = traced("child", fork_twice, PTRACE_O_TRACESYSGOOD);

	resume(PTRACE_CONT, child, 0);
	until_gone(child);
}

static void vfork_once(void)
{
	static int status;
	pid_t pid = vfork();

	if (pid == 0)
		_exit(1);
	waitpid(pid, &status, 0);
	_exit(2);
}

static void vforks_of(bool seize, unsigned options)
{
	pid_t child =
		seize ? seized("child", vfork_once, options) : traced("child", vfork_once, options);
	pid_t second;

	request(PTRACE_CONT, child, 0, 0);
	second = birth(child, "second");
	request(PTRACE_CONT, child, 0, 0);
	settle();
	next(child, __WALL | WNOHANG);
	until_gone(second);
	next(child, __WALL);
	tell_message(child, "second");
	until_gone(child);
}

FACTS(vfork_of_a_child)
{
	vforks_of(false, BIRTHS | PTRACE_O_TRACEVFORKDONE);
}

FACTS(vfork_of_a_seized_child)
{
	vforks_of(true, BIRTHS | PTRACE_O_TRACEVFORKDONE);
}

FACTS(vfork_without_its_end)
{
	vforks_of(false, BIRTHS);
}

static void *end_thread(void *arg)
{
	return arg;
}

static void one_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, end_thread, NULL);
	pthread_join(thread, NULL);
	usleep(100000); /* joined is not yet gone: with us it would end with our status */
	_exit(4);
}

static void threads_of(bool seize)
{
	unsigned options = BIRTHS | PTRACE_O_TRACEEXIT;
	pid_t child =
		seize ? seized("child", one_thread, options) : traced("child", one_thread, options);
	pid_t thread;

	request(PTRACE_CONT, child, 0, 0);
	thread = birth(child, "thread");
	tell("without WALL", waitpid(thread, NULL, WNOHANG) < 0 ? -errno : 0);
	tell("by WCLONE", waitpid(thread, NULL, WNOHANG | (int)__WCLONE) < 0 ? -errno : 0);
	request(PTRACE_CONT, child, 0, 0);
	resume(PTRACE_CONT, thread, 0);
	tell_message(thread, NULL);
	resume(PTRACE_CONT, thread, 0);
	next(child, __WALL);
	tell_message(child, NULL);
	resume(PTRACE_CONT, child, 0);
	next(-1, __WALL);
}

FACTS(a_thread_of_a_child)
{
	threads_of(false);
}

FACTS(a_thread_of_a_seized_child)
{
	threads_of(true);
}

static void exec_tiny(void)
{
	execl(target("tiny"), "tiny", "6", (char *)NULL);
}

static void *exec_in_thread(void *arg)
{
	exec_tiny();
	return arg;
}

static void exec_by_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_in_thread, NULL);
	for (;;)
		pause();
}

static void execs_of(bool seize, unsigned options)
{
	pid_t child =
		seize ? seized("child", exec_tiny, options) : traced("child", exec_tiny, options);

	resume(PTRACE_CONT, child, 0);
	tell_siginfo(child);
	tell_message(child, "child");
	until_gone(child);
}

FACTS(exec_of_a_child)
{
	execs_of(false, 0);
	execs_of(false, PTRACE_O_TRACEEXEC);
}

FACTS(exec_of_a_seized_child)
{
	execs_of(true, 0);
	execs_of(true, PTRACE_O_TRACEEXEC);
}

FACTS(exec_between_system_calls)
{
	pid_t child = traced("child", exec_tiny, PTRACE_O_TRACESYSGOOD);

	for (int i = 0; i < 6; i++)
		resume(PTRACE_SYSCALL, child, 0);
	end(child);
	child = traced("child", exec_tiny, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC);
	for (int i = 0; i < 6; i++)
		resume(PTRACE_SYSCALL, child, 0);
	end(child);
}

FACTS(exec_of_a_thread_that_is_not_the_leader)
{
	pid_t child = seized("child", exec_by_thread, BIRTHS | PTRACE_O_TRACEEXEC);
	pid_t thread;

	request(PTRACE_CONT, child, 0, 0);
	thread = birth(child, "thread");
	request(PTRACE_CONT, child, 0, 0);
	request(PTRACE_CONT, thread, 0, 0);
	next(child, __WALL);
	tell_message(child, "the former thread");
	next(thread, __WALL | WNOHANG);
	ASK(PTRACE_CONT, thread, 0, 0);
	ASK(PTRACE_CONT, child, 0, 0);
	next(child, __WALL);
	next(-1, __WALL);
}

FACTS(exec_of_a_thread_while_exits_are_told)
{
	pid_t child =
		traced("child", exec_by_thread, BIRTHS | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
	pid_t thread;

	request(PTRACE_CONT, child, 0, 0);
	thread = birth(child, "thread");
	request(PTRACE_CONT, child, 0, 0);
	request(PTRACE_CONT, thread, 0, 0);
	next(child, __WALL);
	tell_message(child, NULL);
	request(PTRACE_CONT, child, 0, 0);
	next(child, __WALL);
	tell_message(child, "the former thread");
	until_gone(child);
	next(-1, __WALL);
}

FACTS(exits_are_told_with_their_status)
{
	pid_t child = traced("child", exec_tiny, ALL_EVENTS);

	until_gone(child);
	child = sleeper("sleeper");
	request(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEEXIT);
	kill(child, SIGTERM);
	next(child, __WALL);
	resume(PTRACE_CONT, child, SIGTERM);
	tell_message(child, NULL);
	tell_siginfo(child);
	resume(PTRACE_CONT, child, 0);
}

static int idle_child(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

static void clone_with(int flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		idle_child(NULL);
	usleep(300000); /* its stop is told before it is killed */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	_exit(7);
}

static void clone_traced(void)
{
	clone_with(CLONE_PTRACE);
}

static void clone_untraced(void)
{
	clone_with(CLONE_UNTRACED);
}

static void clones(bool seize)
{
	pid_t child = seize ? seized("child", clone_traced, 0) : traced("child", clone_traced, 0);
	siginfo_t info = { 0 };

	request(PTRACE_CONT, child, 0, 0);
	waitid(P_ALL, 0, &info, WSTOPPED | WEXITED | WNOWAIT | (int)__WALL);
	role(info.si_pid, info.si_pid == child ? "child" : "clone");
	next(-1, __WALL);
	if (info.si_pid != child)
		until_gone(info.si_pid);
	next(child, __WALL);
	until_gone(child);
}

FACTS(a_clone_that_is_to_be_traced)
{
	clones(false);
	clones(true);
}

FACTS(a_clone_that_is_not_to_be_traced)
{
	pid_t child = traced("child", clone_untraced, BIRTHS);

	resume(PTRACE_CONT, child, 0);
	until_gone(child);
	next(-1, __WALL | WNOHANG);
}

static void filter_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 77),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof code[0], code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(98);
	_exit(syscall(SYS_getppid) == -1 && errno == ENOSYS ? 8 : 9);
}

FACTS(calls_that_a_filter_gives_to_the_tracer)
{
	pid_t child = traced("child", filter_calls, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD);

	resume(PTRACE_CONT, child, 0);
	tell_message(child, NULL);
	tell_siginfo(child);
	resume(PTRACE_SYSCALL, child, 0);
	until_gone(child);
	child = traced("child", filter_calls, 0);
	resume(PTRACE_CONT, child, 0);
}

FACTS(filters_can_be_read)
{
	pid_t child = traced("child", filter_calls, PTRACE_O_TRACESECCOMP);
	struct sock_filter code[64];

	resume(PTRACE_CONT, child, 0);
	ASK(PTRACE_SECCOMP_GET_FILTER, child, 0, code);
	say("%x", code[2].k);
	ASK(PTRACE_SECCOMP_GET_FILTER, child, 1, code);
	end(child);
}

FACTS(options_change_at_any_stop)
{
	pid_t child = traced("child", fork_twice, 0);
	pid_t second;

	ASK(PTRACE_SETOPTIONS, child, 0, ALL_EVENTS);
	ASK(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEFORK);
	request(PTRACE_CONT, child, 0, 0);
	second = birth(child, "second");
	ASK(PTRACE_SETOPTIONS, second, 0, 0);
	request(PTRACE_CONT, child, 0, 0);
	until_gone(second);
	next(child, __WALL);
	until_gone(child);
}

FACTS(a_child_is_let_go_at_its_birth)
{
	pid_t child = traced("child", fork_twice, BIRTHS);
	pid_t second;

	request(PTRACE_CONT, child, 0, 0);
	second = birth(child, "second");
	ASK(PTRACE_SETOPTIONS, second, 0, 0);
	ASK(PTRACE_DETACH, second, 0, 0);
	ASK(PTRACE_DETACH, second, 0, 0);
	until_gone(child);
	next(-1, __WALL);
}
