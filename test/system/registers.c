/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "test/system/system.h"

static struct cotrace *held_puppet(struct target *t, struct cotrace_event *ev, const char *program)
{
	struct cotrace *s;
	bool is_32 = strcmp(program, "puppet-32") == 0;

	puppet_start_as(t, program);
	s = attached(t->pid, NULL);
	subscribe_call(s, is_32 ? 20 : SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(t, "pid");
	take_kind(s, ev, COTRACE_EVENT_SYSCALL_ENTRY);
	return s;
}

static void finish(struct cotrace *s, struct target *t)
{
	cotrace_resume(s, 0);
	CHECK_EQ(puppet_answer(t), t->pid);
	cotrace_close(s);
	check_untouched(t->pid);
	puppet_end(t);
}

TEST(registers_are_read_by_set_and_by_name)
{
	struct user_regs_struct regs;
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = held_puppet(&t, &ev, "puppet");
	uint64_t value = 0;
	uint8_t byte;

	CHECK_EQ(cotrace_regset_read(s, ev.task, NT_PRSTATUS, &regs, sizeof regs),
		 (ssize_t)sizeof regs);
	CHECK_EQ(regs.rip, ev.pc);
	CHECK_EQ(regs.rsp, ev.sp);
	CHECK_EQ(regs.orig_rax, SYS_getpid);
	CHECK_EQ(cotrace_register_read(s, ev.task, "rip", &value, 8), 8);
	CHECK_EQ(value, ev.pc);
	CHECK_EQ(cotrace_register_read(s, ev.task, "orig_rax", &value, 8), 8);
	CHECK_EQ(value, SYS_getpid);
	CHECK_EQ(cotrace_register_read(s, ev.task, "fs_base", &value, 8), 8);
	CHECK_EQ(value, regs.fs_base);
	CHECK_EQ(cotrace_register_read(s, ev.task, "eflags", &value, 8), 8);
	CHECK_EQ(cotrace_register_read(s, ev.task, "nonsense", &value, 8), -ENOENT);
	CHECK_EQ(cotrace_register_read(s, ev.task, "rip", &byte, 1), -ENOBUFS);
	CHECK_EQ(cotrace_regset_read(s, ev.task, NT_PRSTATUS, &byte, 1), -ENOBUFS);
	CHECK_EQ(cotrace_regset_read(s, ev.task, 0x7777, &regs, sizeof regs), -ENODEV);
	CHECK_OP(cotrace_register_read(s, ev.task, "xmm0", (uint8_t[64]){ 0 }, 64), >=, 16);
	finish(s, &t);
}

TEST(the_floating_point_and_extended_sets_are_there)
{
	static uint8_t xstate[16384];
	struct user_fpregs_struct fp;
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = held_puppet(&t, &ev, "puppet");

	CHECK_EQ(cotrace_regset_read(s, ev.task, NT_PRFPREG, &fp, sizeof fp), (ssize_t)sizeof fp);
	CHECK_OP(cotrace_regset_read(s, ev.task, NT_X86_XSTATE, xstate, sizeof xstate), >=, 576);
	CHECK(memcmp(&fp, xstate, 24) == 0);
	finish(s, &t);
}

TEST(a_written_register_is_what_the_program_runs_with)
{
	struct user_regs_struct regs, again;
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = held_puppet(&t, &ev, "puppet");
	uint64_t value = 0x1234567890abcdef;

	CHECK_EQ(cotrace_register_write(s, ev.task, "r15", &value, 8), 0);
	CHECK_EQ(cotrace_regset_read(s, ev.task, NT_PRSTATUS, &regs, sizeof regs),
		 (ssize_t)sizeof regs);
	CHECK_EQ(regs.r15, value);
	regs.r15 = 5;
	CHECK_EQ(cotrace_regset_write(s, ev.task, NT_PRSTATUS, &regs, sizeof regs), 0);
	CHECK_EQ(cotrace_regset_read(s, ev.task, NT_PRSTATUS, &again, sizeof again),
		 (ssize_t)sizeof again);
	CHECK(memcmp(&regs, &again, sizeof regs) == 0);
	cotrace_kill(s, 0);
	target_wait(&t, 2000);
	cotrace_close(s);
}

TEST(registers_of_a_running_task_are_refused)
{
	struct cotrace *s;
	struct target t;
	uint64_t value;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_register_read(s, task_of(s, t.pid), "rip", &value, 8), -EBUSY);
	CHECK_EQ(cotrace_register_write(s, task_of(s, t.pid), "rip", &value, 8), -EBUSY);
	CHECK_EQ(cotrace_register_read(s, 987654, "rip", &value, 8), -ESRCH);
	cotrace_close(s);
	puppet_end(&t);
}

