/* SPDX-License-Identifier: MIT */
/* What the engine has planted is not seen in what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/played.h"

static void plant(struct played *f, const char *at, const char *trap)
{
	size_t size = strlen(trap);

	sites_begin(&f->sites);
	assert_int_equal(sites_insert(&f->sites, (uintptr_t)at, at, size), 0);
	assert_int_equal(pwrite(f->memory, trap, size, (off_t)(uintptr_t)at), size);
	sites_end(&f->sites);
}

static void lift(struct played *f, const char *at, size_t size)
{
	sites_begin(&f->sites);
	assert_int_equal(pwrite(f->memory, at, size, (off_t)(uintptr_t)at), size);
	assert_int_equal(sites_remove(&f->sites, (uintptr_t)at), 0);
	sites_end(&f->sites);
}

static void reads_show_no_breakpoints(void **state)
{
	struct played *f = *state;
	char byte;

	plant(f, mark + 4, "###");
	assert_int_equal(pread(f->memory, &byte, 1, (off_t)(uintptr_t)mark + 4), 1);
	assert_int_equal(byte, '#');
	for (int i = 0; i < 10; i++)
		assert_int_equal(read_mark(f), 16);
	plant(f, mark, "#");
	assert_int_equal(read_mark(f), 16);
	lift(f, mark + 4, 3);
	assert_int_equal(read_mark(f), 16);
	assert_int_equal(atomic_load(&f->asked), 1);
	assert_int_equal(atomic_load(&f->asked_sites), 1);
}

static void a_new_table_is_asked_for_when_the_old_one_is_full(void **state)
{
	struct played *f = *state;

	assert_int_equal(read_mark(f), 16);
	for (unsigned i = 0; i < 65; i++)
		plant(f, big + i, "#");
	plant(f, mark, "#");
	atomic_store(&f->table, f->sites.fd);
	for (int i = 0; i < 3; i++)
		assert_int_equal(read_mark(f), 16);
	assert_int_equal(atomic_load(&f->asked), 1);
	assert_int_equal(atomic_load(&f->asked_sites), 2);
}

static void an_engine_that_plants_nothing_is_asked_once(void **state)
{
	struct played *f = *state;

	atomic_store(&f->table, -ENOSYS);
	for (int i = 0; i < 10; i++)
		assert_int_equal(read_mark(f), 16);
	assert_int_equal(atomic_load(&f->asked_sites), 1);
}

static void an_older_engine_is_not_asked_for_sites(void **state)
{
	struct played *f = *state;

	for (int i = 0; i < 10; i++)
		assert_int_equal(read_mark(f), 16);
	assert_int_equal(write_mark(f), 1);
	assert_int_equal(atomic_load(&f->asked), 1);
	assert_int_equal(atomic_load(&f->asked_sites), 0);
}

static void what_could_end_the_reader_is_no_table(void **state)
{
	struct played *f = *state;
	int unsealed = memfd_create("unsealed", MFD_CLOEXEC);

	assert_int_equal(ftruncate(unsealed, 4096), 0);
	assert_int_equal(pwrite(unsealed, f->sites.table, 64, 0), 64);
	atomic_store(&f->table, unsealed);
	assert_int_equal(read_mark(f), -EPROTO);
	atomic_store(&f->table, f->sites.fd);
	assert_int_equal(read_mark(f), 16);
	close(unsealed);
}

static void the_tables_program_is_the_memorys(void **state)
{
	struct played *f = *state;

	atomic_store(&f->hurried, 3);
	assert_int_equal(read_mark(f), 16);
	assert_int_equal(atomic_load(&f->asked), 4);
	assert_int_equal(atomic_load(&f->asked_sites), 4);
}

static void an_exec_brings_a_table_of_its_own(void **state)
{
	struct played *f = *state;
	struct sites fresh;

	plant(f, mark, "#");
	assert_int_equal(read_mark(f), 16);
	let_it_exec(f);
	assert_int_equal(sites_create(&fresh, 4), 0);
	atomic_store(&f->table, fresh.fd);
	assert_int_equal(read_mark(f), -ESTALE);
	assert_int_equal(read_mark(f), -EFAULT);
	assert_int_equal(atomic_load(&f->asked_sites), 2);
	sites_destroy(&fresh);
}

static void the_memory_that_attach_opened_gets_its_table(void **state)
{
	struct played *f = *state;

	plant(f, mark, "#");
	memories_add(&f->s->memories, f->target, played_memory(f, O_RDONLY));
	assert_int_equal(read_mark(f), 16);
	assert_int_equal(read_mark(f), 16);
	assert_int_equal(write_mark(f), 1);
	assert_int_equal(atomic_load(&f->asked), 0);
	assert_int_equal(atomic_load(&f->asked_sites), 1);
	let_it_exec(f);
	assert_int_equal(read_mark(f), -ESTALE);
}

static void a_long_read_hides_all_of_them(void **state)
{
	struct played *f = *state;
	char *buf = malloc(BIG);

	plant(f, big, "#");
	plant(f, big + (1 << 20) - 3, "#######");
	plant(f, big + (2 << 20), "###");
	plant(f, big + BIG - 1, "#");
	memset(buf, 0, BIG);
	assert_int_equal(cotrace_read_memory(f->s, f->target, (uintptr_t)big, buf, BIG), BIG);
	assert_memory_equal(buf, big, BIG);
	free(buf);
}

static atomic_bool enough;
static atomic_uint changes;

static void *plant_and_lift(void *argument)
{
	struct played *f = argument;

	while (!atomic_load(&enough)) {
		plant(f, mark, "###");
		for (int i = 0; i < 3; i++)
			sched_yield();
		lift(f, mark, 3);
		atomic_fetch_add(&changes, 1);
	}
	return NULL;
}

static void what_comes_and_goes_during_reads_is_hidden_as_well(void **state)
{
	struct played *f = *state;
	uint64_t end = clock_now_ns() + 500 * CLOCK_MS;
	char *buf = malloc(BIG);
	pthread_t thread;

	atomic_store(&enough, false);
	atomic_store(&changes, 0);
	assert_int_equal(pthread_create(&thread, NULL, plant_and_lift, f), 0);
	while (clock_now_ns() < end || atomic_load(&changes) < 1000)
		assert_int_equal(read_mark(f), 16);
	for (int i = 0; i < 5; i++)
		assert_int_equal(cotrace_read_memory(f->s, f->target, (uintptr_t)big, buf, BIG),
				 BIG);
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	free(buf);
}

static void reads_go_on_when_the_engine_died_in_a_change(void **state)
{
	struct played *f = *state;

	plant(f, mark, "#");
	assert_int_equal(read_mark(f), 16);
	sites_begin(&f->sites);
	assert_int_equal(read_mark(f), 16);
	assert_int_equal(read_mark(f), 16);
	sites_end(&f->sites);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAYED(reads_show_no_breakpoints),
		PLAYED(a_new_table_is_asked_for_when_the_old_one_is_full),
		PLAYED(an_engine_that_plants_nothing_is_asked_once),
		cmocka_unit_test_setup_teardown(an_older_engine_is_not_asked_for_sites,
						played_setup_old, played_teardown),
		PLAYED(what_could_end_the_reader_is_no_table),
		PLAYED(the_tables_program_is_the_memorys),
		PLAYED(an_exec_brings_a_table_of_its_own),
		PLAYED(the_memory_that_attach_opened_gets_its_table),
		PLAYED(a_long_read_hides_all_of_them),
		PLAYED(what_comes_and_goes_during_reads_is_hidden_as_well),
		PLAYED(reads_go_on_when_the_engine_died_in_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
