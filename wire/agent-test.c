/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/agent.h"

/* Registers 0 to 9 and 20 exist; 9 cannot be read. */
static bool has(const void *arch, unsigned number)
{
	(void)arch;
	return number < 10 || number == 20;
}

static int read_register(void *data, unsigned number, uint64_t *value)
{
	(void)data;
	*value = 0x1000000000000000 + number;
	return number == 9 ? -EIO : 0;
}

static const uint8_t bytes[] = { 0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88 };
static unsigned reads;

/* The bytes above stand at 1000. */
static int read_memory(void *data, uint64_t addr, void *buf, size_t size)
{
	(void)data;
	reads++;
	if (addr < 1000 || addr - 1000 + size > sizeof bytes)
		return -EFAULT;
	memcpy(buf, bytes + (addr - 1000), size);
	return 0;
}

static const struct agent_env env = { read_register, read_memory, NULL };

#define CODE(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })
#define CHECK(...) agent_check(CODE(__VA_ARGS__), has, NULL)

/* Pushes the number. */
#define PUSH(v)                                                                        \
	AGENT_CONST64, (uint8_t)((uint64_t)(v) >> 56), (uint8_t)((uint64_t)(v) >> 48), \
		(uint8_t)((uint64_t)(v) >> 40), (uint8_t)((uint64_t)(v) >> 32),        \
		(uint8_t)((uint64_t)(v) >> 24), (uint8_t)((uint64_t)(v) >> 16),        \
		(uint8_t)((uint64_t)(v) >> 8), (uint8_t)(uint64_t)(v)
#define ON(op, v) CODE(PUSH(v), op, AGENT_END)
#define ON2(op, a, b) CODE(PUSH(a), PUSH(b), op, AGENT_END)
#define WITH(op, operand, v) CODE(PUSH(v), op, operand, AGENT_END)

