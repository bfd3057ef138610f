/* SPDX-License-Identifier: MIT */
/* Operands of an instruction that is acted out on a register set. */
#ifndef ARCH_X86_64_OPERAND_H
#define ARCH_X86_64_OPERAND_H

#include "arch/x86_64/instruction.h"
#include "arch/x86_64/state.h"

struct act {
	const struct instruction *i;
	struct state s;
	uint64_t next; /* the pc behind it */
	const struct code_access *access;
};

static inline uint64_t bits(uint64_t value, unsigned width)
{
	return width >= 64 ? value : value & ((1ull << width) - 1);
}

/* A general register, or a part of one. */
bool operand_is_register(const ZydisDecodedOperand *o);
bool operand_is_value(const ZydisDecodedOperand *o); /* that, or an immediate */
/* Of @width bits, zero-extended. */
uint64_t operand_value(const struct act *a, const ZydisDecodedOperand *o, unsigned width);
void operand_put(const struct act *a, const ZydisDecodedOperand *o, uint64_t value);
/* Without its segment. */
uint64_t operand_offset(const struct act *a, const ZydisDecodedOperand *o);
/* Returns 0 or -EOPNOTSUPP. */
int operand_address(const struct act *a, const ZydisDecodedOperand *o, uint64_t *addr);

#endif
