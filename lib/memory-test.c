/* SPDX-License-Identifier: MIT */
/* Whose bytes a read returns, with a real process that calls exec and a played engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mock.h"
#include "lib/session.h"
#include "wire/frame.h"

struct fixture {
	struct mock mock;
	struct cotrace *s;
	pid_t target;
	int go; /* closing it lets the target exec */
	atomic_ulong generation;
	atomic_uint asked, asked_sites;
	atomic_int given; /* a copy of what was handed out last */
	struct sites sites;
	int memory;	     /* the target's, to be written */
	atomic_int table;    /* what SITES hands out: an fd, or an error */
	atomic_uint hurried; /* this many answers come as if an exec were in between */
};

#define PAGE 4096

/*
 * The end of a page, with nothing behind it; in the forked target at the same address, and
 * nowhere once that runs sleep(1).
 */
static char *mark;
static void *page;

/* Longer than what the library reads at a time; in the target as well. */
#define BIG (3u << 20)

static char *big;

static int open_memory(const struct fixture *f, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/mem", (int)f->target);
	return open(path, flags | O_CLOEXEC);
}

static void answer_memory(struct fixture *f, struct mock *m, const struct wire_header *h)
{
	int fd = open_memory(f, O_RDONLY);

	atomic_fetch_add(&f->asked, 1);
	wire_put_r_memory(mock_begin(m, h),
			  &(struct wire_r_memory){ .error = fd < 0 ? -ESRCH : 0,
						   .generation = atomic_load(&f->generation) });
	if (f->given >= 0)
		close(f->given);
	atomic_store(&f->given, fd);
	mock_send(m, fd);
}

static void answer_write(struct fixture *f, struct mock *m, const struct wire_header *h,
			 struct wire_reader *body)
{
	struct wire_r_memory_write reply = { 0 };
	struct wire_memory_write write;

	assert_true(wire_get_memory_write(body, &write));
	if (write.generation != atomic_load(&f->generation))
		reply.error = -ESTALE;
	else
		reply.written = (uint32_t)wire_left(body);
	wire_put_r_memory_write(mock_begin(m, h), &reply);
	mock_send(m, -1);
}

static void answer_sites(struct fixture *f, struct mock *m, const struct wire_header *h)
{
	int fd = atomic_load(&f->table);
	struct wire_r_sites reply = { .error = fd < 0 ? fd : 0,
				      .generation = atomic_load(&f->generation) };

	atomic_fetch_add(&f->asked_sites, 1);
	if (atomic_load(&f->hurried) > 0) {
		atomic_fetch_sub(&f->hurried, 1);
		reply.generation++;
	}
	wire_put_r_sites(mock_begin(m, h), &reply);
	mock_send(m, fd < 0 ? -1 : fd);
}

static void answer(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct fixture *f = m->argument;

	if (h->type == WIRE_MEMORY)
		answer_memory(f, m, h);
	else if (h->type == WIRE_MEMORY_WRITE)
		answer_write(f, m, h, body);
	else if (h->type == WIRE_SITES)
		answer_sites(f, m, h);
	else
		mock_done(m, h, 0);
}

static int start(void **state, uint32_t version)
{
	struct fixture *f = calloc(1, sizeof *f);
	int pipe_ends[2];
	char byte;

	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	munmap((char *)page + PAGE, PAGE);
	mark = (char *)page + PAGE - 16;
	strcpy(mark, "the old program");
	big = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(big, MAP_FAILED);
	memset(big, 'o', BIG);
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	f->target = fork();
	if (f->target == 0) {
		close(pipe_ends[1]);
		if (read(pipe_ends[0], &byte, 1) == 0)
			execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(1);
	}
	close(pipe_ends[0]);
	f->go = pipe_ends[1];
	atomic_store(&f->generation, 1);
	assert_int_equal(sites_create(&f->sites, 64), 0);
	atomic_store(&f->table, f->sites.fd);
	f->memory = open_memory(f, O_RDWR);
	f->given = -1;
	f->mock.version = version;
	assert_int_equal(cotrace_from_fd(&f->s, mock_start(&f->mock, answer, f)), 0);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return start(state, 0);
}

