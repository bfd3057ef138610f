/* SPDX-License-Identifier: MIT */
/*
 * The pool: watches claim registers of their process, equal ones share them, and every task
 * of it, present and future, has them armed (gotcha 97) when it runs.
 */
#include "engine/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/break.h"
#include "engine/call.h"
#include "engine/keeper.h"
#include "engine/session.h"
#include "engine/task.h"

static const struct backend_debug nothing[BACKEND_DEBUG_MAX];

bool watch_is(uint32_t break_kind)
{
	return break_kind != COTRACE_BREAK_SOFTWARE;
}

static uint32_t kind_of(const struct breakpoint *b)
{
	return b->kind == COTRACE_BREAK_HARDWARE ? BACKEND_DEBUG_EXECUTE
	       : b->kind == COTRACE_WATCH_WRITE	 ? BACKEND_DEBUG_WRITE
						 : BACKEND_DEBUG_ACCESS;
}

unsigned watch_split(const struct watch *w, struct backend_debug *out)
{
	uint64_t addr = w->addr;
	uint32_t left = w->length;
	unsigned n = 0;

	while (left) {
		uint32_t length = BACKEND_DEBUG_BYTES;

		while (length > left || addr % length)
			length /= 2;
		out[n++] = (struct backend_debug){ addr, length, w->kind };
		addr += length;
		left -= length;
	}
	return n;
}

/* ---- The registers of a process ---- */

static bool take(struct process *p, const struct backend_debug *d)
{
	struct backend *b = p->engine->backend;
	unsigned count = b->ops->debug_count(b), at = count;

	for (unsigned i = count; i-- > 0;) {
		if (p->debug_users[i] == 0)
			at = i;
		else if (memcmp(&p->debug[i], d, sizeof *d) == 0) {
			p->debug_users[i]++;
			return true;
		}
	}
	if (at == count)
		return false;
	p->debug[at] = *d;
	p->debug_users[at] = 1;
	p->debug_version++;
	return true;
}

static void give_back(struct process *p, const struct backend_debug *d)
{
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++) {
		if (p->debug_users[i] == 0 || memcmp(&p->debug[i], d, sizeof *d) != 0)
			continue;
		if (--p->debug_users[i] == 0) {
			p->debug[i] = nothing[0];
			p->debug_version++;
		}
		return;
	}
}

static int claim(struct watch *w)
{
	struct backend_debug pieces[BACKEND_DEBUG_BYTES];
	unsigned n = watch_split(w, pieces);

	for (unsigned i = 0; i < n; i++) {
		if (take(w->process, &pieces[i]))
			continue;
		while (i-- > 0)
			give_back(w->process, &pieces[i]);
		return -ENOSPC;
	}
	return 0;
}

static void unclaim(struct watch *w)
{
	struct backend_debug pieces[BACKEND_DEBUG_BYTES];
	unsigned n = watch_split(w, pieces);

	while (n-- > 0)
		give_back(w->process, &pieces[n]);
}

/*
 * Registers that nobody wants are for the kernel's own accesses: of the oldest watches, each
 * with all of its bytes or not at all.
 */
static unsigned registers_of(const struct watch *w)
{
	const struct process *p = w->process;
	struct backend_debug pieces[BACKEND_DEBUG_BYTES];
	unsigned n = watch_split(w, pieces), bits = 0;

	for (unsigned k = 0; k < n; k++)
		for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
			if (p->debug_users[i] &&
			    memcmp(&p->debug[i], &pieces[k], sizeof *pieces) == 0)
				bits |= 1u << i;
	return bits;
}

static void share_out(struct process *p)
{
	struct backend *b = p->engine->backend;
	unsigned left = b->ops->debug_count(b), wanted = 0;

	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		left -= p->debug_users[i] != 0;
	list_for_each (&p->watches, node, after) {
		struct watch *w = list_entry(node, struct watch, in_process);
		unsigned more;

		w->kernel = false;
		if (w->stepped || w->kind == BACKEND_DEBUG_EXECUTE)
			continue;
		more = registers_of(w) & ~wanted;
		if ((unsigned)__builtin_popcount(more) > left)
			continue;
		left -= (unsigned)__builtin_popcount(more);
		wanted |= more;
		w->kernel = true;
	}
	if (wanted != p->kernel_wanted)
		p->debug_version++;
	p->kernel_wanted = wanted;
}

/* ---- In the tasks ---- */