static const struct sample {
	const uint8_t *code;
	size_t size;
	uint64_t expected;
} samples[] = {
	{ ON2(AGENT_ADD, 3, 4), 7 },
	{ ON2(AGENT_ADD, UINT64_MAX, 2), 1 },
	{ ON2(AGENT_SUB, 3, 4), UINT64_MAX },
	{ ON2(AGENT_SUB, 10, 4), 6 },
	{ ON2(AGENT_MUL, 7, -3), (uint64_t)-21 },
	{ ON2(AGENT_MUL, 1ull << 63, 2), 0 },
	{ ON2(AGENT_DIV_SIGNED, -7, 2), (uint64_t)-3 },
	{ ON2(AGENT_DIV_SIGNED, 7, -2), (uint64_t)-3 },
	{ ON2(AGENT_DIV_SIGNED, INT64_MIN, -1), 1ull << 63 },
	{ ON2(AGENT_DIV_SIGNED, INT64_MIN, 1), 1ull << 63 },
	{ ON2(AGENT_DIV_UNSIGNED, -8, 2), 0x7ffffffffffffffc },
	{ ON2(AGENT_DIV_UNSIGNED, 9, -1), 0 },
	{ ON2(AGENT_REM_SIGNED, -7, 3), (uint64_t)-1 },
	{ ON2(AGENT_REM_SIGNED, 7, -3), 1 },
	{ ON2(AGENT_REM_SIGNED, INT64_MIN, -1), 0 },
	{ ON2(AGENT_REM_UNSIGNED, -1, 10), 5 },
	{ ON2(AGENT_LSH, 3, 4), 48 },
	{ ON2(AGENT_LSH, 1, 63), 1ull << 63 },
	{ ON2(AGENT_LSH, 1, 64), 0 },
	{ ON2(AGENT_LSH, 1, -1), 0 },
	{ ON2(AGENT_RSH_SIGNED, -16, 2), (uint64_t)-4 },
	{ ON2(AGENT_RSH_SIGNED, -16, 64), UINT64_MAX },
	{ ON2(AGENT_RSH_SIGNED, 16, 1000), 0 },
	{ ON2(AGENT_RSH_UNSIGNED, -16, 60), 15 },
	{ ON2(AGENT_RSH_UNSIGNED, -16, 64), 0 },
	{ ON(AGENT_LOG_NOT, 0), 1 },
	{ ON(AGENT_LOG_NOT, 1ull << 40), 0 },
	{ ON2(AGENT_BIT_AND, 0xf0f0, 0xff), 0xf0 },
	{ ON2(AGENT_BIT_OR, 0xf0f0, 0xff), 0xf0ff },
	{ ON2(AGENT_BIT_XOR, 0xf0f0, 0xff), 0xf00f },
	{ ON(AGENT_BIT_NOT, 0xf), ~UINT64_C(0xf) },
	{ ON2(AGENT_EQUAL, 5, 5), 1 },
	{ ON2(AGENT_EQUAL, 5, 5 + (1ull << 32)), 0 },
	{ ON2(AGENT_LESS_SIGNED, -1, 0), 1 },
	{ ON2(AGENT_LESS_SIGNED, 0, -1), 0 },
	{ ON2(AGENT_LESS_SIGNED, 3, 3), 0 },
	{ ON2(AGENT_LESS_UNSIGNED, -1, 0), 0 },
	{ ON2(AGENT_LESS_UNSIGNED, 0, -1), 1 },
	{ ON2(AGENT_LESS_UNSIGNED, 3, 3), 0 },
	{ WITH(AGENT_EXT, 8, 0x180), (uint64_t)-128 },
	{ WITH(AGENT_EXT, 8, 0x17f), 0x7f },
	{ WITH(AGENT_EXT, 1, 1), UINT64_MAX },
	{ WITH(AGENT_EXT, 64, 1ull << 63), 1ull << 63 },
	{ WITH(AGENT_EXT, 255, 0x1234), 0x1234 },
	{ WITH(AGENT_EXT, 0, 0x1234), 0 },
	{ WITH(AGENT_ZERO_EXT, 8, 0x1ff), 0xff },
	{ WITH(AGENT_ZERO_EXT, 63, -1), INT64_MAX },
	{ WITH(AGENT_ZERO_EXT, 64, -1), UINT64_MAX },
	{ WITH(AGENT_ZERO_EXT, 200, -1), UINT64_MAX },
	{ WITH(AGENT_ZERO_EXT, 0, -1), 0 },
	{ ON(AGENT_REF8, 1007), 0x88 },
	{ ON(AGENT_REF16, 1006), 0x8807 },
	{ ON(AGENT_REF32, 1004), 0x88078605 },
	{ ON(AGENT_REF64, 1000), 0x8807860584038201 },
	{ CODE(AGENT_CONST8, 0xfe, AGENT_END), 0xfe },
	{ CODE(AGENT_CONST16, 0xfe, 0xdc, AGENT_END), 0xfedc },
	{ CODE(AGENT_CONST32, 0xfe, 0xdc, 0xba, 0x98, AGENT_END), 0xfedcba98 },
	{ CODE(PUSH(0xfedcba9876543210), AGENT_END), 0xfedcba9876543210 },
	{ CODE(AGENT_REG, 0, 3, AGENT_END), 0x1000000000000003 },
	{ CODE(AGENT_REG, 0, 20, AGENT_END), 0x1000000000000014 },
	{ CODE(AGENT_CONST8, 1, AGENT_DUP, AGENT_ADD, AGENT_END), 2 },
	{ CODE(AGENT_CONST8, 1, AGENT_CONST8, 2, AGENT_POP, AGENT_END), 1 },
	{ CODE(AGENT_CONST8, 1, AGENT_CONST8, 5, AGENT_SWAP, AGENT_SUB, AGENT_END), 4 },
	{ CODE(AGENT_CONST8, 1, AGENT_CONST8, 5, AGENT_PICK, 1, AGENT_END), 1 },
	{ CODE(AGENT_CONST8, 1, AGENT_CONST8, 5, AGENT_PICK, 0, AGENT_ADD, AGENT_END), 10 },
	/* a b c becomes c a b: 3 - (1 - 2) */
	{ CODE(AGENT_CONST8, 1, AGENT_CONST8, 2, AGENT_CONST8, 3, AGENT_ROT, AGENT_SUB, AGENT_SUB,
	       AGENT_END),
	  4 },
	{ CODE(AGENT_CONST8, 1, AGENT_IF_GOTO, 0, 8, AGENT_CONST8, 7, AGENT_END, AGENT_CONST8, 9,
	       AGENT_END),
	  9 },
	{ CODE(AGENT_CONST8, 0, AGENT_IF_GOTO, 0, 8, AGENT_CONST8, 7, AGENT_END, AGENT_CONST8, 9,
	       AGENT_END),
	  7 },
	{ CODE(AGENT_GOTO, 0, 5, AGENT_CONST8, 7, AGENT_CONST8, 8, AGENT_END), 8 },
	/* Backwards: counts from 3 to 0, then takes 5. */
	{ CODE(AGENT_CONST8, 3, AGENT_CONST8, 1, AGENT_SUB, AGENT_DUP, AGENT_IF_GOTO, 0, 2,
	       AGENT_CONST8, 5, AGENT_ADD, AGENT_END),
	  5 },
	/* To what only a jump backwards reaches. */
	{ CODE(AGENT_GOTO, 0, 6, AGENT_CONST8, 4, AGENT_END, AGENT_GOTO, 0, 3), 4 },
};

