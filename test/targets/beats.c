/* SPDX-License-Identifier: MIT */
/*
 * beats THREADS HZ: says "ready BEAT PLACES COUNT", addresses of a function and of COUNT
 * instructions of one byte, one after the other. Each of the threads calls BEAT so often in a second
 * (0: as often as it can), until the end. Lines on stdin:
 *
 *	pass   executes all the places, says "passed"
 *	fork   has a child do so, says "child" and its wait status
 *	vfork  has one that shares its memory wait a little and do so, says "child" and its status
 *	storm  has one after the other do so until the end, then says "storm", how many, and how
 *	       many of them went wrong
 *	exec   starts over
 *	begin  begins to beat; says "beating"
 *	-      the end of stdin: says "beats N", ends
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "test/targets/common.h"

#define PLACES 3000

void beat(void), places(void);
__asm__(".pushsection .text.beats, \"ax\", @progbits\n"
	"beat: nop\n ret\n"
	".balign 4096\n"
	"places: .skip 3000, 0x90\n ret\n"
	".balign 4096\n .popsection\n");

static atomic_uint beats;
static atomic_bool over;
static unsigned hz;

static void *work(void *arg)
{
	struct timespec next;

	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!atomic_load(&over)) {
		beat();
		atomic_fetch_add(&beats, 1);
		if (hz == 0)
			continue;
		next.tv_nsec += 1000000000 / (long)hz;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return arg;
}

static int status_of(pid_t pid)
{
	int status = -1;

	if (pid == 0) {
		places();
		beat();
		_exit(0);
	}
	MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static int vforked(void)
{
	int status = -1;
	pid_t pid = vfork();

	if (pid == 0) {
		usleep(50000);
		places();
		_exit(0);
	}
	MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void storm(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned count = 0, wrong = 0;

	for (; poll(&in, 1, 0) == 0; count++)
		wrong += status_of(fork()) != 0;
	say("storm %u %u\n", count, wrong);
}

static void obey(const char *line, char **argv)
{
	if (strcmp(line, "pass\n") == 0) {
		places();
		say("passed\n");
	} else if (strcmp(line, "fork\n") == 0) {
		say("child %d\n", status_of(fork()));
	} else if (strcmp(line, "vfork\n") == 0) {
		say("child %d\n", vforked());
	} else if (strcmp(line, "storm\n") == 0) {
		storm();
	} else if (strcmp(line, "exec\n") == 0) {
		execv("/proc/self/exe", argv);
	}
}

int main(int argc, char **argv)
{
	unsigned threads = number(argc, argv, 1, 0), running = 0;
	pthread_t v[64];
	char line[64];

	hz = number(argc, argv, 2, 0);
	MUST(threads <= 64);
	say("ready %lx %lx %d\n", (unsigned long)beat, (unsigned long)places, PLACES);
	while (fgets(line, sizeof line, stdin) != NULL) {
		obey(line, argv);
		if (strcmp(line, "begin\n") != 0)
			continue;
		for (; running < threads; running++)
			MUST(pthread_create(&v[running], NULL, work, NULL) == 0);
		say("beating\n");
	}
	atomic_store(&over, true);
	while (running > 0)
		MUST(pthread_join(v[--running], NULL) == 0);
	say("beats %u\n", atomic_load(&beats));
	return 0;
}
