/* SPDX-License-Identifier: MIT */
#include "rules/rules.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void rules_deinit(struct rules *r)
{
	free(r->parties);
	*r = RULES_NULL;
}

struct rules_party *rules_party(struct rules *r, uint64_t session)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->parties[i].session == session)
			return &r->parties[i];
	return NULL;
}

static int make_room(struct rules *r)
{
	size_t capacity = r->capacity ? r->capacity * 2 : 2;
	struct rules_party *parties;

	if (r->count < r->capacity)
		return 0;
	parties = realloc(r->parties, capacity * sizeof *parties);
	if (parties == NULL)
		return -ENOMEM;
	r->parties = parties;
	r->capacity = capacity;
	return 0;
}

int rules_join(struct rules *r, uint64_t session, bool policy)
{
	size_t at = r->count;
	int err = make_room(r);

	if (err < 0)
		return err;
	if (policy)
		for (at = 0; at < r->count && r->parties[at].policy; at++)
			;
	memmove(&r->parties[at + 1], &r->parties[at], (r->count - at) * sizeof *r->parties);
	r->parties[at] = (struct rules_party){
		.session = session,
		.policy = policy,
		/* A policy must see what is still on its way to the kernel. */
		.asked = !(policy && r->can_reoffer),
	};
	r->count++;
	return 0;
}

void rules_leave(struct rules *r, uint64_t session)
{
	struct rules_party *p = rules_party(r, session);
	size_t at;

	if (p == NULL)
		return;
	rules_release(r, p, ~0u);
	at = (size_t)(p - r->parties);
	r->count--;
	memmove(p, p + 1, (r->count - at) * sizeof *p);
}

void rules_stop(struct rules *r, enum rules_direction direction, bool can_reoffer)
{
	assert(r->phase == RULES_RUNNING);
	r->phase = RULES_STOPPED;
	r->direction = direction;
	r->can_reoffer = can_reoffer;
	r->denied = false;
	for (size_t i = 0; i < r->count; i++) {
		r->parties[i].asked = false;
		r->parties[i].reoffer = false;
	}
}

static bool offer_open(const struct rules *r)
{
	if (r->holders == 0)
		return false;
	for (size_t i = 0; i < r->count; i++)
		if (r->parties[i].holds & RULES_HOLD_OFFER)
			return true;
	return false;
}

static struct rules_party *first_unasked(struct rules *r)
{
	for (size_t n = 0; n < r->count; n++) {
		size_t i = r->direction == RULES_TO_PROGRAM ? n : r->count - 1 - n;

		if (!r->parties[i].asked)
			return &r->parties[i];
	}
	return NULL;
}

struct rules_party *rules_turn(struct rules *r)
{
	if (r->phase != RULES_STOPPED || offer_open(r))
		return NULL;
	return first_unasked(r);
}

bool rules_all_asked(struct rules *r)
{
	return !offer_open(r) && first_unasked(r) == NULL;
}

void rules_told(struct rules *r, struct rules_party *p)
{
	(void)r; /* without assertions */
	assert(r->phase == RULES_STOPPED && !p->asked);
	p->asked = true;
	p->reoffer = false;
}

void rules_offered(struct rules *r, struct rules_party *p)
{
	rules_told(r, p);
	rules_unstep(p);
	rules_hold(r, p, RULES_HOLD_OFFER);
}

bool rules_answer(struct rules *r, uint64_t session, enum rules_action action)
{
	struct rules_party *p = rules_party(r, session);

	if (p == NULL || !(p->holds & RULES_HOLD_OFFER))
		return false;
	rules_release(r, p, RULES_HOLD_OFFER);
	if (action == RULES_PASS)
		return true;
	if (r->denied)
		return false;
	r->denied = action == RULES_DENY;
	return true;
}

/* Those before @end get another turn. */
static bool renew(struct rules *r, const struct rules_party *end)
{
	bool any = false;

	if (r->phase != RULES_STOPPED || !r->can_reoffer)
		return false;
	for (struct rules_party *q = r->parties; q != end; q++) {
		if (!q->asked)
			continue;
		q->asked = false;
		q->reoffer = true;
		any = true;
	}
	return any;
}

bool rules_changed(struct rules *r, uint64_t session)
{
	struct rules_party *p = rules_party(r, session);

	return p != NULL && renew(r, p);
}

bool rules_renew(struct rules *r)
{
	return renew(r, r->parties + r->count);
}

int rules_nearer(struct rules *out, const struct rules *r, uint64_t session)
{
	int err = 0;

	*out = RULES_NULL;
	if (rules_party((struct rules *)r, session) == NULL)
		return 0;
	for (size_t i = 0; r->parties[i].session != session && err == 0; i++)
		err = rules_join(out, r->parties[i].session, r->parties[i].policy);
	if (err < 0)
		rules_deinit(out);
	return err;
}

void rules_hold(struct rules *r, struct rules_party *p, unsigned why)
{
	if (p->holds == 0)
		r->holders++;
	p->holds |= (uint8_t)why;
}

void rules_release(struct rules *r, struct rules_party *p, unsigned why)
{
	if (p->holds == 0)
		return;
	p->holds &= (uint8_t)~why;
	if (p->holds == 0)
		r->holders--;
}

void rules_step(struct rules_party *p, enum rules_step step, uint64_t from, uint64_t to)
{
	p->step = step;
	p->step_from = from;
	p->step_to = to;
	p->stepped = false;
}

void rules_unstep(struct rules_party *p)
{
	rules_step(p, RULES_STEP_NONE, 0, 0);
}

bool rules_wants_step(const struct rules *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->parties[i].step != RULES_STEP_NONE &&
		    r->parties[i].step != RULES_STEP_SYSCALL)
			return true;
	return false;
}

bool rules_wants_call(const struct rules *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->parties[i].step == RULES_STEP_SYSCALL)
			return true;
	return false;
}

bool rules_called(struct rules *r, bool again)
{
	bool any = false;

	for (size_t i = 0; i < r->count; i++) {
		struct rules_party *p = &r->parties[i];

		p->stepped = p->step == RULES_STEP_SYSCALL && !(again && p->saw_entry);
		any = any || p->stepped;
	}
	return any;
}

bool rules_stepped(struct rules *r, uint64_t pc, bool branched)
{
	bool any = false;

	for (size_t i = 0; i < r->count; i++) {
		struct rules_party *p = &r->parties[i];

		p->stepped =
			p->step == RULES_STEP_INSTRUCTION ||
			(p->step == RULES_STEP_BLOCK && branched) ||
			(p->step == RULES_STEP_RANGE && (pc < p->step_from || pc >= p->step_to));
		any = any || p->stepped;
	}
	return any;
}

bool rules_may_run(struct rules *r)
{
	return r->phase == RULES_STOPPED && r->holders == 0 && first_unasked(r) == NULL;
}

void rules_run(struct rules *r)
{
	assert(rules_may_run(r));
	r->phase = RULES_RUNNING;
	r->can_reoffer = false;
}

void rules_died(struct rules *r)
{
	r->phase = RULES_DEAD;
	r->can_reoffer = false;
	for (size_t i = 0; i < r->count; i++) {
		rules_release(r, &r->parties[i], ~0u);
		rules_unstep(&r->parties[i]);
	}
}