#define SAMPLES (sizeof samples / sizeof *samples)

static void every_opcode_does_what_the_manual_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		uint64_t value = 0;

		assert_int_equal(agent_check(samples[i].code, samples[i].size, has, NULL),
				 AGENT_GOOD);
		assert_int_equal(agent_eval(samples[i].code, &env, &value), AGENT_NO_FAULT);
		if (value != samples[i].expected)
			fail_msg("sample %zu: %#lx instead of %#lx", i, value, samples[i].expected);
	}
}

static void no_opcode_is_forgotten(void **state)
{
	static const struct {
		uint8_t number, operands;
	} ops[] = {
#define OP(name, number, operands, pops, pushes) { number, operands },
		AGENT_OPS(OP)
#undef OP
	};
	bool seen[256] = { false };

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		for (size_t at = 0; at < samples[i].size;) {
			size_t k = 0;

			while (ops[k].number != samples[i].code[at])
				k++;
			seen[ops[k].number] = true;
			at += 1u + ops[k].operands;
		}
	for (size_t k = 0; k < sizeof ops / sizeof *ops; k++)
		if (!seen[ops[k].number])
			fail_msg("%s has no sample", agent_op_name(ops[k].number));
}

/* Of gdb's manual. */
static void numbers_are_those_of_gdb(void **state)
{
	(void)state;
	assert_int_equal(AGENT_ADD, 0x02);
	assert_int_equal(AGENT_EXT, 0x16);
	assert_int_equal(AGENT_REG, 0x26);
	assert_int_equal(AGENT_ZERO_EXT, 0x2a);
	assert_int_equal(AGENT_ROT, 0x33);
	assert_int_equal(AGENT_PRINTF, 0x34);
	assert_null(agent_op_name(0x00));
	assert_null(agent_op_name(0x31));
	assert_null(agent_op_name(0x35));
	for (unsigned op = 1; op < 0x35; op++)
		assert_true((agent_op_name(op) != NULL) == (op != 0x31));
}

static void unknown_and_refused_opcodes_are_told_apart(void **state)
{
	static const uint8_t refused[] = { 0x01, 0x0c, 0x0d, 0x1b, 0x1c, 0x1d, 0x1e,
					   0x1f, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x34 };

	(void)state;
	for (size_t i = 0; i < sizeof refused; i++)
		assert_int_equal(CHECK(AGENT_CONST8, 0, AGENT_DUP, refused[i], 0, 0, AGENT_END),
				 AGENT_REFUSED_OP);
	assert_int_equal(CHECK(0), AGENT_UNKNOWN_OP);
	assert_int_equal(CHECK(0x31, AGENT_END), AGENT_UNKNOWN_OP);
	for (unsigned op = 0x35; op < 256; op++)
		assert_int_equal(CHECK(AGENT_CONST8, 0, (uint8_t)op, AGENT_END), AGENT_UNKNOWN_OP);
	/* Also where it is never run. */
	assert_int_equal(CHECK(AGENT_CONST8, 0, AGENT_END, AGENT_TRACE), AGENT_REFUSED_OP);
}

static void code_has_a_length_between_bounds(void **state)
{
	uint8_t code[AGENT_BYTES_MAX + 1];

	(void)state;
	memset(code, AGENT_LOG_NOT, sizeof code);
	code[0] = AGENT_CONST8;
	assert_int_equal(agent_check(code, 0, has, NULL), AGENT_EMPTY);
	code[AGENT_BYTES_MAX - 1] = AGENT_END;
	assert_int_equal(agent_check(code, AGENT_BYTES_MAX, has, NULL), AGENT_GOOD);
	code[AGENT_BYTES_MAX] = AGENT_END;
	assert_int_equal(agent_check(code, AGENT_BYTES_MAX + 1, has, NULL), AGENT_TOO_LONG);
}

