/* SPDX-License-Identifier: MIT */
/* leaks N: N threads wait while the program ends with a block that nobody has: LeakSanitizer stops them all. */
#include <pthread.h>

#include "test/targets/common.h"

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static __attribute__((noinline)) void leak(void)
{
	volatile char *block = malloc(1234);

	block[0] = 1;
	block = NULL;
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 1);

	for (unsigned i = 0; i < n; i++) {
		pthread_t thread;

		MUST(pthread_create(&thread, NULL, idle, NULL) == 0);
	}
	leak();
	say("ends\n");
	return 0;
}
