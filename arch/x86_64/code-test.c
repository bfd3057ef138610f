/* SPDX-License-Identifier: MIT */
/* What the hardware cannot be asked about; the rest is in test/code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/user.h>

#include "arch/x86_64/code-test.h"

/* ---- Decoding ---- */

static void truncated_and_undefined_bytes_are_told_apart(void **state)
{
	struct code_instruction i;

	(void)state;
	assert_int_equal(wide->decode(wide, BYTES(0xe8, 1, 2), &i), -ENODATA);
	assert_int_equal(wide->decode(wide, (const uint8_t *)"", 0, &i), -ENODATA);
	assert_int_equal(wide->decode(wide, BYTES(0x06), &i), -EINVAL);
	assert_int_equal(narrow->decode(narrow, BYTES(0x06), &i), 0);
	assert_int_equal(i.length, 1);
}

static uint32_t flags_of(const struct arch_code *c, const uint8_t *bytes, size_t n)
{
	struct code_instruction i;

	assert_int_equal(c->decode(c, bytes, n, &i), 0);
	assert_int_equal(i.length, n);
	return i.flags;
}

static void flags_say_what_stepping_must_know(void **state)
{
	(void)state;
	assert_int_equal(flags_of(wide, BYTES(0x0f, 0x05)), CODE_IS_SYSCALL);
	assert_int_equal(flags_of(narrow, BYTES(0x0f, 0x34)), CODE_IS_SYSCALL);
	assert_int_equal(flags_of(wide, BYTES(0xcd, 0x80)), CODE_IS_SYSCALL);
	assert_int_equal(flags_of(wide, BYTES(0xcd, 0x20)), 0);
	assert_int_equal(flags_of(wide, BYTES(0xcc)), CODE_IS_TRAP);
	assert_int_equal(flags_of(wide, BYTES(0xf1)), CODE_IS_TRAP);
	assert_int_equal(flags_of(wide, BYTES(0x9c)), CODE_SHOWS_STEP);
	assert_int_equal(flags_of(wide, BYTES(0x9d)), CODE_SETS_STEP);
	assert_int_equal(flags_of(wide, BYTES(0x48, 0xcf)), CODE_SETS_STEP | CODE_IS_BRANCH);
	assert_int_equal(flags_of(wide, BYTES(0x0f, 0xa2)), CODE_STEPS_TWO);
	assert_int_equal(flags_of(wide, BYTES(0x8e, 0xd0)), CODE_STEPS_TWO);
	assert_int_equal(flags_of(narrow, BYTES(0x17)), CODE_STEPS_TWO);
	assert_int_equal(flags_of(wide, BYTES(0xf3, 0xa4)), CODE_IS_REPEATED);
	assert_int_equal(flags_of(wide, BYTES(0xf3, 0xc3)), CODE_IS_BRANCH);
	assert_int_equal(flags_of(wide, BYTES(0xff, 0xd0)), CODE_IS_BRANCH | CODE_IS_CALL);
	assert_int_equal(flags_of(wide, BYTES(0x74, 0)), CODE_IS_BRANCH);
	assert_int_equal(flags_of(wide, BYTES(0x0f, 0x01, 0xd5)), 0);
	assert_int_equal(flags_of(wide, BYTES(0x90)), 0);
}

static void instructions_that_enter_the_kernel_are_found(void **state)
{
	(void)state;
	assert_int_equal(wide->find_syscall(wide, BYTES(1, 2, 0x0f, 0x05, 3)), 2);
	assert_int_equal(narrow->find_syscall(narrow, BYTES(0xcd, 0x80)), 0);
	assert_int_equal(narrow->find_syscall(narrow, BYTES(0x0f, 0x05)), -ENOENT);
	assert_int_equal(wide->find_syscall(wide, BYTES(0x0f)), -ENOENT);
}

/* ---- Displacing ---- */

/* Where the jump at the end leads. */
static uint64_t way_back(const struct code_displaced *d, uint64_t to)
{
	const uint8_t *jump = d->code + d->end;
	int32_t distance;
	uint64_t target;

	if (jump[0] == 0xe9) {
		assert_int_equal(d->size, d->end + 5);
		memcpy(&distance, jump + 1, 4);
		return to + d->size + (uint64_t)(int64_t)distance;
	}
	assert_memory_equal(jump, "\xff\x25", 2);
	memcpy(&distance, jump + 2, 4);
	assert_int_equal((to + d->end + 6 + (unsigned)distance) % 8, 0);
	assert_int_equal(d->size, d->end + 6 + distance + 8);
	memcpy(&target, jump + 6 + distance, 8);
	return target;
}

