/* SPDX-License-Identifier: MIT */
#include "engine/timer.h"

void timers_init(struct timers *ts)
{
	list_init(&ts->list);
}

void timer_set(struct timers *ts, struct timer *t, uint64_t at, void (*fire)(struct timer *t))
{
	struct list *before = &ts->list;

	timer_cancel(t);
	t->at = at;
	t->fire = fire;
	/* New timers mostly go to the end. */
	while (before->prev != &ts->list && list_entry(before->prev, struct timer, node)->at > at)
		before = before->prev;
	list_insert_before(before, &t->node);
}

void timer_cancel(struct timer *t)
{
	list_remove(&t->node);
}

uint64_t timers_next(const struct timers *ts)
{
	if (list_empty(&ts->list))
		return CLOCK_NEVER;
	return list_entry(ts->list.next, struct timer, node)->at;
}

void timers_fire(struct timers *ts, uint64_t now)
{
	while (timers_next(ts) <= now) {
		struct timer *t = list_entry(ts->list.next, struct timer, node);

		timer_cancel(t);
		t->fire(t);
	}
}
