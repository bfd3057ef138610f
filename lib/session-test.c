/* SPDX-License-Identifier: MIT */
/* Round trips, against a small engine that runs in a thread of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mock.h"
#include "lib/session.h"
#include "wire/frame.h"

#define TASKS 1000u
#define PAGE 64u

struct fixture {
	struct mock mock;
	struct cotrace *s;
	atomic_bool mute;
};

/* Task ids are the even numbers, a page at a time. */
static void answer_tasks(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct wire_writer *w = mock_begin(m, h);
	struct wire_tasks tasks;
	uint32_t n;

	assert_true(wire_get_tasks(body, &tasks));
	n = (uint32_t)(TASKS - tasks.after / 2);
	if (n > PAGE)
		n = PAGE;
	wire_put_r_tasks(w, &(struct wire_r_tasks){ .total = TASKS, .count = n });
	for (uint32_t i = 1; i <= n; i++)
		wire_put_task(w, &(struct wire_task){ .task = tasks.after + 2 * (uint64_t)i });
	mock_send(m, -1);
}

/* A register set that holds the task's id, 27 times: replies can be told apart. */
static void answer_set(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct wire_writer *w = mock_begin(m, h);
	struct wire_regset_read set;

	assert_true(wire_get_regset_read(body, &set));
	wire_put_r_regset_read(w, &(struct wire_r_regset_read){ .arch = 1 });
	for (unsigned i = 0; i < 27; i++)
		wire_put_bytes(w, &set.task, 8);
	mock_send(m, -1);
}

static void answer(struct mock *m, const struct wire_header *h, struct wire_reader *body)
{
	struct fixture *f = m->argument;

	if (atomic_load(&f->mute))
		return;
	if (h->type == WIRE_TASKS)
		answer_tasks(m, h, body);
	else if (h->type == WIRE_REGSET_READ)
		answer_set(m, h, body);
	else
		mock_done(m, h, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_int_equal(cotrace_from_fd(&f->s, mock_start(&f->mock, answer, f)), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cotrace_close(f->s);
	mock_join(&f->mock);
	free(f);
	return 0;
}

static void an_adopted_session_knows_what_hello_says(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cotrace_engine_pid(f->s), 77);
	assert_int_equal(cotrace_id(f->s), 5);
	assert_true(fcntl(cotrace_fd(f->s), F_GETFD) & FD_CLOEXEC);
}

static void adoption_leaves_waiting_events_alone(void **state)
{
	struct fixture *f = *state;
	struct cotrace_event ev = { .size = sizeof ev };
	uint8_t buf[256];
	struct wire_writer w;
	struct cotrace *second;

	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_EVENT(COTRACE_EVENT_LOST), 0, 4);
	wire_put_event_head(&w, &(struct wire_event_head){ 0 });
	wire_put_e_lost(&w, &(struct wire_e_lost){ 11 });
	wire_finish(&w);
	frame_send(f->mock.session, buf, w.used, -1);
	assert_int_equal(cotrace_from_fd(&second, dup(cotrace_fd(f->s))), 0);
	assert_int_equal(cotrace_next(second, &ev, 0), 1);
	assert_int_equal(ev.lost.notes, 11);
	cotrace_close(second);
}

static void what_is_no_session_fd_is_refused_and_left_open(void **state)
{
	struct cotrace *s;
	int ends[2], file = open("/dev/null", O_RDWR);

	(void)state;
	assert_int_equal(cotrace_from_fd(&s, file), -ENOTSOCK);
	assert_null(s);
	assert_int_equal(fcntl(file, F_GETFD), 0);
	close(file);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(cotrace_from_fd(&s, ends[0]), -EPROTO);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	close(ends[1]);
	assert_int_equal(cotrace_from_fd(&s, ends[0]), -ESHUTDOWN);
	close(ends[0]);
}

static void a_list_is_put_together_from_its_pages(void **state)
{
	struct fixture *f = *state;
	static struct cotrace_task_info v[TASKS + 10];

	assert_int_equal(cotrace_tasks(f->s, v, TASKS + 10), TASKS);
	for (unsigned i = 0; i < TASKS; i++)
		assert_int_equal(v[i].task, 2 * (i + 1));
	memset(v, 0, sizeof v);
	assert_int_equal(cotrace_tasks(f->s, v, 100), TASKS);
	assert_int_equal(v[99].task, 200);
	assert_int_equal(v[100].task, 0);
	assert_int_equal(cotrace_tasks(f->s, NULL, 0), TASKS);
}

