/* SPDX-License-Identifier: MIT */
/* Whose bytes a read returns, with a real process that calls exec and a played engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/played.h"

static void the_engine_is_asked_once(void **state)
{
	struct played *f = *state;

	for (int i = 0; i < 10; i++)
		assert_int_equal(read_mark(f), 16);
	assert_int_equal(write_mark(f), 1);
	assert_int_equal(atomic_load(&f->asked), 1);
}

/* All sessions have copies of one open file. */
static void no_read_moves_the_file_position_that_others_share(void **state)
{
	struct played *f = *state;
	uint64_t word;

	assert_int_equal(read_mark(f), 16);
	assert_int_equal(lseek(f->given, PAGE, SEEK_SET), PAGE);
	assert_int_equal(cotrace_read_memory(f->s, f->target, UINT64_MAX - 7, &word, 8), -EFAULT);
	assert_int_equal(cotrace_read_memory(f->s, f->target, 1ull << 63, &word, 8), -EFAULT);
	assert_int_equal(read_mark(f), 16);
	assert_int_equal(lseek(f->given, 0, SEEK_CUR), PAGE);
}

static void an_exec_is_told_once_to_who_did_not_subscribe(void **state)
{
	struct played *f = *state;

	assert_int_equal(read_mark(f), 16);
	let_it_exec(f);
	assert_int_equal(read_mark(f), -ESTALE);
	assert_int_equal(read_mark(f), -EFAULT);
	assert_int_equal(write_mark(f), 1);
}

static void a_write_notices_an_exec_as_well(void **state)
{
	struct played *f = *state;

	assert_int_equal(write_mark(f), 1);
	let_it_exec(f);
	assert_int_equal(write_mark(f), -ESTALE);
	assert_int_equal(write_mark(f), 1);
}

static void reads_fail_until_the_exec_event_is_taken(void **state)
{
	struct played *f = *state;

	assert_int_equal(read_mark(f), 16);
	assert_int_equal(cotrace_subscribe(f->s, COTRACE_EVENT_EXEC, COTRACE_NOTE), 0);
	assert_int_equal(read_mark(f), 16);
	let_it_exec(f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read_mark(f), -ESTALE);
		assert_int_equal(write_mark(f), -ESTALE);
	}
	send_exec_event(f);
	assert_int_equal(read_mark(f), -EFAULT);
	assert_int_equal(write_mark(f), 1);
}

static void an_event_taken_before_any_read_opens_the_new_program(void **state)
{
	struct played *f = *state;

	assert_int_equal(cotrace_subscribe(f->s, COTRACE_EVENT_EXEC, COTRACE_NOTE), 0);
	assert_int_equal(read_mark(f), 16);
	let_it_exec(f);
	send_exec_event(f);
	assert_int_equal(read_mark(f), -EFAULT);
}

static void an_exec_before_the_subscription_blocks_nothing(void **state)
{
	struct played *f = *state;

	assert_int_equal(read_mark(f), 16);
	let_it_exec(f);
	assert_int_equal(cotrace_subscribe(f->s, COTRACE_EVENT_EXEC, COTRACE_NOTE), 0);
	assert_int_equal(read_mark(f), -ESTALE);
	assert_int_equal(read_mark(f), -EFAULT);
}

static void a_dead_process_is_a_missing_one(void **state)
{
	struct played *f = *state;

	assert_int_equal(read_mark(f), 16);
	kill(f->target, SIGKILL);
	waitpid(f->target, NULL, 0);
	assert_int_equal(read_mark(f), -ESRCH);
	assert_int_equal(cotrace_read_memory(f->s, 0, 0, NULL, 0), -ESRCH);
}

static void a_read_ends_where_the_memory_ends(void **state)
{
	struct played *f = *state;
	size_t size = 1u << 20;
	char *buf = malloc(size);

	assert_int_equal(cotrace_read_memory(f->s, f->target, (uintptr_t)mark, buf, 100), 16);
	assert_int_equal(cotrace_read_memory(f->s, f->target, (uintptr_t)mark, buf, size), 16);
	assert_string_equal(buf, "the old program");
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(the_engine_is_asked_once),
		PLAYED(no_read_moves_the_file_position_that_others_share),
		PLAYED(an_exec_is_told_once_to_who_did_not_subscribe),
		PLAYED(a_write_notices_an_exec_as_well),
		PLAYED(reads_fail_until_the_exec_event_is_taken),
		PLAYED(an_event_taken_before_any_read_opens_the_new_program),
		PLAYED(an_exec_before_the_subscription_blocks_nothing),
		PLAYED(a_dead_process_is_a_missing_one),
		PLAYED(a_read_ends_where_the_memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
