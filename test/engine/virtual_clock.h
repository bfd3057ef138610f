/* SPDX-License-Identifier: MIT */
/* Stands in for base/clock.c: time goes on only when a test says so. */
#ifndef TEST_ENGINE_VIRTUAL_CLOCK_H
#define TEST_ENGINE_VIRTUAL_CLOCK_H

#include <stdint.h>

void virtual_clock_reset(void);
void virtual_clock_advance(uint64_t ns);

#endif
