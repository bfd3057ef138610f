/* SPDX-License-Identifier: MIT */
#include <elf.h>

#include "arch/x86_64/instruction.h"
#include "arch/x86_64/state.h"
#include "arch/generic/codes.h"

static uint64_t pc(const struct arch_code *c, const void *regs, size_t size)
{
	struct state s;

	/* Never written through. */
	if (state_init(&s, code_is_wide(c), (void *)(uintptr_t)regs, size) < 0)
		return 0;
	return state_get(&s, STATE_PC);
}

static void set_pc(const struct arch_code *c, void *regs, size_t size, uint64_t to)
{
	struct state s;

	if (state_init(&s, code_is_wide(c), regs, size) == 0)
		state_put(&s, STATE_PC, to);
}

#define OPERATIONS                                                                                \
	.trap = { 0xcc }, .trap_size = 1, .trap_adjust = 1, .call_instruction = 2, .pc = pc,      \
	.set_pc = set_pc, .decode = x86_decode, .displace = x86_displace, .emulate = x86_emulate, \
	.touches = x86_touches, .entered = x86_entered, .after_step = x86_after_step,             \
	.steps_itself = x86_steps_itself, .not_stepped = x86_not_stepped,                         \
	.after_step_float = x86_after_step_float, .find_syscall = x86_find_syscall

const struct arch_code arch_code_x86_64 = {
	.arch = 1, .float_set = NT_PRFPREG, .map_call = 9, .unmap_call = 11, OPERATIONS
};
const struct arch_code arch_code_i386 = {
	.arch = 2, .float_set = NT_PRXFPREG, .map_call = 192, .unmap_call = 91, OPERATIONS
};
