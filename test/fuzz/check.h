/* SPDX-License-Identifier: MIT */
/* What must hold of an engine at rest. */
#ifndef TEST_FUZZ_CHECK_H
#define TEST_FUZZ_CHECK_H

#include "backend/fake/fake.h"
#include "engine/engine.h"

void check_engine(struct engine *e, struct fake *f);
/* No session is left: no task is, except those that are only waited for to die. */
void check_let_go(struct engine *e, struct fake *f);

#endif
