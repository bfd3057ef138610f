/* SPDX-License-Identifier: MIT */
/* What a trap flag, or a strange address, leaves behind that a program could see. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "arch/x86_64/instruction.h"
#include "arch/x86_64/state.h"

enum { RCX = 1 };

static int move(const struct state *s, unsigned which, uint64_t from, uint64_t to)
{
	if (state_get(s, which) != from)
		return 0;
	state_put(s, which, to);
	return from != to;
}

int x86_entered(const struct arch_code *c, const struct code_displaced *d, uint64_t from,
		uint64_t to, void *regs, size_t size)
{
	struct state s;
	int changed;

	if (state_init(&s, code_is_wide(c), regs, size) < 0)
		return 0;
	changed = move(&s, STATE_PC, to + d->end, from + d->insn.length);
	/* The instruction itself leaves the return address there. */
	if (changed && s.wide && d->code[0] == 0x0f)
		changed |= move(&s, RCX, to + d->end, from + d->insn.length);
	return changed;
}

/* The flags as `syscall` saved them. sigreturn brings an r11 of its own. */
static int clean_saved_flags(const struct state *before, const struct state *after)
{
	uint64_t saved = state_get(after, STATE_R11);

	if (!after->wide || (saved & ~(uint64_t)FLAG_TF) != state_get(before, STATE_FLAGS) ||
	    !(saved & FLAG_TF))
		return 0;
	state_put(after, STATE_R11, saved & ~(uint64_t)FLAG_TF);
	return 1;
}

static int clean_pushed_flags(const struct state *before, const struct state *after,
			      const struct code_access *access)
{
	uint64_t sp = state_get(after, STATE_SP);
	uint8_t byte;
	int e;

	if (sp == state_get(before, STATE_SP))
		return 0;
	e = access->read(access->arg, sp + 1, &byte, 1);
	if (e < 0 || !(byte & FLAG_TF >> 8))
		return e;
	byte &= (uint8_t) ~(FLAG_TF >> 8);
	return access->write(access->arg, sp + 1, &byte, 1);
}

/*
 * Where popf or iret was stepped the kernel takes the trap flag for the program's own, if they
 * fault as well as in all steps that follow without another way of running in between.
 */
static int clean_flags(const struct state *after)
{
	uint64_t flags = state_get(after, STATE_FLAGS);

	if (!(flags & FLAG_TF))
		return 0;
	state_put(after, STATE_FLAGS, flags & ~(uint64_t)FLAG_TF);
	return 1;
}

int x86_after_step(const struct arch_code *c, const struct code_instruction *insn, uint8_t end,
		   uint64_t from, uint64_t to, const void *before, void *after, size_t size,
		   const struct code_access *access)
{
	struct state old, new;
	int changed = 0, e = 0;

	/* Never written through. */
	if (state_init(&old, code_is_wide(c), (void *)(uintptr_t)before, size) < 0 ||
	    state_init(&new, code_is_wide(c), after, size) < 0)
		return -EINVAL;
	if (!(state_get(&old, STATE_FLAGS) & FLAG_TF)) {
		if (insn->flags & CODE_IS_SYSCALL)
			changed |= clean_saved_flags(&old, &new);
		if (insn->flags & CODE_SHOWS_STEP)
			e = clean_pushed_flags(&old, &new, access);
		if (!(insn->flags & (CODE_SETS_STEP | CODE_IS_SYSCALL)) ||
		    state_get(&new, STATE_PC) == to)
			changed |= clean_flags(&new);
	}
	if (insn->flags & CODE_IS_SYSCALL && new.wide &&state_get(&new, STATE_PC) == to + end)
		changed |= move(&new, RCX, to + end, from + insn->length);
	if (!move(&new, STATE_PC, to, from))
		changed |= move(&new, STATE_PC, to + end, from + insn->length);
	else
		changed = 1;
	return e < 0 ? e : changed;
}

bool x86_steps_itself(const struct arch_code *c, const void *regs, size_t size)
{
	struct state s;

	/* Never written through. */
	return state_init(&s, code_is_wide(c), (void *)(uintptr_t)regs, size) == 0 &&
	       (state_get(&s, STATE_FLAGS) & FLAG_TF);
}

/* Where a signal frame, which begins at sp, has pc and flags: struct sigcontext of the kernel. */
struct frame {
	bool wide;
	uint16_t pc, flags;
};

static const struct frame frames[] = {
	{ true, 176, 184 },
	{ false, 220, 228 }, /* with siginfo */
	{ false, 64, 72 },   /* without */
};

/* Returns 1 when it is that frame, and clean. */
static int clean_frame(const struct frame *f, const struct state *s, uint64_t from,
		       const struct code_access *access)
{
	uint64_t sp = state_get(s, STATE_SP), pc = 0;
	uint8_t byte;

	if (f->wide != s->wide || access->read(access->arg, sp + f->pc, &pc, f->wide ? 8 : 4) < 0 ||
	    pc != from || access->read(access->arg, sp + f->flags + 1, &byte, 1) < 0)
		return 0;
	byte &= (uint8_t) ~(FLAG_TF >> 8);
	return access->write(access->arg, sp + f->flags + 1, &byte, 1) < 0 ? 0 : 1;
}

int x86_not_stepped(const struct arch_code *c, uint64_t from, bool handler, void *regs, size_t size,
		    const struct code_access *access)
{
	struct state s;

	if (state_init(&s, code_is_wide(c), regs, size) < 0)
		return -EINVAL;
	for (size_t i = 0; handler && i < sizeof frames / sizeof *frames; i++)
		if (clean_frame(&frames[i], &s, from, access))
			break;
	return handler ? 0 : clean_flags(&s);
}

/* FIP of the FXSAVE image: 64 bits as the kernel saves it, of which i386 uses 32. */
#define FLOAT_PC 8

int x86_after_step_float(const struct arch_code *c, uint64_t from, uint64_t to, void *set,
			 size_t size)
{
	size_t width = code_is_wide(c) ? 8 : 4;
	uint8_t *place = (uint8_t *)set + FLOAT_PC;

	if (size < FLOAT_PC + width || memcmp(place, &to, width) != 0)
		return 0;
	memcpy(place, &from, width);
	return from != to;
}
