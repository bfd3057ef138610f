/* SPDX-License-Identifier: MIT */
/*
 * threads N ROUNDS [wait]: N threads pass values through pipes, touch files and memory, and mix
 * all they see into a checksum. Prints "ready", waits for a go if it is to, prints at the end
 * "checksum X", which depends on N and ROUNDS only.
 */
/*
 * threads N ROUNDS [wait]: N threads pass values through pipes, touch files and memory, and mix
 * all they see into a checksum. Prints "ready", waits if it is to, prints at the end "checksum X", which depends on N and
 * ROUNDS only.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "test/targets/common.h"

struct worker {
	pthread_t thread;
	unsigned number, rounds;
	uint32_t sum;
};

static uint32_t through_pipe(const int fds[2], uint32_t value)
{
	uint32_t back = 0;

	MUST(write(fds[1], &value, sizeof value) == sizeof value);
	MUST(read(fds[0], &back, sizeof back) == sizeof back);
	MUST(back == value);
	return back;
}

static uint32_t through_memory(uint32_t value)
{
	uint32_t *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(page != MAP_FAILED);
	for (unsigned i = 0; i < 1024; i += 64)
		page[i] = mix(value, i);
	value = page[960];
	MUST(munmap(page, 4096) == 0);
	return value;
}

static uint32_t through_file(uint32_t value)
{
	char zeros[8];
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	MUST(fd >= 0);
	MUST(read(fd, zeros, sizeof zeros) == sizeof zeros);
	MUST(close(fd) == 0);
	MUST(open("/nowhere/at/all", O_RDONLY) == -1 && errno == ENOENT);
	return value + (uint32_t)zeros[3];
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int fds[2];

	MUST(pipe(fds) == 0);
	for (unsigned i = 0; i < w->rounds; i++) {
		w->sum = mix(w->sum, through_pipe(fds, i * w->number));
		w->sum = mix(w->sum, through_memory(w->sum));
		w->sum = mix(w->sum, through_file(i));
		for (unsigned k = 0; k < 2000; k++)
			w->sum = mix(w->sum, k);
	}
	close(fds[0]);
	close(fds[1]);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 4), rounds = number(argc, argv, 2, 100);
	struct worker *workers = calloc(n, sizeof *workers);
	uint32_t sum = 1;

	MUST(workers);
	say("ready\n");
	if (argc > 3)
		wait_for_go();
	for (unsigned i = 0; i < n; i++) {
		workers[i].number = i + 1;
		workers[i].rounds = rounds;
		MUST(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
	}
	for (unsigned i = 0; i < n; i++) {
		MUST(pthread_join(workers[i].thread, NULL) == 0);
		sum = mix(sum, workers[i].sum);
	}
	say("checksum %08x\n", sum);
	return 0;
}
