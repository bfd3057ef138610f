/* SPDX-License-Identifier: MIT */
/* What C cannot be asked: 32-bit tasks, code, mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/evaluate.h"
#include "lib/expr.h"

static const int32_t numbers[] = { 5, -6 };

/* rax, rbx, rcx, rdx, rsi, rdi; or eax, ecx, edx, ebx, esp, ebp, and 8 is eip. */
static int read_register(void *data, unsigned number, uint64_t *value)
{
	const uint64_t values[] = { 0x1122334455667788, UINT64_MAX, 0, 3,
				    (uintptr_t)numbers, 5,	    0, 0,
				    0x80000000 };

	(void)data;
	if (number >= sizeof values / sizeof *values)
		return -EIO;
	*value = values[number];
	return 0;
}

static const struct agent_env env = { read_register, evaluate_read_memory, NULL };

static void a_32_bit_task_has_types_of_32_bits(void **state)
{
	/* Register 0 is eax there, 1 ecx, 8 eip. */
	static const struct sample samples[] = {
		{ "$eax", 0x55667788 },
		{ "$ecx", UINT64_MAX },
		{ "$ax", 0x7788 },
		{ "$ah", 0x77 },
		{ "$ecx == -1", 1 },
		{ "$ecx == 0xffffffff", 1 },
		{ "(unsigned)$ecx", 0xffffffff },
		{ "(unsigned long)$ecx", 0xffffffff },
		{ "(long)$ecx", UINT64_MAX },
		{ "(unsigned long long)$ecx", UINT64_MAX },
		{ "sizeof(long)", 4 },
		{ "sizeof(void *)", 4 },
		{ "sizeof(long long)", 8 },
		{ "sizeof(size_t)", 4 },
		{ "sizeof 0x100000000", 8 },
		{ "sizeof 1L", 4 },
		{ "-1L < 1u", 0 },
		{ "-1LL < 1u", 1 },
		{ "0xffffffffL + 1 == 0", 1 },
		{ "2147483648 > 0", 1 },
		{ "(char *)$ecx", 0xffffffff },
		{ "(char *)$ecx + 1", 0 },
		{ "(int *)0 - 1", 0xfffffffc },
		{ "(int *)8 - (int *)16", UINT64_C(-2) },
		{ "(char *)0 - (char *)0xffffffff", 1 },
		{ "(char *)0x80000000 > (char *)0x7fffffff", 1 },
		{ "(char *)(long long)-1", 0xffffffff },
		{ "$pc", 0xffffffff80000000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		uint64_t value = evaluate(COTRACE_ARCH_I386, samples[i].text, &env);

		if (value != samples[i].expected)
			fail_msg("%s: %#lx", samples[i].text, value);
	}
}

static void code_is_as_short_as_it_can_be(void **state)
{
	static const struct {
		const char *text;
		uint8_t code[20];
		size_t size;
	} samples[] = {
		{ "$rdi == 5", { AGENT_REG, 0, 5, AGENT_CONST8, 5, AGENT_EQUAL, AGENT_END }, 7 },
		{ "$edi", { AGENT_REG, 0, 5, AGENT_EXT, 32, AGENT_END }, 6 },
		{ "((int *)$rsi)[2 * 3 - 5]",
		  { AGENT_REG, 0, 4, AGENT_CONST8, 4, AGENT_ADD, AGENT_REF32, AGENT_EXT, 32,
		    AGENT_END },
		  10 },
		{ "1 + 2 * 3 == 7 && -1 < 0", { AGENT_CONST8, 1, AGENT_END }, 3 },
		{ "-2", { AGENT_CONST8, 0xfe, AGENT_EXT, 8, AGENT_END }, 5 },
		{ "-300", { AGENT_CONST16, 0xfe, 0xd4, AGENT_EXT, 16, AGENT_END }, 6 },
		/* The right side is already 0 or 1. */
		{ "$rdi && $rsi == 1",
		  { AGENT_REG, 0, 5, AGENT_IF_GOTO, 0, 11, AGENT_CONST8, 0, AGENT_GOTO, 0, 17,
		    AGENT_REG, 0, 4, AGENT_CONST8, 1, AGENT_EQUAL, AGENT_END },
		  18 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		uint8_t *code;
		size_t size;

		assert_int_equal(cotrace_compile(&code, &size, COTRACE_ARCH_X86_64, samples[i].text,
						 NULL, 0),
				 0);
		assert_int_equal(size, samples[i].size);
		assert_memory_equal(code, samples[i].code, size);
		free(code);
	}
}

static void what_is_not_needed_is_not_evaluated(void **state)
{
	/* The first page cannot be read. */
	static const char *const fine[] = {
		"$rcx && *(int *)$rcx",	   "$rdi || *(int *)$rcx", "$rcx ? *(int *)$rcx : 1",
		"$rdi ? 1 : *(int *)$rcx", "$rcx && $rdi / $rcx",
	};
	static const struct {
		const char *text;
		enum agent_fault fault;
	} not_fine[] = {
		{ "$rdi && *(int *)$rcx", AGENT_FAULT_MEMORY },
		{ "*(char *)0", AGENT_FAULT_MEMORY },
		{ "$rdi / $rcx", AGENT_FAULT_DIVISION },
		{ "$rdi % ($rcx * 2)", AGENT_FAULT_DIVISION },
		{ "$r8", AGENT_NO_FAULT },
		{ "$gs", AGENT_FAULT_REGISTER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
		evaluate(COTRACE_ARCH_X86_64, fine[i], &env);
	for (size_t i = 0; i < sizeof not_fine / sizeof *not_fine; i++) {
		uint64_t value;
		uint8_t *code;
		size_t size;

		assert_int_equal(cotrace_compile(&code, &size, COTRACE_ARCH_X86_64,
						 not_fine[i].text, NULL, 0),
				 0);
		assert_int_equal(agent_eval(code, &env, &value), not_fine[i].fault);
		free(code);
	}
}

/* ---- Mistakes ---- */

static void mistakes_are_explained(void **state)
{
	static const struct {
		const char *text, *message;
	} samples[] = {
		{ "", "character 1: the expression ends too early" },
		{ "1 +", "character 4: the expression ends too early" },
		{ "(1 + 2", "character 7: \")\" is missing at the end" },
		{ "1 2", "character 3: an operator is expected before \"2\"" },
		{ "1 )", "character 3: an operator is expected before \")\"" },
		{ "(1]", "character 3: \")\" is expected before \"]\"" },
		{ "* 3", "character 1: only a pointer can be dereferenced; give it a type, as in "
			 "*(int *)$NAME" },
		{ "*(void *)$rsi", "character 1: a pointer to void cannot be dereferenced" },
		{ "$rsi[3]", "character 5: only a pointer can be indexed; give it a type, as in "
			     "((int *)$NAME)[1]" },
		{ "$foo == 1", "character 1: there is no register $foo on x86_64" },
		{ "1 && $xmm0", "character 6: $xmm0 is no general register" },
		{ "$ == 1", "character 1: a register's name must follow $" },
		{ "rdi == 5", "character 1: rdi is not known here; registers are written $NAME" },
		{ "$rdi = 5", "character 6: nothing can be assigned; == compares" },
		{ "$rdi++", "character 5: an operator is expected before \"++\"" },
		{ "++$rdi", "character 1: nothing can be changed here" },
		{ "$rdi / 0", "character 6: division by zero" },
		{ "$rdi % (3 - 3)", "character 6: division by zero" },
		{ "1 << 40", "character 3: a value of 32 bits cannot be shifted that far; make it "
			     "wider, as in 1LL << 40" },
		{ "1 << -1", "character 3: a value of 32 bits cannot be shifted that far; make it "
			     "wider, as in 1LL << 40" },
		{ "1.5 > 1", "character 1: floating point is not known here" },
		{ "(float)1", "character 2: types with float are not known here" },
		{ "(struct s *)$rdi", "character 2: types with struct are not known here" },
		{ "(short long)1", "character 2: these words make no type" },
		{ "(const)1", "character 2: these words make no type" },
		{ "(void)1", "character 1: void has no value" },
		{ "sizeof(void)", "character 1: void has no size" },
		{ "int", "character 1: a type stands here without parentheses around it" },
		{ "(int *)$rdi * 2", "character 13: this operator takes no pointer; cast it to "
				     "unsigned long" },
		{ "~(int *)$rdi", "character 1: ~ takes no pointer" },
		{ "(int *)1 + (int *)2", "character 10: two pointers cannot be added" },
		{ "1 - (int *)2", "character 3: a pointer cannot be taken from a number" },
		{ "(int *)1 - (char *)2", "character 10: the pointers are of different types" },
		{ "&$rdi", "character 1: only what is in memory has an address" },
		{ "&(int)*(int *)$rdi", "character 1: only what is in memory has an address" },
		{ "\"abc\" == $rdi", "character 1: strings are not known here; compare characters, "
				     "as in ((char *)$NAME)[0] == 'a'" },
		{ "'ab'", "character 1: a character constant is one byte, as in 'a' or '\\n'" },
		{ "''", "character 1: a character constant is one byte, as in 'a' or '\\n'" },
		{ "'\\q'", "character 1: a character constant is one byte, as in 'a' or '\\n'" },
		{ "'a", "character 1: a character constant is one byte, as in 'a' or '\\n'" },
		{ "99999999999999999999",
		  "character 1: \"99999999999999999999\" is no number of at most 64 bits" },
		{ "0x", "character 1: \"0x\" is no number of at most 64 bits" },
		{ "12ab", "character 1: \"12ab\" is no number of at most 64 bits" },
		{ "09", "character 1: \"09\" is no number of at most 64 bits" },
		{ "1lul", "character 1: \"1lul\" is no number of at most 64 bits" },
		{ "$rdi.x", "character 5: members are not known here; write "
			    "*(TYPE *)(ADDRESS + OFFSET)" },
		{ "$rdi->x", "character 5: members are not known here; write "
			     "*(TYPE *)(ADDRESS + OFFSET)" },
		{ "$rdi(1)", "character 5: nothing can be called here" },
		{ "1 @ 2", "character 3: nothing begins with this character" },
		{ "1 ? 2", "character 6: \":\" is missing at the end" },
		{ "== 1", "character 1: a value is expected before \"==\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		char message[512] = "";
		uint8_t *code = (uint8_t *)1;
		size_t size = 1;

		assert_int_equal(cotrace_compile(&code, &size, COTRACE_ARCH_X86_64, samples[i].text,
						 message, sizeof message),
				 -EINVAL);
		assert_null(code);
		assert_int_equal(size, 0);
		assert_string_equal(message, samples[i].message);
	}
}

/* @count times @part, then @end. */
static char *repeated(const char *part, size_t count, const char *end)
{
	size_t length = strlen(part);
	char *text = malloc(length * count + strlen(end) + 1);

	for (size_t i = 0; i < count; i++)
		memcpy(text + i * length, part, length);
	strcpy(text + length * count, end);
	return text;
}

static void expect_refusal(char *text, const char *why)
{
	char message[512] = "";
	uint8_t *code;
	size_t size;

	assert_int_equal(cotrace_compile(&code, &size, COTRACE_ARCH_X86_64, text, message,
					 sizeof message),
			 -EINVAL);
	if (strstr(message, why) == NULL)
		fail_msg("%s", message);
	free(text);
}

static void what_is_too_much_is_refused(void **state)
{
	char *text = repeated("(", 60, "1");

	(void)state;
	expect_refusal(text, "is missing at the end");
	expect_refusal(repeated("(", 100000, "1"), "nested too deeply");
	expect_refusal(repeated("!", 100000, "1"), "nested too deeply");
	expect_refusal(repeated("(int)", 100000, "1"), "nested too deeply");
	expect_refusal(repeated("1 ? 2 : ", 100000, "1"), "nested too deeply");
	expect_refusal(repeated("1 ? ", 100000, "1"), "nested too deeply");
	expect_refusal(repeated("sizeof ", 100000, "1"), "nested too deeply");
	expect_refusal(repeated("1 + ", 100000, "1"), "too long");
	expect_refusal(repeated("$rdi + ", 100000, "1"), "too long");
	expect_refusal(repeated("$rdi && ", 100000, "1"), "too long");
	expect_refusal(repeated("$rdi, ", 300, "1"), "too long");
	expect_refusal(repeated("a", 1000, ""), "too long");
	expect_refusal(repeated("*", 1, "(int *********)1"), "too many stars");
	/* As much as fits. */
	text = repeated("$rdi + ", 200, "1");
	assert_int_equal(evaluate(COTRACE_ARCH_X86_64, text, &env), 1001);
	free(text);
}

static void a_message_is_cut_to_its_buffer(void **state)
{
	uint8_t *code;
	size_t size;
	char message[8];

	(void)state;
	memset(message, 'x', sizeof message);
	assert_int_equal(cotrace_compile(&code, &size, COTRACE_ARCH_X86_64, "$foo", message,
					 sizeof message - 1),
			 -EINVAL);
	assert_string_equal(message, "charac");
	assert_int_equal(message[7], 'x');
	assert_int_equal(cotrace_compile(&code, &size, COTRACE_ARCH_X86_64, "$foo", NULL, 0),
			 -EINVAL);
	assert_int_equal(cotrace_compile(&code, &size, COTRACE_ARCH_ANY, "1", NULL, 0), -EINVAL);
}

static void checking_has_errors_of_its_own(void **state)
{
	uint8_t code[COTRACE_EXPRESSION_BYTES_MAX + 1];
	const uint8_t mxcsr[] = { AGENT_REG, 0, 56, AGENT_END };

	(void)state;
	memset(code, AGENT_LOG_NOT, sizeof code);
	code[0] = AGENT_CONST8;
	code[sizeof code - 1] = AGENT_END;
	assert_int_equal(cotrace_check_expression(COTRACE_ARCH_X86_64, code, sizeof code), -E2BIG);
	assert_int_equal(cotrace_check_expression(COTRACE_ARCH_X86_64, code, 10), -EINVAL);
	assert_int_equal(cotrace_check_expression(COTRACE_ARCH_X86_64, code, 0), -EINVAL);
	assert_int_equal(cotrace_check_expression(COTRACE_ARCH_X86_64, NULL, 10), -EINVAL);
	code[9] = AGENT_END;
	assert_int_equal(cotrace_check_expression(COTRACE_ARCH_X86_64, code, 10), 0);
	assert_int_equal(cotrace_check_expression(COTRACE_ARCH_ANY, code, 10), -EINVAL);
	assert_int_equal(cotrace_check_expression(COTRACE_ARCH_X86_64, mxcsr, 4), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_32_bit_task_has_types_of_32_bits),
		cmocka_unit_test(code_is_as_short_as_it_can_be),
		cmocka_unit_test(what_is_not_needed_is_not_evaluated),
		cmocka_unit_test(mistakes_are_explained),
		cmocka_unit_test(what_is_too_much_is_refused),
		cmocka_unit_test(a_message_is_cut_to_its_buffer),
		cmocka_unit_test(checking_has_errors_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
