/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/user.h>

#include "arch/arch.h"

static const struct arch *const all[] = { &arch_x86_64, &arch_i386 };

static void every_id_finds_its_descriptor(void **state)
{
	(void)state;
	assert_ptr_equal(arch_by_id(1), &arch_x86_64);
	assert_ptr_equal(arch_by_id(2), &arch_i386);
	assert_null(arch_by_id(0));
	assert_null(arch_by_id(3));
	assert_int_equal(arch_x86_64.word_size, 8);
	assert_int_equal(arch_i386.word_size, 4);
}

static void no_register_name_is_used_twice(void **state)
{
	(void)state;
	for (size_t a = 0; a < 2; a++)
		for (size_t i = 0; i < all[a]->register_count; i++)
			assert_ptr_equal(arch_find_register(all[a], all[a]->registers[i].name),
					 &all[a]->registers[i]);
}

static size_t set_size(const struct arch *a, uint32_t set)
{
	switch (set) {
	case NT_PRSTATUS:
		return a->word_size == 8 ? 27 * 8 : 17 * 4;
	case NT_PRFPREG:
		return a->word_size == 8 ? 512 : 108;
	case NT_PRXFPREG:
		return 512;
	default:
		return 576 + 256;
	}
}

static void every_register_lies_in_its_set(void **state)
{
	uint8_t bytes[1024] = { 0 }, value[32];

	(void)state;
	for (size_t a = 0; a < 2; a++)
		for (size_t i = 0; i < all[a]->register_count; i++) {
			const struct arch_register *r = &all[a]->registers[i];

			assert_true(r->width <= sizeof value);
			assert_int_equal(
				arch_register_get(r, bytes, set_size(all[a], r->set), value), 0);
		}
}

#define GENERAL(field)                                           \
	{                                                        \
#field, offsetof(struct user_regs_struct, field) \
	}
#define FLOATING(name, field)                                    \
	{                                                        \
		name, offsetof(struct user_fpregs_struct, field) \
	}

static void x86_64_offsets_are_those_of_the_c_library(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
	} expected[] = {
		GENERAL(r15),
		GENERAL(r14),
		GENERAL(r13),
		GENERAL(r12),
		GENERAL(rbp),
		GENERAL(rbx),
		GENERAL(r11),
		GENERAL(r10),
		GENERAL(r9),
		GENERAL(r8),
		GENERAL(rax),
		GENERAL(rcx),
		GENERAL(rdx),
		GENERAL(rsi),
		GENERAL(rdi),
		GENERAL(rip),
		GENERAL(orig_rax),
		GENERAL(cs),
		GENERAL(eflags),
		GENERAL(rsp),
		GENERAL(ss),
		GENERAL(fs_base),
		GENERAL(gs_base),
		GENERAL(ds),
		GENERAL(es),
		GENERAL(fs),
		GENERAL(gs),
		FLOATING("mxcsr", mxcsr),
		FLOATING("st0", st_space),
		FLOATING("xmm0", xmm_space),
	};

	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		assert_int_equal(arch_find_register(&arch_x86_64, expected[i].name)->offset,
				 expected[i].offset);
}

/* Whoever reads the listed sets has everything that can be named. */
static void every_register_lies_in_a_listed_set(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(all[i]->regsets[0], NT_PRSTATUS);
		for (size_t k = 0; k < all[i]->register_count; k++) {
			size_t j = 0;

			while (j < all[i]->regset_count &&
			       all[i]->regsets[j] != all[i]->registers[k].set)
				j++;
			assert_true(j < all[i]->regset_count);
		}
	}
}

static void a_part_of_a_register_leaves_the_rest_alone(void **state)
{
	uint64_t regs[27] = { 0 };
	uint8_t one = 0xee;

	(void)state;
	regs[10] = 0x1122334455667788;
	assert_int_equal(arch_register_put(arch_find_register(&arch_x86_64, "ah"), regs,
					   sizeof regs, &one),
			 0);
	assert_true(regs[10] == 0x112233445566ee88);
}

static void a_ymm_register_is_put_together_from_two_halves(void **state)
{
	const struct arch_register *r = arch_find_register(&arch_x86_64, "ymm3");
	uint8_t set[832] = { 0 }, value[32], back[32];

	(void)state;
	for (unsigned i = 0; i < sizeof value; i++)
		value[i] = (uint8_t)(i + 1);
	assert_int_equal(arch_register_put(r, set, sizeof set, value), 0);
	assert_int_equal(set[160 + 48], 1);
	assert_int_equal(set[576 + 48], 17);
	assert_int_equal(set[512], 6);
	assert_int_equal(arch_register_get(r, set, sizeof set, back), 0);
	assert_memory_equal(value, back, sizeof value);
	assert_int_equal(arch_register_get(r, set, 576, back), -ENODATA);
}

