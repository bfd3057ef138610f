/* SPDX-License-Identifier: MIT */
/* One instruction in all ways, many of them, and what came of it. */
#ifndef TEST_CODE_TRIALS_H
#define TEST_CODE_TRIALS_H

#include "test/code/code.h"

/* What should be among the instructions compared. */
#define CLASS_COUNT 18

struct class
{
	const char *name;
	bool (*holds)(const ZydisDecodedInstruction *z);
	uint64_t xcr0; /* components that it takes */
};

extern const struct class classes[CLASS_COUNT];
void classes_count(const struct sample *s, bool wide, unsigned of_class[CLASS_COUNT]);

struct tally {
	unsigned compared, executed, faulting, unsteady, impossible, bad;
	unsigned slots, far_slots, steps, emulations, left_to_hardware;
	unsigned signals[65];
	unsigned of_class[CLASS_COUNT];
};

/* System calls are left out. */
void compare_all(struct arena *a, struct sample *v, size_t count, struct tally *tally);
void tally_tell(const struct arena *a, const struct tally *t, size_t count);
/* Fills the page with traps but for @bytes. */
void plant(struct arena *a, uint64_t at, const uint8_t *bytes, size_t size);

/* ---- odd.c: instructions that compilers do not make, or not today ---- */

size_t samples_take_odd(bool wide, struct sample *v, size_t max);

#endif
