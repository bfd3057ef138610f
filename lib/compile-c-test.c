/* SPDX-License-Identifier: MIT */
/* Expressions compiled and evaluated, against what the C compiler makes of the same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "arch/arch.h"
#include "lib/evaluate.h"
#include "lib/expr.h"

/* Memory that expressions point into. */
static struct {
	int8_t s8[4];
	uint8_t u8[4];
	int16_t s16[4];
	uint16_t u16[4];
	int32_t s32[4];
	uint32_t u32[4];
	int64_t s64[4];
	uint64_t u64[4];
	const char *strings[3];
	const char *const *list;
} place = {
	.s8 = { 1, -2, 127, -128 },
	.u8 = { 1, 254, 127, 128 },
	.s16 = { 3, -4, 32767, -32768 },
	.u16 = { 3, 65532, 32767, 32768 },
	.s32 = { 5, -6, INT32_MAX, INT32_MIN },
	.u32 = { 5, 4294967290u, 2147483647, 2147483648u },
	.s64 = { 7, -8, INT64_MAX, INT64_MIN },
	.u64 = { 7, 18446744073709551608u, INT64_MAX, UINT64_C(1) << 63 },
	.strings = { "alpha", "b\xff", "" },
	.list = place.strings,
};

/* The registers, under the names that gcc lets a C program give to variables. */
#define REGISTERS(R)                       \
	R(0, $rax, 0x1122334455667788)     \
	R(1, $rbx, -1)                     \
	R(2, $rcx, 0)                      \
	R(3, $rdx, 3)                      \
	R(4, $rsi, (intptr_t)&place)       \
	R(5, $rdi, 5)                      \
	R(6, $rbp, (intptr_t)place.u32)    \
	R(7, $rsp, (intptr_t)place.s32)    \
	R(8, $r8, 0x80000000)              \
	R(9, $r9, INT64_MIN)               \
	R(10, $r10, INT64_MAX)             \
	R(11, $r11, (intptr_t)place.s8)    \
	R(12, $r12, 0xfedcba9876543210)    \
	R(13, $r13, -2)                    \
	R(14, $r14, (intptr_t)&place.list) \
	R(15, $r15, 63)                    \
	R(16, $rip, 0x401000)              \
	R(17, $eflags, 0x246)

#define R(number, name, value) static int64_t name;
REGISTERS(R)
#undef R

static void set_registers(void)
{
#define R(number, name, value) name = (int64_t)(value);
	REGISTERS(R)
#undef R
}

/* Parts of registers, as expressions of C. */
#define $eax ((int32_t)$rax)
#define $ax ((int16_t)$rax)
#define $al ((int8_t)$rax)
#define $ah ((int8_t)($rax >> 8))
#define $r12d ((int32_t)$r12)
#define $r12w ((int16_t)$r12)
#define $r8d ((int32_t)$r8)
#define $ebx ((int32_t)$rbx)
#define $edi ((int32_t)$rdi)
#define $sil ((int8_t)$rsi)
#define $pc $rip
#define $sp $rsp
#define $orig_rax INT64_C(59)
#define $fs_base INT64_C(0x7f0012345678)

static int read_register(void *data, unsigned number, uint64_t *value)
{
	(void)data;
	switch (number) {
#define R(n, name, v)                    \
	case n:                          \
		*value = (uint64_t)name; \
		return 0;
		REGISTERS(R)
#undef R
	case 57:
		*value = (uint64_t)$orig_rax;
		return 0;
	case 58:
		*value = (uint64_t)$fs_base;
		return 0;
	default:
		return -1;
	}
}

static const struct agent_env env = { read_register, evaluate_read_memory, NULL };

static void same(const struct sample *samples, size_t count)
{
	unsigned bad = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t value = evaluate(COTRACE_ARCH_X86_64, samples[i].text, &env);

		if (value == samples[i].expected)
			continue;
		print_error("%s: %#lx, and C says %#lx\n", samples[i].text, value,
			    samples[i].expected);
		bad++;
	}
	assert_int_equal(bad, 0);
}

/* The same text for both. */
#define SAME(...)                                     \
	{                                             \
#__VA_ARGS__, (uint64_t)(__VA_ARGS__) \
	}
#define RUN(samples) same(samples, sizeof samples / sizeof *samples)