static void a_slot_is_the_instruction_and_a_jump_back(void **state)
{
	struct code_displaced d = moved(wide, BYTES(0x48, 0x89, 0x03, 0x90), NEAR);

	(void)state;
	assert_int_equal(d.kind, CODE_SLOT);
	assert_int_equal(d.insn.length, 3);
	assert_int_equal(d.end, 3);
	assert_memory_equal(d.code, "\x48\x89\x03\xe9", 4);
	assert_true(way_back(&d, NEAR) == A + 3);
	for (unsigned i = 0; i < 8; i++) {
		d = moved(wide, BYTES(0x48, 0x89, 0x03), FAR + i);
		assert_int_equal(d.code[3], 0xff);
		assert_true(way_back(&d, FAR + i) == A + 3);
	}
	d = moved(narrow, BYTES(0x89, 0x03), 0xf7000000);
	assert_true((uint32_t)way_back(&d, 0xf7000000) == 0x8048002);
}

static void distances_to_operands_are_kept_true(void **state)
{
	/* cmpl $7,0x1000(%rip): an immediate follows */
	struct code_displaced d = moved(wide, BYTES(0x81, 0x3d, 0, 0x10, 0, 0, 7, 0, 0, 0), NEAR);
	int32_t distance;

	(void)state;
	memcpy(&distance, d.code + 2, 4);
	assert_true(NEAR + 10 + (uint64_t)(int64_t)distance == A + 10 + 0x1000);
	assert_memory_equal(d.code + 6, "\7\0\0", 4);
	/* lea, as any other */
	d = moved(wide, BYTES(0x48, 0x8d, 0x05, 0, 0, 0, 0), NEAR);
	memcpy(&distance, d.code + 3, 4);
	assert_true(NEAR + 7 + (uint64_t)(int64_t)distance == A + 7);
	/* xbegin */
	d = moved(wide, BYTES(0xc7, 0xf8, 8, 0, 0, 0), NEAR);
	assert_int_equal(d.kind, CODE_SLOT);
	memcpy(&distance, d.code + 2, 4);
	assert_true(NEAR + 6 + (uint64_t)(int64_t)distance == A + 6 + 8);
}

static void operands_out_of_reach_make_it_impossible(void **state)
{
	struct code_displaced d = moved(wide, BYTES(0x48, 0x8b, 0x05, 0, 0, 0, 0), FAR);

	(void)state;
	assert_int_equal(d.kind, CODE_IMPOSSIBLE);
	assert_int_equal(d.insn.length, 7);
	assert_int_equal(d.size, 0);
	/* 32-bit addresses wrap around */
	d = moved(wide, BYTES(0x67, 0x8b, 0x05, 0, 0, 0, 0), FAR);
	assert_int_equal(d.kind, CODE_SLOT);
	/* jmp *x(%rip) can be acted out */
	d = moved(wide, BYTES(0xff, 0x25, 0, 0, 0, 0), FAR);
	assert_int_equal(d.kind, CODE_EMULATE);
}

static void kinds_say_what_to_do(void **state)
{
	struct code_displaced d;

	(void)state;
	assert_int_equal(moved(wide, BYTES(0x06), NEAR).kind, CODE_IMPOSSIBLE);
	assert_int_equal(moved(wide, BYTES(0x06), NEAR).insn.length, 0);
	assert_int_equal(moved(wide, BYTES(0xe8, 0, 0, 0, 0), NEAR).kind, CODE_EMULATE);
	assert_int_equal(moved(wide, BYTES(0xff, 0x18), NEAR).kind, CODE_IMPOSSIBLE);
	assert_int_equal(moved(wide, BYTES(0x74, 5), NEAR).kind, CODE_EMULATE);
	assert_int_equal(moved(wide, BYTES(0xc3), NEAR).kind, CODE_SLOT);
	assert_true(moved(wide, BYTES(0xc3), NEAR).emulated);
	assert_int_equal(moved(wide, BYTES(0x0f, 0x05), NEAR).kind, CODE_SYSCALL);
	assert_int_equal(moved(wide, BYTES(0xcc), NEAR).kind, CODE_TRAP);
	d = moved(wide, BYTES(0xd9, 0xe8), NEAR);
	assert_true(d.kind == CODE_SLOT && d.step);
	d = moved(wide, BYTES(0xd9, 0x30), NEAR); /* fnstenv reads that address only */
	assert_true(d.kind == CODE_SLOT && !d.step);
}

/* ---- Memory that is accessed ---- */

