/* SPDX-License-Identifier: MIT */
/*
 * stacks: threads that stand at known places, for backtraces. Prints "ready" when all do; when
 * told to go on, lets them end, and prints "ended" if none was disturbed. The threads:
 *
 *	blocked		in read(), called by inner, middle, outer
 *	spinner		in an endless loop of spin, called by spins
 *	handler		in read() in a signal handler that interrupted interrupted
 *	alternate	the same on another stack
 *	deep		in read(), 2000 calls of recurse below
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

#define PLACE __attribute__((noinline, noclone))
#define LEVELS 2000
/* Keeps the call before it from being a jump. */
#define NOT_LAST() __asm__ volatile("")

static int gate[2];
static atomic_int standing, over;
static atomic_uint spun;

PLACE static void stand(void)
{
	char byte;

	atomic_fetch_add(&standing, 1);
	MUST(read(gate[0], &byte, 1) == 1);
	NOT_LAST();
}

PLACE static void inner(void)
{
	stand();
	NOT_LAST();
}

static inline __attribute__((always_inline)) void inlined(void)
{
	inner();
	NOT_LAST();
}

PLACE static void middle(void)
{
	inlined();
	NOT_LAST();
}

PLACE static void outer(void)
{
	middle();
	NOT_LAST();
}

PLACE static unsigned spin(unsigned x)
{
	while (!atomic_load_explicit(&over, memory_order_relaxed))
		x = x * 5 + 1;
	NOT_LAST();
	return x;
}

PLACE static void spins(void)
{
	atomic_fetch_add(&standing, 1);
	atomic_store(&spun, spin(1));
	NOT_LAST();
}

PLACE static void on_signal(int signo)
{
	(void)signo;
	stand();
	NOT_LAST();
}

PLACE static void interrupted(int signo)
{
	MUST(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signo) == 0);
	NOT_LAST();
}

PLACE static void recurse(int levels)
{
	if (levels > 1)
		recurse(levels - 1);
	else
		stand();
	NOT_LAST();
}

static void handle(int signo, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	MUST(sigaction(signo, &action, NULL) == 0);
	interrupted(signo);
}

static void *blocked_main(void *arg)
{
	outer();
	return arg;
}

static void *spinner_main(void *arg)
{
	spins();
	return arg;
}

static void *handler_main(void *arg)
{
	handle(SIGUSR1, 0);
	return arg;
}

static void *alternate_main(void *arg)
{
	static char space[65536];
	stack_t stack = { .ss_sp = space, .ss_size = sizeof space };

	MUST(sigaltstack(&stack, NULL) == 0);
	handle(SIGUSR2, SA_ONSTACK);
	return arg;
}

static void *deep_main(void *arg)
{
	recurse(LEVELS);
	return arg;
}

static const struct {
	const char *name;
	void *(*run)(void *);
} kinds[] = {
	{ "blocked", blocked_main },	 { "spinner", spinner_main }, { "handler", handler_main },
	{ "alternate", alternate_main }, { "deep", deep_main },
};

#define KINDS ((int)(sizeof kinds / sizeof kinds[0]))

static void *run(void *arg)
{
	int kind = (int)(intptr_t)arg;

	prctl(PR_SET_NAME, kinds[kind].name);
	return kinds[kind].run(NULL);
}

int main(void)
{
	pthread_t threads[KINDS];

	MUST(pipe(gate) == 0);
	for (int i = 0; i < KINDS; i++)
		MUST(pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i) == 0);
	while (atomic_load(&standing) < KINDS)
		usleep(1000);
	say("ready\n");
	wait_for_go();
	atomic_store(&over, 1);
	for (int i = 1; i < KINDS; i++)
		MUST(write(gate[1], "", 1) == 1);
	for (int i = 0; i < KINDS; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	say("ended\n");
	return 0;
}
