/* SPDX-License-Identifier: MIT */
/*
 * A process that outlives the engine: should that be killed, it puts back what the program
 * has where traps are planted. It has what it needs long before, for each space with traps:
 * the memory, as an open file, and the table of the sites.
 *
 * Here is the engine's side. keeping.c is the keeper's own, daemon/keeper.c starts it.
 */
#ifndef ENGINE_KEEPER_H
#define ENGINE_KEEPER_H

#include "engine/engine.h"

struct space;

/*
 * In a datagram of its own; WATCH with the fds of memory and table. The keeper says one byte,
 * when it has the first.
 */
struct keeper_message {
	enum { KEEPER_WATCH = 1, KEEPER_FORGET, KEEPER_ARMED, KEEPER_GONE } kind;
	int32_t pid;	/* WATCH: a process in the space */
	uint64_t space; /* WATCH, FORGET */
};

/* The table of @s has a record of what is about to be planted. Starts a keeper if need be. */
void keeper_watch(struct space *s);
/* The space is about to end. */
void keeper_forget(struct space *s);
/* Tasks of @p have debug registers, which are not put back by closing something. */
void keeper_armed(struct process *p);
void keeper_process_gone(struct process *p);
/* Nothing is to be put back in a space, or in a task, any more. */
void keeper_unplanted(struct engine *e);
/* Something has come from it. If that is its end, another one takes its place. */
void keeper_heard(struct engine *e);
/* The engine is about to leave. */
void keeper_dismiss(struct engine *e);

#endif
