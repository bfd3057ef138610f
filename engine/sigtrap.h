/* SPDX-License-Identifier: MIT */
/*
 * A trap is a signal that the kernel forces: where the program blocks or ignores SIGTRAP it
 * unblocks it and forgets what the program wanted done about it (gotcha 79). Here that is
 * avoided, or made good before anybody sees it.
 */
#ifndef ENGINE_SIGTRAP_H
#define ENGINE_SIGTRAP_H

#include "engine/engine.h"

/* Traps are about to be planted in @p: what it does about SIGTRAP, and who blocks it. */
void sigtrap_look(struct process *p);
/* Its mask is that of its creator, then. */
void sigtrap_born(struct task *t);
/* @child is a copy of @parent. */
void sigtrap_inherit(struct process *child, const struct process *parent);
/* It makes a system call, and that may be about SIGTRAP. */
void sigtrap_changed(struct task *t);
/* What is not known is asked of it, before it runs into a trap. False: it is asked now. */
bool sigtrap_asked(struct task *t);
/* What it takes to make good a step from here is known; else it is asked again later. */
bool sigtrap_ready(struct task *t);
/* It runs now, to make a step if @steps. */
void sigtrap_run(struct task *t, bool steps);
/* It stands. */
void sigtrap_settle(struct task *t, struct backend_event *ev);
/* A trap of the engine's own making was told of by the kernel: @hit, and not a step. */
void sigtrap_taken(struct task *t, bool hit);
/* It stands, and is to be seen: what a trap did is made good, by a call into it. */
void sigtrap_mend(struct task *t);

#endif
