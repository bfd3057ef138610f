/* SPDX-License-Identifier: MIT */
/* Real programs do the same traced as untraced: every target, 32-bit, static, Go. */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/same.h"

/* Without a session mode everything is subscribed. */
static const struct way ways[] = {
	{ COTRACE_NOTE, COTRACE_PROCESS, run_to_end },
	{ COTRACE_STOP, COTRACE_PROCESS, run_to_end },
	{ COTRACE_NOTE, COTRACE_TREE, run_to_end },
	{ COTRACE_STOP, COTRACE_TREE, run_to_end },
};

#define SAME(test_name, program, a, b)                  \
	TEST(test_name, .timeout_s = 120)               \
	{                                               \
		check_variants(ways, 4, program, a, b); \
	}

SAME(threads_do_the_same_traced, "threads", "4", "20")
SAME(forks_do_the_same_traced, "forks", "3", "3")
SAME(vforks_do_the_same_traced, "vforks", "10", NULL)
SAME(execs_do_the_same_traced, "execs", "5", NULL)
SAME(execs_by_threads_do_the_same_traced, "execs", "3", "thread")
SAME(signals_do_the_same_traced, "signals", "10", NULL)
SAME(a_leader_that_ends_first_does_the_same_traced, "leader", "4", NULL)
SAME(many_threads_do_the_same_traced, "many", "100", NULL)
SAME(system_calls_do_the_same_traced, "sysloop", "500", NULL)
/* Where the engine wakes a task is not for the task to see. */
SAME(cpu_masks_are_the_same_traced, "affinity", "2000", NULL)

static void check_death(int signo)
{
	char text[16];
	const char *const argv[] = { "death", text, "0", "2", NULL };

	snprintf(text, sizeof text, "%d", signo);
	check_same(ways, 4, argv);
}

TEST(deaths_by_every_signal_are_the_same_traced, .timeout_s = 200)
{
	for (int signo = 1; signo < 32; signo++)
		if (signo != SIGKILL && signo != SIGSTOP && signo != SIGCONT && signo != SIGCHLD &&
		    signo != SIGURG && signo != SIGWINCH && signo != SIGTSTP && signo != SIGTTIN &&
		    signo != SIGTTOU)
			check_death(signo);
	check_death(40);
}

TEST(a_go_program_does_the_same_traced, .timeout_s = 120)
{
	check_same(ways, 4, (const char *const[]){ "goroutines", "8", "20", NULL });
}

TEST(a_shell_pipeline_does_the_same_traced, .timeout_s = 120)
{
	check_pipeline(ways, 4);
}

/* 25: kernel rule; documented. */
TEST(a_setuid_program_gains_nothing_under_trace)
{
	if (getuid() != 0)
		test_skip("needs root to make a set-user-ID program for somebody else");
	/* Root's own trace may keep the bit (CAP_SYS_PTRACE); see users.c for an ordinary user. */
	check_same(ways, 4, (const char *const[]){ "ids", NULL });
}

/* A 32-bit program's calls are told with the numbers and arguments of its architecture. */
TEST(calls_of_a_32_bit_program_are_told_in_its_own_terms)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start_as(&t, "puppet-32");
	s = attached(t.pid, NULL);
	subscribe_call(s, 330 /* dup3 */, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	puppet_tell(&t, "raw 330 1 1 2 3 4 5");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.arch, COTRACE_ARCH_I386);
	CHECK_EQ(ev.syscall.nr, 330);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(ev.syscall.args[i], i ? (unsigned)i : 1u);
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY, .result = -EXDEV));
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.result, -EXDEV);
	cotrace_answer(s, &ev, NULL);
	CHECK_EQ(puppet_answer(&t), -EXDEV);
	/* A subscription for the other architecture does not meet it. */
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY | COTRACE_EXIT, NULL, COTRACE_OFF),
		 0);
	CHECK_EQ(cotrace_subscribe_syscalls(s, COTRACE_ARCH_X86_64, COTRACE_ENTRY, NULL,
					    COTRACE_NOTE),
		 0);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	take_none(s, 30);
	cotrace_close(s);
	puppet_end(&t);
}