static void operands_are_whole(void **state)
{
	(void)state;
	assert_int_equal(CHECK(AGENT_CONST8), AGENT_CUT_SHORT);
	assert_int_equal(CHECK(AGENT_CONST16, 0), AGENT_CUT_SHORT);
	assert_int_equal(CHECK(AGENT_CONST64, 0, 0, 0, 0, 0, 0, 0), AGENT_CUT_SHORT);
	assert_int_equal(CHECK(AGENT_REG, 0), AGENT_CUT_SHORT);
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_EXT), AGENT_CUT_SHORT);
	assert_int_equal(CHECK(AGENT_GOTO, 0), AGENT_CUT_SHORT);
}

static void registers_exist(void **state)
{
	(void)state;
	assert_int_equal(CHECK(AGENT_REG, 0, 10, AGENT_END), AGENT_BAD_REGISTER);
	assert_int_equal(CHECK(AGENT_REG, 0, 21, AGENT_END), AGENT_BAD_REGISTER);
	assert_int_equal(CHECK(AGENT_REG, 1, 3, AGENT_END), AGENT_BAD_REGISTER);
	assert_int_equal(CHECK(AGENT_REG, 0xff, 0xff, AGENT_END), AGENT_BAD_REGISTER);
}

static void jumps_lead_to_instructions(void **state)
{
	(void)state;
	assert_int_equal(CHECK(AGENT_GOTO, 0, 4, AGENT_CONST8, AGENT_END, AGENT_END),
			 AGENT_BAD_JUMP);
	assert_int_equal(CHECK(AGENT_GOTO, 0, 1), AGENT_BAD_JUMP);
	assert_int_equal(CHECK(AGENT_GOTO, 0, 3), AGENT_BAD_JUMP);
	assert_int_equal(CHECK(AGENT_GOTO, 0, 6, AGENT_CONST8, 0, AGENT_END), AGENT_BAD_JUMP);
	assert_int_equal(CHECK(AGENT_GOTO, 0xff, 0xff), AGENT_BAD_JUMP);
	assert_int_equal(CHECK(AGENT_CONST8, 0, AGENT_IF_GOTO, 1, 0, AGENT_CONST8, 0, AGENT_END),
			 AGENT_BAD_JUMP);
}

static void every_way_comes_to_an_end(void **state)
{
	(void)state;
	assert_int_equal(CHECK(AGENT_CONST8, 0), AGENT_NO_END);
	assert_int_equal(CHECK(AGENT_CONST8, 0, AGENT_DUP, AGENT_IF_GOTO, 0, 7, AGENT_END,
			       AGENT_LOG_NOT, AGENT_LOG_NOT),
			 AGENT_NO_END);
	/* What is never run needs no end. */
	assert_int_equal(CHECK(AGENT_CONST8, 0, AGENT_END, AGENT_POP), AGENT_GOOD);
}

static void instructions_find_what_they_need(void **state)
{
	(void)state;
	assert_int_equal(CHECK(AGENT_END), AGENT_UNDERFLOW);
	assert_int_equal(CHECK(AGENT_POP, AGENT_END), AGENT_UNDERFLOW);
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_ADD, AGENT_END), AGENT_UNDERFLOW);
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_SWAP, AGENT_END), AGENT_UNDERFLOW);
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_DUP, AGENT_ROT, AGENT_END), AGENT_UNDERFLOW);
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_PICK, 1, AGENT_END), AGENT_UNDERFLOW);
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_PICK, 255, AGENT_END), AGENT_UNDERFLOW);
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_PICK, 0, AGENT_END), AGENT_GOOD);
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_POP, AGENT_END), AGENT_UNDERFLOW);
	assert_int_equal(CHECK(AGENT_IF_GOTO, 0, 0), AGENT_UNDERFLOW);
}

static size_t deep(uint8_t *code, unsigned items)
{
	size_t n = 0;

	for (unsigned i = 0; i < items; i++) {
		code[n++] = AGENT_CONST8;
		code[n++] = 1;
	}
	for (unsigned i = 1; i < items; i++)
		code[n++] = AGENT_ADD;
	code[n++] = AGENT_END;
	return n;
}

static void the_stack_has_a_bound(void **state)
{
	uint8_t code[AGENT_BYTES_MAX];
	uint64_t value = 0;
	size_t size = deep(code, AGENT_STACK_MAX);

	(void)state;
	assert_int_equal(agent_check(code, size, has, NULL), AGENT_GOOD);
	assert_int_equal(agent_eval(code, &env, &value), AGENT_NO_FAULT);
	assert_int_equal(value, AGENT_STACK_MAX);
	size = deep(code, AGENT_STACK_MAX + 1);
	assert_int_equal(agent_check(code, size, has, NULL), AGENT_TOO_DEEP);
}

