/* SPDX-License-Identifier: MIT */
/* What -e selects. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "cli/command.h"
#include "cli/decode/table.h"
#include "cli/trace/filter.h"

static char complaint[256];

int complain(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(complaint, sizeof complaint, format, args);
	va_end(args);
	return status;
}

long parse_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *end || end == text || n <= 0 ? -1 : n;
}

static struct filter f;

static int setup(void **state)
{
	(void)state;
	filter_init(&f);
	return 0;
}

static bool selects(int nr)
{
	return cotrace_syscall_set_has(&f.x86_64, nr);
}

static void at_first_everything_is_selected(void **state)
{
	(void)state;
	assert_true(f.all && selects(SYS_read) && selects(1023));
	assert_true(f.signals == UINT64_MAX);
}

static void names_select_themselves_in_every_architecture(void **state)
{
	(void)state;
	assert_int_equal(filter_parse(&f, "trace=openat,close"), 0);
	assert_true(selects(SYS_openat) && selects(SYS_close) && !selects(SYS_read));
	assert_true(cotrace_syscall_set_has(&f.i386, 295));
	assert_false(f.all);
}

static void classes_work_with_and_without_percent(void **state)
{
	(void)state;
	assert_int_equal(filter_parse(&f, "network"), 0);
	assert_true(selects(SYS_socket) && !selects(SYS_openat));
	assert_int_equal(filter_parse(&f, "%file"), 0);
	assert_true(selects(SYS_openat) && !selects(SYS_socket));
}

static void exclamation_mark_inverts(void **state)
{
	(void)state;
	assert_int_equal(filter_parse(&f, "!read,%memory"), 0);
	assert_true(!selects(SYS_read) && !selects(SYS_mmap) && selects(SYS_write));
	assert_true(selects(1023));
}

static void patterns_select_what_they_match(void **state)
{
	(void)state;
	assert_int_equal(filter_parse(&f, "/^epoll_"), 0);
	assert_true(selects(SYS_epoll_wait) && selects(SYS_epoll_ctl) && !selects(SYS_poll));
}

static void the_last_expression_holds(void **state)
{
	(void)state;
	filter_parse(&f, "read");
	filter_parse(&f, "t=write");
	assert_true(selects(SYS_write) && !selects(SYS_read));
}

static void unknown_names_suggest_the_nearest(void **state)
{
	(void)state;
	assert_int_equal(filter_parse(&f, "trace=opennat"), EXIT_USAGE);
	assert_non_null(strstr(complaint, "did you mean openat?"));
	assert_int_equal(filter_parse(&f, "?nosuchcall"), 0);
	assert_int_equal(filter_parse(&f, "inject=read"), EXIT_USAGE);
}

static void signals_are_selected_by_name_and_number(void **state)
{
	(void)state;
	assert_int_equal(filter_parse(&f, "signal=SIGTERM,int,10"), 0);
	assert_true(f.signals ==
		    (1ull << (SIGTERM - 1) | 1ull << (SIGINT - 1) | 1ull << (SIGUSR1 - 1)));
	assert_int_equal(filter_parse(&f, "signal=none"), 0);
	assert_true(f.signals == 0);
	assert_int_equal(filter_parse(&f, "signal=!CHLD"), 0);
	assert_true(f.signals == ~(1ull << (SIGCHLD - 1)));
	assert_int_equal(filter_parse(&f, "signal=BLAH"), EXIT_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(at_first_everything_is_selected),
		T(names_select_themselves_in_every_architecture),
		T(classes_work_with_and_without_percent),
		T(exclamation_mark_inverts),
		T(patterns_select_what_they_match),
		T(the_last_expression_holds),
		T(unknown_names_suggest_the_nearest),
		T(signals_are_selected_by_name_and_number),
	};

	return table_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
