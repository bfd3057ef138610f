/* SPDX-License-Identifier: MIT */
/* Names of flags and enumerated values: sets of (value, name), from names_*.def. */
#ifndef DECODE_NAMES_H
#define DECODE_NAMES_H

#include <stdint.h>

enum names_id {
	NAMES_NONE,
#define SET(id, unknown, ...) NAMES_##id,
#include "cli/decode/names.def"
#undef SET
	NAMES_COUNT
};

struct name {
	uint64_t value;
	uint64_t mask; /* of flags: the bits that must equal value */
	const char *name;
};

struct names {
	const char *unknown; /* what a value without a name is called, such as "O_???" */
	const struct name *v;
	unsigned count;
};

const struct names *names_get(unsigned id);
/* The name of @value, or NULL. Constant time. */
const char *names_find(unsigned id, uint64_t value);

#endif
