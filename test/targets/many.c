/* SPDX-License-Identifier: MIT */
/*
 * many N: N threads that wait on a futex. Prints "ready" when all wait; when told to go on,
 * wakes them, and prints "woke N" if each was woken once and none ended its wait early.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

static atomic_uint gate, waiting, woke, early;

static void *wait_at_gate(void *arg)
{
	long r;

	atomic_fetch_add(&waiting, 1);
	r = syscall(SYS_futex, &gate, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	if (r != 0 && errno != EAGAIN)
		atomic_fetch_add(&early, 1);
	if (atomic_load(&gate) == 0)
		atomic_fetch_add(&early, 1);
	atomic_fetch_add(&woke, 1);
	return arg;
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 1000);
	pthread_t *threads = calloc(n, sizeof *threads);
	pthread_attr_t attr;

	MUST(threads);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 32768);
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&threads[i], &attr, wait_at_gate, NULL) != 0) {
			say("unsupported: only %u threads\n", i);
			return EXIT_UNSUPPORTED;
		}
	while (atomic_load(&waiting) < n)
		usleep(1000);
	say("ready\n");
	wait_for_go();
	atomic_store(&gate, 1);
	syscall(SYS_futex, &gate, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
	for (unsigned i = 0; i < n; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	MUST(atomic_load(&early) == 0);
	say("woke %u\n", atomic_load(&woke));
	return 0;
}
