/* SPDX-License-Identifier: MIT */
/* What needs a state made by hand: system calls, the program's own trap flag, far returns. */
#include "test/code/trials.h"
#include "test/kernel/raw.h"

#define FLAG_TRAP 0x100u
#define REG_SP 4u

static struct state_of_all from;
static struct outcome native, other;
static struct code_displaced d;

static struct sample sample_of(const uint8_t *bytes, size_t n)
{
	struct sample s = { .length = (uint8_t)n };

	memcpy(s.bytes, bytes, n);
	return s;
}

static void prepare(struct arena *a, const uint8_t *bytes, size_t n)
{
	struct sample s = sample_of(bytes, n);

	random_seed(n);
	state_make(a, &s, 0, &from);
	a->code->displace(a->code, bytes, n, CODE_AT, SLOT_AT, &d);
	CHECK(d.size != 0);
	plant(a, CODE_AT, bytes, n);
	plant(a, SLOT_AT, d.code, d.size);
}

static void check_alike(struct arena *a, const char *how)
{
	const char *difference = outcome_difference(a, &native, &other);

	if (difference != NULL)
		FAIL("%s: %s", how, difference);
}

static void step(struct arena *a, uint64_t at, uint8_t end)
{
	run_step(a, &from, at, &other);
	CHECK(a->code->after_step(a->code, &d.insn, end, CODE_AT, at, from.regs, other.after.regs,
				  a->regs_size, arena_access(a)) >= 0);
	/* A step over a call stops on the way out of the kernel. */
	reg_put(a, other.after.regs, REG_CALL, ~0ull);
	memcpy(other.after.data, arena_at(a, DATA, DATA_SIZE), DATA_SIZE);
}

static void check_call(struct arena *a, const char *bytes, uint64_t number)
{
	prepare(a, (const uint8_t *)bytes, 2);
	reg_put(a, from.regs, 0, number);
	run_free(a, &from, CODE_AT, 2, &native);
	CHECK_EQ(native.signo, SIGTRAP);
	plant(a, CODE_AT, NULL, 0);
	run_call(a, &from, SLOT_AT, &d, &other);
	check_alike(a, "in a slot");
	step(a, SLOT_AT, d.end);
	check_alike(a, "stepped in a slot");
	plant(a, CODE_AT, (const uint8_t *)bytes, 2);
	step(a, CODE_AT, 2);
	check_alike(a, "stepped in place");
}

TEST(system_calls_from_a_slot_leave_the_same_registers)
{
	/* getppid, sched_yield, close of a wrong fd, one that there is not */
	static const uint64_t calls[] = { 110, 24, 3, 100000 };
	static const uint64_t old_calls[] = { 64, 158, 6, 100000 };
	struct arena a;

	arena_start(&a, true);
	for (size_t i = 0; i < 4; i++) {
		check_call(&a, "\x0f\x05", calls[i]);
		check_call(&a, "\xcd\x80", old_calls[i]);
	}
	arena_end(&a);
}

TEST(system_calls_of_32_bit_tasks_from_a_slot_leave_the_same_registers)
{
	static const uint64_t calls[] = { 64, 158, 6, 100000 };
	struct arena a;

	arena_start(&a, false);
	for (size_t i = 0; i < 4; i++)
		check_call(&a, "\xcd\x80", calls[i]);
	arena_end(&a);
}

static void put_word(struct arena *a, unsigned index, uint64_t value)
{
	size_t word = a->wide ? 8 : 4;

	memcpy(from.data + (reg_get(a, from.regs, REG_SP) - DATA) + index * word, &value, word);
}

/* 102: popf may set the trap flag for the program itself; then it stays. */
static void check_popf(bool wide)
{
	struct arena a;

	arena_start(&a, wide);
	prepare(&a, (const uint8_t *)"\x9d", 1);
	CHECK(d.step);
	put_word(&a, 0, 0x346);
	run_step(&a, &from, CODE_AT, &native);
	CHECK_EQ(native.signo, SIGTRAP);
	CHECK(reg_get(&a, native.after.regs, REG_FLAGS) & FLAG_TRAP);
	step(&a, SLOT_AT, d.end);
	check_alike(&a, "stepped in a slot");
	step(&a, CODE_AT, 1);
	check_alike(&a, "stepped in place");
	arena_end(&a);
}

TEST(a_trap_flag_that_popf_sets_stays)
{
	check_popf(true);
	check_popf(false);
}

/* With the trap flag set by the program, a slot ends after its first instruction. */
TEST(the_programs_own_trap_flag_traps_at_the_end_of_the_slot)
{
	struct arena a;

	arena_start(&a, true);
	prepare(&a, (const uint8_t *)"\x48\x01\xc8", 3);
	reg_put(&a, from.regs, REG_FLAGS, reg_get(&a, from.regs, REG_FLAGS) | FLAG_TRAP);
	run_free(&a, &from, SLOT_AT, d.end, &other);
	CHECK_EQ(other.signo, SIGTRAP);
	CHECK_EQ(reg_get(&a, other.after.regs, REG_PC), SLOT_AT + d.end);
	/* Acting out would lose that trap. */
	CHECK_EQ(a.code->emulate(a.code, (const uint8_t *)"\x48\x01\xc8", 3, CODE_AT, from.regs,
				 a.regs_size, arena_access(&a)),
		 -EOPNOTSUPP);
	arena_end(&a);
}

static void check_far(struct arena *a, const char *bytes, size_t n, const uint64_t *words,
		      size_t count)
{
	prepare(a, (const uint8_t *)bytes, n);
	for (unsigned i = 0; i < count; i++)
		put_word(a, i, words[i]);
	run_free(a, &from, CODE_AT, n, &native);
	CHECK_EQ(native.signo, SIGTRAP);
	CHECK_EQ(reg_get(a, native.after.regs, REG_PC), words[0]);
	run_free(a, &from, SLOT_AT, n, &other);
	check_alike(a, "in a slot");
	run_step(a, &from, SLOT_AT, &other);
	check_alike(a, "stepped in a slot");
}

TEST(far_returns_leave_a_slot_for_good)
{
	const uint64_t wide[] = { LANDING + 0x123, 0x33, 0x247, DATA + 0x1100, 0x2b };
	const uint64_t narrow[] = { LANDING + 0x123, 0x23, 0x247 };
	struct arena a;

	arena_start(&a, true);
	check_far(&a, "\x48\xcf", 2, wide, 5);
	check_far(&a, "\x48\xcb", 2, wide, 2);
	arena_end(&a);
	arena_start(&a, false);
	check_far(&a, "\xcf", 1, narrow, 3);
	check_far(&a, "\xcb", 1, narrow, 2);
	arena_end(&a);
}
