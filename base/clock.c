/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <limits.h>
#include <time.h>

uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t clock_deadline(int64_t timeout_ns)
{
	uint64_t now;

	if (timeout_ns < 0)
		return CLOCK_NEVER;
	now = clock_now_ns();
	return (uint64_t)timeout_ns > CLOCK_NEVER - 1 - now ? CLOCK_NEVER
							    : now + (uint64_t)timeout_ns;
}

int clock_poll_ms(uint64_t deadline)
{
	uint64_t now, ms;

	if (deadline == CLOCK_NEVER)
		return -1;
	now = clock_now_ns();
	if (deadline <= now)
		return 0;
	ms = (deadline - now + CLOCK_MS - 1) / CLOCK_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
