/* SPDX-License-Identifier: MIT */
/* Breakpoints: what sessions have set; where they are hit. */
#ifndef ENGINE_BREAK_H
#define ENGINE_BREAK_H

#include "engine/condition.h"
#include "engine/event.h"
#include "engine/space.h"
#include "engine/watch.h"

struct breakpoint {
	struct list in_session, in_process;
	struct list in_site; /* SOFTWARE, and there is memory */
	uint64_t id;
	struct list namesakes; /* a ring: children that have inherited it have it under its id */
	struct session *session;
	struct process *process;
	struct trap_site *site; /* SOFTWARE */
	struct watch *watch;	/* the others */
	bool pending;		/* its owner waits until all tasks have it */
	int refused;		/* ... and some cannot: why */
	uint32_t kind, mode, flags, length;
	uint64_t addr, task, ignore, hits;
	struct expression condition;
	struct expression values[COTRACE_BREAK_VALUES_MAX];
	unsigned value_count;
};

/* break.c */
/* Takes it out and frees it. */
void break_remove(struct breakpoint *b);
/* All of @s. */
void break_withdraw(struct session *s);
/* @p has a new program, or is gone (@gone), and has left its memory. */
void break_exec(struct process *p, bool gone);
/* The child of a fork has those that are to be inherited. */
void break_inherit(struct process *child, const struct process *parent);
/* Whether calls that map memory are to be seen for its sake. */
bool break_follows_maps(const struct process *p);
/* @t has made the call it is in: if it changed what is mapped, break_replant(). */
void break_after_call(const struct task *t);
/* Memory of @p may have been mapped anew: plants what waits, and what was lost. */
void break_replant(struct process *p);

/*
 * Tasks have been reached. 0; -EINPROGRESS: others are to be; or why the breakpoint @id is not
 * set after all.
 */
int break_effective(struct session *s, uint64_t id);

/* hit.c */
/* A trap instruction was executed: ours (true; the task stands there), or the program's. */
bool hit_trap(struct task *t, const struct backend_event *ev);
/*
 * Whether @s has a breakpoint here whose condition is true. All but the last one are told as
 * notes at once, that one is t->hit.
 */
enum cotrace_mode hit_interest(struct session *s, struct task *t);
/* Evaluates the values of t->hit into @w; returns how many pieces. */
unsigned hit_values(struct task *t, struct wire_writer *w);
/* Makes t->hit history once it has been told. */
void hit_told(struct task *t);

#endif
