/* SPDX-License-Identifier: MIT */
/* Timers of the engine's loop: few, so a sorted list. A zeroed timer is not set. */
#ifndef ENGINE_TIMER_H
#define ENGINE_TIMER_H

#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"

struct timer {
	struct list node;
	uint64_t at;
	void (*fire)(struct timer *t);
};

struct timers {
	struct list list;
};

void timers_init(struct timers *ts);
/* Sets or moves it. */
void timer_set(struct timers *ts, struct timer *t, uint64_t at, void (*fire)(struct timer *t));
void timer_cancel(struct timer *t);
/* CLOCK_NEVER when none is set. */
uint64_t timers_next(const struct timers *ts);
void timers_fire(struct timers *ts, uint64_t now);

#endif
