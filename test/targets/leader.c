/* SPDX-License-Identifier: MIT */
/*
 * leader N: the first thread ends while N others work on, each a little longer than the one
 * before; the last one prints "last of N" and ends the process with code 5.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "test/targets/common.h"

static atomic_uint left;
static unsigned total;

static void *outlive(void *arg)
{
	usleep(20000 * (unsigned)(uintptr_t)arg);
	if (atomic_fetch_sub(&left, 1) > 1)
		return NULL;
	say("last of %u\n", total);
	exit(5);
}

int main(int argc, char **argv)
{
	total = number(argc, argv, 1, 4);
	atomic_store(&left, total);
	say("ready\n");
	wait_for_go();
	for (unsigned i = 0; i < total; i++) {
		pthread_t thread;

		MUST(pthread_create(&thread, NULL, outlive, (void *)(uintptr_t)(i + 1)) == 0);
	}
	pthread_exit(NULL);
}
