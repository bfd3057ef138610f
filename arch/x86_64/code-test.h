/* SPDX-License-Identifier: MIT */
/* What tests of instructions share. */
#ifndef X86_64_CODE_TEST_H
#define X86_64_CODE_TEST_H

#include <stdint.h>

#include "arch/code.h"

#define A 0x555555554000ull
#define NEAR 0x555555000000ull
#define FAR 0x7f0000000000ull
#define TF 0x100u

static const struct arch_code *wide, *narrow;

static inline int get_codes(void **state)
{
	(void)state;
	wide = arch_code_by_id(1);
	narrow = arch_code_by_id(2);
	return wide == NULL || narrow == NULL || arch_code_by_id(0) != NULL;
}

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static inline struct code_displaced moved(const struct arch_code *c, const uint8_t *bytes, size_t n,
					  uint64_t to)
{
	struct code_displaced d;

	c->displace(c, bytes, n, c == wide ? A : 0x8048000, to, &d);
	return d;
}

#endif
