/* SPDX-License-Identifier: MIT */
/*
 * 32-bit x86 tasks as a 64-bit tracer sees them: NT_PRSTATUS is 17 words, NT_PRFPREG the
 * FSAVE image, NT_PRXFPREG the FXSAVE image, NT_X86_XSTATE as on x86-64.
 */
#include <elf.h>

#include "arch/arch.h"

#define GENERAL(name, slot)                                \
	{                                                  \
		name, NT_PRSTATUS, (slot)*4, 4, 0, 0, 0, 0 \
	}
#define PART(name, slot, at, width)                                   \
	{                                                             \
		name, NT_PRSTATUS, (slot)*4 + (at), width, 0, 0, 0, 0 \
	}
#define FLOATING(name, offset, width)                       \
	{                                                   \
		name, NT_PRFPREG, offset, width, 0, 0, 0, 0 \
	}
#define EXTENDED(name, offset, width)                        \
	{                                                    \
		name, NT_PRXFPREG, offset, width, 0, 0, 0, 0 \
	}
#define ST(n) FLOATING("st" #n, 28 + 10 * (n), 10)
#define XMM(n) EXTENDED("xmm" #n, 160 + 16 * (n), 16)
#define YMM(n)                                                                            \
	{                                                                                 \
		"ymm" #n, NT_X86_XSTATE, 160 + 16 * (n), 32, 576 + 16 * (n), 16, 512, 0x6 \
	}

#define LEGACY(x, slot)                                                             \
	GENERAL("e" x "x", slot), PART(x "x", slot, 0, 2), PART(x "l", slot, 0, 1), \
		PART(x "h", slot, 1, 1)
#define INDEX(x, slot) GENERAL("e" x, slot), PART(x, slot, 0, 2)

static const struct arch_register registers[] = {
	LEGACY("b", 0),
	LEGACY("c", 1),
	LEGACY("d", 2),
	INDEX("si", 3),
	INDEX("di", 4),
	INDEX("bp", 5),
	LEGACY("a", 6),
	GENERAL("ds", 7),
	GENERAL("es", 8),
	GENERAL("fs", 9),
	GENERAL("gs", 10),
	GENERAL("orig_eax", 11),
	GENERAL("eip", 12),
	GENERAL("cs", 13),
	GENERAL("eflags", 14),
	INDEX("sp", 15),
	GENERAL("ss", 16),

	FLOATING("fctrl", 0, 2),
	FLOATING("fstat", 4, 2),
	FLOATING("ftag", 8, 2),
	EXTENDED("fop", 6, 2),
	EXTENDED("mxcsr", 24, 4),
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
	YMM(0),
	YMM(1),
	YMM(2),
	YMM(3),
	YMM(4),
	YMM(5),
	YMM(6),
	YMM(7),
};

static const unsigned regsets[] = { NT_PRSTATUS, NT_PRFPREG, NT_PRXFPREG, NT_X86_XSTATE,
				    NT_386_TLS };

/* 16 to 40 are x87 and SSE. */
static const struct arch_register gdb_registers[] = {
	GENERAL("eax", 6),
	GENERAL("ecx", 1),
	GENERAL("edx", 2),
	GENERAL("ebx", 0),
	GENERAL("esp", 15),
	GENERAL("ebp", 5),
	GENERAL("esi", 3),
	GENERAL("edi", 4),
	GENERAL("eip", 12),
	GENERAL("eflags", 14),
	GENERAL("cs", 13),
	GENERAL("ss", 16),
	GENERAL("ds", 7),
	GENERAL("es", 8),
	GENERAL("fs", 9),
	GENERAL("gs", 10),
	[41] = GENERAL("orig_eax", 11),
};

/*
 * exit, fork, execve, sigreturn, clone, rt_sigreturn, vfork, exit_group, restart_syscall,
 * execveat, clone3
 */
static const int16_t refused[] = { 1, 2, 11, 119, 120, 173, 190, 252, 0, 358, 435, -1 };
/* nanosleep, clock_nanosleep, clock_nanosleep_time64 */
static const int16_t forget[] = { 162, 267, 407, -1 };
/* poll, futex, futex_time64 */
static const int16_t may_forget[] = { 168, 240, 422, -1 };
/*
 * mmap, mmap2, mprotect, munmap, brk, mremap, madvise, ipc (shmat), shmat, shmdt,
 * remap_file_pages, pkey_mprotect
 */
static const int16_t maps[] = { 90, 192, 125, 91, 45, 163, 219, 117, 397, 398, 257, 380, -1 };
static const struct arch_calls calls = { .refused = refused,
					 .forget = forget,
					 .may_forget = may_forget,
					 .maps = maps,
					 .restart = 0,
					 .suspend = 179,
					 .sigaction = 174 };

const struct arch arch_i386 = {
	.id = 2,
	.name = "i386",
	.word_size = 4,
	.registers = registers,
	.register_count = sizeof registers / sizeof *registers,
	.gdb_registers = gdb_registers,
	.gdb_register_count = sizeof gdb_registers / sizeof *gdb_registers,
	.pc = "eip",
	.sp = "esp",
	.regsets = regsets,
	.regset_count = sizeof regsets / sizeof *regsets,
	.calls = &calls,
};
