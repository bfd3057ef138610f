/* SPDX-License-Identifier: MIT */
/*
 * relay MS: the first thread ends at once, and so the process never has one that lasts: each
 * lives for MS, makes its successor and ends, until stdin ends. Prints "ready" and, at the end,
 * "ended".
 */
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

static unsigned ms;

static void *run(void *arg)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	pthread_t next;

	if (poll(&p, 1, (int)ms) > 0) {
		say("ended\n");
		exit(0);
	}
	MUST(pthread_create(&next, NULL, run, NULL) == 0);
	pthread_detach(next);
	return arg;
}

int main(int argc, char **argv)
{
	ms = number(argc, argv, 1, 3);
	say("ready\n");
	run(NULL);
	syscall(SYS_exit, 0);
}
