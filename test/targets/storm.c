/* SPDX-License-Identifier: MIT */
/*
 * storm N: keeps N chains of threads; each thread creates its successor and ends, without
 * pause, until stdin ends. Prints "ready", at the end "ended N" when every thread that was
 * started has run to its end.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "test/targets/common.h"

static atomic_uint started, ended;
static atomic_int over, chains;

static void *link_of_chain(void *arg)
{
	pthread_attr_t attr;
	pthread_t next;

	if (!atomic_load(&over)) {
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attr, 65536);
		atomic_fetch_add(&started, 1);
		while (pthread_create(&next, &attr, link_of_chain, arg) != 0)
			usleep(100);
		pthread_attr_destroy(&attr);
	} else {
		atomic_fetch_sub(&chains, 1);
	}
	atomic_fetch_add(&ended, 1);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 4);

	atomic_store(&chains, (int)n);
	for (unsigned i = 0; i < n; i++) {
		pthread_t first;

		atomic_fetch_add(&started, 1);
		MUST(pthread_create(&first, NULL, link_of_chain, NULL) == 0);
		pthread_detach(first);
	}
	say("ready\n");
	wait_for_go();
	atomic_store(&over, 1);
	while (atomic_load(&chains) > 0 || atomic_load(&ended) != atomic_load(&started))
		usleep(1000);
	say("ended %s\n", atomic_load(&ended) == atomic_load(&started) ? "all" : "not all");
	return 0;
}