static int setup_old(void **state)
{
	return start(state, 1);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kill(f->target, SIGKILL);
	waitpid(f->target, NULL, 0);
	if (f->go >= 0)
		close(f->go);
	cotrace_close(f->s);
	mock_join(&f->mock);
	munmap(page, PAGE);
	munmap(big, BIG);
	sites_destroy(&f->sites);
	close(f->memory);
	if (f->given >= 0)
		close(f->given);
	free(f);
	return 0;
}

static bool runs_sleep(const struct fixture *f)
{
	char path[64], comm[32] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)f->target);
	file = fopen(path, "re");
	if (file == NULL || fgets(comm, sizeof comm, file) == NULL)
		comm[0] = '\0';
	if (file != NULL)
		fclose(file);
	return strcmp(comm, "sleep\n") == 0;
}

static void let_it_exec(struct fixture *f)
{
	close(f->go);
	f->go = -1;
	while (!runs_sleep(f))
		usleep(1000);
	atomic_store(&f->generation, 2);
}

static void send_exec_event(struct fixture *f)
{
	struct cotrace_event ev = { .size = sizeof ev };
	uint8_t buf[256];
	struct wire_writer w;

	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_EVENT(COTRACE_EVENT_EXEC), 0, 1);
	wire_put_event_head(&w, &(struct wire_event_head){ .pid = f->target });
	wire_put_e_exec(&w, &(struct wire_e_exec){ .generation = 2 });
	wire_finish(&w);
	frame_send(f->mock.session, buf, w.used, -1);
	assert_int_equal(cotrace_next(f->s, &ev, -1), 1);
}

static ssize_t read_mark(struct fixture *f)
{
	char buf[16];
	ssize_t n = cotrace_read_memory(f->s, f->target, (uintptr_t)mark, buf, sizeof buf);

	if (n == sizeof buf)
		assert_string_equal(buf, "the old program");
	return n;
}

static ssize_t write_mark(struct fixture *f)
{
	return cotrace_write_memory(f->s, f->target, (uintptr_t)mark, "x", 1);
}

static void the_engine_is_asked_once(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++)
		assert_int_equal(read_mark(f), 16);
	assert_int_equal(write_mark(f), 1);
	assert_int_equal(atomic_load(&f->asked), 1);
}

/* All sessions have copies of one open file. */
static void no_read_moves_the_file_position_that_others_share(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;

	assert_int_equal(read_mark(f), 16);
	let_it_exec(f);
	assert_int_equal(read_mark(f), -ESTALE);
	assert_int_equal(read_mark(f), -EFAULT);
	assert_int_equal(write_mark(f), 1);
}

static void a_write_notices_an_exec_as_well(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write_mark(f), 1);
	let_it_exec(f);
	assert_int_equal(write_mark(f), -ESTALE);
	assert_int_equal(write_mark(f), 1);
}

static void reads_fail_until_the_exec_event_is_taken(void **state)
{
	struct fixture *f = *state;

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
	struct fixture *f = *state;

	assert_int_equal(cotrace_subscribe(f->s, COTRACE_EVENT_EXEC, COTRACE_NOTE), 0);
	assert_int_equal(read_mark(f), 16);
	let_it_exec(f);
	send_exec_event(f);
	assert_int_equal(read_mark(f), -EFAULT);
}

static void an_exec_before_the_subscription_blocks_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_mark(f), 16);
	let_it_exec(f);
	assert_int_equal(cotrace_subscribe(f->s, COTRACE_EVENT_EXEC, COTRACE_NOTE), 0);
	assert_int_equal(read_mark(f), -ESTALE);
	assert_int_equal(read_mark(f), -EFAULT);
}

static void a_dead_process_is_a_missing_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_mark(f), 16);
	kill(f->target, SIGKILL);
	waitpid(f->target, NULL, 0);
	assert_int_equal(read_mark(f), -ESRCH);
	assert_int_equal(cotrace_read_memory(f->s, 0, 0, NULL, 0), -ESRCH);
}

