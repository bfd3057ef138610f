/* SPDX-License-Identifier: MIT */
/* How a task comes to be traced, and who may ask. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/compat/facts.h"

static void exec_five(void)
{
	execl(target("tiny"), "tiny", "5", (char *)NULL);
}

static void traceme_and_exec(void)
{
	request(PTRACE_TRACEME, 0, 0, 0);
	exec_five();
}

FACTS(traceme_then_exec)
{
	pid_t pid = start("child", traceme_and_exec);

	next(pid, 0);
	tell_siginfo(pid);
	ASK(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	resume(PTRACE_CONT, pid, 0);
	next(pid, 0);
}

/* As gdb starts a program: the child has the tool's memory while the tool is suspended. */
FACTS(traceme_in_a_child_of_vfork)
{
	const char *path = target("tiny");
	pid_t pid = vfork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
			execl(path, "tiny", "5", (char *)NULL);
		_exit(99);
	}
	role(pid, "child");
	next(pid, 0);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, 0);
	next(-1, 0);
}

static void traceme_twice_and_stop(void)
{
	tell("first", request(PTRACE_TRACEME, 0, 0, 0));
	tell("second", request(PTRACE_TRACEME, 0, 0, 0));
	kill(getpid(), SIGSTOP);
	tell("after the stop", request(PTRACE_TRACEME, 0, 0, 0));
	_exit(4);
}

FACTS(traceme_twice)
{
	pid_t pid = start("child", traceme_twice_and_stop);

	next(pid, 0);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, 0);
}

static void exit_at_once(void)
{
	_exit(9);
}

FACTS(attach_a_sleeping_child)
{
	pid_t pid = sleeper("child");

	ASK(PTRACE_ATTACH, pid, 0, 0);
	next(pid, 0);
	tell_siginfo(pid);
	say("state %c", state_of(pid));
	ASK(PTRACE_ATTACH, pid, 0, 0);
	ASK(PTRACE_SEIZE, pid, 0, 0);
	ASK(PTRACE_CONT, pid, 0, 0);
	settle();
	say("state %c", state_of(pid));
	kill(pid, SIGTERM);
	next(pid, __WALL);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, SIGTERM);
	ASK(PTRACE_CONT, pid, 0, 0);
	next(pid, __WALL);
}

static void attach_a_stopped_child(bool waited)
{
	pid_t pid = sleeper("child");

	kill(pid, SIGSTOP);
	await(pid, 'T');
	if (waited)
		next(pid, WUNTRACED);
	ASK(PTRACE_ATTACH, pid, 0, 0);
	next(pid, 0);
	tell_siginfo(pid);
	say("state %c", state_of(pid));
	ASK(PTRACE_CONT, pid, 0, 0);
	settle();
	next(pid, WNOHANG);
	say("state %c", state_of(pid));
	end(pid);
}

FACTS(attach_a_stopped_child_that_was_waited_for)
{
	attach_a_stopped_child(true);
}

FACTS(attach_a_stopped_child_that_was_not_waited_for)
{
	attach_a_stopped_child(false);
}

FACTS(seize_and_interrupt)
{
	pid_t pid = sleeper("child");

	ASK(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD);
	settle();
	next(pid, WNOHANG | __WALL);
	say("state %c", state_of(pid));
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, __WALL);
	tell_siginfo(pid);
	tell_message(pid, NULL);
	say("state %c", state_of(pid));
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, WNOHANG | __WALL);
	resume(PTRACE_CONT, pid, 0);
	ASK(PTRACE_CONT, pid, 0, 0);
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, __WALL);
	ASK(PTRACE_DETACH, pid, 0, 0);
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	settle();
	say("state %c", state_of(pid));
	next(pid, WNOHANG | __WALL);
	end(pid);
}

FACTS(seize_a_stopped_child)
{
	pid_t pid = sleeper("child");

	kill(pid, SIGSTOP);
	next(pid, WUNTRACED);
	ASK(PTRACE_SEIZE, pid, 0, 0);
	next(pid, __WALL);
	tell_siginfo(pid);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	settle();
	next(pid, __WALL | WNOHANG);
	say("state %c", state_of(pid));
	ASK(PTRACE_CONT, pid, 0, 0);
	kill(pid, SIGCONT);
	next(pid, __WALL);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, 0);
	tell_siginfo(pid);
	ASK(PTRACE_CONT, pid, 0, 0);
	settle();
	say("state %c", state_of(pid));
	end(pid);
}

static pid_t thread_id;

static void *rest(void *arg)
{
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return arg;
}

FACTS(who_cannot_be_traced)
{
	pid_t zombie = start("zombie", exit_at_once), seized_pid = sleeper("child");
	pthread_t thread;

	pthread_create(&thread, NULL, rest, &thread_id);
	while (!*(volatile pid_t *)&thread_id)
		usleep(1000);
	role(thread_id, "own thread");
	await(zombie, 'Z');
	for (int what = 0; what < 2; what++) {
		int with = what ? PTRACE_SEIZE : PTRACE_ATTACH;

		say(what ? "SEIZE" : "ATTACH");
		ask("self", with, getpid(), 0, 0);
		ask("own thread", with, thread_id, 0, 0);
		ask("zombie", with, zombie, 0, 0);
		ask("pid 0", with, 0, 0, 0);
		ask("pid -1", with, -1, 0, 0);
		ask("negative", with, -seized_pid, 0, 0);
		ask("too high", with, 0x3fffffff, 0, 0);
		if (number_of(2, "VmSize:") == -1 && number_of(2, "PPid:") == 0)
			ask("kernel's", with, 2, 0, 0);
	}
	ask("addr", PTRACE_SEIZE, seized_pid, 8, 0);
	ask("options", PTRACE_SEIZE, seized_pid, 0, 1 << 10);
	ask("options", PTRACE_SEIZE, seized_pid, 0, 1u << 31);
	ask("suspend seccomp", PTRACE_SEIZE, seized_pid, 0, 1 << 22);
	next(zombie, 0);
	end(seized_pid);
}

