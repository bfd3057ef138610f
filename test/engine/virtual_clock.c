/* SPDX-License-Identifier: MIT */
#include "test/engine/virtual_clock.h"

#include "base/clock.h"

static uint64_t now = CLOCK_SECOND;

void virtual_clock_reset(void)
{
	now = CLOCK_SECOND;
}

void virtual_clock_advance(uint64_t ns)
{
	now += ns;
}

uint64_t clock_now_ns(void)
{
	return now;
}

uint64_t clock_deadline(int64_t timeout_ns)
{
	if (timeout_ns < 0 || (uint64_t)timeout_ns > CLOCK_NEVER - 1 - now)
		return CLOCK_NEVER;
	return now + (uint64_t)timeout_ns;
}

/* Nobody sleeps here. */
int clock_poll_ms(uint64_t deadline)
{
	(void)deadline;
	return 0;
}