/* Reading needs a stand, whoever holds; writing needs one's own hold. */
TEST(another_session_may_read_while_held_but_not_write)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = held_puppet(&t, &ev, "puppet"), *other = attached(t.pid, NULL);
	uint64_t value = 0;

	CHECK_EQ(cotrace_register_read(other, ev.task, "rip", &value, 8), 8);
	CHECK_EQ(value, ev.pc);
	CHECK_EQ(cotrace_register_write(other, ev.task, "rip", &value, 8), -EBUSY);
	cotrace_close(other);
	finish(s, &t);
}

TEST(a_32_bit_task_has_its_own_registers)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = held_puppet(&t, &ev, "puppet-32");
	uint32_t value = 0;

	CHECK_EQ(ev.arch, COTRACE_ARCH_I386);
	CHECK_EQ(ev.syscall.nr, 20);
	CHECK_EQ(cotrace_register_read(s, ev.task, "eip", &value, sizeof value), 4);
	CHECK_EQ(value, ev.pc);
	CHECK_EQ(cotrace_register_read(s, ev.task, "esp", &value, sizeof value), 4);
	CHECK_EQ(value, ev.sp);
	CHECK_EQ(cotrace_register_read(s, ev.task, "rip", &value, sizeof value), -ENOENT);
	CHECK_EQ(cotrace_regset_read(s, ev.task, NT_PRSTATUS, (uint8_t[512]){ 0 }, 512), 68);
	value = 77;
	CHECK_EQ(cotrace_register_write(s, ev.task, "edi", &value, sizeof value), 0);
	value = 0;
	CHECK_EQ(cotrace_register_read(s, ev.task, "edi", &value, sizeof value), 4);
	CHECK_EQ(value, 77);
	cotrace_kill(s, 0);
	target_wait(&t, 2000);
	cotrace_close(s);
}

/* 83, 104: at a fault, where the kernel takes every task for one of 64 bits. */
TEST(a_32_bit_task_is_one_outside_of_its_calls_too)
{
	struct cotrace_task_info info;
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint32_t eip = 0;

	puppet_start_as(&t, "puppet-32");
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(SIGSEGV), COTRACE_STOP), 0);
	puppet_tell(&t, "fault");
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.arch, COTRACE_ARCH_I386);
	CHECK_EQ(cotrace_tasks(s, &info, 1), 1);
	CHECK_EQ(info.arch, COTRACE_ARCH_I386);
	CHECK_EQ(cotrace_register_read(s, ev.task, "eip", &eip, 4), 4);
	CHECK_EQ(eip, ev.pc);
	CHECK_EQ(cotrace_register_read(s, ev.task, "$sp", &eip, 4), 4);
	CHECK_EQ(eip, ev.sp);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK_EQ(target_wait(&t, 5000) & 0x7f, SIGSEGV);
	cotrace_close(s);
}

TEST(registers_are_taken_out_of_a_set_that_was_read)
{
	struct user_regs_struct regs;
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = held_puppet(&t, &ev, "puppet");
	unsigned sets[16];
	uint64_t value = 0;
	uint8_t set[16384];
	int count = cotrace_regsets(COTRACE_ARCH_X86_64, sets, 16);

	CHECK_OP(count, >=, 3);
	CHECK_EQ(cotrace_regsets((enum cotrace_arch)99, sets, 16), -EINVAL);
	for (int i = 0; i < count; i++)
		/* A shadow stack is what few processors and programs have. */
		CHECK(cotrace_regset_read(s, ev.task, sets[i], set, sizeof set) > 0 ||
		      sets[i] == 0x204);
	CHECK_EQ(cotrace_regset_read(s, ev.task, NT_PRSTATUS, &regs, sizeof regs),
		 (ssize_t)sizeof regs);
#define EXTRACT(name, set, n) \
	cotrace_register_extract(COTRACE_ARCH_X86_64, name, set, &regs, n, &value, sizeof value)
	CHECK_EQ(EXTRACT("rip", NT_PRSTATUS, sizeof regs), 8);
	CHECK_EQ(value, ev.pc);
	CHECK_EQ(EXTRACT("$pc", NT_PRSTATUS, sizeof regs), 8);
	CHECK_EQ(value, ev.pc);
	CHECK_EQ(EXTRACT("$sp", NT_PRSTATUS, sizeof regs), 8);
	CHECK_EQ(value, ev.sp);
	CHECK_EQ(EXTRACT("rip", NT_PRSTATUS, 8), -ENODATA);
	CHECK_EQ(EXTRACT("rip", NT_PRFPREG, sizeof regs), -ENODATA);
	CHECK_EQ(EXTRACT("nonsense", NT_PRSTATUS, sizeof regs), -ENOENT);
#undef EXTRACT
	finish(s, &t);
}

