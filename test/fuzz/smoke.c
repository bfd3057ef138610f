/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without libFuzzer: on files, or with
 *	PROGRAM COUNT [SEED]
 * on that many inputs made from a seed, always the same ones. Built into the default tests.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "test/fuzz/fuzz.h"
#include "test/runner/random.h"

#define INPUT_MAX 400

static uint64_t current; /* seed of the input under way */

static void tell_seed(int signo)
{
	/* The process is lost anyway; run again with "1 SEED". */
	fprintf(stderr, "signal %d in the input of seed %llu\n", signo,
		(unsigned long long)current);
	signal(signo, SIG_DFL);
	raise(signo);
}

static int run_file(const char *path)
{
	static uint8_t data[1 << 16];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (file == NULL) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof data, file);
	fclose(file);
	return LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
	char *end = NULL;
	unsigned long count = argc > 1 ? strtoul(argv[1], &end, 10) : 1;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	log_init();
	if (end != NULL && *end != '\0') {
		for (int i = 1; i < argc; i++)
			if (run_file(argv[i]))
				return 1;
		return 0;
	}
	signal(SIGABRT, tell_seed);
	signal(SIGSEGV, tell_seed);
	for (unsigned long i = 0; i < count; i++) {
		uint8_t data[INPUT_MAX];
		struct random r;
		size_t size;

		/* Each input by a seed of its own: a failure can be run alone. */
		current = seed + i;
		random_begin(&r, current);
		size = random_next(&r) % INPUT_MAX;
		for (size_t at = 0; at < size; at++)
			data[at] = (uint8_t)(random_next(&r) >> 24);
		LLVMFuzzerTestOneInput(data, size);
	}
	printf("ok 1 - %lu inputs from seed %llu\n1..1\n", count, (unsigned long long)seed);
	return 0;
}
