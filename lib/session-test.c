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

#include "lib/session.h"
#include "wire/frame.h"

#define CONNECTIONS 32
#define TASKS 1000u
#define PAGE 64u

struct mock {
	pthread_t thread;
	struct pollfd fds[CONNECTIONS]; /* [0]: the session's own */
	nfds_t count;
	atomic_uint requests, told;
	atomic_bool mute; /* answers nothing but HELLO */
	uint8_t in[WIRE_DATAGRAM_MAX], out[WIRE_DATAGRAM_MAX];
};

struct fixture {
	struct mock mock;
	struct cotrace *s;
	int client;
};

static void reply(struct mock *m, int fd, unsigned type, uint64_t cookie,
		  void (*put)(struct wire_writer *w, const void *argument), const void *argument)
{
	struct wire_writer w;

	wire_writer_init(&w, m->out, sizeof m->out);
	wire_begin(&w, type, 0, cookie);
	put(&w, argument);
	wire_finish(&w);
	frame_send(fd, m->out, w.used, -1);
}

static void put_done(struct wire_writer *w, const void *argument)
{
	(void)argument;
	wire_put_r_done(w, &(struct wire_r_done){ 0 });
}

static void put_hello(struct wire_writer *w, const void *argument)
{
	(void)argument;
	wire_put_r_hello(w, &(struct wire_r_hello){
				    .version = 1, .engine_pid = 77, .session = 5, .arch = 1 });
}

/* Task ids are the even numbers, a page at a time. */
static void put_tasks(struct wire_writer *w, const void *argument)
{
	const uint64_t *after = argument;
	uint32_t n = (uint32_t)(TASKS - *after / 2);

	if (n > PAGE)
		n = PAGE;
	wire_put_r_tasks(w, &(struct wire_r_tasks){ .total = TASKS, .count = n });
	for (uint32_t i = 1; i <= n; i++)
		wire_put_task(w, &(struct wire_task){ .task = *after + 2 * (uint64_t)i });
}

/* A register set that holds the number asked for, 27 times: replies can be told apart. */
static void put_set(struct wire_writer *w, const void *argument)
{
	wire_put_r_regset_read(w, &(struct wire_r_regset_read){ .arch = 1 });
	for (unsigned i = 0; i < 27; i++)
		wire_put_bytes(w, argument, 8);
}

static void answer(struct mock *m, int fd, const struct wire_header *h, struct wire_reader *body,
		   int came)
{
	struct wire_regset_read set;
	struct wire_tasks tasks;

	atomic_fetch_add(&m->requests, 1);
	if (h->type == WIRE_CHANNEL) {
		assert_true(m->count < CONNECTIONS);
		m->fds[m->count++] = (struct pollfd){ .fd = came, .events = POLLIN };
		reply(m, came, WIRE_R_DONE, h->cookie, put_done, NULL);
	} else if (h->flags & WIRE_REQUEST_NO_REPLY) {
		atomic_fetch_add(&m->told, 1);
	} else if (h->type == WIRE_HELLO) {
		reply(m, fd, WIRE_R_HELLO, h->cookie, put_hello, NULL);
	} else if (m->mute) {
		return;
	} else if (h->type == WIRE_TASKS && wire_get_tasks(body, &tasks)) {
		reply(m, fd, WIRE_R_TASKS, h->cookie, put_tasks, &tasks.after);
	} else if (h->type == WIRE_REGSET_READ && wire_get_regset_read(body, &set)) {
		reply(m, fd, WIRE_R_REGSET_READ, h->cookie, put_set, &set.task);
	} else {
		reply(m, fd, WIRE_REPLY(h->type), h->cookie, put_done, NULL);
	}
}

/* False at the end of the connection. */
static bool serve(struct mock *m, int fd)
{
	struct wire_reader datagram, body;
	struct wire_header h;
	int came;
	ssize_t n = frame_receive(fd, m->in, sizeof m->in, &came, 0);

	if (n == -EAGAIN)
		return true;
	if (n <= 0)
		return false;
	wire_reader_init(&datagram, m->in, (size_t)n);
	while (wire_next(&datagram, &h, &body) == 1)
		answer(m, fd, &h, &body, came);
	return true;
}

static void *engine(void *argument)
{
	struct mock *m = argument;
	bool open = true;

	while (open && poll(m->fds, m->count, -1) > 0)
		for (nfds_t i = 0; i < m->count; i++) {
			if (m->fds[i].revents == 0)
				continue;
			if (!serve(m, m->fds[i].fd)) {
				close(m->fds[i].fd);
				m->fds[i].fd = -1;
				open = open && i != 0;
			}
		}
	for (nfds_t i = 0; i < m->count; i++)
		if (m->fds[i].fd >= 0)
			close(m->fds[i].fd);
	return NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	f->mock.fds[0] = (struct pollfd){ .fd = ends[1], .events = POLLIN };
	f->mock.count = 1;
	assert_int_equal(pthread_create(&f->mock.thread, NULL, engine, &f->mock), 0);
	assert_int_equal(cotrace_from_fd(&f->s, ends[0]), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cotrace_close(f->s);
	pthread_join(f->mock.thread, NULL);
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
	frame_send(f->mock.fds[0].fd, buf, w.used, -1);
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

	f->mock.mute = true;
	assert_int_equal(cotrace_stop(f->s, 0, COTRACE_ALL, 1000000), -ETIMEDOUT);
	f->mock.mute = false;
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
	struct cotrace *s;
	struct mock m = { .count = 1 };
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	m.fds[0] = (struct pollfd){ .fd = ends[1], .events = POLLIN };
	assert_int_equal(pthread_create(&m.thread, NULL, engine, &m), 0);
	assert_int_equal(cotrace_from_fd(&s, ends[0]), 0);
	shutdown(ends[1], SHUT_RDWR);
	pthread_join(m.thread, NULL);
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
