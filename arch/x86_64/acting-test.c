/* SPDX-License-Identifier: MIT */
/* Instructions acted out, and what is put right after a step in a slot. */
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

/* ---- Acting out ---- */

struct memory {
	uint64_t at, reads, writes;
	uint8_t bytes[32];
	uint64_t gs;
};

static uint8_t *place(struct memory *m, uint64_t addr, size_t size)
{
	return addr >= m->at && addr + size <= m->at + sizeof m->bytes ? m->bytes + (addr - m->at)
								       : NULL;
}

static int read_memory(void *arg, uint64_t addr, void *buf, size_t size)
{
	struct memory *m = arg;

	m->reads++;
	if (place(m, addr, size) == NULL)
		return -EFAULT;
	memcpy(buf, place(m, addr, size), size);
	return 0;
}

static int write_memory(void *arg, uint64_t addr, const void *buf, size_t size)
{
	struct memory *m = arg;

	m->writes++;
	if (place(m, addr, size) == NULL)
		return -EFAULT;
	memcpy(place(m, addr, size), buf, size);
	return 0;
}

static int base_of(void *arg, unsigned which, uint64_t *base)
{
	struct memory *m = arg;

	*base = m->gs;
	return which == 1 ? 0 : -ENODATA;
}

static int emulate(struct user_regs_struct *regs, struct memory *m, const uint8_t *bytes, size_t n)
{
	const struct code_access access = { m, read_memory, write_memory, base_of };

	return wide->emulate(wide, bytes, n, A, regs, sizeof *regs, &access);
}

static struct user_regs_struct some_regs(void)
{
	return (struct user_regs_struct){ .rsp = 0x7000, .cs = 0x33, .eflags = 0x202 };
}

static void a_call_pushes_the_address_behind_it(void **state)
{
	struct user_regs_struct regs = some_regs();
	struct memory m = { .at = 0x6ff0 };
	uint64_t pushed;

	(void)state;
	assert_int_equal(emulate(&regs, &m, BYTES(0xe8, 0x10, 0, 0, 0)), 0);
	assert_true(regs.rip == A + 5 + 0x10 && regs.rsp == 0x6ff8);
	memcpy(&pushed, m.bytes + 8, 8);
	assert_true(pushed == A + 5);
}

static void nothing_changes_when_memory_is_not_there(void **state)
{
	struct user_regs_struct regs = some_regs(), before = regs;
	struct memory m = { .at = 0x10 };

	(void)state;
	assert_int_equal(emulate(&regs, &m, BYTES(0xe8, 0x10, 0, 0, 0)), -EFAULT);
	assert_int_equal(emulate(&regs, &m, BYTES(0xc3)), -EFAULT);
	assert_int_equal(emulate(&regs, &m, BYTES(0x55)), -EFAULT);
	assert_int_equal(emulate(&regs, &m, BYTES(0xc9)), -EFAULT);
	assert_memory_equal(&regs, &before, sizeof regs);
}

static void branches_that_would_fault_are_left_to_the_hardware(void **state)
{
	struct user_regs_struct regs = some_regs();
	struct memory m = { .at = 0x6ff0 };

	(void)state;
	regs.rax = 0x8000000000000000;
	assert_int_equal(emulate(&regs, &m, BYTES(0xff, 0xe0)), -EFAULT);
	assert_int_equal(emulate(&regs, &m, BYTES(0xff, 0xd0)), -EFAULT);
	regs.rax = 0xffffffffff600000; /* vsyscall */
	assert_int_equal(emulate(&regs, &m, BYTES(0xff, 0xd0)), -EFAULT);
	assert_int_equal(m.writes, 0);
	regs = some_regs();
	regs.rsp = 0x6ff1;
	regs.eflags |= 0x40000;
	assert_int_equal(emulate(&regs, &m, BYTES(0xc3)), -EFAULT);
}

