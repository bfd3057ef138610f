/* SPDX-License-Identifier: MIT */
/* Condition and values of a breakpoint as the engine takes them. */
#ifndef BREAK_CODE_H
#define BREAK_CODE_H

#include "cli/break/breaker.h"

/* What is compiled for one breakpoint. */
struct code {
	struct process *process;
	const struct point *point;
	const struct module *module; /* NULL: not known */
	uint64_t addr;		     /* in it */
	uint8_t *bytes[1 + COTRACE_BREAK_VALUES_MAX];
	char formats[COTRACE_BREAK_VALUES_MAX];
	bool needs_prologue, needs_memory;
	bool wants_return; /* two more values: caller and frame */
	bool has_return;
	struct result result;
};

/*
 * Compiles what the point asks for at that address, into @bp, whose expressions live as long
 * as @c. Returns 0; else it has complained and returns the exit status.
 */
int code_compile(struct code *c, struct cotrace_breakpoint *bp);
/* Anew, for the address where the function's frame has been made. */
int code_compile_behind_prologue(struct code *c, struct cotrace_breakpoint *bp);
void code_free(struct code *c);

#endif
