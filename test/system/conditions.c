/* SPDX-License-Identifier: MIT */
/* Conditions on system calls. (Those of breakpoints: breaks.c.) */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

static struct cotrace_expression compiled(enum cotrace_arch arch, const char *text)
{
	struct cotrace_expression e;
	char message[200];
	uint8_t *code;

	if (cotrace_compile(&code, &e.size, arch, text, message, sizeof message) < 0)
		FAIL("%s: %s", text, message);
	e.code = code;
	return e;
}

static void set_condition(struct cotrace *s, enum cotrace_arch arch, unsigned phases, int nr,
			  const char *text)
{
	struct cotrace_expression e = compiled(arch, text);
	struct cotrace_syscall_set set;

	cotrace_syscall_set_clear(&set);
	cotrace_syscall_set_add(&set, nr);
	CHECK_EQ(cotrace_condition_syscalls(s, arch, phases, &set, &e), 0);
	free((void *)e.code);
}

static void clear_condition(struct cotrace *s, unsigned phases, int nr)
{
	struct cotrace_syscall_set set;

	cotrace_syscall_set_clear(&set);
	cotrace_syscall_set_add(&set, nr);
	CHECK_EQ(cotrace_condition_syscalls(s, COTRACE_ARCH_X86_64, phases, &set, NULL), 0);
}

TEST(a_call_is_told_only_where_its_condition_holds)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe_call(s, SYS_getpriority, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	set_condition(s, COTRACE_ARCH_X86_64, COTRACE_ENTRY, SYS_getpriority,
		      "$rdi == 7 && $orig_rax == 140");
	set_condition(s, COTRACE_ARCH_X86_64, COTRACE_EXIT, SYS_getpriority, "(long)$rax > 0");
	CHECK_EQ(puppet_ask(&t, "raw %d 7 0", SYS_getpriority), -EINVAL);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.args[0], 7);
	CHECK_EQ(puppet_ask(&t, "raw %d 8 0", SYS_getpriority), -EINVAL);
	take_none(s, 50);
	CHECK(puppet_ask(&t, "raw %d 0 0", SYS_getpriority) > 0);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK(ev.syscall.result > 0);
	clear_condition(s, COTRACE_ENTRY, SYS_getpriority);
	CHECK_EQ(puppet_ask(&t, "raw %d 8 0", SYS_getpriority), -EINVAL);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	take_none(s, 50); /* the exit's condition is still there */
	cotrace_close(s);
	puppet_end(&t);
}

TEST(a_condition_sees_what_the_sessions_before_have_left)
{
	struct cotrace *near, *far;
	struct cotrace_event ev;
	struct target t;

	puppet_start(&t);
	near = attached(t.pid, NULL); /* to the kernel */
	far = attached(t.pid, NULL);
	subscribe_call(near, SYS_getpriority, COTRACE_ENTRY, COTRACE_NOTE);
	subscribe_call(far, SYS_getpriority, COTRACE_ENTRY, COTRACE_STOP);
	set_condition(near, COTRACE_ARCH_X86_64, COTRACE_ENTRY, SYS_getpriority, "$rdi == 5");
	puppet_tell(&t, "raw %d 0 0", SYS_getpriority);
	take_kind(far, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(cotrace_answer(far, &ev,
				VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getpriority,
					.args = { 5 })),
		 0);
	take_kind(near, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.args[0], 5);
	CHECK_EQ(puppet_answer(&t), -EINVAL);
	cotrace_close(near);
	cotrace_close(far);
	puppet_end(&t);
}

TEST(conditions_of_32_bit_calls_name_their_registers)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start_as(&t, "puppet-32");
	s = attached(t.pid, NULL);
	subscribe_call(s, 96, COTRACE_ENTRY, COTRACE_NOTE); /* getpriority */
	set_condition(s, COTRACE_ARCH_I386, COTRACE_ENTRY, 96, "$ebx == 7");
	CHECK_EQ(puppet_ask(&t, "raw 96 8 0"), -EINVAL);
	take_none(s, 50);
	CHECK_EQ(puppet_ask(&t, "raw 96 7 0"), -EINVAL);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(conditions_that_make_no_sense_are_refused)
{
	static const uint8_t bad[] = { 0x02 };
	const struct cotrace_expression e = { bad, sizeof bad };
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_condition_syscalls(s, COTRACE_ARCH_X86_64, COTRACE_ENTRY, NULL, &e),
		 -EINVAL);
	CHECK_EQ(cotrace_condition_syscalls(s, COTRACE_ARCH_ANY, COTRACE_ENTRY, NULL, NULL),
		 -EINVAL);
	CHECK_EQ(cotrace_condition_syscalls(s, COTRACE_ARCH_X86_64, 4, NULL, NULL), -EINVAL);
	CHECK_EQ(cotrace_condition_syscalls(s, COTRACE_ARCH_X86_64, COTRACE_EXIT, NULL, NULL), 0);
	cotrace_close(s);
	puppet_end(&t);
}