#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wparentheses"
#pragma GCC diagnostic ignored "-Wunused-value"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wint-in-bool-context"
#pragma GCC diagnostic ignored "-Wbool-compare"
#pragma GCC diagnostic ignored "-Woverflow"
#pragma GCC diagnostic ignored "-Wlogical-op"

static void constants_are_those_of_c(void **state)
{
	const struct sample samples[] = {
		SAME(0),
		SAME(5),
		SAME(-1),
		SAME(2147483647),
		SAME(2147483648),
		SAME(-2147483648),
		SAME(0x7fffffff),
		SAME(0xffffffff),
		SAME(-0xffffffff),
		SAME(-0xffffffffL),
		SAME(0x100000000),
		SAME(0xffffffffffffffff),
		SAME(-0xffffffffffffffff),
		SAME(9223372036854775807),
		SAME(18446744073709551615u),
		SAME(017),
		SAME(0b1011),
		SAME(1u),
		SAME(-1u),
		SAME(-1ul),
		SAME(-1LLU),
		SAME(-1l),
		SAME('a'),
		SAME('\n'),
		SAME('\0'),
		SAME('\''),
		SAME('"'),
		SAME('\\'),
		SAME('\101'),
		SAME('\x41'),
		SAME('\xff'),
		SAME('\377'),
		SAME('\?'),
		SAME('\t' + '\a' + '\b' + '\v' + '\f' + '\r'),
		SAME(sizeof('a')),
		SAME(sizeof 1L),
		SAME(sizeof(1) + 1),
	};

	(void)state;
	RUN(samples);
}

static void operators_are_those_of_c(void **state)
{
	const struct sample samples[] = {
		SAME($rdi + 1),
		SAME($rdi - 10),
		SAME($rbx * $rdi),
		SAME($rbx * 4294967296),
		SAME($r13 / 2),
		SAME(-7 / 2),
		SAME(-7 % 3),
		SAME(7 % -3),
		SAME($rbx / $rdi),
		SAME((unsigned long)$rbx / 5),
		SAME((unsigned long)$rbx % 10),
		SAME((unsigned)$rbx / 5),
		SAME($rbx % 5u),
		SAME((int)$rbx % 5u),
		SAME(1 << 4),
		SAME(1ULL << 63),
		SAME((size_t)$rdi << $r15),
		SAME($rbx >> 1),
		SAME((unsigned long)$rbx >> 1),
		SAME((unsigned)$rbx >> 1),
		SAME((int)$rbx >> 1),
		SAME(1u << 31),
		SAME((char)-1 >> 3),
		SAME((unsigned char)-1 >> 3),
		SAME((unsigned char)255 << 4),
		SAME($rax & 0xff),
		SAME($rax | 0xff),
		SAME($rax ^ $rbx),
		SAME(~$rcx),
		SAME(~0u),
		SAME(~(unsigned char)0),
		SAME(~(unsigned short)5 & 0xffff),
		SAME(-(unsigned char)1),
		SAME(-$rdx),
		SAME(+(char)200),
		SAME(!$rcx),
		SAME(!$rdi),
		SAME(!!$rax),
		SAME($rdi == 5),
		SAME($rdi != 5),
		SAME($rbx < 0),
		SAME($rbx < 0u),
		SAME($rbx < 0ul),
		SAME($rbx > $rdi),
		SAME($rbx >= $rbx),
		SAME($rbx <= $r13),
		SAME($rdi > 4),
		SAME($rdi >= 6),
		SAME($rdi <= 5),
		SAME(-1 < 1u),
		SAME(-1L < 1u),
		SAME((char)-1 < (unsigned char)1),
		SAME((unsigned short)-1 > -1),
		SAME(3 > 2 > 1),
		SAME(3 == 3 == 1),
		SAME($rcx && $rdi),
		SAME($rdi && $rdx),
		SAME($rcx || $rdi),
		SAME($rcx || 0),
		SAME($rcx || 7),
		SAME($rcx || 3 + 4),
		SAME($rcx || (size_t)$rdx),
		SAME($rcx || ($rdi ? $rdx : 1)),
		SAME($rcx || ($rdi ? !$rcx : $rdx)),
		SAME($rdi || $rdx),
		SAME($rdi && $rdx && $rcx),
		SAME($rcx || $rcx || $rbx),
		SAME(2 && 4),
		SAME(0 || 7),
		SAME($rdi ? $rdx : $rcx),
		SAME($rcx   ? $rdx
		     : $rcx ? 1
			    : 2),
		SAME($rdi ? $rcx ? 1 : 2 : 3),
		SAME($rdi ? -1 : 1u),
		SAME($rdi ? (char)-1 : (unsigned char)1),
		SAME($rdi ? -1 : 0ul),
		SAME(($rdi, $rdx)),
		SAME((1, 2, 3)),
		SAME($rcx ? 1 : ($rdx, 2)),
		SAME($rip == 0x401000 && $eflags & 2),
		SAME($pc - $sp),
		SAME($orig_rax == 59),
		SAME($fs_base >> 12),
	};

	(void)state;
	RUN(samples);
}

