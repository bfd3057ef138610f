/* SPDX-License-Identifier: MIT */
/* Which memory an instruction is about to access. */
#include <errno.h>
#include <string.h>

#include "arch/x86_64/operand.h"

#define RCX 1

/* Instructions whose operands do not say where and how much: masked, scattered, or plenty. */
static bool is_opaque(const struct instruction *i)
{
	switch (i->z.mnemonic) {
	case ZYDIS_MNEMONIC_BT: /* of a bit anywhere */
	case ZYDIS_MNEMONIC_BTC:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTS:
		return i->operands[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;
	case ZYDIS_MNEMONIC_ENTER:
	case ZYDIS_MNEMONIC_MASKMOVQ:
	case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
	case ZYDIS_MNEMONIC_XLAT:
		return true;
	default:
		return i->z.avx.mask.mode == ZYDIS_MASK_MODE_MERGING ||
		       i->z.avx.mask.mode == ZYDIS_MASK_MODE_ZEROING ||
		       i->z.meta.category == ZYDIS_CATEGORY_XSAVE ||
		       i->z.meta.category == ZYDIS_CATEGORY_XSAVEOPT ||
		       i->z.meta.category == ZYDIS_CATEGORY_INTERRUPT ||
		       i->z.meta.category == ZYDIS_CATEGORY_SYSCALL;
	}
}

/* Pushing moves the stack pointer first. */
static bool is_pushed(const struct instruction *i, const ZydisDecodedOperand *o)
{
	return o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
	       (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
	       (i->z.meta.category == ZYDIS_CATEGORY_PUSH ||
		i->z.meta.category == ZYDIS_CATEGORY_CALL);
}

/* Where pop has moved the stack pointer to before it computes its own address. */
static bool is_popped_to(const struct instruction *i, const ZydisDecodedOperand *o)
{
	return i->z.mnemonic == ZYDIS_MNEMONIC_POP &&
	       o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
	       (o->mem.base == ZYDIS_REGISTER_RSP || o->mem.base == ZYDIS_REGISTER_ESP);
}

static int touch_of(const struct act *a, const ZydisDecodedOperand *o, struct code_touch *t)
{
	int r = operand_address(a, o, &t->addr);

	if (r < 0 || o->size == 0 || o->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
		return -EOPNOTSUPP;
	t->size = o->size / 8u;
	t->read = (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
	t->write = (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
	if (is_pushed(a->i, o))
		t->addr = bits(t->addr - t->size, a->s.wide ? 64 : 32);
	else if (is_popped_to(a->i, o))
		t->addr = bits(t->addr + t->size, a->s.wide ? 64 : 32);
	return 0;
}

static bool is_hint(const struct instruction *i)
{
	return i->z.meta.category == ZYDIS_CATEGORY_NOP ||
	       i->z.meta.category == ZYDIS_CATEGORY_WIDENOP ||
	       i->z.meta.category == ZYDIS_CATEGORY_PREFETCH ||
	       i->z.meta.category == ZYDIS_CATEGORY_CLDEMOTE ||
	       i->z.mnemonic == ZYDIS_MNEMONIC_CLFLUSH || i->z.mnemonic == ZYDIS_MNEMONIC_CLWB ||
	       i->z.mnemonic == ZYDIS_MNEMONIC_CLFLUSHOPT;
}

static bool repeats_never(const struct act *a)
{
	const uint64_t prefixes =
		ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;

	return (a->i->z.attributes & prefixes) &&
	       bits(state_get(&a->s, RCX), a->i->z.address_width) == 0;
}

int x86_touches(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t pc,
		const void *regs, size_t size, const struct code_access *access,
		struct code_touch *out)
{
	uint8_t set[STATE_SET_MAX];
	struct instruction i;
	struct act a = { .i = &i, .access = access };
	int count = 0;

	if (size > sizeof set || state_init(&a.s, code_is_wide(c), set, size) < 0)
		return -EINVAL;
	memcpy(set, regs, size);
	if (instruction_decode(c, bytes, n, &i) < 0 || is_opaque(&i) || !state_is_flat(&a.s))
		return -EOPNOTSUPP;
	if (is_hint(&i) || repeats_never(&a))
		return 0;
	a.next = bits(pc + i.z.length, a.s.wide ? 64 : 32);
	for (unsigned at = 0; at < i.z.operand_count; at++) {
		const ZydisDecodedOperand *o = &i.operands[at];

		if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || o->mem.type == ZYDIS_MEMOP_TYPE_AGEN ||
		    !(o->actions &
		      (ZYDIS_OPERAND_ACTION_MASK_READ | ZYDIS_OPERAND_ACTION_MASK_WRITE)))
			continue;
		if (count == CODE_TOUCHES_MAX || touch_of(&a, o, &out[count]) < 0)
			return -EOPNOTSUPP;
		count++;
	}
	return count;
}
