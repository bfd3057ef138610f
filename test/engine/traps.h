/* SPDX-License-Identifier: MIT */
/* What tests of breakpoints share. */
#ifndef TEST_ENGINE_TRAPS_H
#define TEST_ENGINE_TRAPS_H

#include "test/engine/stage.h"

#define AT (FAKE_MEMORY_AT + 64)
#define SLOTS (FAKE_MEMORY_AT + 4096)
#define TRAP 0xcc
#define CHILD 200

uint8_t byte_at(struct stage *st, pid_t pid, uint64_t at);
/* What stands at the trap runs on in place: there is no memory for slots. */
void without_slots(struct stage *st);
/* The call into @tid that makes room for slots at @at, or says why not. */
void map_slots(struct stage *st, pid_t tid, int64_t at);
uint64_t pc_of(struct stage *st, pid_t tid);
void push_hit(struct stage *st, pid_t tid, uint64_t at);
void push_step(struct stage *st, pid_t tid, uint64_t pc);
void lift(struct stage *st, pid_t tid);
void thread(struct stage *st, pid_t tid);

#endif