static const struct user_regs_struct touching = { .rsp = 0x1000,
						  .rbp = 0x2000,
						  .rdi = 0x3000,
						  .rsi = 0x4000,
						  .rbx = 0x5000,
						  .rcx = 2,
						  .fs_base = 0x70000,
						  .cs = 0x33 };

static int touches_with(struct user_regs_struct regs, const uint8_t *bytes, size_t n,
			struct code_touch *out)
{
	const struct code_access none = { 0 };

	return wide->touches(wide, bytes, n, A, &regs, sizeof regs, &none, out);
}

#define TOUCHES(...) touches_with(touching, BYTES(__VA_ARGS__), t)
#define TOUCH(i, at, bytes, reads, writes)                                               \
	assert_true(t[i].addr == (at) && t[i].size == (bytes) && t[i].read == (reads) && \
		    t[i].write == (writes))

static void what_an_instruction_accesses_is_known_before(void **state)
{
	struct user_regs_struct no_more = touching;
	struct code_touch t[CODE_TOUCHES_MAX];

	(void)state;
	assert_int_equal(TOUCHES(0x55), 1); /* push %rbp */
	TOUCH(0, 0xff8, 8, false, true);
	assert_int_equal(TOUCHES(0xff, 0x13), 2); /* call *(%rbx) */
	TOUCH(0, 0x5000, 8, true, false);
	TOUCH(1, 0xff8, 8, false, true);
	assert_int_equal(TOUCHES(0xc9), 1); /* leave */
	TOUCH(0, 0x2000, 8, true, false);
	assert_int_equal(TOUCHES(0x8f, 0x04, 0x24), 2); /* pop (%rsp) */
	TOUCH(0, 0x1008, 8, false, true);
	TOUCH(1, 0x1000, 8, true, false);
	assert_int_equal(TOUCHES(0xf3, 0xa4), 2); /* rep movsb: one round */
	TOUCH(0, 0x3000, 1, false, true);
	TOUCH(1, 0x4000, 1, true, false);
	no_more.rcx = 0;
	assert_int_equal(touches_with(no_more, BYTES(0xf3, 0xa4), t), 0);
	assert_int_equal(TOUCHES(0x8b, 0x05, 0x10, 0, 0, 0), 1); /* mov 0x10(%rip), %eax */
	TOUCH(0, A + 0x16, 4, true, false);
	assert_int_equal(TOUCHES(0x64, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0), 1); /* mov %fs:0x28 */
	TOUCH(0, 0x70028, 4, true, false);
	assert_int_equal(TOUCHES(0xf0, 0x0f, 0xb1, 0x0b), 1); /* lock cmpxchg %ecx, (%rbx) */
	TOUCH(0, 0x5000, 4, true, true);
}

static void what_accesses_nothing_or_who_knows_what_is_told_apart(void **state)
{
	struct code_touch t[CODE_TOUCHES_MAX];

	(void)state;
	assert_int_equal(TOUCHES(0x48, 0x8d, 0x03), 0);		  /* lea */
	assert_int_equal(TOUCHES(0x0f, 0x1f, 0x03), 0);		  /* nop (%rbx) */
	assert_int_equal(TOUCHES(0x0f, 0x18, 0x0b), 0);		  /* prefetch */
	assert_int_equal(TOUCHES(0x0f, 0xab, 0x0b), -EOPNOTSUPP); /* bts %ecx, (%rbx) */
	assert_int_equal(TOUCHES(0x0f, 0xae, 0x23), -EOPNOTSUPP); /* xsave */
	assert_int_equal(TOUCHES(0x0f, 0x05), -EOPNOTSUPP);	  /* syscall */
	assert_int_equal(TOUCHES(0x62, 0xf1, 0xfe, 0x49, 0x7f, 0x03), -EOPNOTSUPP); /* {%k1} */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated_and_undefined_bytes_are_told_apart),
		cmocka_unit_test(flags_say_what_stepping_must_know),
		cmocka_unit_test(instructions_that_enter_the_kernel_are_found),
		cmocka_unit_test(a_slot_is_the_instruction_and_a_jump_back),
		cmocka_unit_test(distances_to_operands_are_kept_true),
		cmocka_unit_test(operands_out_of_reach_make_it_impossible),
		cmocka_unit_test(kinds_say_what_to_do),
		cmocka_unit_test(what_an_instruction_accesses_is_known_before),
		cmocka_unit_test(what_accesses_nothing_or_who_knows_what_is_told_apart),
	};

	return cmocka_run_group_tests(tests, get_codes, NULL);
}