#define THREADS 40
#define KINDS 4

static int tasks_of(struct cotrace *s, struct cotrace_task_info *v)
{
	int n = cotrace_tasks(s, v, THREADS + 1);

	CHECK_EQ(n, THREADS + 1);
	return n;
}

/* More than one datagram has room for. */
TEST(many_sets_of_many_tasks_are_read_at_once)
{
	static const unsigned kinds[KINDS] = { NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE, 0x7777 };
	static uint8_t one[16384], all[KINDS * (THREADS + 1)][16384];
	static struct cotrace_regset v[KINDS * (THREADS + 1)];
	struct cotrace_task_info tasks[THREADS + 1];
	struct target t;
	struct cotrace *s;
	int n;

	puppet_start(&t);
	for (int i = 0; i < THREADS; i++)
		puppet_ask(&t, "thread");
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	n = tasks_of(s, tasks) * KINDS;
	for (int i = 0; i < n; i++)
		v[i] = (struct cotrace_regset){ .task = tasks[i / KINDS].task,
						.set = kinds[i % KINDS],
						.buf = all[i],
						.size = sizeof all[i],
						.result = 77 };
	CHECK_EQ(cotrace_regset_read_all(s, v, (size_t)n), 0);
	for (int i = 0; i < n; i++) {
		ssize_t size = cotrace_regset_read(s, v[i].task, v[i].set, one, sizeof one);

		CHECK_EQ(v[i].result, size);
		CHECK(size < 0 || memcmp(one, all[i], (size_t)size) == 0);
		CHECK_EQ(size > 0, i % KINDS != KINDS - 1);
	}
	CHECK_EQ(cotrace_regset_read_all(s, v, 0), 0);
	cotrace_close(s);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(each_of_many_sets_has_an_error_of_its_own)
{
	struct user_regs_struct regs;
	struct cotrace_event ev;
	siginfo_t info;
	uint8_t byte;
	struct target t;
	struct cotrace *s = held_puppet(&t, &ev, "puppet");
	struct cotrace_regset v[] = {
		{ .task = ev.task, .set = NT_PRSTATUS, .buf = &regs, .size = sizeof regs },
		{ .task = ev.task, .set = NT_PRSTATUS, .buf = &byte, .size = 1 },
		{ .task = ev.task + 1000, .set = NT_PRSTATUS, .buf = &regs, .size = sizeof regs },
		{ .task = ev.task, .set = NT_SIGINFO, .buf = &info, .size = sizeof info },
	};

	CHECK_EQ(cotrace_regset_read_all(s, v, 4), 0);
	CHECK_EQ(v[0].result, sizeof regs);
	CHECK_EQ(regs.rip, ev.pc);
	CHECK_EQ(v[1].result, -ENOBUFS);
	CHECK_EQ(v[2].result, -ESRCH);
	CHECK_EQ(v[3].result, -ENODATA);
	CHECK_EQ(cotrace_subscribe_signals(s, 1u << (SIGUSR1 - 1), COTRACE_STOP), 0);
	CHECK_EQ(cotrace_signal(s, ev.task, COTRACE_ONE, SIGUSR1, NULL), 0);
	cotrace_resume(s, ev.task);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(cotrace_regset_read_all(s, &v[3], 1), 0);
	CHECK_EQ(v[3].result, sizeof info);
	CHECK_EQ(info.si_signo, SIGUSR1);
	CHECK_EQ(cotrace_answer(s, &ev,
				&(struct cotrace_verdict){ .size = sizeof(struct cotrace_verdict),
							   .action = COTRACE_DENY }),
		 0);
	CHECK_EQ(puppet_answer(&t), t.pid);
	CHECK_EQ(cotrace_regset_read_all(s, v, 1), 0); /* it runs */
	CHECK_EQ(v[0].result, -EBUSY);
	cotrace_close(s);
	check_untouched(t.pid);
	puppet_end(&t);
}