static void precedence_is_that_of_c(void **state)
{
	const struct sample samples[] = {
		SAME(1 + 2 * 3),
		SAME((1 + 2) * 3),
		SAME(10 - 4 - 3),
		SAME(100 / 10 / 5),
		SAME(100 / 10 * 5),
		SAME(2 + 3 << 1),
		SAME(1 << 2 + 3),
		SAME(1 | 2 ^ 3 & 4),
		SAME(7 & 3 == 3),
		SAME(1 | 0 && 0),
		SAME(1 || 0 && 0),
		SAME(5 > 3 == 1),
		SAME(-2 * -3),
		SAME(- -3),
		SAME(~-1),
		SAME(!0 + 1),
		SAME(-1 >> 1 & 0xf),
		SAME(1 ? 2 : 3 + 4),
		SAME(0 ? 2 : 3 + 4),
		SAME((0, 1) ? 5 : 6),
		SAME(1 + 2 == 3 ? 4 * 5 : 6 - 7),
		SAME(*(int *)$rsp + 1),
		SAME(-*(int *)$rsp),
		SAME(!*(int *)$rsp),
		SAME((int)$rax + 1),
		SAME((int)$rax >> 8 & 0xff),
		SAME((char)$rax * 2),
		SAME(sizeof(int) * 2),
		SAME(sizeof(int) - 5 > 0),
		SAME($rdi - $rdx),
		SAME($rdi & 1 && $rdx & 1),
		SAME($rdi << 1 < $rdi << 2),
	};

	(void)state;
	RUN(samples);
}

static void arithmetic_wraps_as_the_types_say(void **state)
{
	const struct sample samples[] = {
		SAME((unsigned)-1 + 1),
		SAME((unsigned)-1 + 1L),
		SAME((unsigned)$rbx * (unsigned)$rbx),
		SAME(0u - 1),
		SAME(0u - 1L),
		SAME((unsigned char)255 + 1),
		SAME((unsigned char)($rax + 0x80)),
		SAME((short)0x12345),
		SAME((signed char)0x1ff),
		SAME((unsigned short)-1),
		SAME((int)0xffffffff),
		SAME((int)0x100000005),
		SAME((long)(int)0x80000000),
		SAME((long)(unsigned)0x80000000),
		SAME((unsigned long)(int)-1),
		SAME((unsigned)-1L),
		SAME((bool)256),
		SAME((_Bool)0),
		SAME((bool)$rdi + (bool)$rdx),
		SAME((uint8_t)-1),
		SAME((int8_t)-1),
		SAME((uint16_t)-1),
		SAME((int16_t)0x8000),
		SAME((uint32_t)-1),
		SAME((int32_t)0x80000000),
		SAME((uint64_t)-1),
		SAME((int64_t)-1 < 0),
		SAME((uint64_t)-1 < 0),
		SAME((size_t)-1 > 0),
		SAME((ssize_t)-1 > 0),
		SAME((intptr_t)-1 > 0),
		SAME((uintptr_t)-1 > 0),
		SAME((ptrdiff_t)-1 > 0),
		SAME((unsigned long int)-1 > 0),
		SAME((long unsigned)-1 > 0),
		SAME((long long unsigned int)-1 > 0),
		SAME((short int)65535),
		SAME((signed)-1 > 0),
		SAME((unsigned const) - 1 > 0),
		SAME((const volatile char)300),
		SAME($eax),
		SAME($ax),
		SAME($al),
		SAME($ah),
		SAME($r12d),
		SAME($r12w),
		SAME($r8d),
		SAME($r8d == 0x80000000),
		SAME($ebx == 0xffffffff),
		SAME($ebx == -1),
		SAME($edi + 1),
		SAME($sil == (char)$rsi),
		SAME($ah << 24),
		SAME(sizeof($al)),
		SAME(sizeof($al + 0)),
		SAME(sizeof($rdi)),
	};

	(void)state;
	RUN(samples);
}

