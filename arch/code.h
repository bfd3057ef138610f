/* SPDX-License-Identifier: MIT */
/*
 * What the engine must know of single instructions: planting a trap, and executing, or acting
 * out, the instruction that a trap has taken the place of. Pure functions on bytes. Only the
 * engine links this (it needs a decoder); the library does not.
 *
 * A trap stands at A; the task that hit it must execute the instruction of A without the trap
 * being lifted. In order of preference:
 *
 *	emulate()   when `emulated`: registers and memory change as if it had been executed
 *	a slot      when `size` is not 0: the copy in `code`, written once to the address S given
 *	            to displace(), is followed by a jump back. Set the pc to S and let the task
 *	            run. Where pc is S it stands at A (not executed yet, or it faulted, or is
 *	            between two rounds of a repeated one); where pc is S + end, at A + length.
 *	            A fault that names the address of the instruction (si_addr) names S.
 *	stepping    the original in place, with all other tasks of the memory held
 *
 * Where `step` is set, a slot leaves traces of its address behind, so it must be single-stepped
 * (the jump is not reached) and after_step() be called; or take the third way.
 */
#ifndef ARCH_CODE_H
#define ARCH_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CODE_SLOT_SIZE 64
#define CODE_INSTRUCTION_MAX 15

enum code_kind {
	CODE_IMPOSSIBLE = 0, /* neither emulated nor moved; insn.length 0: not decoded */
	CODE_SLOT = 1,	     /* has a slot */
	CODE_EMULATE = 2,    /* emulate() only; should it fail, stepping */
	CODE_SYSCALL = 3,    /* has a slot; at the entry stop call entered() */
	CODE_TRAP = 4	     /* the program's own trap; has a slot, and traps in it */
};

#define CODE_IS_SYSCALL 0x1u  /* goes to the kernel on purpose */
#define CODE_IS_BRANCH 0x2u   /* may go elsewhere than to the next instruction */
#define CODE_IS_REPEATED 0x4u /* the same pc again until it is through */
#define CODE_SHOWS_STEP 0x8u  /* pushf: after_step() has something to put right */
#define CODE_SETS_STEP 0x10u  /* popf, iret: the program may set the trap flag itself */
#define CODE_STEPS_TWO \
	0x20u /* no trap after it: mov ss, cpuid in some virtual machines, sgdt, xbegin */
#define CODE_IS_TRAP 0x40u /* the program's own trap */
#define CODE_IS_CALL 0x80u /* a branch that comes back to the next instruction */

struct code_instruction {
	uint32_t flags;
	uint8_t length;
};

struct code_displaced {
	enum code_kind kind;
	bool emulated;		      /* emulate() knows it: try that first */
	bool step;		      /* see above */
	struct code_instruction insn; /* the one at A; its length 0: not decoded */
	uint8_t size;		      /* bytes of `code`; 0: there is none */
	uint8_t end; /* where the jump back begins; a trap put here stops behind it */
	uint8_t code[CODE_SLOT_SIZE];
};

/*
 * The task's memory and what else is not in its registers. All bytes or none, with the rights
 * of the task itself (no forced writes). Return 0 or a negative errno.
 */
struct code_access {
	void *arg;
	int (*read)(void *arg, uint64_t addr, void *buf, size_t size);
	int (*write)(void *arg, uint64_t addr, const void *buf, size_t size);
	/*
	 * The base of the thread's segment 0 (fs) or 1 (gs) where the register set has none
	 * (i386). NULL: such instructions are not emulated.
	 */
	int (*segment_base)(void *arg, unsigned which, uint64_t *base);
};

#define CODE_TOUCHES_MAX 4

/* Memory that an instruction accesses. */
struct code_touch {
	uint64_t addr;
	uint32_t size;
	bool read, write;
};

