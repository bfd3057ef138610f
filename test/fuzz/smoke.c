/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without libFuzzer: on files and folders of them, or with
 *	PROGRAM COUNT [SEED]
 * on that many inputs made from a seed, always the same ones. Built into the default tests.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "test/fuzz/fuzz.h"
#include "test/runner/random.h"

#define INPUT_MAX 400

static uint64_t current; /* seed of the input under way */

static const char *current_file;

static void tell_input(int signo)
{
	/* The process is lost anyway; run again with the file, or with "1 SEED". */
	if (current_file)
		fprintf(stderr, "signal %d in the input %s\n", signo, current_file);
	else
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
	current_file = path;
	return LLVMFuzzerTestOneInput(data, size);
}

/* All files of a corpus. */
static int run_corpus(const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort), failed = n < 0;

	for (int i = 0; i < n && !failed; i++) {
		char name[4096];

		snprintf(name, sizeof name, "%s/%s", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.')
			failed = run_file(name);
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
	printf("%s 1 - the %d inputs in %s\n1..1\n", failed ? "not ok" : "ok", n - 2, path);
	return failed;
}

static int run_paths(char **paths)
{
	struct stat st;
	int failed = 0;

	for (; *paths && !failed; paths++)
		if (stat(*paths, &st) == 0 && S_ISDIR(st.st_mode))
			failed = run_corpus(*paths);
		else
			failed = run_file(*paths);
	return failed;
}

int main(int argc, char **argv)
{
	char *end = NULL;
	unsigned long count = argc > 1 ? strtoul(argv[1], &end, 10) : 1;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	log_init();
	signal(SIGABRT, tell_input);
	signal(SIGSEGV, tell_input);
	if (end != NULL && *end != '\0')
		return run_paths(argv + 1);
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
