/* SPDX-License-Identifier: MIT */
/* Signal mask, pending signals, rseq, seccomp filters, thread areas: what only the kernel knows. */
#include <asm/ldt.h>
#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

struct rseq_configuration {
	uint64_t at;
	uint32_t size, signature, flags, padding;
};

static uint64_t mask_of(struct cotrace *s, uint64_t task)
{
	uint64_t mask = 0;

	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_SIGNAL_MASK, 0, &mask, sizeof mask),
		 (ssize_t)sizeof mask);
	return mask;
}

static struct cotrace *held(struct target *t, uint64_t *task)
{
	struct cotrace *s = attached(t->pid, NULL);

	*task = task_of(s, t->pid);
	CHECK_EQ(cotrace_stop(s, *task, COTRACE_ONE, test_ns(5000)), 0);
	return s;
}

static void finish(struct cotrace *s, struct target *t)
{
	cotrace_close(s);
	check_untouched(t->pid);
	puppet_end(t);
}

TEST(the_signal_mask_is_read_and_written)
{
	struct cotrace *s, *other;
	struct target t;
	uint64_t task, mask, wide[2];

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "block %d", SIGUSR1), 0);
	s = held(&t, &task);
	other = attached(t.pid, NULL);
	CHECK_EQ(mask_of(s, task), SIGNAL_BIT(SIGUSR1));
	CHECK_EQ(mask_of(other, task), SIGNAL_BIT(SIGUSR1));
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_SIGNAL_MASK, 0, &mask, 7), -ENOBUFS);
	mask = SIGNAL_BIT(SIGUSR2) | SIGNAL_BIT(SIGKILL);
	CHECK_EQ(cotrace_state_write(other, task, COTRACE_STATE_SIGNAL_MASK, &mask, 8), -EBUSY);
	CHECK_EQ(cotrace_state_write(s, task, COTRACE_STATE_SIGNAL_MASK, wide, 16), -EINVAL);
	CHECK_EQ(cotrace_state_write(s, task, COTRACE_STATE_PENDING, &mask, 8), -EINVAL);
	CHECK_EQ(cotrace_state_write(s, task, COTRACE_STATE_SIGNAL_MASK, &mask, 8), 0);
	CHECK_EQ(mask_of(s, task), SIGNAL_BIT(SIGUSR2));
	cotrace_close(other);
	CHECK_EQ(cotrace_resume(s, task), 0);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_SIGNAL_MASK, 0, &mask, 8), -EBUSY);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR2), 0);
	CHECK_EQ(puppet_ask(&t, "raise %d", SIGUSR2), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR2), 0); /* it is blocked indeed */
	CHECK_EQ(puppet_ask(&t, "unblock %d", SIGUSR2), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR2), 1);
	finish(s, &t);
}

static void *sleep_in(void *arg)
{
	struct cotrace *s = arg;
	struct cotrace_task_info v[1];
	const uint64_t args[6] = { 0, 0, 300 };
	int64_t result = -1;

	CHECK_EQ(cotrace_tasks(s, v, 1), 1);
	CHECK_EQ(cotrace_syscall(s, v[0].task, SYS_poll, args, &result, -1), 0);
	CHECK_EQ(result, 0);
	return NULL;
}

TEST(a_call_into_the_task_does_not_show_in_its_mask)
{
	struct cotrace *s, *other;
	struct target t;
	pthread_t thread;
	uint64_t task;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "block %d", SIGUSR1), 0);
	s = held(&t, &task);
	other = attached(t.pid, NULL);
	CHECK_EQ(pthread_create(&thread, NULL, sleep_in, s), 0);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(mask_of(other, task), SIGNAL_BIT(SIGUSR1));
		test_sleep_ms(10);
	}
	pthread_join(thread, NULL);
	CHECK_EQ(mask_of(other, task), SIGNAL_BIT(SIGUSR1));
	cotrace_close(other);
	finish(s, &t);
}

