/* SPDX-License-Identifier: MIT */
/*
 * The stacks of a process: registers and the stacks' memory are copied while it is held, and
 * followed when it runs again.
 */
#ifndef STACK_STACK_H
#define STACK_STACK_H

#include <elfutils/libdwfl.h>

#include "cli/maps.h"
#include "cli/snapshot.h"

#define STACK_NAMES 128u
#define STACK_REGISTERS_MAX 1024u /* bytes of the general register set */

struct stack;

struct stack_task {
	struct stack *stack;
	const struct cotrace_task_info *info;
	char name[16];
	int error; /* negative: its registers could not be had */
	uint8_t registers[STACK_REGISTERS_MAX];
	size_t register_bytes;
	uint64_t at; /* what was copied of its stack */
	size_t bytes;
	uint8_t *copy;
};

struct stack {
	struct snapshot snapshot;
	struct maps maps;
	struct stack_task *tasks;
	size_t count;
	unsigned word; /* bytes of a pointer */
	Dwfl *dwfl;
	Elf *program;
	int program_fd;
	char **names; /* of registers by their DWARF numbers, STACK_NAMES of them; NULL: none */
	struct stack_task *current; /* being followed */
	bool read_live;		    /* ... beyond what was copied */
};

/* How stacks are shown. */
struct stack_form {
	unsigned frames; /* at most, of each */
	bool source, inlined, raw;
};

/* ---- take.c: while the process is held ---- */
/* Then lets the process run, unless told to @hold it. Returns 0 or a negative errno. */
int stack_take(struct stack *k, bool hold);
void stack_forget(struct stack *k);

/* ---- unwind.c ---- */
/* Makes k->dwfl of what was taken. Returns NULL, or what went wrong. */
const char *stack_prepare(struct stack *k);
void stack_end(struct stack *k);
/* Calls @frame for each. Returns NULL, or why the stack cannot be followed further. */
const char *stack_follow(struct stack *k, struct stack_task *t, int (*frame)(Dwfl_Frame *, void *),
			 void *arg);

/* ---- modules.c ---- */
/* Tells k->dwfl what is mapped. Returns false on failure. */
bool stack_report_modules(struct stack *k);
extern const Dwfl_Callbacks stack_callbacks;

/* ---- show.c ---- */
void stack_show(struct stack *k, struct stack_task *t, const struct stack_form *form);

#endif
