/* SPDX-License-Identifier: MIT */
/* --return: what the functions that were hit return. */
#include <stdlib.h>

#include "cli/break/breaker.h"

/* A call that has not returned yet, as far as we know. */
struct pending {
	struct pending *next;
	const struct placement *entry;
	uint64_t task;
	uint64_t caller; /* where it will return to */
	uint64_t frame;	 /* the stack pointer there */
};

static bool is_known(const struct field *f, const struct pending *like)
{
	for (const struct pending *at = f->pending; at; at = at->next)
		if (at->entry == like->entry && at->task == like->task &&
		    at->caller == like->caller && at->frame == like->frame)
			return true;
	return false;
}

void return_expect(struct breaker *b, const struct hit *hit)
{
	const struct cotrace_event *ev = hit->ev;
	unsigned first = hit->placement->point->prints->count;
	struct pending new = { .next = hit->field->pending,
			       .entry = hit->placement,
			       .task = ev->task },
		       *added;
	struct process *p = process_find(hit->field, ev->pid);

	if (!p || !hit->placement->has_return || !value_get(b, hit, first, &new.caller) ||
	    !value_get(b, hit, first + 1, &new.frame) || is_known(hit->field, &new) ||
	    place_return(hit->field, p, new.caller))
		return;
	added = malloc(sizeof *added);
	if (!added)
		return;
	*added = new;
	hit->field->pending = added;
}

/* Of those that may have returned to here the outermost has; those deeper were left by a jump. */
static const struct pending *find(const struct field *f, const struct cotrace_event *ev)
{
	const struct pending *best = NULL;

	for (const struct pending *at = f->pending; at; at = at->next)
		if (at->task == ev->task && at->caller == ev->pc && at->frame <= ev->sp &&
		    (!best || at->frame > best->frame))
			best = at;
	return best;
}

static void forget_deeper(struct field *f, uint64_t task, uint64_t caller, uint64_t frame)
{
	for (struct pending **at = &f->pending; *at;) {
		struct pending *old = *at;

		if (old->task != task || old->caller != caller || old->frame > frame) {
			at = &old->next;
			continue;
		}
		*at = old->next;
		free(old);
	}
}

void return_take(struct breaker *b, struct field *f, struct placement *at,
		 const struct cotrace_event *ev)
{
	const struct pending *found = find(f, ev);
	struct hit hit = { ev, at, f };
	uint64_t value = 0;

	if (!found)
		return;
	value_get(b, &hit, 0, &value);
	hit.placement = found->entry;
	forget_deeper(f, ev->task, ev->pc, found->frame);
	if (b->options.common.json)
		json_return(b, &hit, value);
	else
		line_return(b, &hit, value);
}

void return_forget(struct field *f, const struct placement *entry)
{
	for (struct pending **at = &f->pending; *at;) {
		struct pending *old = *at;

		if (entry && old->entry != entry) {
			at = &old->next;
			continue;
		}
		*at = old->next;
		free(old);
	}
}