static void what_is_unusual_is_refused(void **state)
{
	struct user_regs_struct regs = some_regs();
	struct memory m = { .at = 0x6ff0 };

	(void)state;
	assert_int_equal(emulate(&regs, &m, BYTES(0x48, 0x8b, 0x03)), -EOPNOTSUPP);
	assert_int_equal(emulate(&regs, &m, BYTES(0xe8, 0)), -EOPNOTSUPP);
	regs.eflags |= TF;
	assert_int_equal(emulate(&regs, &m, BYTES(0x90)), -EOPNOTSUPP);
	regs = some_regs();
	regs.cs = 0x23;
	assert_int_equal(emulate(&regs, &m, BYTES(0x90)), -EOPNOTSUPP);
	assert_int_equal(wide->emulate(wide, BYTES(0x90), A, &regs, 100, NULL), -EINVAL);
}

static void addresses_wrap_at_their_width(void **state)
{
	struct user_regs_struct regs = some_regs();
	struct memory m = { .at = 0 };

	(void)state;
	regs.rax = regs.rbx = 0xfffffff0;
	assert_int_equal(emulate(&regs, &m, BYTES(0x67, 0x48, 0x8d, 0x04, 0x18)), 0);
	assert_true(regs.rax == 0xffffffe0);
	assert_int_equal(emulate(&regs, &m, BYTES(0x48, 0x8d, 0x04, 0x18)), 0);
	assert_true(regs.rax == 0x1ffffffd0);
}

static void a_thread_pointer_call_of_i386_asks_for_the_base(void **state)
{
	uint32_t regs[17] = { [7] = 0x2b, [8] = 0x2b, [13] = 0x23, [15] = 0x7010, [16] = 0x2b };
	struct memory m = { .at = 0x7000, .gs = 0x6ff0, .bytes = { [0] = 0x78, 0x56, 0x34, 0x12 } };
	struct code_access access = { &m, read_memory, write_memory, base_of };

	(void)state;
	/* call *%gs:0x10: how the C library enters the kernel */
	assert_int_equal(narrow->emulate(narrow, BYTES(0x65, 0xff, 0x15, 0x10, 0, 0, 0), 0x8048000,
					 regs, sizeof regs, &access),
			 0);
	assert_int_equal(regs[12], 0x12345678);
	assert_int_equal(regs[15], 0x700c);
	assert_memory_equal(m.bytes + 12, "\x07\x80\x04\x08", 4);
	access.segment_base = NULL;
	assert_int_equal(narrow->emulate(narrow, BYTES(0x65, 0xff, 0x15, 0x10, 0, 0, 0), 0x8048000,
					 regs, sizeof regs, &access),
			 -EOPNOTSUPP);
}

/* ---- After a step ---- */

struct stepped {
	struct user_regs_struct before, after;
	struct memory m;
};

static int after_step(struct stepped *s, uint64_t to, const uint8_t *bytes, size_t n)
{
	const struct code_access access = { &s->m, read_memory, write_memory, NULL };
	struct code_instruction insn;

	assert_int_equal(wide->decode(wide, bytes, n, &insn), 0);
	return wide->after_step(wide, &insn, insn.length, A, to, &s->before, &s->after,
				sizeof s->after, &access);
}

static void the_pc_comes_back_from_the_slot(void **state)
{
	struct stepped s = { .after = { .rip = NEAR } };

	(void)state;
	assert_int_equal(after_step(&s, NEAR, BYTES(0xf3, 0xa4)), 1);
	assert_true(s.after.rip == A);
	s.after.rip = NEAR + 2;
	assert_int_equal(after_step(&s, NEAR, BYTES(0xf3, 0xa4)), 1);
	assert_true(s.after.rip == A + 2);
	assert_int_equal(after_step(&s, A, BYTES(0xf3, 0xa4)), 0);
	s.after.rip = 0x1234;
	assert_int_equal(after_step(&s, NEAR, BYTES(0xc3)), 0);
	assert_true(s.after.rip == 0x1234);
}

/* 102 */
static void the_trap_flag_does_not_stay_in_r11(void **state)
{
	struct stepped s = { .before = { .eflags = 0x246 },
			     .after = { .rip = NEAR + 2, .rcx = NEAR + 2, .r11 = 0x346 } };

	(void)state;
	assert_int_equal(after_step(&s, NEAR, BYTES(0x0f, 0x05)), 1);
	assert_true(s.after.rip == A + 2 && s.after.rcx == A + 2 && s.after.r11 == 0x246);
	/* sigreturn: an r11 that only looks like flags */
	s.after = (struct user_regs_struct){ .rip = 0x1000, .rcx = 5, .r11 = 0x1100 };
	assert_int_equal(after_step(&s, A, BYTES(0x0f, 0x05)), 0);
	assert_true(s.after.r11 == 0x1100);
	/* the program's own */
	s.before.eflags = 0x346;
	s.after = (struct user_regs_struct)
	{
		.rip = A
		+2, .rcx = A
		+2, .r11 = 0x346
	};
	assert_int_equal(after_step(&s, A, BYTES(0x0f, 0x05)), 0);
}

