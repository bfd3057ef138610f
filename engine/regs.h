/* SPDX-License-Identifier: MIT */
/*
 * The general registers of a task that stands, read once and written once per stop. Whoever
 * else looks at the task's registers must find them flushed.
 */
#ifndef ENGINE_REGS_H
#define ENGINE_REGS_H

#include "arch/code.h"
#include "engine/engine.h"

/* NULL: the task is gone, or its architecture not known. */
const struct arch_code *regs_code(struct task *t);
/* The register set, to be read; NULL as above. */
uint8_t *regs_get(struct task *t, size_t *size);
/* It was changed, by more than the pc. */
void regs_changed(struct task *t);
/* Has it go on at @pc. Returns 0 or a negative errno. */
int regs_set_pc(struct task *t, uint64_t pc);
/* Writes what was changed. Returns 0 or a negative errno. */
int regs_flush(struct task *t);
/* The task has run, or somebody else has written its registers. */
void regs_forget(struct task *t);

#endif
