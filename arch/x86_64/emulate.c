/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "arch/x86_64/instruction.h"

bool instruction_is_emulated(const struct instruction *i)
{
	(void)i;
	return false;
}

int x86_emulate(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t pc, void *regs,
		size_t size, const struct code_access *access)
{
	(void)c, (void)bytes, (void)n, (void)pc, (void)regs, (void)size, (void)access;
	return -EOPNOTSUPP;
}
