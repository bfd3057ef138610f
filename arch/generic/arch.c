/* SPDX-License-Identifier: MIT */
#include "arch/arch.h"

#include <errno.h>
#include <string.h>

static const struct arch *const known[] = { &arch_x86_64, &arch_i386 };

const struct arch *arch_by_id(unsigned id)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i]->id == id)
			return known[i];
	return NULL;
}

const struct arch_register *arch_find_register(const struct arch *a, const char *name)
{
	for (size_t i = 0; i < a->register_count; i++)
		if (strcmp(a->registers[i].name, name) == 0)
			return &a->registers[i];
	return NULL;
}

const struct arch_register *arch_gdb_register(const struct arch *a, unsigned number)
{
	if (number >= a->gdb_register_count || a->gdb_registers[number].name == NULL)
		return NULL;
	return &a->gdb_registers[number];
}

int arch_gdb_number(const struct arch *a, const struct arch_register *r)
{
	for (unsigned i = 0; i < a->gdb_register_count; i++) {
		const struct arch_register *whole = arch_gdb_register(a, i);

		if (whole != NULL && whole->set == r->set && r->offset >= whole->offset &&
		    r->offset + r->width <= whole->offset + whole->width)
			return (int)i;
	}
	return -ENOENT;
}

static size_t low_width(const struct arch_register *r)
{
	return (size_t)r->width - r->high_width;
}

static int fits(const struct arch_register *r, size_t size)
{
	if (r->offset + low_width(r) > size || (size_t)r->high_offset + r->high_width > size)
		return -ENODATA;
	if (r->mark_bits && r->mark_offset + sizeof(uint64_t) > size)
		return -ENODATA;
	return 0;
}

int arch_register_get(const struct arch_register *r, const void *set, size_t size, void *value)
{
	const uint8_t *bytes = set;
	int e = fits(r, size);

	if (e < 0)
		return e;
	memcpy(value, bytes + r->offset, low_width(r));
	memcpy((uint8_t *)value + low_width(r), bytes + r->high_offset, r->high_width);
	return 0;
}

int arch_register_put(const struct arch_register *r, void *set, size_t size, const void *value)
{
	uint8_t *bytes = set;
	int e = fits(r, size);

	if (e < 0)
		return e;
	memcpy(bytes + r->offset, value, low_width(r));
	memcpy(bytes + r->high_offset, (const uint8_t *)value + low_width(r), r->high_width);
	if (r->mark_bits) {
		uint64_t mark;

		memcpy(&mark, bytes + r->mark_offset, sizeof mark);
		mark |= r->mark_bits;
		memcpy(bytes + r->mark_offset, &mark, sizeof mark);
	}
	return 0;
}

#define CALLS_END 0x10000 /* above all numbers; x32 and other variants begin there */

bool arch_lists_call(const int16_t *list, int64_t nr)
{
	while (*list >= 0 && *list != nr)
		list++;
	return *list >= 0;
}

bool arch_refuses_call(const struct arch *a, int64_t nr)
{
	return nr < 0 || nr >= CALLS_END || arch_lists_call(a->calls->refused, nr);
}
