/* SPDX-License-Identifier: MIT */
/* What remains when the tracer ends, or the traced one. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test/compat/facts.h"

static pid_t others[3];
static unsigned others_options;
static int last_request, last_signo;

static void leave_one(pid_t pid)
{
	request(PTRACE_SEIZE, pid, 0, others_options);
	if (last_request == PTRACE_SEIZE)
		return;
	request(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, __WALL);
	if (last_request == PTRACE_CONT)
		ASK(PTRACE_CONT, pid, 0, 0);
	if (last_request == PTRACE_CONT && last_signo) {
		kill(pid, last_signo);
		next(pid, __WALL);
	}
}

static void leave_and_exit(void)
{
	leave_one(others[0]);
	_exit(1);
}

static void leave_and_die(void)
{
	leave_one(others[0]);
	raise(SIGKILL);
}

static void leave(unsigned options, int how, int signo, void (*tracer_body)(void))
{
	pid_t tracer;

	others_options = options;
	last_request = how;
	last_signo = signo;
	others[0] = sleeper("sleeper");
	tracer = start("tracer", tracer_body);
	next(tracer, 0);
	settle();
	say("state %c, tracer %ld", state_of(others[0]), number_of(others[0], "TracerPid:"));
	next(others[0], WNOHANG | WUNTRACED);
	end(others[0]);
}

FACTS(the_tracer_exits)
{
	leave(0, PTRACE_SEIZE, 0, leave_and_exit);
	leave(0, PTRACE_INTERRUPT, 0, leave_and_exit);
	leave(0, PTRACE_CONT, 0, leave_and_exit);
	leave(0, PTRACE_CONT, SIGUSR1, leave_and_exit);
	leave(0, PTRACE_CONT, SIGSTOP, leave_and_exit);
}

FACTS(the_tracer_is_killed)
{
	leave(0, PTRACE_SEIZE, 0, leave_and_die);
	leave(0, PTRACE_INTERRUPT, 0, leave_and_die);
	leave(0, PTRACE_CONT, 0, leave_and_die);
	leave(0, PTRACE_CONT, SIGUSR1, leave_and_die);
}

FACTS(the_tracer_ends_and_takes_it_along)
{
	leave(PTRACE_O_EXITKILL, PTRACE_SEIZE, 0, leave_and_die);
	leave(PTRACE_O_EXITKILL, PTRACE_INTERRUPT, 0, leave_and_exit);
	leave(PTRACE_O_EXITKILL, PTRACE_CONT, 0, leave_and_exit);
	leave(PTRACE_O_EXITKILL, PTRACE_CONT, SIGUSR1, leave_and_die);
}

static void exec_with_traced(void)
{
	leave_one(others[0]);
	execl(target("tiny"), "tiny", "8", (char *)NULL);
}

FACTS(the_tracer_executes_another_program_and_ends)
{
	leave(0, PTRACE_INTERRUPT, 0, exec_with_traced);
	leave(PTRACE_O_EXITKILL, PTRACE_CONT, 0, exec_with_traced);
}

static void traceme_and_stop(void)
{
	request(PTRACE_TRACEME, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, 0);
	kill(getpid(), SIGSTOP);
	_exit(1);
}

static int fds[2];

static void parent_of_traced(void)
{
	pid_t pid = start("grandchild", traceme_and_stop);

	quietly(pid, 0);
	if (write(fds[1], &pid, sizeof pid) != sizeof pid)
		_exit(2);
	_exit(3);
}

FACTS(the_parent_of_one_that_asked_to_be_traced_exits)
{
	pid_t pid, tracer;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pipe(fds) != 0)
		return;
	tracer = start("tracer", parent_of_traced);
	if (read(fds[0], &pid, sizeof pid) != sizeof pid)
		return;
	role(pid, "grandchild");
	next(tracer, 0);
	settle();
	say("state %c", state_of(pid));
	next(-1, WNOHANG);
	end(pid);
}

static void idle(void)
{
	for (;;)
		pause();
}

FACTS(exitkill_can_be_set_later_and_taken_back)
{
	pid_t pid = traced("child", idle, 0);

	ASK(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL);
	ASK(PTRACE_SETOPTIONS, pid, 0, 0);
	ASK(PTRACE_DETACH, pid, 0, SIGTERM);
	next(pid, 0);
}

static void *pause_in_thread(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void exit_of_group(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, pause_in_thread, NULL);
	usleep(20000);
	_exit(9);
}

FACTS(all_threads_end_at_once)
{
	pid_t pid = traced("child", exit_of_group, PTRACE_O_TRACECLONE), found;
	unsigned threads = 0, ended = 0;
	int status;

	request(PTRACE_CONT, pid, 0, 0);
	while ((found = waitpid(-1, &status, __WALL)) > 0) {
		if (status >> 16 == PTRACE_EVENT_CLONE)
			threads++;
		else if (!WIFSTOPPED(status))
			ended += found != pid && status == 9 << 8;
		if (found == pid && !WIFSTOPPED(status))
			say("child %06x after %u threads", (unsigned)status, ended);
		if (WIFSTOPPED(status))
			request(PTRACE_CONT, found, 0, 0);
	}
	say("%u threads, %u ended", threads, ended);
	next(-1, __WALL);
}

static void *detach_beside(void *arg)
{
	ASK(PTRACE_DETACH, others[0], 0, 0);
	return arg;
}

FACTS(only_the_tracing_thread_detaches)
{
	pthread_t thread;

	others[0] = traced("child", idle, 0);
	pthread_create(&thread, NULL, detach_beside, NULL);
	pthread_join(thread, NULL);
	ASK(PTRACE_DETACH, others[0], 0, 0);
	await(others[0], 'S');
	end(others[0]);
}

FACTS(many_at_once)
{
	pid_t pids[40];
	int status;

	for (int i = 0; i < 40; i++) {
		pids[i] = sleeper("one");
		request(PTRACE_SEIZE, pids[i], 0, 0);
		request(PTRACE_INTERRUPT, pids[i], 0, 0);
	}
	for (int i = 0; i < 40; i++)
		if (waitpid(-1, &status, __WALL) <= 0 || status != 0x80057f)
			say("status %06x", (unsigned)status);
	next(-1, WNOHANG | __WALL);
	for (int i = 0; i < 40; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < 40; i++)
		if (waitpid(-1, &status, __WALL) <= 0 || status != 9)
			say("status %06x", (unsigned)status);
	next(-1, __WALL);
}