static void memory_is_read_by_its_type(void **state)
{
	const struct sample samples[] = {
		SAME(*(char *)$rsi),
		SAME(((char *)$rsi)[1]),
		SAME(((unsigned char *)$rsi)[1]),
		SAME(((int8_t *)$r11)[3]),
		SAME(*((uint8_t *)$r11 + 3)),
		SAME(*(int *)$rsp),
		SAME(((int *)$rsp)[1]),
		SAME(((int *)$rsp)[3]),
		SAME(((unsigned *)$rsp)[3]),
		SAME(((int *)$rbp)[1]),
		SAME(((uint32_t *)$rbp)[1]),
		SAME(1 [(int *)$rsp]),
		SAME(((int *)$rsp)[$rdi - 4]),
		SAME(((int *)$rbp)[-3]),
		SAME(*(int *)($rsp + 4)),
		SAME(*((int *)$rsp + 1)),
		SAME(*(1 + (int *)$rsp)),
		SAME(*((int *)$rbp - 1)),
		SAME(*(short *)($r11 + 10)),
		SAME(*(unsigned short *)($r11 + 10)),
		SAME(*(long *)$rsp),
		SAME(*(unsigned long long *)$rsp >> 32),
		SAME(*(bool *)$rsi),
		SAME(*(bool *)$rsi + 1),
		SAME(**(char **)((uint64_t *)$rbp + 10)),
		SAME(**(char ***)$r14 == *(char **)*(char ***)$r14),
		SAME(***(char ***)$r14),
		SAME((*(char ***)$r14)[1][1]),
		SAME((*(unsigned char ***)$r14)[1][1]),
		SAME((*(char const *const **)$r14)[0][2] == 'p'),
		SAME(*(*(char ***)$r14)[2]),
		SAME(*(char *)*(long *)*(long *)$r14 == 'a'),
		SAME(&*(int *)$rsp),
		SAME(&((int *)$rsp)[2]),
		SAME((long)&((int *)$rsp)[2] - $rsp),
		SAME(&((int *)$rsp)[2] - (int *)$rsp),
		SAME((int *)$rsp - &((int *)$rsp)[2]),
		SAME((char *)&((int *)$rsp)[2] - (char *)$rsp),
		SAME((int *)$rsp < (int *)$rbp),
		SAME((int *)$rsp == 0),
		SAME((int *)0 == 0),
		SAME((void *)$rsp != NULL),
		SAME(!(int *)$rsp),
		SAME((int *)$rsp && *(int *)$rsp == 5),
		SAME((int *)$rcx && *(int *)$rcx == 5),
		SAME((char *)-1),
		SAME((char *)(int)-1),
		SAME((char *)(unsigned)-1),
		SAME((long)((char **)$rsp + 2) - $rsp),
		SAME((long)((void *)$rsp + 2) - $rsp),
		SAME(*($rdi ? (int *)$rsp : (int *)0)),
		SAME(*($rcx ? 0 : (int *)$rsp)),
		SAME(sizeof(char *)),
		SAME(sizeof(*(short *)0)),
		SAME(sizeof *(short *)$rcx),
		SAME(sizeof((char *)0)[1]),
		SAME($rdi == 5 && *(int *)$rsi != 0),
		SAME((*(uint8_t *)$r11 & 1) != 0 && ((int *)$rsp)[1] < 0),
	};

	(void)state;
	RUN(samples);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants_are_those_of_c),
		cmocka_unit_test(operators_are_those_of_c),
		cmocka_unit_test(precedence_is_that_of_c),
		cmocka_unit_test(arithmetic_wraps_as_the_types_say),
		cmocka_unit_test(memory_is_read_by_its_type),
	};

	set_registers();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
