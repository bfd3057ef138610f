/* SPDX-License-Identifier: MIT */
/*
 * sysloop N: N system calls of the cheapest kind (0: until stdin ends, in another thread),
 * then "calls N". Fails if one of them answers wrongly.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

static atomic_int over;

static void *watch(void *arg)
{
	wait_for_go();
	atomic_store(&over, 1);
	return arg;
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 1000), i = 0;
	pid_t parent = getppid();
	pthread_t thread;

	if (n == 0)
		MUST(pthread_create(&thread, NULL, watch, NULL) == 0);
	say("ready\n");
	while (n ? i < n : !atomic_load(&over)) {
		MUST(syscall(SYS_getppid) == parent);
		i++;
	}
	if (n)
		say("calls %u\n", i);
	else
		say("calls done\n");
	return 0;
}