static void the_trap_flag_does_not_stay_on_the_stack(void **state)
{
	struct stepped s = { .before = { .eflags = 0x246, .rsp = 0x7010 },
			     .after = { .rip = A + 1, .rsp = 0x7008 },
			     .m = { .at = 0x7000, .bytes = { [8] = 0x46, 0x03 } } };

	(void)state;
	assert_int_equal(after_step(&s, A, BYTES(0x9c)), 0);
	assert_int_equal(s.m.bytes[9], 0x02);
	assert_int_equal(after_step(&s, A, BYTES(0x9c)), 0);
	assert_int_equal(s.m.writes, 1);
	/* it faulted: nothing was pushed */
	s.m.bytes[9] = 0x03;
	s.after.rsp = s.before.rsp;
	assert_int_equal(after_step(&s, A, BYTES(0x9c)), 0);
	assert_int_equal(s.m.bytes[9], 0x03);
	s.after.rsp = 0x1;
	assert_int_equal(after_step(&s, A, BYTES(0x9c)), -EFAULT);
	/* the program's own */
	s.before.eflags = 0x346;
	s.after.rsp = 0x7008;
	assert_int_equal(after_step(&s, A, BYTES(0x9c)), 0);
	assert_int_equal(s.m.bytes[9], 0x03);
}

static void the_entry_of_a_call_from_a_slot_is_put_right(void **state)
{
	struct code_displaced d = moved(wide, BYTES(0x0f, 0x05), NEAR);
	struct user_regs_struct regs = { .rip = NEAR + 2, .rcx = NEAR + 2 };

	(void)state;
	assert_int_equal(wide->entered(wide, &d, A, NEAR, &regs, sizeof regs), 1);
	assert_true(regs.rip == A + 2 && regs.rcx == A + 2);
	assert_int_equal(wide->entered(wide, &d, A, NEAR, &regs, sizeof regs), 0);
	d = moved(wide, BYTES(0xcd, 0x80), NEAR);
	regs = (struct user_regs_struct){ .rip = NEAR + 2, .rcx = NEAR + 2 };
	assert_int_equal(wide->entered(wide, &d, A, NEAR, &regs, sizeof regs), 1);
	assert_true(regs.rip == A + 2 && regs.rcx == NEAR + 2);
}

static void the_x87_unit_forgets_the_slot(void **state)
{
	struct user_fpregs_struct set = { .rip = NEAR };

	(void)state;
	assert_int_equal(wide->float_set, NT_PRFPREG);
	assert_int_equal(wide->after_step_float(wide, A, NEAR, &set, sizeof set), 1);
	assert_true(set.rip == A);
	assert_int_equal(wide->after_step_float(wide, A, NEAR, &set, sizeof set), 0);
	assert_int_equal(wide->after_step_float(wide, A, NEAR, &set, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_pushes_the_address_behind_it),
		cmocka_unit_test(nothing_changes_when_memory_is_not_there),
		cmocka_unit_test(branches_that_would_fault_are_left_to_the_hardware),
		cmocka_unit_test(what_is_unusual_is_refused),
		cmocka_unit_test(addresses_wrap_at_their_width),
		cmocka_unit_test(a_thread_pointer_call_of_i386_asks_for_the_base),
		cmocka_unit_test(the_pc_comes_back_from_the_slot),
		cmocka_unit_test(the_trap_flag_does_not_stay_in_r11),
		cmocka_unit_test(the_trap_flag_does_not_stay_on_the_stack),
		cmocka_unit_test(the_entry_of_a_call_from_a_slot_is_put_right),
		cmocka_unit_test(the_x87_unit_forgets_the_slot),
	};

	return cmocka_run_group_tests(tests, get_codes, NULL);
}
