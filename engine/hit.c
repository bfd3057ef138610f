/* SPDX-License-Identifier: MIT */
/* A trap has been hit: whose it is, and what its owners are told. */
#include <errno.h>
#include <string.h>

#include "engine/break.h"
#include "engine/condition.h"
#include "engine/regs.h"
#include "engine/task.h"

/* The program's bytes are there, not a trap: the site went while the task ran into it. */
static bool is_stale(struct task *t, const struct arch_code *code, uint64_t addr)
{
	struct backend *b = t->engine->backend;
	uint8_t now[sizeof code->trap];

	return b->ops->memory_read(b, t->tid, addr, now, code->trap_size) == code->trap_size &&
	       memcmp(now, code->trap, code->trap_size) != 0;
}

/*
 * The same hit once more: a handler came between the trap and its instruction, or the kernel
 * makes an interrupted call again.
 */
static bool is_told_already(struct task *t, uint64_t addr, uint64_t sp)
{
	bool again = t->site_call == addr && t->call_broken;

	t->site_call = 0;
	for (unsigned i = 0; i < TASK_UNFINISHED_MAX; i++) {
		if (t->unfinished[i].at != addr || t->unfinished[i].sp != sp)
			continue;
		t->unfinished[i].at = 0;
		again = true;
	}
	return again;
}

bool hit_trap(struct task *t, const struct backend_event *ev)
{
	const struct arch_code *code = regs_code(t);
	struct trap_site *site;
	uint64_t addr;
	bool again;

	if (t->process == NULL || code == NULL || t->own_trap)
		return false;
	addr = ev->pc - code->trap_adjust;
	site = space_site(t->process->space, addr);
	if (site == NULL) /* sites are not forgotten: it is the program's own */
		return false;
	if (!site->planted) {
		if (!is_stale(t, code, addr))
			return false;
		task_stand(t, ev, 0);
		regs_set_pc(t, addr);
		return true;
	}
	again = is_told_already(t, addr, ev->sp);
	task_stand(t, ev, again ? 0 : COTRACE_EVENT_BREAKPOINT);
	if (regs_set_pc(t, addr) == 0)
		t->passed = addr;
	return true;
}

static bool triggers(struct task *t, struct breakpoint *b, unsigned *endless)
{
	if (b->process != t->process || (b->task && b->task != t->id) || b->pending ||
	    !condition_holds(t, &b->condition, endless))
		return false; /* who waits for it to be set does not know its id yet */
	return ++b->hits > b->ignore;
}

static void tell_note(struct session *s, struct task *t)
{
	struct event ev;

	event_of_stop(t, &ev);
	event_emit(s, &ev);
	hit_told(t);
}

/* Another one of @s has been hit: the last one to be told is one that stops. */
static void add_hit(struct session *s, struct task *t, struct breakpoint *b)
{
	struct breakpoint *last = t->hit;

	if (last != NULL) {
		if (last->mode == COTRACE_STOP && b->mode != COTRACE_STOP) {
			t->hit = b;
			b = last;
		}
		tell_note(s, t);
	}
	t->hit = b;
}

enum cotrace_mode hit_interest(struct session *s, struct task *t)
{
	struct trap_site *site = space_site(t->process->space, t->ev.pc);
	unsigned endless = 0;

	t->hit = NULL;
	t->engine->corked = true; /* others that run can remove what is walked over */
	if (t->struck_told) {
		list_for_each (&t->process->breakpoints, node, after) {
			struct breakpoint *b = list_entry(node, struct breakpoint, in_process);

			if (b->session == s && struck_of(t, b) && triggers(t, b, &endless))
				add_hit(s, t, b);
		}
	} else if (site != NULL) {
		list_for_each (&site->breakpoints, node, after) {
			struct breakpoint *b = list_entry(node, struct breakpoint, in_site);

			if (b->session == s && triggers(t, b, &endless))
				add_hit(s, t, b);
		}
	}
	t->engine->corked = false;
	return t->hit ? t->hit->mode : COTRACE_OFF;
}

unsigned hit_values(struct task *t, struct wire_writer *w)
{
	struct breakpoint *b = t->hit;

	for (unsigned i = 0; i < b->value_count; i++) {
		uint64_t value;
		bool good = expression_value(t, &b->values[i], &value);
		struct wire_piece piece = { .slot = (uint8_t)i,
					    .flags = good ? 0 : COTRACE_CAPTURED_FAULT,
					    .size = good ? sizeof value : 0 };

		wire_put_piece(w, &piece);
		wire_put_bytes(w, &value, piece.size);
	}
	return b->value_count;
}

void hit_told(struct task *t)
{
	struct breakpoint *b = t->hit;

	t->hit = NULL;
	if (b != NULL && (b->flags & COTRACE_BREAK_ONCE))
		break_remove(b);
}
