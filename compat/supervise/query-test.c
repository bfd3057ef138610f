/* SPDX-License-Identifier: MIT */
/* What calls of the wait family ask, and what they are answered with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "compat/supervise/query.h"

#define ARGS(...) ((const uint64_t[6]){ __VA_ARGS__ })

static struct wait_call parsed(enum call call, const uint64_t args[6])
{
	struct wait_call w;

	assert_true(wait_call_parse(&w, call, args));
	return w;
}

static void check_ids(uint64_t pid, int idtype, pid_t id)
{
	struct wait_call w = parsed(CALL_WAIT4, ARGS(pid, 0, 0, 0));

	assert_int_equal(w.query.idtype, idtype);
	assert_int_equal(w.query.id, id);
}

static void wait4_names_children_in_four_ways(void **state)
{
	(void)state;
	check_ids((uint64_t)-1, P_ALL, 0);
	check_ids(0xffffffff, P_ALL, 0); /* as a 32-bit program says it */
	check_ids(77, P_PID, 77);
	check_ids(0, P_PGID, 0);
	check_ids((uint64_t)-77, P_PGID, 77);
}

static void wait4_waits_for_ends_too(void **state)
{
	struct wait_call w = parsed(CALL_WAIT4, ARGS(1, 0x10, WUNTRACED | __WALL, 0x20));

	(void)state;
	assert_int_equal(w.query.options, WEXITED | WSTOPPED | __WALL);
	assert_int_equal(w.status, 0x10);
	assert_int_equal(w.usage, 0x20);
	assert_false(w.is_waitid);
}

static void waitpid_has_three_arguments(void **state)
{
	struct wait_call w = parsed(CALL_WAITPID, ARGS(1, 0x10, WNOHANG, 0x20));

	(void)state;
	assert_int_equal(w.usage, 0);
	assert_false(wait_call_blocks(&w));
}

static void waitid_says_what_it_waits_for(void **state)
{
	struct wait_call w = parsed(CALL_WAITID, ARGS(P_PID, 5, 0x10, WSTOPPED | WNOWAIT, 0x20));

	(void)state;
	assert_int_equal(w.query.options, WSTOPPED | WNOWAIT);
	assert_int_equal(w.info, 0x10);
	assert_int_equal(w.usage, 0x20);
	assert_true(w.is_waitid && wait_call_blocks(&w));
	w = parsed(CALL_WAITID, ARGS(P_ALL, (uint64_t)-5, 0, WEXITED));
	assert_int_equal(w.query.id, 0);
}

static void what_the_kernel_refuses_is_its_own(void **state)
{
	struct wait_call w;

	(void)state;
	assert_false(wait_call_parse(&w, CALL_WAIT4, ARGS((uint64_t)INT_MIN)));
	assert_false(wait_call_parse(&w, CALL_WAIT4, ARGS(1, 0, WNOWAIT)));
	assert_false(wait_call_parse(&w, CALL_WAITID, ARGS(P_ALL, 0, 0, WNOHANG)));
	assert_false(wait_call_parse(&w, CALL_WAITID, ARGS(P_PID, 0, 0, WEXITED)));
	assert_false(wait_call_parse(&w, CALL_WAITID, ARGS(P_PGID, (uint64_t)-1, 0, WEXITED)));
	assert_false(wait_call_parse(&w, CALL_WAITID, ARGS(77, 1, 0, WEXITED)));
	assert_false(wait_call_parse(&w, CALL_WAITID, ARGS(P_ALL, 0, 0, WEXITED | 0x1000)));
}

static void check_info(int status, int code, int value)
{
	const struct wait_result r = { .tid = 9, .uid = 8, .status = status };
	uint8_t bytes[2][WAIT_CALL_SIGINFO_MAX] = { 0 };
	siginfo_t info;

	for (int compat = 0; compat < 2; compat++) {
		struct piece p[2];

		wait_call_siginfo(p, &r, compat);
		for (int i = 0; i < 2; i++)
			memcpy(bytes[compat] + p[i].offset, p[i].v, p[i].size);
	}
	memset(&info, 0, sizeof info);
	memcpy(&info, bytes[0], WAIT_CALL_SIGINFO_MAX);
	assert_int_equal(info.si_signo, SIGCHLD);
	assert_int_equal(info.si_code, code);
	assert_int_equal(info.si_pid, 9);
	assert_int_equal(info.si_uid, 8);
	assert_int_equal(info.si_status, value);
	/* With 32 bits nothing lies between the code and the pid. */
	assert_memory_equal(bytes[1], bytes[0], 12);
	assert_memory_equal(bytes[1] + 12, bytes[0] + 16, 12);
}

static void siginfo_is_as_of_the_kernel(void **state)
{
	(void)state;
	check_info(7 << 8, CLD_EXITED, 7);
	check_info(SIGKILL, CLD_KILLED, SIGKILL);
	check_info(SIGSEGV | 0x80, CLD_DUMPED, SIGSEGV);
	check_info(0x7f | SIGTRAP << 8 | 4 << 16, CLD_TRAPPED, SIGTRAP | 4 << 8);
	check_info(0x7f | SIGSTOP << 8, CLD_TRAPPED, SIGSTOP);
}

static void usage_of_32_bits_has_the_same_fields(void **state)
{
	const struct rusage u = { .ru_utime = { 1, 2 }, .ru_maxrss = 5, .ru_nivcsw = 16 };
	uint8_t bytes[WAIT_CALL_USAGE_MAX];
	int32_t narrow[18];

	(void)state;
	assert_int_equal(wait_call_usage(bytes, &u, false), sizeof u);
	assert_memory_equal(bytes, &u, sizeof u);
	assert_int_equal(wait_call_usage(bytes, &u, true), sizeof narrow);
	memcpy(narrow, bytes, sizeof narrow);
	assert_int_equal(narrow[0], 1);
	assert_int_equal(narrow[1], 2);
	assert_int_equal(narrow[4], 5);
	assert_int_equal(narrow[17], 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wait4_names_children_in_four_ways),
		cmocka_unit_test(wait4_waits_for_ends_too),
		cmocka_unit_test(waitpid_has_three_arguments),
		cmocka_unit_test(waitid_says_what_it_waits_for),
		cmocka_unit_test(what_the_kernel_refuses_is_its_own),
		cmocka_unit_test(siginfo_is_as_of_the_kernel),
		cmocka_unit_test(usage_of_32_bits_has_the_same_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