static pid_t shared;

static void *ask_from_another_thread(void *arg)
{
	(void)arg;
	say("another thread");
	ASK(PTRACE_CONT, shared, 0, 0);
	ASK(PTRACE_INTERRUPT, shared, 0, 0);
	ASK(PTRACE_SETOPTIONS, shared, 0, 0);
	ASK(PTRACE_DETACH, shared, 0, 0);
	ASK(PTRACE_ATTACH, shared, 0, 0);
	ASK(PTRACE_SEIZE, shared, 0, 0);
	next(shared, __WALL | WNOHANG | __WNOTHREAD);
	next(-1, __WALL | WNOHANG | __WNOTHREAD);
	next(shared, __WALL | WNOHANG);
	next(-1, __WALL | WNOHANG);
	return NULL;
}

FACTS(requests_belong_to_the_thread_that_attached)
{
	pthread_t thread;

	shared = sleeper("child");
	ASK(PTRACE_SEIZE, shared, 0, 0);
	ASK(PTRACE_INTERRUPT, shared, 0, 0);
	await(shared, 't');
	pthread_create(&thread, NULL, ask_from_another_thread, NULL);
	pthread_join(thread, NULL);
	say("the first thread");
	next(shared, __WALL | WNOHANG);
	ASK(PTRACE_CONT, shared, 0, 0);
	end(shared);
}

static void *attach_then_end(void *arg)
{
	ASK(PTRACE_ATTACH, shared, 0, 0);
	next(shared, __WALL);
	return arg;
}

FACTS(the_end_of_the_attaching_thread_detaches)
{
	pthread_t thread;

	shared = sleeper("child");
	pthread_create(&thread, NULL, attach_then_end, NULL);
	pthread_join(thread, NULL);
	settle();
	ASK(PTRACE_CONT, shared, 0, 0);
	say("state %c, tracer %ld", state_of(shared), number_of(shared, "TracerPid:"));
	ASK(PTRACE_SEIZE, shared, 0, 0);
	end(shared);
}

FACTS(the_tracer_is_shown_in_proc)
{
	pid_t pid = sleeper("child");

	say("tracer %ld", number_of(pid, "TracerPid:"));
	ASK(PTRACE_SEIZE, pid, 0, 0);
	say("tracer %s", who((pid_t)number_of(pid, "TracerPid:")));
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, __WALL);
	say("tracer %s, state %c", who((pid_t)number_of(pid, "TracerPid:")), state_of(pid));
	ASK(PTRACE_DETACH, pid, 0, 0);
	say("tracer %ld", number_of(pid, "TracerPid:"));
	end(pid);
}

static void come_back(void)
{
	usleep(100000);
	_exit(0);
}

FACTS(detach_and_attach_again)
{
	pid_t pid = sleeper("child");

	for (int i = 0; i < 5; i++) {
		ASK(PTRACE_ATTACH, pid, 0, 0);
		next(pid, __WALL);
		ASK(PTRACE_DETACH, pid, 0, 0);
		ASK(PTRACE_SEIZE, pid, 0, 0);
		ASK(PTRACE_INTERRUPT, pid, 0, 0);
		next(pid, __WALL);
		ASK(PTRACE_DETACH, pid, 0, 0);
	}
	settle();
	say("state %c", state_of(pid));
	next(pid, WNOHANG);
	end(pid);
	next(start("other", come_back), 0);
}

static volatile int hands;

static void *take_over(void *arg)
{
	while (hands != 1)
		usleep(1000);
	await(shared, 'T');
	ASK(PTRACE_SEIZE, shared, 0, 0);
	next(shared, __WALL | __WNOTHREAD);
	ASK(PTRACE_CONT, shared, 0, 0);
	kill(shared, SIGCONT);
	next(shared, __WALL | __WNOTHREAD);
	hands = 2;
	return arg;
}

FACTS(one_thread_hands_it_to_another)
{
	pthread_t thread;

	shared = sleeper("child");
	pthread_create(&thread, NULL, take_over, NULL);
	ASK(PTRACE_ATTACH, shared, 0, 0);
	next(shared, __WALL);
	ASK(PTRACE_DETACH, shared, 0, SIGSTOP);
	hands = 1;
	pthread_join(thread, NULL);
	end(shared);
}

/* Attaching as gdb does, from a process that is not the parent. */
static pid_t handed[2];

static void trace_a_sibling(void)
{
	pid_t pid = handed[0];

	ASK(PTRACE_ATTACH, pid, 0, 0);
	next(pid, __WALL);
	next(-1, WNOHANG | __WALL);
	ASK(PTRACE_CONT, pid, 0, 0);
	next(-1, WNOHANG | __WALL);
	kill(pid, SIGUSR1);
	next(-1, __WALL);
	tell_siginfo(pid);
	ASK(PTRACE_DETACH, pid, 0, 0);
	next(-1, WNOHANG | __WALL);
	ASK(PTRACE_SEIZE, pid, 0, 0);
	kill(pid, SIGKILL);
	next(-1, __WALL);
	next(-1, __WALL);
}

FACTS(a_sibling_is_traced_and_dies)
{
	pid_t tracer;

	handed[0] = sleeper("sleeper");
	tracer = start("tracer", trace_a_sibling);
	next(tracer, 0);
	next(handed[0], 0);
	next(-1, 0);
}
