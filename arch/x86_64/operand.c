/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/operand.h"

#include <errno.h>

struct part {
	unsigned number, width, shift;
};

/* Returns false for what is no general register. */
static bool part_of(ZydisRegister r, struct part *p)
{
	*p = (struct part){ 0 };
	if (r >= ZYDIS_REGISTER_AL && r <= ZYDIS_REGISTER_BL)
		*p = (struct part){ r - ZYDIS_REGISTER_AL, 8, 0 };
	else if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
		*p = (struct part){ r - ZYDIS_REGISTER_AH, 8, 8 };
	else if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B)
		*p = (struct part){ r - ZYDIS_REGISTER_SPL + STATE_SP, 8, 0 };
	else if (r >= ZYDIS_REGISTER_AX && r <= ZYDIS_REGISTER_R15W)
		*p = (struct part){ r - ZYDIS_REGISTER_AX, 16, 0 };
	else if (r >= ZYDIS_REGISTER_EAX && r <= ZYDIS_REGISTER_R15D)
		*p = (struct part){ r - ZYDIS_REGISTER_EAX, 32, 0 };
	else if (r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15)
		*p = (struct part){ r - ZYDIS_REGISTER_RAX, 64, 0 };
	return p->width != 0;
}

bool operand_is_register(const ZydisDecodedOperand *o)
{
	struct part p;

	return o->type == ZYDIS_OPERAND_TYPE_REGISTER && part_of(o->reg.value, &p);
}

bool operand_is_value(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE || operand_is_register(o);
}

static uint64_t register_value(const struct act *a, ZydisRegister r)
{
	struct part p;

	if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
		return a->next;
	if (!part_of(r, &p))
		return 0;
	return bits(state_get(&a->s, p.number) >> p.shift, p.width);
}

uint64_t operand_value(const struct act *a, const ZydisDecodedOperand *o, unsigned width)
{
	if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return bits(o->imm.value.u, width);
	return bits(register_value(a, o->reg.value), width);
}

/* A 32-bit result clears the rest of the register, smaller ones leave it. */
void operand_put(const struct act *a, const ZydisDecodedOperand *o, uint64_t value)
{
	struct part p;
	uint64_t old;

	if (!part_of(o->reg.value, &p))
		return;
	value = bits(value, p.width);
	if (p.width < 32) {
		old = state_get(&a->s, p.number);
		old &= ~(bits(~0ull, p.width) << p.shift);
		value = old | value << p.shift;
	}
	state_put(&a->s, p.number, value);
}

uint64_t operand_offset(const struct act *a, const ZydisDecodedOperand *o)
{
	uint64_t offset = o->mem.disp.has_displacement ? (uint64_t)o->mem.disp.value : 0;

	offset += register_value(a, o->mem.base);
	offset += register_value(a, o->mem.index) * o->mem.scale;
	return bits(offset, a->i->z.address_width);
}

int operand_address(const struct act *a, const ZydisDecodedOperand *o, uint64_t *addr)
{
	unsigned gs = o->mem.segment == ZYDIS_REGISTER_GS;
	uint64_t base = 0;

	if (gs || o->mem.segment == ZYDIS_REGISTER_FS) {
		if (a->s.wide)
			base = state_get(&a->s, gs ? STATE_GS_BASE : STATE_FS_BASE);
		else if (a->access->segment_base == NULL ||
			 a->access->segment_base(a->access->arg, gs, &base) < 0)
			return -EOPNOTSUPP;
	}
	*addr = bits(base + operand_offset(a, o), a->s.wide ? 64 : 32);
	return 0;
}
