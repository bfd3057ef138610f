/* SPDX-License-Identifier: MIT */
/*
 * x86-64. NT_PRSTATUS is struct user_regs_struct of <sys/user.h>, NT_PRFPREG the FXSAVE
 * image, NT_X86_XSTATE the XSAVE image in its standard format.
 */
#include <elf.h>

#include "arch/arch.h"

#define GENERAL(name, slot)                                \
	{                                                  \
		name, NT_PRSTATUS, (slot)*8, 8, 0, 0, 0, 0 \
	}
#define PART(name, slot, at, width)                                   \
	{                                                             \
		name, NT_PRSTATUS, (slot)*8 + (at), width, 0, 0, 0, 0 \
	}
#define FLOATING(name, offset, width)                       \
	{                                                   \
		name, NT_PRFPREG, offset, width, 0, 0, 0, 0 \
	}
#define ST(n) FLOATING("st" #n, 32 + 16 * (n), 10)
#define XMM(n) FLOATING("xmm" #n, 160 + 16 * (n), 16)

/* The AVX component stands at 576; XSTATE_BV at 512 says that SSE and AVX are in use. */
#define YMM(n)                                                                            \
	{                                                                                 \
		"ymm" #n, NT_X86_XSTATE, 160 + 16 * (n), 32, 576 + 16 * (n), 16, 512, 0x6 \
	}

/* The 64 bit register and the names of its parts. */
#define LEGACY(x, slot)                                                                 \
	GENERAL("r" x "x", slot), PART("e" x "x", slot, 0, 4), PART(x "x", slot, 0, 2), \
		PART(x "l", slot, 0, 1), PART(x "h", slot, 1, 1)
#define INDEX(x, slot) \
	GENERAL("r" x, slot), PART("e" x, slot, 0, 4), PART(x, slot, 0, 2), PART(x "l", slot, 0, 1)
#define NUMBERED(n, slot)                                                                  \
	GENERAL("r" #n, slot), PART("r" #n "d", slot, 0, 4), PART("r" #n "w", slot, 0, 2), \
		PART("r" #n "b", slot, 0, 1)

static const struct arch_register registers[] = {
	NUMBERED(15, 0),
	NUMBERED(14, 1),
	NUMBERED(13, 2),
	NUMBERED(12, 3),
	INDEX("bp", 4),
	LEGACY("b", 5),
	NUMBERED(11, 6),
	NUMBERED(10, 7),
	NUMBERED(9, 8),
	NUMBERED(8, 9),
	LEGACY("a", 10),
	LEGACY("c", 11),
	LEGACY("d", 12),
	INDEX("si", 13),
	INDEX("di", 14),
	GENERAL("orig_rax", 15),
	GENERAL("rip", 16),
	PART("eip", 16, 0, 4),
	GENERAL("cs", 17),
	GENERAL("eflags", 18),
	GENERAL("rflags", 18),
	INDEX("sp", 19),
	GENERAL("ss", 20),
	GENERAL("fs_base", 21),
	GENERAL("gs_base", 22),
	GENERAL("ds", 23),
	GENERAL("es", 24),
	GENERAL("fs", 25),
	GENERAL("gs", 26),

	FLOATING("fctrl", 0, 2),
	FLOATING("fstat", 2, 2),
	FLOATING("ftag", 4, 2),
	FLOATING("fop", 6, 2),
	FLOATING("mxcsr", 24, 4),
	ST(0),
	ST(1),
	ST(2),
	ST(3),
	ST(4),
	ST(5),
	ST(6),
	ST(7),
	XMM(0),
	XMM(1),
	XMM(2),
	XMM(3),
	XMM(4),
	XMM(5),
	XMM(6),
	XMM(7),
	XMM(8),
	XMM(9),
	XMM(10),
	XMM(11),
	XMM(12),
	XMM(13),
	XMM(14),
	XMM(15),
	YMM(0),
	YMM(1),
	YMM(2),
	YMM(3),
	YMM(4),
	YMM(5),
	YMM(6),
	YMM(7),
	YMM(8),
	YMM(9),
	YMM(10),
	YMM(11),
	YMM(12),
	YMM(13),
	YMM(14),
	YMM(15),
};

#define SHADOW_STACK 0x204u /* NT_X86_SHSTK of younger headers */

static const unsigned regsets[] = { NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE, SHADOW_STACK };

/* 24 to 56 are x87 and SSE. */
static const struct arch_register gdb_registers[] = {
	GENERAL("rax", 10),
	GENERAL("rbx", 5),
	GENERAL("rcx", 11),
	GENERAL("rdx", 12),
	GENERAL("rsi", 13),
	GENERAL("rdi", 14),
	GENERAL("rbp", 4),
	GENERAL("rsp", 19),
	GENERAL("r8", 9),
	GENERAL("r9", 8),
	GENERAL("r10", 7),
	GENERAL("r11", 6),
	GENERAL("r12", 3),
	GENERAL("r13", 2),
	GENERAL("r14", 1),
	GENERAL("r15", 0),
	GENERAL("rip", 16),
	GENERAL("eflags", 18),
	GENERAL("cs", 17),
	GENERAL("ss", 20),
	GENERAL("ds", 23),
	GENERAL("es", 24),
	GENERAL("fs", 25),
	GENERAL("gs", 26),
	[57] = GENERAL("orig_rax", 15),
	[58] = GENERAL("fs_base", 21),
	[59] = GENERAL("gs_base", 22),
};

/* clone, fork, vfork, execve, exit, rt_sigreturn, restart_syscall, exit_group, execveat, clone3 */
static const int16_t refused[] = { 56, 57, 58, 59, 60, 15, 219, 231, 322, 435, -1 };
/* nanosleep, clock_nanosleep */
static const int16_t forget[] = { 35, 230, -1 };
/* poll, futex */
static const int16_t may_forget[] = { 7, 202, -1 };
/*
 * mmap, mprotect, munmap, brk, mremap, madvise, shmat, shmdt, remap_file_pages, pkey_mprotect
 */
static const int16_t maps[] = { 9, 10, 11, 12, 25, 28, 30, 67, 216, 329, -1 };
static const struct arch_calls calls = { .refused = refused,
					 .forget = forget,
					 .may_forget = may_forget,
					 .maps = maps,
					 .restart = 219,
					 .suspend = 130,
					 .sigaction = 13 };

const struct arch arch_x86_64 = {
	.id = 1,
	.name = "x86_64",
	.word_size = 8,
	.registers = registers,
	.register_count = sizeof registers / sizeof *registers,
	.gdb_registers = gdb_registers,
	.gdb_register_count = sizeof gdb_registers / sizeof *gdb_registers,
	.pc = "rip",
	.sp = "rsp",
	.regsets = regsets,
	.regset_count = sizeof regsets / sizeof *regsets,
	.calls = &calls,
};