static void ways_that_meet_have_the_same_height(void **state)
{
	(void)state;
	/* A loop that pushes. */
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_GOTO, 0, 0), AGENT_UNEVEN);
	/* A loop that pops. */
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_DUP, AGENT_DUP, AGENT_POP, AGENT_POP,
			       AGENT_GOTO, 0, 4),
			 AGENT_UNEVEN);
	/* One side pushes, the other does not. */
	assert_int_equal(CHECK(AGENT_CONST8, 1, AGENT_DUP, AGENT_IF_GOTO, 0, 8, AGENT_CONST8, 1,
			       AGENT_END),
			 AGENT_UNEVEN);
}

static enum agent_fault run(const uint8_t *code, size_t size, uint64_t *value)
{
	assert_int_equal(agent_check(code, size, has, NULL), AGENT_GOOD);
	return agent_eval(code, &env, value);
}

static void what_has_no_value_says_why(void **state)
{
	uint64_t value = 77;

	(void)state;
	assert_int_equal(run(ON2(AGENT_DIV_SIGNED, 1, 0), &value), AGENT_FAULT_DIVISION);
	assert_int_equal(run(ON2(AGENT_DIV_UNSIGNED, 1, 0), &value), AGENT_FAULT_DIVISION);
	assert_int_equal(run(ON2(AGENT_REM_SIGNED, 1, 0), &value), AGENT_FAULT_DIVISION);
	assert_int_equal(run(ON2(AGENT_REM_UNSIGNED, 1, 0), &value), AGENT_FAULT_DIVISION);
	assert_int_equal(run(ON(AGENT_REF8, 999), &value), AGENT_FAULT_MEMORY);
	assert_int_equal(run(ON(AGENT_REF8, 1008), &value), AGENT_FAULT_MEMORY);
	assert_int_equal(run(ON(AGENT_REF64, 1001), &value), AGENT_FAULT_MEMORY);
	assert_int_equal(run(ON(AGENT_REF32, -1), &value), AGENT_FAULT_MEMORY);
	assert_int_equal(run(CODE(AGENT_REG, 0, 9, AGENT_END), &value), AGENT_FAULT_REGISTER);
	assert_int_equal(value, 77);
}

static void what_does_not_end_is_ended(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(run(CODE(AGENT_GOTO, 0, 0), &value), AGENT_FAULT_ENDLESS);
	/* Reads cost more than other steps: a system call each. */
	reads = 0;
	assert_int_equal(run(CODE(PUSH(1000), AGENT_DUP, AGENT_REF8, AGENT_POP, AGENT_GOTO, 0, 9),
			     &value),
			 AGENT_FAULT_ENDLESS);
	assert_in_range(reads, 1, AGENT_STEPS_MAX / AGENT_READ_STEPS);
}

/* Counts down from @n: about five steps each round. */
static void a_loop_may_run_long(void **state)
{
	uint64_t value = 1;

	(void)state;
	assert_int_equal(run(CODE(AGENT_CONST16, 2000 >> 8, 2000 & 0xff, AGENT_CONST8, 1, AGENT_SUB,
				  AGENT_DUP, AGENT_IF_GOTO, 0, 3, AGENT_END),
			     &value),
			 AGENT_NO_FAULT);
	assert_int_equal(value, 0);
}

static void every_problem_has_a_text(void **state)
{
	(void)state;
	for (int p = AGENT_GOOD; p <= AGENT_UNEVEN; p++)
		assert_true(strlen(agent_problem_text((enum agent_problem)p)) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_opcode_does_what_the_manual_says),
		cmocka_unit_test(no_opcode_is_forgotten),
		cmocka_unit_test(numbers_are_those_of_gdb),
		cmocka_unit_test(unknown_and_refused_opcodes_are_told_apart),
		cmocka_unit_test(code_has_a_length_between_bounds),
		cmocka_unit_test(operands_are_whole),
		cmocka_unit_test(registers_exist),
		cmocka_unit_test(jumps_lead_to_instructions),
		cmocka_unit_test(every_way_comes_to_an_end),
		cmocka_unit_test(instructions_find_what_they_need),
		cmocka_unit_test(the_stack_has_a_bound),
		cmocka_unit_test(ways_that_meet_have_the_same_height),
		cmocka_unit_test(what_has_no_value_says_why),
		cmocka_unit_test(what_does_not_end_is_ended),
		cmocka_unit_test(a_loop_may_run_long),
		cmocka_unit_test(every_problem_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
