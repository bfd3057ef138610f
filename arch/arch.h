/* SPDX-License-Identifier: MIT */
/* An instruction set architecture as one constant descriptor, chosen at run time per task. */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where a register lies in the register sets that PTRACE_GETREGSET gives. One that is
 * scattered has a second piece in the same set, which follows the first in its value.
 */
struct arch_register {
	const char *name;
	uint32_t set; /* NT_* of <elf.h> */
	uint16_t offset;
	uint16_t width;	      /* bytes of the whole value */
	uint16_t high_offset; /* of the second piece */
	uint16_t high_width;  /* 0: there is one piece only */
	uint16_t mark_offset; /* a write must set mark_bits in the 64-bit word here */
	uint16_t mark_bits;   /* 0: no mark needed */
};

/* Numbers of system calls, each list ended by -1. */
struct arch_calls {
	/* That nobody may have a task of another program make: they end or copy it. */
	const int16_t *refused;
	/* That make the kernel forget how an interrupted call goes on; ... when interrupted. */
	const int16_t *forget, *may_forget;
	const int16_t *maps; /* that change what is mapped, or drop what was written there */
	int16_t restart;     /* the one by which the kernel goes on with an interrupted call */
	int16_t suspend;     /* rt_sigsuspend */
	int16_t sigaction;   /* rt_sigaction */
};

struct arch {
	unsigned id; /* enum cotrace_arch, as a plain number */
	const char *name;
	unsigned word_size; /* bytes of a pointer and of a system call argument */
	const struct arch_register *registers;
	size_t register_count;
	const unsigned *regsets; /* that a task may have, in the order of a core file's notes */
	size_t regset_count;
	/*
	 * The registers of NT_PRSTATUS in gdb's numbering (that of its target descriptions),
	 * as agent expressions name them. Those without a name are of other sets.
	 */
	const struct arch_register *gdb_registers;
	size_t gdb_register_count;
	const char *pc, *sp; /* what they are called here */
	const struct arch_calls *calls;
};

extern const struct arch arch_x86_64;
extern const struct arch arch_i386;

/* NULL when there is no such architecture. */
const struct arch *arch_by_id(unsigned id);
/* By exact name, such as "rip" or "xmm3"; NULL when @a has none of it. */
const struct arch_register *arch_find_register(const struct arch *a, const char *name);
/* By gdb's number; NULL when there is none, or none in NT_PRSTATUS. */
const struct arch_register *arch_gdb_register(const struct arch *a, unsigned number);
/* gdb's number of the register that @r is, or is a part of; -ENOENT. */
int arch_gdb_number(const struct arch *a, const struct arch_register *r);

/* Whether @nr is in calls.refused, or is no number of @a at all. */
bool arch_refuses_call(const struct arch *a, int64_t nr);
bool arch_lists_call(const int16_t *list, int64_t nr);

/*
 * Moves a value between a register's place in its set and @value (width bytes, in the
 * target's byte order). Return 0, or -ENODATA when the set is too short to hold it.
 */
int arch_register_get(const struct arch_register *r, const void *set, size_t size, void *value);
int arch_register_put(const struct arch_register *r, void *set, size_t size, const void *value);

#endif
