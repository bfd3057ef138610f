/* SPDX-License-Identifier: MIT */
/* x86 instructions, of 64-bit and of 32-bit tasks: what the files of arch/code.h share. */
#ifndef ARCH_X86_64_INSTRUCTION_H
#define ARCH_X86_64_INSTRUCTION_H

#include <Zydis/Zydis.h>

#include "arch/code.h"

struct instruction {
	bool wide; /* 64-bit mode */
	ZydisDecodedInstruction z;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static inline bool code_is_wide(const struct arch_code *c)
{
	return c->arch == 1;
}

/* Returns 0, -EINVAL or -ENODATA as arch_code.decode() does. */
int instruction_decode(const struct arch_code *c, const uint8_t *bytes, size_t n,
		       struct instruction *i);
void instruction_describe(const struct instruction *i, struct code_instruction *out);
/* Its memory operand is at a distance from the end of the instruction. */
bool instruction_is_pc_relative(const struct instruction *i);
bool instruction_is_near_branch(const struct instruction *i);
/* The processor's make decides what an operand size prefix does to it. */
bool instruction_is_disputed(const struct instruction *i);
/* emulate() would not return -EOPNOTSUPP, given access to segment bases. */
bool instruction_is_emulated(const struct instruction *i);

int x86_decode(const struct arch_code *c, const uint8_t *bytes, size_t n,
	       struct code_instruction *out);
void x86_displace(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t from,
		  uint64_t to, struct code_displaced *out);
int x86_emulate(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t pc, void *regs,
		size_t size, const struct code_access *access);
int x86_touches(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t pc,
		const void *regs, size_t size, const struct code_access *access,
		struct code_touch *out);
int x86_entered(const struct arch_code *c, const struct code_displaced *d, uint64_t from,
		uint64_t to, void *regs, size_t size);
int x86_after_step(const struct arch_code *c, const struct code_instruction *insn, uint8_t end,
		   uint64_t from, uint64_t to, const void *before, void *after, size_t size,
		   const struct code_access *access);
bool x86_steps_itself(const struct arch_code *c, const void *regs, size_t size);
int x86_not_stepped(const struct arch_code *c, uint64_t from, bool handler, void *regs, size_t size,
		    const struct code_access *access);
int x86_after_step_float(const struct arch_code *c, uint64_t from, uint64_t to, void *set,
			 size_t size);
ssize_t x86_find_syscall(const struct arch_code *c, const uint8_t *bytes, size_t n);

#endif