static void gdb_numbers_name_the_registers_of_gdb(void **state)
{
	/* As gdb's `maint agent-eval $NAME` shows them. */
	static const struct {
		const struct arch *arch;
		unsigned number;
		const char *name;
	} expected[] = {
		{ &arch_x86_64, 0, "rax" },	  { &arch_x86_64, 1, "rbx" },
		{ &arch_x86_64, 2, "rcx" },	  { &arch_x86_64, 3, "rdx" },
		{ &arch_x86_64, 4, "rsi" },	  { &arch_x86_64, 5, "rdi" },
		{ &arch_x86_64, 6, "rbp" },	  { &arch_x86_64, 7, "rsp" },
		{ &arch_x86_64, 8, "r8" },	  { &arch_x86_64, 15, "r15" },
		{ &arch_x86_64, 16, "rip" },	  { &arch_x86_64, 17, "eflags" },
		{ &arch_x86_64, 18, "cs" },	  { &arch_x86_64, 19, "ss" },
		{ &arch_x86_64, 20, "ds" },	  { &arch_x86_64, 21, "es" },
		{ &arch_x86_64, 22, "fs" },	  { &arch_x86_64, 23, "gs" },
		{ &arch_x86_64, 57, "orig_rax" }, { &arch_x86_64, 58, "fs_base" },
		{ &arch_x86_64, 59, "gs_base" },  { &arch_i386, 0, "eax" },
		{ &arch_i386, 1, "ecx" },	  { &arch_i386, 2, "edx" },
		{ &arch_i386, 3, "ebx" },	  { &arch_i386, 4, "esp" },
		{ &arch_i386, 5, "ebp" },	  { &arch_i386, 6, "esi" },
		{ &arch_i386, 7, "edi" },	  { &arch_i386, 8, "eip" },
		{ &arch_i386, 9, "eflags" },	  { &arch_i386, 10, "cs" },
		{ &arch_i386, 11, "ss" },	  { &arch_i386, 12, "ds" },
		{ &arch_i386, 13, "es" },	  { &arch_i386, 14, "fs" },
		{ &arch_i386, 15, "gs" },	  { &arch_i386, 41, "orig_eax" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		const struct arch_register *r =
			arch_gdb_register(expected[i].arch, expected[i].number);

		assert_non_null(r);
		assert_string_equal(r->name, expected[i].name);
	}
	assert_null(arch_gdb_register(&arch_x86_64, 24));
	assert_null(arch_gdb_register(&arch_x86_64, 60));
	assert_null(arch_gdb_register(&arch_i386, 40));
	assert_null(arch_gdb_register(&arch_i386, 42));
}

static void every_general_register_has_a_number_of_gdb(void **state)
{
	(void)state;
	for (size_t a = 0; a < 2; a++) {
		for (size_t i = 0; i < all[a]->register_count; i++) {
			const struct arch_register *r = &all[a]->registers[i], *whole;
			int number = arch_gdb_number(all[a], r);

			assert_int_equal(number >= 0, r->set == NT_PRSTATUS);
			if (number < 0)
				continue;
			whole = arch_gdb_register(all[a], (unsigned)number);
			/* The same place as under its name. */
			assert_int_equal(whole->offset,
					 arch_find_register(all[a], whole->name)->offset);
			assert_int_equal(whole->width,
					 arch_find_register(all[a], whole->name)->width);
			assert_true(r->offset - whole->offset + r->width <= whole->width);
		}
		assert_non_null(arch_find_register(all[a], all[a]->pc));
		assert_non_null(arch_find_register(all[a], all[a]->sp));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_id_finds_its_descriptor),
		cmocka_unit_test(no_register_name_is_used_twice),
		cmocka_unit_test(every_register_lies_in_its_set),
		cmocka_unit_test(x86_64_offsets_are_those_of_the_c_library),
		cmocka_unit_test(every_register_lies_in_a_listed_set),
		cmocka_unit_test(a_part_of_a_register_leaves_the_rest_alone),
		cmocka_unit_test(a_ymm_register_is_put_together_from_two_halves),
		cmocka_unit_test(gdb_numbers_name_the_registers_of_gdb),
		cmocka_unit_test(every_general_register_has_a_number_of_gdb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
