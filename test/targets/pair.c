/* SPDX-License-Identifier: MIT */
/*
 * pair ROUNDS: two processes in one memory. Says "ready ADDRESS", a function; at the first byte
 * on stdin makes the second process ("child PID"); at the next both call the function ROUNDS
 * times. "passed N" is how often that was in all.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "test/targets/common.h"

static unsigned rounds;
static atomic_uint passed;
static atomic_bool go;
static _Alignas(16) char stack[65536];

static __attribute__((noinline)) void pass(void)
{
	atomic_fetch_add(&passed, 1);
}

static void pass_all(void)
{
	for (unsigned i = 0; i < rounds; i++)
		pass();
}

/* It has this thread's storage too, errno for one: so it calls nothing that could use it. */
static int second(void *arg)
{
	(void)arg;
	while (!atomic_load(&go))
		sched_yield();
	pass_all();
	return 0;
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	rounds = number(argc, argv, 1, 100);
	say("ready %lx\n", (unsigned long)(uintptr_t)pass);
	wait_for_go();
	pid = clone(second, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
	MUST(pid > 0);
	say("child %d\n", (int)pid);
	wait_for_go();
	atomic_store(&go, true);
	pass_all();
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
	say("passed %u\n", atomic_load(&passed));
	return 0;
}