/* `regs` is NT_PRSTATUS as PTRACE_GETREGSET gives it to a tracer of the larger word size. */
struct arch_code {
	unsigned arch; /* enum cotrace_arch, as a plain number */
	uint8_t trap[4];
	uint8_t trap_size;
	uint8_t trap_adjust;	  /* a task that hit a trap at A has pc A + this */
	uint8_t call_instruction; /* bytes of what find_syscall() finds */
	int64_t map_call;	  /* mmap(), with the offset in bytes or pages */
	int64_t unmap_call;

	/* The pc in @regs; 0 when they are cut short. */
	uint64_t (*pc)(const struct arch_code *c, const void *regs, size_t size);
	void (*set_pc)(const struct arch_code *c, void *regs, size_t size, uint64_t pc);
	/* Returns 0; -EINVAL: no instruction; -ENODATA: @bytes ends within it. */
	int (*decode)(const struct arch_code *c, const uint8_t *bytes, size_t n,
		      struct code_instruction *out);
	/*
	 * @from is A, @to is S. @bytes need not end with the instruction: give
	 * CODE_INSTRUCTION_MAX where there are so many, with no traps in them.
	 */
	void (*displace)(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t from,
			 uint64_t to, struct code_displaced *out);
	/*
	 * Acts out the instruction at @pc, whatever the pc in @regs is, and sets it. Returns 0,
	 * or with nothing changed: -EFAULT memory is not there (or any error of the access
	 * functions): let the task itself run into it; -EOPNOTSUPP.
	 */
	int (*emulate)(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t pc,
		       void *regs, size_t size, const struct code_access *access);
	/*
	 * The entry stop of a CODE_SYSCALL executed in a slot: puts the registers right.
	 * Returns 1 when something was changed, else 0.
	 */
	int (*entered)(const struct arch_code *c, const struct code_displaced *d, uint64_t from,
		       uint64_t to, void *regs, size_t size);
	/*
	 * @insn, which belongs to @from, was single-stepped at @to: in a slot, then @end is
	 * that of the displacement, or in place, then @end is its length. Makes the pc right,
	 * and takes away the tracer's trap flag where the program would see it. @before and
	 * @after are register sets. Returns 1 when something in @after was changed, 0 if not,
	 * negative errors of @access.
	 */
	int (*after_step)(const struct arch_code *c, const struct code_instruction *insn,
			  uint8_t end, uint64_t from, uint64_t to, const void *before, void *after,
			  size_t size, const struct code_access *access);
	/* Whether the program has set the trap flag itself. */
	bool (*steps_itself)(const struct arch_code *c, const void *regs, size_t size);
	/*
	 * Instead of an instruction at @from that was to be stepped something else came. Takes
	 * the tracer's trap flag away where the kernel takes it for the program's own: from
	 * @regs, or where a handler has been entered (@handler) from what it will return to.
	 * To be called not if steps_itself() before, but after CODE_SETS_STEP, also in the steps
	 * that follow. Returns as above.
	 */
	int (*not_stepped)(const struct arch_code *c, uint64_t from, bool handler, void *regs,
			   size_t size, const struct code_access *access);
	/*
	 * As after_step(), for `step` displacements, on the floating point set
	 * `float_set` (NT_* of <elf.h>). Returns 1 when something was changed.
	 */
	int (*after_step_float)(const struct arch_code *c, uint64_t from, uint64_t to, void *set,
				size_t size);
	uint32_t float_set;
	/*
	 * What the instruction accesses when it is executed at @pc with @regs, one round of a
	 * repeated one: at most CODE_TOUCHES_MAX of @out; returns how many. -EOPNOTSUPP: its
	 * operands do not tell, or it enters the kernel.
	 */
	int (*touches)(const struct arch_code *c, const uint8_t *bytes, size_t n, uint64_t pc,
		       const void *regs, size_t size, const struct code_access *access,
		       struct code_touch *out);
	/* The offset of an instruction that enters the kernel, or -ENOENT. */
	ssize_t (*find_syscall)(const struct arch_code *c, const uint8_t *bytes, size_t n);
};

/* NULL when there is none. */
const struct arch_code *arch_code_by_id(unsigned arch);

#endif