TEST(pending_signals_are_read_of_the_task_and_of_its_process)
{
	struct target t;
	struct cotrace *s;
	siginfo_t v[8];
	uint64_t task;

	puppet_start(&t);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(puppet_ask(&t, "block %d", SIGRTMIN + i), 0);
		CHECK_EQ(puppet_ask(&t, "raise %d", SIGRTMIN + i), 0);
	}
	CHECK_EQ(puppet_ask(&t, "block %d", SIGUSR2), 0);
	CHECK_EQ(puppet_ask(&t, "kill %d", SIGUSR2), 0);
	s = held(&t, &task);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_PENDING, 0, v, sizeof v),
		 3 * (ssize_t)sizeof *v);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(v[i].si_signo, SIGRTMIN + i);
	CHECK_EQ(v[0].si_pid, t.pid);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_PENDING, 2, v, sizeof *v),
		 (ssize_t)sizeof *v);
	CHECK_EQ(v[0].si_signo, SIGRTMIN + 2);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_PENDING, 3, v, sizeof v), 0);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_PENDING, 0, v, 1), -ENOBUFS);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_PENDING_SHARED, 0, v, sizeof v),
		 (ssize_t)sizeof *v);
	CHECK_EQ(v[0].si_signo, SIGUSR2);
	finish(s, &t);
}

TEST(the_rseq_configuration_is_that_of_the_c_library)
{
	struct rseq_configuration c;
	struct target t;
	struct cotrace *s;
	uint64_t task;
	ssize_t n;

	puppet_start(&t);
	s = held(&t, &task);
	n = cotrace_state_read(s, task, COTRACE_STATE_RSEQ, 0, &c, sizeof c);
	CHECK(n == (ssize_t)sizeof c || n == -ENODEV);
	if (n > 0) {
		CHECK_OP(c.at, !=, 0);
		CHECK_OP(c.size, >=, 20);
		CHECK_EQ(c.signature, 0x53053053);
	}
	finish(s, &t);
}

TEST(filters_are_read_by_who_may)
{
	struct sock_filter v[64];
	struct target t;
	struct cotrace *s;
	uint64_t task;
	ssize_t n;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "forbid %d %d", SYS_getppid, EXDEV), 0);
	CHECK_EQ(puppet_ask(&t, "ask %d 7", SYS_getpgid), 0);
	s = held(&t, &task);
	n = cotrace_state_read(s, task, COTRACE_STATE_FILTER, 0, v, sizeof v);
	if (geteuid() != 0) {
		CHECK_EQ(n, -EACCES);
		finish(s, &t);
		return;
	}
	CHECK_EQ(n, 4 * (ssize_t)sizeof *v);
	CHECK_EQ(v[2].k, SECCOMP_RET_ERRNO | EXDEV);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_FILTER, 1, v, sizeof v), n);
	CHECK_EQ(v[2].k, SECCOMP_RET_TRACE | 7);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_FILTER, 2, v, sizeof v), -ENOENT);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_FILTER, 0, v, 8), -ENOBUFS);
	finish(s, &t);
	puppet_start(&t);
	s = held(&t, &task);
	CHECK_EQ(cotrace_state_read(s, task, COTRACE_STATE_FILTER, 0, v, sizeof v), -ENOENT);
	finish(s, &t);
}

static void check_areas(const char *program, bool used)
{
	struct user_desc v[3];
	struct target t;
	struct cotrace *s;
	uint64_t task;

	puppet_start_as(&t, program);
	s = held(&t, &task);
	CHECK_EQ(cotrace_regset_read(s, task, NT_386_TLS, v, sizeof v), (ssize_t)sizeof v);
	CHECK_EQ(v[0].entry_number, 12);
	CHECK_EQ(v[0].base_addr != 0, used);
	v[1] = (struct user_desc){
		.entry_number = 13,
		.base_addr = 0x1000,
		.limit = 0xfffff,
		.seg_32bit = 1,
		.limit_in_pages = 1,
		.useable = 1,
	};
	CHECK_EQ(cotrace_regset_write(s, task, NT_386_TLS, v, sizeof v), 0);
	memset(v, 0, sizeof v);
	CHECK_EQ(cotrace_regset_read(s, task, NT_386_TLS, v, sizeof v), (ssize_t)sizeof v);
	CHECK_EQ(v[1].base_addr, 0x1000);
	finish(s, &t);
}

TEST(thread_areas_are_a_register_set_of_32_bit_and_of_64_bit_tasks)
{
	check_areas("puppet", false);
	check_areas("puppet-32", true);
}