static void a_read_ends_where_the_memory_ends(void **state)
{
	struct fixture *f = *state;
	size_t size = 1u << 20;
	char *buf = malloc(size);

	assert_int_equal(cotrace_read_memory(f->s, f->target, (uintptr_t)mark, buf, 100), 16);
	assert_int_equal(cotrace_read_memory(f->s, f->target, (uintptr_t)mark, buf, size), 16);
	assert_string_equal(buf, "the old program");
	free(buf);
}

/* ---- What the engine has planted ---- */

static void plant(struct fixture *f, const char *at, const char *trap)
{
	size_t size = strlen(trap);

	sites_begin(&f->sites);
	assert_int_equal(sites_insert(&f->sites, (uintptr_t)at, at, size), 0);
	assert_int_equal(pwrite(f->memory, trap, size, (off_t)(uintptr_t)at), size);
	sites_end(&f->sites);
}

static void lift(struct fixture *f, const char *at, size_t size)
{
	sites_begin(&f->sites);
	assert_int_equal(pwrite(f->memory, at, size, (off_t)(uintptr_t)at), size);
	assert_int_equal(sites_remove(&f->sites, (uintptr_t)at), 0);
	sites_end(&f->sites);
}

static void reads_show_no_breakpoints(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;

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
	struct fixture *f = *state;

	atomic_store(&f->table, -ENOSYS);
	for (int i = 0; i < 10; i++)
		assert_int_equal(read_mark(f), 16);
	assert_int_equal(atomic_load(&f->asked_sites), 1);
}

static void an_older_engine_is_not_asked_for_sites(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++)
		assert_int_equal(read_mark(f), 16);
	assert_int_equal(write_mark(f), 1);
	assert_int_equal(atomic_load(&f->asked), 1);
	assert_int_equal(atomic_load(&f->asked_sites), 0);
}

static void what_could_end_the_reader_is_no_table(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;

	atomic_store(&f->hurried, 3);
	assert_int_equal(read_mark(f), 16);
	assert_int_equal(atomic_load(&f->asked), 4);
	assert_int_equal(atomic_load(&f->asked_sites), 4);
}

static void an_exec_brings_a_table_of_its_own(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;

	plant(f, mark, "#");
	memories_add(&f->s->memories, f->target, open_memory(f, O_RDONLY));
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
	struct fixture *f = *state;
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
	struct fixture *f = argument;

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
	struct fixture *f = *state;
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
	struct fixture *f = *state;

	plant(f, mark, "#");
	assert_int_equal(read_mark(f), 16);
	sites_begin(&f->sites);
	assert_int_equal(read_mark(f), 16);
	assert_int_equal(read_mark(f), 16);
	sites_end(&f->sites);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_engine_is_asked_once),
		CASE(no_read_moves_the_file_position_that_others_share),
		CASE(an_exec_is_told_once_to_who_did_not_subscribe),
		CASE(a_write_notices_an_exec_as_well),
		CASE(reads_fail_until_the_exec_event_is_taken),
		CASE(an_event_taken_before_any_read_opens_the_new_program),
		CASE(an_exec_before_the_subscription_blocks_nothing),
		CASE(a_dead_process_is_a_missing_one),
		CASE(a_read_ends_where_the_memory_ends),
		CASE(reads_show_no_breakpoints),
		CASE(a_new_table_is_asked_for_when_the_old_one_is_full),
		CASE(an_engine_that_plants_nothing_is_asked_once),
		cmocka_unit_test_setup_teardown(an_older_engine_is_not_asked_for_sites, setup_old,
						teardown),
		CASE(what_could_end_the_reader_is_no_table),
		CASE(the_tables_program_is_the_memorys),
		CASE(an_exec_brings_a_table_of_its_own),
		CASE(the_memory_that_attach_opened_gets_its_table),
		CASE(a_long_read_hides_all_of_them),
		CASE(what_comes_and_goes_during_reads_is_hidden_as_well),
		CASE(reads_go_on_when_the_engine_died_in_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
