/* SPDX-License-Identifier: MIT */
/* Random numbers, the same ones for the same seed. */
#ifndef RUNNER_RANDOM_H
#define RUNNER_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state;
}

/* Seeds that are neighbours give numbers that have nothing in common. */
static inline void random_begin(struct random *r, uint64_t seed)
{
	r->state = seed * 0x9e3779b97f4a7c15u | 1;
	random_next(r);
}

static inline unsigned random_below(struct random *r, unsigned n)
{
	return (unsigned)(random_next(r) >> 33) % n;
}

/* COTRACE_TEST_SEED, or what a test has otherwise. */
static inline uint64_t random_seed_or(uint64_t usual)
{
	const char *chosen = getenv("COTRACE_TEST_SEED");

	return chosen ? strtoull(chosen, NULL, 10) : usual;
}

#endif
