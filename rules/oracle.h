/* SPDX-License-Identifier: MIT */
/* For rules-test.c: the rules R1 to R6 once more, in the plainest words. */
#ifndef RULES_ORACLE_H
#define RULES_ORACLE_H

#include "rules/rules.h"

#define SESSIONS 6 /* ids 1..6 */

struct seat {
	unsigned session;
	bool policy, asked, repeated;
	unsigned holds;
	unsigned asked_times; /* at this stop, by no repetition */
	enum rules_step step;
	bool stepped;
};

struct oracle {
	struct seat seats[SESSIONS]; /* in the order they attached */
	unsigned count;
	enum rules_phase phase;
	bool to_kernel, denied;
};

static inline struct seat *seat_of(struct oracle *o, unsigned session)
{
	for (unsigned i = 0; i < o->count; i++)
		if (o->seats[i].session == session)
			return &o->seats[i];
	return NULL;
}

/* How near to the kernel: 0 is nearest. */
static inline unsigned place_of(const struct oracle *o, const struct seat *s)
{
	unsigned place = 0;

	for (const struct seat *q = o->seats; q < o->seats + o->count; q++)
		if (q->policy != s->policy ? q->policy : q < s)
			place++;
	return place;
}

static inline struct seat *at_place(struct oracle *o, unsigned place)
{
	for (unsigned i = 0; i < o->count; i++)
		if (place_of(o, &o->seats[i]) == place)
			return &o->seats[i];
	return NULL;
}

static inline struct seat *holder_of_offer(struct oracle *o)
{
	for (unsigned i = 0; i < o->count; i++)
		if (o->seats[i].holds & RULES_HOLD_OFFER)
			return &o->seats[i];
	return NULL;
}

static inline struct seat *first_waiting(struct oracle *o)
{
	for (unsigned n = 0; n < o->count; n++) {
		struct seat *s = at_place(o, o->to_kernel ? o->count - 1 - n : n);

		if (!s->asked)
			return s;
	}
	return NULL;
}

static inline struct seat *whose_turn(struct oracle *o)
{
	return o->phase == RULES_STOPPED && !holder_of_offer(o) ? first_waiting(o) : NULL;
}

static inline unsigned holders(const struct oracle *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->count; i++)
		n += o->seats[i].holds != 0;
	return n;
}

static inline bool may_run(struct oracle *o)
{
	return o->phase == RULES_STOPPED && holders(o) == 0 && first_waiting(o) == NULL;
}

static inline bool wants_step(const struct oracle *o)
{
	for (unsigned i = 0; i < o->count; i++)
		if (o->seats[i].step && o->seats[i].step != RULES_STEP_SYSCALL)
			return true;
	return false;
}

static inline bool wants_call(const struct oracle *o)
{
	for (unsigned i = 0; i < o->count; i++)
		if (o->seats[i].step == RULES_STEP_SYSCALL)
			return true;
	return false;
}

#endif