static void set_armed(struct task *t, const struct backend_debug *now)
{
	bool any = memcmp(now, nothing, sizeof nothing) != 0;

	memcpy(t->armed, now, sizeof t->armed);
	if (any != t->is_armed)
		t->engine->armed += any ? 1 : (size_t)-1;
	t->is_armed = any;
	if (any && t->process != NULL)
		keeper_armed(t->process);
	else if (t->engine->armed == 0)
		keeper_unplanted(t->engine);
}

/* Somebody else has the hardware. Those who wait for an answer get it by that. */
static void refused(struct task *t, int error)
{
	struct process *p = t->process;
	bool awaited = false;

	log_debug("debug registers of %d: %d", (int)t->tid, error);
	list_for_each (&p->breakpoints, node, after) {
		struct breakpoint *b = list_entry(node, struct breakpoint, in_process);

		if (b->watch == NULL || b->watch->stepped || !b->pending)
			continue;
		b->refused = error;
		awaited = true;
	}
	if (awaited)
		return;
	list_for_each (&p->covers, node, after) {
		struct session *s = list_entry(node, struct cover, in_process)->session;
		struct event ev = EVENT(COTRACE_EVENT_REFUSED, t);

		ev.refused = (struct wire_e_refused){ error, WIRE_BREAK };
		list_for_each (&p->breakpoints, at, next) {
			struct breakpoint *b = list_entry(at, struct breakpoint, in_process);

			if (b->session != s || b->watch == NULL || b->watch->stepped)
				continue;
			event_emit(s, &ev);
			break;
		}
	}
}

/* Others may have the hardware, or nobody may look into the kernel. */
static void cannot_have(struct process *p, unsigned which)
{
	list_for_each (&p->watches, node, after) {
		struct watch *w = list_entry(node, struct watch, in_process);

		if (w->kernel && (registers_of(w) & which))
			w->kernel = false;
	}
}

static void set_kernel(struct task *t, unsigned which)
{
	struct backend_debug now[BACKEND_DEBUG_MAX] = { 0 };
	struct backend *b = t->engine->backend;

	if (which == 0 && t->kernel_armed == 0)
		return;
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		if (which >> i & 1)
			now[i] = t->armed[i];
	t->kernel_armed = b->ops->kernel_set(b, t->tid, now);
	t->kernel_had |= t->kernel_armed != 0;
}

/* Those that both have, so that there is room for what is to be set first. */
static unsigned kernel_kept(const struct task *t, const struct backend_debug *now)
{
	unsigned kept = t->process && !t->detaching ? t->process->kernel_wanted : 0;

	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		if (memcmp(&t->armed[i], &now[i], sizeof *now) != 0)
			kept &= ~(1u << i);
	return kept & t->kernel_armed;
}

static void set(struct task *t, const struct backend_debug *now)
{
	struct backend *b = t->engine->backend;
	int r;

	set_kernel(t, kernel_kept(t, now));
	if (memcmp(t->armed, now, sizeof t->armed) == 0)
		return;
	/* What was hit by what is armed now has been taken note of, or is lost (98). */
	if (t->is_armed)
		b->ops->debug_hits(b, t->tid);
	r = b->ops->debug_set(b, t->tid, t->armed, now);
	if (r == 0)
		set_armed(t, now);
	else if (r != -ESRCH && t->process != NULL && !t->detaching)
		refused(t, r);
}

void watch_arm(struct task *t)
{
	struct process *p = t->process;

	if (p == NULL || t->detaching || t->debug_version == p->debug_version)
		return;
	t->debug_version = p->debug_version;
	set(t, p->debug);
	if (memcmp(t->armed, p->debug, sizeof t->armed) == 0)
		set_kernel(t, p->kernel_wanted);
	cannot_have(p, p->kernel_wanted & ~t->kernel_armed);
}

void watch_disarm(struct task *t)
{
	if (t->is_armed)
		set(t, nothing);
	t->debug_version = 0;
}

void watch_new_program(struct task *t)
{
	set_armed(t, nothing);
	set_kernel(t, 0);
	t->debug_version = 0;
}

/* Those that run hear of it when they have been interrupted. */
static void changed(struct process *p)
{
	share_out(p);
	list_for_each (&p->tasks, node, after) {
		struct task *t = list_entry(node, struct task, in_process);

		if (t->state == TASK_RUNNING && t->in_vfork)
			continue; /* it stands before it goes on */
		if (t->state == TASK_RUNNING && (memcmp(t->armed, p->debug, sizeof t->armed) != 0 ||
						 (p->stepped && !t->steps && !t->steps_call)))
			task_poke(t);
		else if (task_stands(t) && call_busy(t))
			task_poke_in_call(t);
		else if (task_stands(t) && t->announced)
			watch_arm(t);
	}
}

