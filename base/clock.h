/* SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER UINT64_MAX
#define CLOCK_MS 1000000ull
#define CLOCK_SECOND 1000000000ull

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_now_ns(void);
/* The point in time @timeout_ns from now; CLOCK_NEVER for a negative one. */
uint64_t clock_deadline(int64_t timeout_ns);
/* Milliseconds until @deadline for poll(2): rounded up, -1 for never. */
int clock_poll_ms(uint64_t deadline);

#endif
