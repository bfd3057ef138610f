/* SPDX-License-Identifier: MIT */
/*
 * debugged SCENARIO [N]: something for debuggers to look at.
 *
 *	run           calls square() five times
 *	threads N     N threads call it a hundred times each
 *	forks         a child and its parent call it; N of them one after the other
 *	vforks        a child of vfork() executes "debugged run"
 *	execs         becomes "debugged run"
 *	signals       handles a SIGUSR1 of its own
 *	crash         ends by SIGSEGV
 *	wait N        N threads call it now and then until input ends; says "ready"
 *	phases N      N threads call it 50 times for each byte of input
 *	spin          the leader alone does so
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "test/targets/common.h"

extern char **environ;

static volatile long total;
static volatile int ended;
static atomic_int calls;

static __attribute__((noinline)) long square(long n)
{
	atomic_fetch_add(&calls, 1);
	return n * n; /* line: square */
}

static __attribute__((noinline)) long cube(long n)
{
	return n * square(n); /* line: cube */
}

static void run(unsigned rounds)
{
	for (unsigned i = 1; i <= rounds; i++)
		total += square(i); /* line: total */
	say("total %ld\n", total);
}

static void *worker(void *arg)
{
	long sum = 0;

	for (long i = 0; i < 100; i++)
		sum += cube(i) - square(i);
	return arg ? (void *)sum : NULL;
}

static void threads(unsigned n)
{
	pthread_t ids[64];
	void *sum;

	for (unsigned i = 0; i < n; i++)
		MUST(pthread_create(&ids[i], NULL, worker, ids) == 0);
	for (unsigned i = 0; i < n; i++) {
		MUST(pthread_join(ids[i], &sum) == 0);
		total += (long)sum;
	}
	say("total %ld of %d calls\n", total, calls);
}

static void forks(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int status;
		pid_t pid = fork();

		MUST(pid >= 0);
		if (pid == 0) {
			run(3);
			_exit(7);
		}
		MUST(waitpid(pid, &status, 0) == pid && status == 7 << 8);
	}
	run(5);
}

static void execs(void)
{
	static char name[] = "debugged",
		    scenario[] = "run", *const arguments[] = { name, scenario, NULL };

	execve("/proc/self/exe", arguments, environ);
	_exit(EXIT_WRONG);
}

static void vforks(void)
{
	static int status;
	pid_t pid = vfork();

	if (pid == 0)
		execs();
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
	run(5);
}

static void on_signal(int signo)
{
	total += signo;
}

static void signals(void)
{
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	run(5);
}

__attribute__((noinline)) static void crash(volatile int *nowhere)
{
	*nowhere = 1;
}

static void *now_and_then(void *arg)
{
	while (!ended) {
		cube(3);
		usleep(5000);
	}
	return arg;
}

static void wait_for_end(unsigned n)
{
	pthread_t ids[64];

	for (unsigned i = 0; i < n; i++)
		MUST(pthread_create(&ids[i], NULL, now_and_then, NULL) == 0);
	say("ready\n");
	wait_for_go();
	ended = 1;
	for (unsigned i = 0; i < n; i++)
		MUST(pthread_join(ids[i], NULL) == 0);
	say("ended\n");
}

static void spin(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	say("ready\n");
	do {
		cube(3);
		usleep(5000);
	} while (poll(&input, 1, 0) == 0);
	say("ended\n");
}

static pthread_barrier_t begin, end;

__attribute__((noinline)) static void phase_end(int phase)
{
	say("phase %d\n", phase);
}

static void *work_in_phases(void *arg)
{
	for (;;) {
		pthread_barrier_wait(&begin);
		if (ended)
			return arg;
		for (long i = 0; i < 50; i++) {
			cube(i);
			getppid();
		}
		pthread_barrier_wait(&end);
	}
}

/* Each line of input is a phase: every thread calls cube(), square() and getppid() 50 times. */
static void phases(unsigned n)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	pthread_t ids[64];
	char order;

	pthread_barrier_init(&begin, NULL, n + 1);
	pthread_barrier_init(&end, NULL, n + 1);
	for (unsigned i = 0; i < n; i++)
		MUST(pthread_create(&ids[i], NULL, work_in_phases, NULL) == 0);
	say("ready\n");
	for (int phase = 1;; phase++) {
		while (poll(&input, 1, 0) == 0)
			usleep(3000);
		ended = read(STDIN_FILENO, &order, 1) <= 0;
		pthread_barrier_wait(&begin);
		if (ended)
			break;
		pthread_barrier_wait(&end);
		phase_end(phase);
	}
	for (unsigned i = 0; i < n; i++)
		MUST(pthread_join(ids[i], NULL) == 0);
	say("ended after %d calls\n", calls);
}

int main(int argc, char **argv)
{
	const char *scenario = argc > 1 ? argv[1] : "run";
	unsigned n = number(argc, argv, 2, 4);

	if (strcmp(scenario, "threads") == 0)
		threads(n);
	else if (strcmp(scenario, "forks") == 0)
		forks(number(argc, argv, 2, 1));
	else if (strcmp(scenario, "vforks") == 0)
		vforks();
	else if (strcmp(scenario, "execs") == 0)
		execs();
	else if (strcmp(scenario, "signals") == 0)
		signals();
	else if (strcmp(scenario, "crash") == 0)
		crash(NULL);
	else if (strcmp(scenario, "wait") == 0)
		wait_for_end(n);
	else if (strcmp(scenario, "phases") == 0)
		phases(n);
	else if (strcmp(scenario, "spin") == 0)
		spin();
	else
		run(5);
	return 0;
}
