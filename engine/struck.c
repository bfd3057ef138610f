/* SPDX-License-Identifier: MIT */
/* What a task has hit, with the values before and after, until all have been told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/break.h"
#include "engine/space.h"
#include "engine/task.h"
#include "engine/watch.h"

static uint64_t value_of(const struct watch *w)
{
	uint64_t value = 0;

	for (uint32_t i = w->length; i-- > 0;)
		value = value << 8 | w->last[i];
	return value;
}

static struct struck *add(struct task *t, const struct watch *w)
{
	struct struck *v = realloc(t->struck, (t->struck_count + 1) * sizeof *v);

	if (v == NULL)
		return NULL;
	t->struck = v;
	v += t->struck_count++;
	*v = (struct struck){ .addr = w->addr, .length = w->length, .kind = w->kind };
	return v;
}

/* Other bytes of @w may have been changed by others, who will be told of that. */
static void refresh(struct task *t, struct watch *w, const struct backend_debug *piece)
{
	if (w->kind != BACKEND_DEBUG_EXECUTE)
		space_read(t, piece->addr, w->last + (piece->addr - w->addr), piece->length);
}

static bool is_hit(const struct task *t, unsigned hits, const struct backend_debug *piece)
{
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		if ((hits >> i & 1) && memcmp(&t->armed[i], piece, sizeof *piece) == 0)
			return true;
	return false;
}

/* The trap at the same place has been told of, and comes once more: hit.c passes over it. */
static bool is_again(const struct task *t, const struct backend_event *ev, uint64_t addr)
{
	for (unsigned i = 0; i < TASK_UNFINISHED_MAX; i++)
		if (t->unfinished[i].at == addr && t->unfinished[i].sp == ev->sp)
			return true;
	return t->site_call == addr && t->call_broken;
}

static void look(struct task *t, struct watch *w, unsigned hits)
{
	struct backend_debug pieces[BACKEND_DEBUG_BYTES];
	unsigned n = watch_split(w, pieces);
	uint64_t before = value_of(w);
	bool any = false;
	struct struck *s;

	for (unsigned i = 0; i < n; i++) {
		if (!is_hit(t, hits, &pieces[i]))
			continue;
		refresh(t, w, &pieces[i]);
		any = true;
	}
	s = any ? add(t, w) : NULL;
	if (s == NULL)
		return;
	s->before = before;
	s->after = value_of(w);
}

/* At the others a call has just begun, or the program has ended. */
static bool can_tell(const struct backend_event *ev)
{
	return ev->kind == BACKEND_TRAP || ev->kind == BACKEND_SIGNAL ||
	       ev->kind == BACKEND_SYSCALL_EXIT || ev->kind == BACKEND_INTERRUPTED;
}

void struck_take(struct task *t, const struct backend_event *ev)
{
	struct backend *b = t->engine->backend;
	unsigned hits;

	t->struck_count = 0;
	t->struck_told = false;
	if (t->process == NULL || !t->is_armed || !can_tell(ev))
		return;
	hits = b->ops->debug_hits(b, t->tid);
	if (hits == 0)
		return;
	log_debug("%d has hit %x at %lx", (int)t->tid, hits, (unsigned long)ev->pc);
	list_for_each (&t->process->watches, node, after) {
		struct watch *w = list_entry(node, struct watch, in_process);

		if (!w->stepped && (w->kind != BACKEND_DEBUG_EXECUTE || !is_again(t, ev, w->addr)))
			look(t, w, hits);
	}
}

uint32_t struck_kind(const struct task *t)
{
	for (size_t i = 0; i < t->struck_count; i++)
		if (t->struck[i].kind != BACKEND_DEBUG_EXECUTE)
			return COTRACE_EVENT_WATCHPOINT;
	return t->struck_count ? COTRACE_EVENT_BREAKPOINT : 0;
}

bool struck_follows(struct task *t)
{
	if (t->struck_told || t->struck_count == 0)
		return false;
	rules_run(&t->rules);
	rules_stop(&t->rules, RULES_TO_PROGRAM, false);
	t->kind = struck_kind(t);
	t->struck_told = true;
	return true;
}

const struct struck *struck_of(const struct task *t, const struct breakpoint *b)
{
	const struct watch *w = b->watch;

	for (size_t i = 0; t->struck_told && w != NULL && i < t->struck_count; i++) {
		const struct struck *s = &t->struck[i];

		if (s->addr == w->addr && s->length == w->length && s->kind == w->kind)
			return s;
	}
	return NULL;
}

bool watch_stands(const struct task *t)
{
	for (size_t i = 0; i < t->struck_count; i++)
		if (t->struck[i].kind == BACKEND_DEBUG_EXECUTE && t->struck[i].addr == t->ev.pc)
			return true;
	return false;
}
