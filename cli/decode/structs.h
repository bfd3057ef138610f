/* SPDX-License-Identifier: MIT */
/* Structures of the kernel's interface: see structs.def. */
#ifndef DECODE_STRUCTS_H
#define DECODE_STRUCTS_H

#include "cli/decode/type.h"

enum struct_id {
#define STRUCT(id, ...) STRUCT_##id,
#define STRUCT_PACKED(id, ...) STRUCT_##id,
#define STRUCT32(id, ...)
#include "cli/decode/structs.def"
#undef STRUCT
#undef STRUCT_PACKED
#undef STRUCT32
	STRUCT_COUNT
};

enum member_mode {
	MEMBER_END,
	MEMBER_SHOWN,
	MEMBER_VERBOSE,	  /* only with -v; else "..." */
	MEMBER_NONZERO,	  /* only when not zero */
	MEMBER_WHEN,	  /* only when the structure begins with one of these flags */
	MEMBER_DEVICE,	  /* only when the file mode before it is a device's; else -v */
	MEMBER_NO_DEVICE, /* the other way round */
	MEMBER_PAD
};

struct member {
	const char *name;
	struct type type;
	uint8_t mode;
	uint8_t array; /* 0: no array */
	uint32_t when;
};

#define STRUCT_MEMBERS_MAX 24

/* Where the members lie, for one word size. */
struct layout {
	const struct member *members;
	uint16_t size;
	uint8_t align;
	uint16_t offset[STRUCT_MEMBERS_MAX];
};

/* @word: 4 or 8 */
const struct layout *struct_layout(unsigned id, unsigned word);
/* Bytes of a value of this type; 0 for those without a fixed size. */
size_t type_size(const struct type *type, unsigned word);
/* The number at @p, sign-extended where its type is signed. */
uint64_t type_load(const struct type *type, unsigned word, const void *p);
/* What a register holds as a value of this type. */
uint64_t type_narrow(const struct type *type, unsigned word, uint64_t v);

#endif
