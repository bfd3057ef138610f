/* SPDX-License-Identifier: MIT */
/*
 * Agent expressions: gdb's bytecode for a small stack machine of 64-bit integers. Checked
 * once, wherever it comes from; evaluated as often as needed. Pure.
 */
#ifndef WIRE_AGENT_H
#define WIRE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/agent.def"

#define AGENT_BYTES_MAX 1024
#define AGENT_STACK_MAX 128
#define AGENT_STEPS_MAX 10000
/* A read of memory may cost the reader a system call: it counts as so many steps. */
#define AGENT_READ_STEPS 10

enum agent_op {
#define OP(name, number, operands, pops, pushes) AGENT_##name = number,
	AGENT_OPS(OP)
#undef OP
#define REFUSED(name, number) AGENT_##name = number,
		AGENT_REFUSED_OPS(REFUSED)
#undef REFUSED
};

/* What is wrong with some code; one of several problems. */
enum agent_problem {
	AGENT_GOOD = 0,
	AGENT_EMPTY = 1,	/* no code at all */
	AGENT_TOO_LONG = 2,	/* more than AGENT_BYTES_MAX */
	AGENT_UNKNOWN_OP = 3,	/* no opcode of gdb */
	AGENT_REFUSED_OP = 4,	/* one of gdb that a condition may not use */
	AGENT_CUT_SHORT = 5,	/* an operand goes past the end */
	AGENT_BAD_REGISTER = 6, /* no such general register */
	AGENT_BAD_JUMP = 7,	/* not to the start of an instruction */
	AGENT_NO_END = 8,	/* execution can go past the last instruction */
	AGENT_UNDERFLOW = 9,	/* an instruction finds too few items; so does an END with none */
	AGENT_TOO_DEEP = 10,	/* more than AGENT_STACK_MAX items */
	AGENT_UNEVEN = 11,	/* two ways to an instruction with different heights of the stack */
};

/* Why there is no result. */
enum agent_fault {
	AGENT_NO_FAULT = 0,
	AGENT_FAULT_DIVISION = 1, /* by zero */
	AGENT_FAULT_MEMORY = 2,	  /* cannot be read */
	AGENT_FAULT_REGISTER = 3, /* cannot be read */
	AGENT_FAULT_ENDLESS = 4,  /* more than AGENT_STEPS_MAX */
};

struct agent_env {
	/* In gdb's numbering; zero-extended. 0, or anything else for failure. */
	int (*read_register)(void *data, unsigned number, uint64_t *value);
	/* All of it or failure. @size is 1, 2, 4 or 8. */
	int (*read_memory)(void *data, uint64_t addr, void *buf, size_t size);
	void *data;
};

/* Whether the architecture has this register, in gdb's numbering. */
typedef bool (*agent_has_register)(const void *arch, unsigned number);

enum agent_problem agent_check(const uint8_t *code, size_t size, agent_has_register has,
			       const void *arch);
/* Only for code that agent_check() has found good. *result is set without a fault only. */
enum agent_fault agent_eval(const uint8_t *code, const struct agent_env *env, uint64_t *result);

/* In words, for logs and messages. */
const char *agent_problem_text(enum agent_problem p);
/* As gdb names it, in capitals; NULL: gdb has no such opcode. */
const char *agent_op_name(unsigned op);

#endif
