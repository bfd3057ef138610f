/* SPDX-License-Identifier: MIT */
/* What a task has hit, with the values before and after, until all have been told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/break.h"
#include "engine/call.h"
#include "engine/past.h"
#include "engine/regs.h"
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

/* The instruction that @t steps said that it would access these bytes. */
static bool is_announced(const struct task *t, const struct watch *w)
{
	for (int i = 0; i < t->touch_count; i++) {
		const struct code_touch *touch = &t->touches[i];

		if ((touch->addr - w->addr < w->length || w->addr - touch->addr < touch->size) &&
		    (touch->write || w->kind == BACKEND_DEBUG_ACCESS))
			return true;
	}
	return false;
}

/* Another task has stored there, or is about to, and will be found at the end of its step. */
static bool is_of_others(const struct task *t, const struct watch *w)
{
	list_for_each (&t->process->tasks, node, after) {
		const struct task *u = list_entry(node, struct task, in_process);

		if (u != t && u->state == TASK_RUNNING && u->steps && is_announced(u, w))
			return true;
	}
	return false;
}

/* By stepping: what the instruction said that it would access, or else what has changed. */
static bool is_stepped_on(const struct task *t, const struct backend_event *ev,
			  const struct watch *w, const uint8_t *now)
{
	if (ev->kind != BACKEND_SYSCALL_EXIT && t->touch_count >= 0)
		return is_announced(t, w);
	return memcmp(now, w->last, w->length) != 0 && !is_of_others(t, w);
}

static void look_after_step(struct task *t, const struct backend_event *ev, struct watch *w)
{
	uint64_t before = value_of(w);
	uint8_t now[BACKEND_DEBUG_BYTES] = { 0 };
	struct struck *s;

	space_read(t, w->addr, now, w->length);
	if (!is_stepped_on(t, ev, w, now))
		return;
	memcpy(w->last, now, sizeof now);
	s = add(t, w);
	if (s == NULL)
		return;
	s->before = before;
	s->after = value_of(w);
}

static bool has_stepped(const struct task *t, const struct backend_event *ev)
{
	return ev->kind == BACKEND_SYSCALL_EXIT ||
	       (ev->kind == BACKEND_TRAP && t->steps &&
		(ev->trap == BACKEND_TRAP_STEP || ev->trap == BACKEND_TRAP_CALL));
}

void struck_expect(struct task *t)
{
	const struct arch_code *code = regs_code(t);
	const struct code_access access = past_access(t);
	uint8_t bytes[CODE_INSTRUCTION_MAX];
	ssize_t n = code ? space_read(t, t->ev.pc, bytes, sizeof bytes) : -1;
	size_t size;
	const uint8_t *set = regs_get(t, &size);

	t->touch_count = -1;
	if (n > 0 && set != NULL)
		t->touch_count = code->touches(code, bytes, (size_t)n, t->ev.pc, set, size, &access,
					       t->touches);
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

static void look(struct task *t, struct watch *w, unsigned own, unsigned kernel)
{
	struct backend_debug pieces[BACKEND_DEBUG_BYTES];
	unsigned n = watch_split(w, pieces);
	uint64_t before = value_of(w);
	bool any = false, itself = false;
	struct struck *s;

	for (unsigned i = 0; i < n; i++) {
		if (!is_hit(t, own | kernel, &pieces[i]))
			continue;
		refresh(t, w, &pieces[i]);
		any = true;
		itself |= is_hit(t, own, &pieces[i]);
	}
	s = any ? add(t, w) : NULL;
	if (s == NULL)
		return;
	s->before = before;
	s->after = value_of(w);
	s->kernel = !itself;
}

static bool has_changed(struct task *t, const struct backend_debug *piece)
{
	uint8_t now[BACKEND_DEBUG_BYTES];

	if (space_read(t, piece->addr, now, piece->length) != (ssize_t)piece->length)
		return false;
	list_for_each (&t->process->watches, node, after) {
		const struct watch *w = list_entry(node, struct watch, in_process);

		if (!w->stepped && w->kind == piece->kind && piece->addr - w->addr < w->length &&
		    memcmp(now, w->last + (piece->addr - w->addr), piece->length) != 0)
			return true;
	}
	return false;
}

/* Which have been hit when nobody says so: what has changed, or else all that may have been. */
static unsigned guess(struct task *t)
{
	unsigned changed = 0, all = 0;

	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++) {
		const struct backend_debug *piece = &t->armed[i];

		if (piece->kind == BACKEND_DEBUG_NONE || piece->kind == BACKEND_DEBUG_EXECUTE)
			continue;
		all |= 1u << i;
		if (has_changed(t, piece))
			changed |= 1u << i;
	}
	return changed ? changed : all;
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
	unsigned own = 0, kernel = 0;
	bool stepped;

	t->struck_count = 0;
	t->struck_told = false;
	if (t->process == NULL)
		return;
	if (t->is_armed && can_tell(ev))
		own = b->ops->debug_hits(b, t->tid);
	if (t->is_armed && own == 0 && ev->kind == BACKEND_TRAP && ev->unsaid)
		own = guess(t);
	if (t->kernel_armed && can_tell(ev))
		kernel = b->ops->kernel_hits(b, t->tid);
	stepped = t->process->stepped && has_stepped(t, ev);
	if ((own | kernel) == 0 && !stepped)
		return;
	list_for_each (&t->process->watches, node, after) {
		struct watch *w = list_entry(node, struct watch, in_process);

		if (w->stepped && stepped)
			look_after_step(t, ev, w);
		else if (!w->stepped &&
			 (w->kind != BACKEND_DEBUG_EXECUTE || !is_again(t, ev, w->addr)))
			look(t, w, own, kernel);
	}
	if (t->struck_count)
		log_debug("%d has hit %zu (%x, kernel %x) at %lx", (int)t->tid, t->struck_count,
			  own, kernel, (unsigned long)ev->pc);
}

void struck_heard(struct task *t)
{
	if (t->state == TASK_RUNNING)
		task_interrupt(t);
	else if (t->state == TASK_STANDING && !can_tell(&t->ev) && !call_busy(t))
		t->engine->backend->ops->interrupt(t->engine->backend, t->tid);
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