static void a_resume_needs_no_reply(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2000; i++)
		assert_int_equal(cotrace_resume(f->s, 0), 0);
	while (atomic_load(&f->mock.told) < 2000)
		usleep(1000);
}

static void a_stop_that_takes_too_long_times_out_and_the_session_goes_on(void **state)
{
	struct fixture *f = *state;

	atomic_store(&f->mute, true);
	assert_int_equal(cotrace_stop(f->s, 0, COTRACE_ALL, 1000000), -ETIMEDOUT);
	atomic_store(&f->mute, false);
	assert_int_equal(cotrace_attenuate(f->s), 0);
}

struct reader {
	struct cotrace *s;
	uint64_t task;
	bool wrong;
};

static void *read_registers(void *argument)
{
	struct reader *r = argument;

	for (int i = 0; i < 500; i++) {
		uint64_t value = 0;

		if (cotrace_register_read(r->s, r->task, "rip", &value, 8) != 8 || value != r->task)
			r->wrong = true;
	}
	return NULL;
}

static void threads_get_their_own_replies(void **state)
{
	struct fixture *f = *state;
	struct reader readers[4];
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++) {
		readers[i] = (struct reader){ f->s, 1000 + i, false };
		pthread_create(&threads[i], NULL, read_registers, &readers[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_false(readers[i].wrong);
	}
}

static void a_register_is_found_by_name_and_size(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 0;

	assert_int_equal(cotrace_register_read(f->s, 0x1122334455667788, "ah", &value, 8), 1);
	assert_int_equal(value, 0x77);
	assert_int_equal(cotrace_register_read(f->s, 1, "rip", &value, 4), -ENOBUFS);
	assert_int_equal(cotrace_register_read(f->s, 1, "pc?", &value, 8), -ENOENT);
	assert_int_equal(cotrace_register_write(f->s, 1, "eax", &value, 4), 0);
	assert_int_equal(cotrace_register_write(f->s, 1, "eax", &value, 8), -EINVAL);
}

static void calls_on_a_dead_session_all_fail_alike(void **state)
{
	struct fixture f = { 0 };
	struct cotrace *s;

	(void)state;
	assert_int_equal(cotrace_from_fd(&s, mock_start(&f.mock, answer, &f)), 0);
	shutdown(f.mock.session, SHUT_RDWR);
	mock_join(&f.mock);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(cotrace_attenuate(s), -ESHUTDOWN);
		assert_int_equal(cotrace_tasks(s, NULL, 0), -ESHUTDOWN);
		assert_int_equal(cotrace_resume(s, 0), -ESHUTDOWN);
		assert_int_equal(cotrace_stop(s, 0, COTRACE_ALL, -1), -ESHUTDOWN);
	}
	cotrace_close(s);
}

static void errno_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct cotrace_event ev = { .size = sizeof ev };

	errno = 4242;
	cotrace_attenuate(f->s);
	cotrace_next(f->s, &ev, 0);
	cotrace_read_memory(f->s, 1, 0, &ev, 8);
	cotrace_resume(f->s, 0);
	cotrace_has_feature(COTRACE_FEATURE_I386);
	cotrace_engines(NULL, 0);
	assert_int_equal(errno, 4242);
}

static void sets_of_numbers_have_a_place_for_all_others(void **state)
{
	struct cotrace_syscall_set set;

	(void)state;
	cotrace_syscall_set_clear(&set);
	cotrace_syscall_set_add(&set, 59);
	assert_true(cotrace_syscall_set_has(&set, 59));
	assert_false(cotrace_syscall_set_has(&set, 60));
	cotrace_syscall_set_add(&set, 5000);
	assert_true(cotrace_syscall_set_has(&set, 1023));
	assert_true(cotrace_syscall_set_has(&set, -7));
	cotrace_syscall_set_fill(&set);
	assert_true(cotrace_syscall_set_has(&set, 0));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_adopted_session_knows_what_hello_says),
		CASE(adoption_leaves_waiting_events_alone),
		cmocka_unit_test(what_is_no_session_fd_is_refused_and_left_open),
		CASE(a_list_is_put_together_from_its_pages),
		CASE(a_resume_needs_no_reply),
		CASE(a_stop_that_takes_too_long_times_out_and_the_session_goes_on),
		CASE(threads_get_their_own_replies),
		CASE(a_register_is_found_by_name_and_size),
		cmocka_unit_test(calls_on_a_dead_session_all_fail_alike),
		CASE(errno_is_left_alone),
		cmocka_unit_test(sets_of_numbers_have_a_place_for_all_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
