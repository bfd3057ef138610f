/* SPDX-License-Identifier: MIT */
/* Whose bytes a read returns, with a real process that calls exec and a played engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
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
	atomic_uint asked;
};

#define PAGE 4096

/*
 * The end of a page, with nothing behind it; in the forked target at the same address, and
 * nowhere once that runs sleep(1).
 */
static char *mark;
static void *page;

static void answer_memory(struct fixture *f, struct mock *m, const struct wire_header *h)
{
	char path[64];
	int fd;

	atomic_fetch_add(&f->asked, 1);
	snprintf(path, sizeof path, "/proc/%d/mem", (int)f->target);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	wire_put_r_memory(mock_begin(m, h),
			  &(struct wire_r_memory){ .error = fd < 0 ? -ESRCH : 0,
						   .generation = atomic_load(&f->generation) });
	mock_send(m, fd);
	if (fd >= 0)
		close(fd);
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

static void answer(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct fixture *f = m->argument;

	if (h->type == WIRE_MEMORY)
		answer_memory(f, m, h);
	else if (h->type == WIRE_MEMORY_WRITE)
		answer_write(f, m, h, body);
	else
		mock_done(m, h, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int pipe_ends[2];
	char byte;

	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	munmap((char *)page + PAGE, PAGE);
	mark = (char *)page + PAGE - 16;
	strcpy(mark, "the old program");
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
	assert_int_equal(cotrace_from_fd(&f->s, mock_start(&f->mock, answer, f)), 0);
	*state = f;
	return 0;
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_engine_is_asked_once),
		CASE(an_exec_is_told_once_to_who_did_not_subscribe),
		CASE(a_write_notices_an_exec_as_well),
		CASE(reads_fail_until_the_exec_event_is_taken),
		CASE(an_event_taken_before_any_read_opens_the_new_program),
		CASE(an_exec_before_the_subscription_blocks_nothing),
		CASE(a_dead_process_is_a_missing_one),
		CASE(a_read_ends_where_the_memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
