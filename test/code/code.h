/* SPDX-License-Identifier: MIT */
/*
 * Instructions taken from programs, states to execute them in, and a task that does: as they
 * stand, and displaced.
 */
#ifndef TEST_CODE_CODE_H
#define TEST_CODE_CODE_H

#include <Zydis/Zydis.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/code.h"
#include "test/runner/target.h"

/* ---- binaries.c: distinct instructions ---- */

struct sample {
	uint8_t bytes[CODE_INSTRUCTION_MAX];
	uint8_t length;
	uint64_t shape; /* mnemonic, encoding, prefixes, kinds and widths of operands */
};

/* Adds instructions of a shape not yet seen, from the code of an ELF file. */
size_t samples_take(const char *path, bool wide, struct sample *v, size_t count, size_t max);
/* Adds one that must decode; false when its shape has been seen. */
bool samples_add(const uint8_t *bytes, size_t n, bool wide, struct sample *v, size_t *count,
		 size_t max);

/* ---- arena.c: the memory that it all happens in ---- */

#define ARENA 0x10000000ull
#define ARENA_SIZE 0x9000u
#define CODE_AT (ARENA + 0x800)	 /* A; its page holds nothing but traps else */
#define SLOT_AT (ARENA + 0x1800) /* S */
#define LANDING (ARENA + 0x2000) /* where branches are made to lead: traps */
#define LANDING_SIZE 0x2000u
#define DATA (ARENA + 0x4000)
#define DATA_SIZE 0x4000u
#define FAR 0x7e0000000000ull /* 64-bit only: another slot, out of reach of a jump */
#define FAR_SIZE 0x1000u
#define FAR_AT (FAR + 0x400)

struct arena {
	struct target target;
	pid_t tid;
	bool wide;
	const struct arch_code *code;
	uint8_t *memory; /* ARENA_SIZE bytes, then FAR_SIZE */
	size_t regs_size, xstate_size;
	uint64_t xcr0;
	uint8_t regs[216]; /* as they were at the beginning */
	uint8_t xstate[16384];
};

void arena_start(struct arena *a, bool wide);
void arena_end(struct arena *a);
/* NULL when that is not in the arena. */
uint8_t *arena_at(struct arena *a, uint64_t addr, size_t size);
const struct code_access *arena_access(struct arena *a);

/* ---- states.c ---- */

struct state_of_all {
	uint8_t regs[216];
	uint8_t xstate[16384];
	uint8_t data[DATA_SIZE];
};

uint64_t random64(void);
void random_seed(uint64_t seed);
/* @bytes may be changed to lead into the arena. @round chooses how odd it gets. */
void state_make(struct arena *a, struct sample *sample, unsigned round, struct state_of_all *out);
/* A general register by its number in instructions; 16 pc, 17 flags. */
uint64_t reg_get(const struct arena *a, const uint8_t *regs, unsigned which);
void reg_put(const struct arena *a, uint8_t *regs, unsigned which, uint64_t value);
#define REG_RESULT 0u /* eax */
#define REG_PC 16u
#define REG_FLAGS 17u
#define REG_CALL 18u /* orig_rax */

/* ---- runs.c ---- */

struct outcome {
	int signo; /* SIGTRAP: it came through */
	int code;
	uint64_t addr; /* of a fault */
	struct state_of_all after;
};

/* Executes what stands at @at until a trap, or one instruction by the trap flag. */
void run_free(struct arena *a, const struct state_of_all *from, uint64_t at, size_t size,
	      struct outcome *out);
void run_step(struct arena *a, const struct state_of_all *from, uint64_t at, struct outcome *out);
void run_call(struct arena *a, const struct state_of_all *from, uint64_t at,
	      const struct code_displaced *d, struct outcome *out);
/* Names the first difference, or NULL. */
const char *outcome_difference(const struct arena *a, const struct outcome *x,
			       const struct outcome *y);

#endif
