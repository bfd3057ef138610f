/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STEP_H
#define ENGINE_STEP_H

#include "arch/code.h"
#include "engine/engine.h"

/* What it takes to step from here is there; else it is asked again later. */
bool step_ready(struct task *t);
/* How it is to be resumed so that it steps. */
enum backend_resume step_begin(struct task *t);
/* The instruction of @pc will be single-stepped at @at, and needs correction afterwards. */
void step_watch(struct task *t, const struct code_instruction *insn, uint8_t end, uint64_t pc,
		uint64_t at);
/* It stands: what the step has left behind is put right. */
void step_settle(struct task *t, struct backend_event *ev);
/* A trap while it steps: whether it is the end of a step, and nothing of the program's. */
bool step_ends(struct task *t, const struct backend_event *ev);
/* It stands after a step: marks those who learn of it; whether there are any. */
bool step_done(struct task *t);
/* A step has ended without a trap, and somebody is to be told. */
bool step_follows(struct task *t);

#endif
