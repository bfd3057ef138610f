/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/state.h"

#include <errno.h>
#include <string.h>

/* Slots of 8 bytes in user_regs_struct; of 4 bytes in its 32-bit counterpart. */
static const uint8_t wide_slots[STATE_COUNT] = { 10, 11, 12, 5, 19, 4,	13, 14, 9,  8, 7,
						 6,  3,	 2,  1, 0,  16, 18, 17, 21, 22 };
static const uint8_t narrow_slots[8] = { 6, 1, 2, 0, 15, 5, 3, 4 };

#define WIDE_SET_SIZE STATE_SET_MAX
#define NARROW_SET_SIZE (17 * 4)

enum {
	NARROW_DS = 7,
	NARROW_ES = 8,
	NARROW_PC = 12,
	NARROW_CS = 13,
	NARROW_FLAGS = 14,
	NARROW_SS = 16
};

#define USER_CS_64 0x33
#define USER_CS_32 0x23
#define USER_DS 0x2b

int state_init(struct state *s, bool wide, void *set, size_t size)
{
	s->set = set;
	s->wide = wide;
	return size < (wide ? WIDE_SET_SIZE : NARROW_SET_SIZE) ? -EINVAL : 0;
}

static uint32_t narrow_word(const struct state *s, unsigned slot)
{
	uint32_t value;

	memcpy(&value, s->set + slot * 4, sizeof value);
	return value;
}

static unsigned narrow_slot(unsigned which)
{
	switch (which) {
	case STATE_PC:
		return NARROW_PC;
	case STATE_FLAGS:
		return NARROW_FLAGS;
	case STATE_CS:
		return NARROW_CS;
	default:
		return narrow_slots[which & 7];
	}
}

uint64_t state_get(const struct state *s, unsigned which)
{
	uint64_t value;

	if (!s->wide)
		return narrow_word(s, narrow_slot(which));
	memcpy(&value, s->set + wide_slots[which] * 8, sizeof value);
	return value;
}

void state_put(const struct state *s, unsigned which, uint64_t value)
{
	uint32_t low = (uint32_t)value;

	if (s->wide)
		memcpy(s->set + wide_slots[which] * 8, &value, sizeof value);
	else
		memcpy(s->set + narrow_slot(which) * 4, &low, sizeof low);
}

bool state_is_flat(const struct state *s)
{
	if (s->wide)
		return (uint16_t)state_get(s, STATE_CS) == USER_CS_64;
	return (uint16_t)narrow_word(s, NARROW_CS) == USER_CS_32 &&
	       (uint16_t)narrow_word(s, NARROW_SS) == USER_DS &&
	       (uint16_t)narrow_word(s, NARROW_DS) == USER_DS &&
	       (uint16_t)narrow_word(s, NARROW_ES) == USER_DS;
}
