/* SPDX-License-Identifier: MIT */
/* NT_PRSTATUS of either width as registers by their number in instructions. */
#ifndef ARCH_X86_64_STATE_H
#define ARCH_X86_64_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { /* after the 16 general ones */
       STATE_SP = 4,
       STATE_R11 = 11,
       STATE_PC = 16,
       STATE_FLAGS,
       STATE_CS,
       STATE_FS_BASE, /* 64-bit only */
       STATE_GS_BASE,
       STATE_COUNT
};

#define FLAG_CF 0x1u
#define FLAG_PF 0x4u
#define FLAG_AF 0x10u
#define FLAG_ZF 0x40u
#define FLAG_SF 0x80u
#define FLAG_TF 0x100u
#define FLAG_OF 0x800u
#define FLAG_AC 0x40000u

#define STATE_SET_MAX 216 /* bytes: that of 64-bit tasks */

struct state {
	uint8_t *set;
	bool wide;
};

/* Returns 0, or -EINVAL when the set is too short. */
int state_init(struct state *s, bool wide, void *set, size_t size);
uint64_t state_get(const struct state *s, unsigned which);
void state_put(const struct state *s, unsigned which, uint64_t value);
/* The segments are those that the kernel gives every program: flat. */
bool state_is_flat(const struct state *s);

#endif
