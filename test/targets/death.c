/* SPDX-License-Identifier: MIT */
/*
 * death SIGNAL [CORE [THREADS]]: says "ready", waits, then dies of the signal by its own
 * hand; with CORE 1 in a directory of its own where a core file may be written. With THREADS
 * another thread than the first does it.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

static int signo;

static void *die(void *arg)
{
	sigset_t all;

	sigemptyset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	signal(signo, SIG_DFL);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signo);
	return arg;
}

static void *rest(void *arg)
{
	pause();
	return arg;
}

int main(int argc, char **argv)
{
	unsigned core = number(argc, argv, 2, 0), threads = number(argc, argv, 3, 0);
	struct rlimit limit = { core ? RLIM_INFINITY : 0, core ? RLIM_INFINITY : 0 };
	pthread_t thread;

	signo = (int)number(argc, argv, 1, SIGTERM);
	setrlimit(RLIMIT_CORE, &limit);
	say("ready\n");
	wait_for_go();
	for (unsigned i = 0; i < threads; i++)
		MUST(pthread_create(&thread, NULL, rest, NULL) == 0);
	if (threads == 0)
		die(NULL);
	MUST(pthread_create(&thread, NULL, die, NULL) == 0);
	pthread_join(thread, NULL);
	say("alive\n");
	return EXIT_WRONG;
}
