/* SPDX-License-Identifier: MIT */
/* What tests of calls into a task share. */
#ifndef TEST_ENGINE_INJECT_H
#define TEST_ENGINE_INJECT_H

#include "test/engine/stage.h"

#define NR 77 /* what is asked for */

/* @c holds PID, which stands at a stop of that kind. */
void stopped_at(struct client *c, enum backend_kind kind);
void ask_for(struct client *c, int64_t nr, int64_t timeout_ns);
void expect_answer(struct client *c, int error, int64_t result);
void expect_no_answer(struct client *c);
/* The entry and exit of what was asked for. */
void push_entry(struct stage *st);
void push_exit(struct stage *st, int64_t result);
void push_interrupted_exit(struct stage *st, int64_t result);
void push(struct stage *st, enum backend_kind kind);
struct fake_task *kernel_task(struct stage *st);

#endif
