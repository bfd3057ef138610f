/* SPDX-License-Identifier: MIT */
/* What the targets share. A target exits with 0 if all went as without tracing, else 3. */
#ifndef TEST_TARGETS_COMMON_H
#define TEST_TARGETS_COMMON_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define EXIT_WRONG 3
#define EXIT_UNSUPPORTED 77

#define MUST(condition)                                                                      \
	do {                                                                                 \
		if (!(condition)) {                                                          \
			dprintf(STDOUT_FILENO, "wrong: %s:%d: %s: %s\n", __FILE__, __LINE__, \
				#condition, strerror(errno));                                \
			_exit(EXIT_WRONG);                                                   \
		}                                                                            \
	} while (0)

/* A line at once, whatever stdio buffers. */
#define say(...) dprintf(STDOUT_FILENO, __VA_ARGS__)

static inline uint32_t mix(uint32_t sum, uint32_t value)
{
	sum ^= value + 0x9e3779b9u + (sum << 6) + (sum >> 2);
	return sum * 0x01000193u;
}

/* Waits for a byte on stdin, or its end. */
static inline void wait_for_go(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) < 0 && errno == EINTR)
		;
}

static inline uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline unsigned number(int argc, char **argv, int at, unsigned otherwise)
{
	return argc > at ? (unsigned)strtoul(argv[at], NULL, 0) : otherwise;
}

#endif
