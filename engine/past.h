/* SPDX-License-Identifier: MIT */
/* Getting past a trap that has been told of. */
#ifndef ENGINE_PAST_H
#define ENGINE_PAST_H

#include "engine/space.h"

/* Where a task was found in a slot is made where it is in the program. */
void past_settle(struct task *t, struct backend_event *ev);
/*
 * Gets what it takes to run from where it stands. False: not yet; it is asked again when
 * something has changed.
 */
bool past_ready(struct task *t);
/* It runs now: sends it into the slot, if it has to go there. */
void past_run(struct task *t, enum backend_resume *how);
/* Frames below @sp have been left, and with them what handlers kept waiting there. */
void past_forget_unfinished(struct task *t, uint64_t sp);
/* It stopped, died or left while it stepped, or was to step, with a trap lifted. */
void past_lifted(struct task *t);
/* A call came to its end: that of a handler tells what becomes of one that it interrupted. */
void past_call_ended(struct task *t, const struct backend_event *ev);
/* ... which is to be seen. */
bool past_awaits_call(const struct task *t);
/* Another task steps with a trap lifted: this one must not run. */
bool past_barred(const struct task *t);
/* For the architecture's code: memory with the rights of the task. */
struct code_access past_access(struct task *t);

/* slots.c */
/* What the site's instruction is. */
void slots_decode(struct trap_site *site, struct task *t);
/* Gives it a slot. 0; -EINPROGRESS: wait; else there is none for it. */
int slots_prepare(struct trap_site *site, struct task *t);
/* It runs there next. */
void slots_enter(struct task *t, const struct trap_site *site);
/* The last task of its memory is about to be let go: true while it takes the slots away. */
bool slots_leave(struct task *t);

#endif
