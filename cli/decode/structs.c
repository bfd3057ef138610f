/* SPDX-License-Identifier: MIT */
#include "cli/decode/structs.h"

#include <string.h>

#include "cli/decode/dsl.h"

#define M(n, type) { #n, type, MEMBER_SHOWN, 0 },
#define X(n, type) { #n, type, MEMBER_VERBOSE, 0 },
#define N(n, type) { #n, type, MEMBER_NONZERO, 0 },
#define W(n, type, flags) { #n, type, MEMBER_WHEN, 0, flags },
#define D(n, type) { #n, type, MEMBER_DEVICE, 0, 0 },
#define S(n, type) { #n, type, MEMBER_NO_DEVICE, 0, 0 },
#define A(n, type, count) { #n, type, MEMBER_SHOWN, count },
#define AX(n, type, count) { #n, type, MEMBER_VERBOSE, count },
#define PAD(type, count) { "", type, MEMBER_PAD, count },

#define STRUCT(id, ...) static const struct member members_##id[] = { __VA_ARGS__{ 0 } };
#define STRUCT_PACKED STRUCT
#define STRUCT32(id, ...) static const struct member members32_##id[] = { __VA_ARGS__{ 0 } };
#include "cli/decode/structs.def"
#undef STRUCT
#undef STRUCT_PACKED
#undef STRUCT32

static const struct {
	const struct member *members, *members32;
	bool packed;
} descriptions[STRUCT_COUNT] = {
#define STRUCT(id, ...) [STRUCT_##id].members = members_##id,
#define STRUCT_PACKED(id, ...) [STRUCT_##id].members = members_##id, [STRUCT_##id].packed = true,
#define STRUCT32(id, ...) [STRUCT_##id].members32 = members32_##id,
#include "cli/decode/structs.def"
};

static struct layout layouts[2][STRUCT_COUNT];

static const uint8_t base_size[B_COUNT] = {
	[B_INT] = 4, [B_UINT] = 4, [B_LONG] = 0, [B_ULONG] = 0, [B_S64] = 8,
	[B_U64] = 8, [B_S16] = 2,  [B_U16] = 2,	 [B_S8] = 1,	[B_U8] = 1,
};

static size_t scalar_size(const struct type *type, unsigned word)
{
	return base_size[type->base] ? base_size[type->base] : word;
}

size_t type_size(const struct type *type, unsigned word)
{
	switch (type->show) {
	case SHOW_STRUCT:
		return struct_layout(type->ref, word)->size;
	case SHOW_WAIT_STATUS:
		return 4;
	case SHOW_FDSET:
	case SHOW_CPUSET:
	case SHOW_SIGINFO:
		return 128;
	case SHOW_SIGACTION:
		return 3 * word + 8;
	default:
		return scalar_size(type, word);
	}
}

/* 64-bit numbers are aligned to 4 bytes for i386. */
static size_t type_align(const struct type *type, unsigned word)
{
	size_t size;

	if (type->show == SHOW_STRUCT)
		return struct_layout(type->ref, word)->align;
	size = scalar_size(type, word);
	return size > word ? word : size;
}

static void lay_out(struct layout *l, unsigned id, unsigned word)
{
	const struct member *m = descriptions[id].members;
	size_t at = 0;

	if (word == 4 && descriptions[id].members32)
		m = descriptions[id].members32;
	l->members = m;
	l->align = 1;
	for (unsigned i = 0; m[i].mode && i < STRUCT_MEMBERS_MAX; i++) {
		size_t align = descriptions[id].packed ? 1 : type_align(&m[i].type, word);
		size_t count = m[i].array ? m[i].array : 1;

		at = (at + align - 1) & ~(align - 1);
		l->offset[i] = (uint16_t)at;
		at += count * type_size(&m[i].type, word);
		if (align > l->align)
			l->align = (uint8_t)align;
	}
	l->size = (uint16_t)((at + l->align - 1) & ~((size_t)l->align - 1));
}

const struct layout *struct_layout(unsigned id, unsigned word)
{
	struct layout *l = &layouts[word == 4][id];

	if (!l->members)
		lay_out(l, id, word);
	return l;
}

uint64_t type_narrow(const struct type *type, unsigned word, uint64_t v)
{
	switch (type->base) {
	case B_INT:
		return (uint64_t)(int32_t)v;
	case B_UINT:
		return (uint32_t)v;
	case B_LONG:
		return word == 4 ? (uint64_t)(int32_t)v : v;
	case B_ULONG:
		return word == 4 ? (uint32_t)v : v;
	case B_S16:
		return (uint64_t)(int16_t)v;
	case B_U16:
		return (uint16_t)v;
	case B_S8:
		return (uint64_t)(int8_t)v;
	case B_U8:
		return (uint8_t)v;
	default:
		return v;
	}
}

uint64_t type_load(const struct type *type, unsigned word, const void *p)
{
	uint64_t v = 0;

	memcpy(&v, p, scalar_size(type, word));
	return type_narrow(type, word, v);
}
