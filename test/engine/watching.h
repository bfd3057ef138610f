/* SPDX-License-Identifier: MIT */
/* Setting watchpoints, and hitting them. */
#ifndef TEST_ENGINE_WATCHING_H
#define TEST_ENGINE_WATCHING_H

#include "test/engine/stage.h"

#define AT FAKE_MEMORY_AT

/* Attached to a target whose tasks stop as soon as they are interrupted. */
struct client *answered(struct stage *st);
struct wire_break watch(uint64_t at, uint32_t length);
/* Registers of a task. */
unsigned armed(struct stage *st, pid_t tid);
unsigned armed_for_kernel(struct stage *st, pid_t tid);
bool has(struct stage *st, pid_t tid, uint64_t addr, uint32_t length);
/* The write has been made: the register that has @addr has hit. */
void hit(struct stage *st, pid_t tid, enum backend_trap trap, uint64_t addr, uint32_t value);

#endif
