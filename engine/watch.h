/* SPDX-License-Identifier: MIT */
/* Watched memory, and the debug registers of a process, which its sessions share (R8). */
#ifndef ENGINE_WATCH_H
#define ENGINE_WATCH_H

#include "engine/engine.h"

struct breakpoint;

/* Bytes that somebody watches, or an instruction, by whatever means. */
struct watch {
	struct list in_process;
	struct process *process;
	uint64_t addr;
	uint32_t length;
	uint32_t kind; /* enum backend_debug_kind */
	unsigned users;
	bool stepped; /* not in registers: found by stepping */
	bool refused; /* the kernel has no registers for it */
	bool kernel;  /* all tasks have others, for what the kernel accesses itself */
	uint8_t last[BACKEND_DEBUG_BYTES];
};

/* One of them, hit by a task. */
struct struck {
	uint64_t addr;
	uint32_t length, kind;
	uint64_t before, after;
	bool kernel; /* it was the kernel, in a call of the task */
};

/* watch.c */
bool watch_is(uint32_t break_kind);
/* The registers it takes, each a part of its bytes; returns how many. */
unsigned watch_split(const struct watch *w, struct backend_debug *out);
/* Registers are claimed and armed in all tasks that stand; those that run are poked. */
int watch_join(struct breakpoint *b);
void watch_leave(struct breakpoint *b);
/* The kernel has refused: by stepping then, if @b allows it. */
int watch_step_instead(struct breakpoint *b);
/* @t stands: its registers are made what they have to be. */
void watch_arm(struct task *t);
/* A call into it is over: it stands again. */
void watch_after_call(struct task *t);
/* It is let go. */
void watch_disarm(struct task *t);
/* A new program: the kernel has cleared them. */
void watch_new_program(struct task *t);
/* Whether the instruction of a watch that has hit is what comes next. */
bool watch_stands(const struct task *t);
/* Whether somebody would miss such an access if the engine made it. */
bool watch_concerns(const struct process *p, uint64_t addr, size_t size, bool write);
/* Values before a hit are those that a session has written. */
void watch_written(struct process *p, uint64_t addr, size_t size);

/* It must step for the sake of watches that are in no registers. */
bool watch_steps(const struct task *t);

/* struck.c */
/* It is about to step. */
void struck_expect(struct task *t);
/* It runs, and the kernel has hit something in a call of it. */
void struck_heard(struct task *t);
/* What @t has hit on its way to this stop. */
void struck_take(struct task *t, const struct backend_event *ev);
/* The kind of event it makes; 0: none. */
uint32_t struck_kind(const struct task *t);
/* It stands at something else, after which its hits are to be told. */
bool struck_follows(struct task *t);
/* What @b is to be told of; NULL: nothing. */
const struct struck *struck_of(const struct task *t, const struct breakpoint *b);

#endif