void watch_after_call(struct task *t)
{
	watch_arm(t);
	if (t->poked)
		task_unpoke(t);
}

/* ---- Watches ---- */

static void step_for(struct watch *w, bool stepped)
{
	if (w->stepped != stepped)
		w->process->stepped += stepped ? 1 : (unsigned)-1;
	w->stepped = stepped;
}

static struct watch *find(struct process *p, const struct breakpoint *b)
{
	list_for_each (&p->watches, node, after) {
		struct watch *w = list_entry(node, struct watch, in_process);

		if (w->addr == b->addr && w->length == b->length && w->kind == kind_of(b))
			return w;
	}
	return NULL;
}

static void read_values(struct watch *w)
{
	struct process *p = w->process;
	struct backend *b = p->engine->backend;

	memset(w->last, 0, sizeof w->last);
	if (w->kind != BACKEND_DEBUG_EXECUTE)
		b->ops->memory_read(b, process_any_tid(p), w->addr, w->last, w->length);
}

static struct watch *add(const struct breakpoint *b)
{
	struct watch *w = calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
	w->process = b->process;
	w->addr = b->addr;
	w->length = b->length;
	w->kind = kind_of(b);
	read_values(w);
	list_append(&b->process->watches, &w->in_process);
	return w;
}

static void discard(struct watch *w)
{
	if (w->stepped)
		step_for(w, false);
	else
		unclaim(w);
	list_remove(&w->in_process);
	free(w);
}

/* Registers have become free. */
static void promote(struct process *p)
{
	list_for_each (&p->watches, node, after) {
		struct watch *w = list_entry(node, struct watch, in_process);

		if (w->stepped && !w->refused && claim(w) == 0)
			step_for(w, false);
	}
}

/* Gets @w what it takes. */
static int equip(struct watch *w, bool is_new, bool may_step)
{
	int r = !is_new && !w->stepped ? 0 : w->refused ? -ENOSPC : claim(w);

	if (r == 0) {
		step_for(w, false);
	} else if (may_step) {
		step_for(w, true);
		r = 0;
	}
	return r;
}

int watch_join(struct breakpoint *b)
{
	struct process *p = b->process;
	struct watch *w;
	bool is_new;
	int r;

	if (b->kind == COTRACE_BREAK_HARDWARE)
		b->length = 1;
	w = find(p, b);
	is_new = w == NULL;
	if (is_new)
		w = add(b);
	if (w == NULL)
		return -ENOMEM;
	r = equip(w, is_new, b->flags & COTRACE_WATCH_SOFTWARE);
	if (r < 0) {
		if (is_new) {
			list_remove(&w->in_process);
			free(w);
		}
		return r;
	}
	w->users++;
	b->watch = w;
	changed(p);
	return 0;
}

void watch_leave(struct breakpoint *b)
{
	struct watch *w = b->watch;
	struct process *p = b->process;

	b->watch = NULL;
	if (w == NULL || --w->users > 0)
		return;
	discard(w);
	promote(p);
	changed(p);
}

int watch_step_instead(struct breakpoint *b)
{
	struct watch *w = b->watch;

	if (w == NULL || w->stepped || !(b->flags & COTRACE_WATCH_SOFTWARE) || w->users > 1)
		return -ENOSPC;
	unclaim(w);
	w->refused = true;
	step_for(w, true);
	changed(b->process);
	return 0;
}

bool watch_steps(const struct task *t)
{
	return t->process != NULL && t->process->stepped && !t->detaching;
}

bool watch_concerns(const struct process *p, uint64_t addr, size_t size, bool write)
{
	list_for_each (&p->watches, node, after) {
		const struct watch *w = list_entry(node, struct watch, in_process);

		if (w->kind == BACKEND_DEBUG_EXECUTE || (w->kind == BACKEND_DEBUG_WRITE && !write))
			continue;
		if (addr - w->addr < w->length || w->addr - addr < size)
			return true;
	}
	return false;
}

void watch_written(struct process *p, uint64_t addr, size_t size)
{
	list_for_each (&p->space->processes, node, after) {
		struct process *each = list_entry(node, struct process, in_space);

		list_for_each (&each->watches, at, next) {
			struct watch *w = list_entry(at, struct watch, in_process);

			if (addr - w->addr < w->length || w->addr - addr < size)
				read_values(w);
		}
	}
}
