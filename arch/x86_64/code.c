/* SPDX-License-Identifier: MIT */
#include <elf.h>

#include "arch/x86_64/instruction.h"
#include "arch/generic/codes.h"

#define OPERATIONS                                                                 \
	.trap = { 0xcc }, .trap_size = 1, .trap_adjust = 1, .call_instruction = 2, \
	.decode = x86_decode, .displace = x86_displace, .emulate = x86_emulate,    \
	.entered = x86_entered, .after_step = x86_after_step,                      \
	.after_step_float = x86_after_step_float, .find_syscall = x86_find_syscall

const struct arch_code arch_code_x86_64 = { .arch = 1, .float_set = NT_PRFPREG, OPERATIONS };
const struct arch_code arch_code_i386 = { .arch = 2, .float_set = NT_PRXFPREG, OPERATIONS };
