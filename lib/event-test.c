/* SPDX-License-Identifier: MIT */
/* Taking events: the test plays the engine on the other end of the session fd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/session.h"
#include "wire/frame.h"
#include "wire/mailbox.h"

struct fixture {
	struct cotrace *s;
	int engine;
	uint8_t buf[WIRE_DATAGRAM_MAX];
	struct wire_writer w;
	struct cotrace_event ev;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(session_new(&f->s, ends[0]), 0);
	f->engine = ends[1];
	f->ev.size = sizeof f->ev;
	wire_writer_init(&f->w, f->buf, sizeof f->buf);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cotrace_close(f->s);
	if (f->engine >= 0)
		close(f->engine);
	free(f);
	return 0;
}

static void put_head(struct fixture *f, unsigned kind, uint64_t seq, unsigned captured)
{
	wire_begin(&f->w, WIRE_EVENT(kind), 0, seq);
	wire_put_event_head(
		&f->w,
		&(struct wire_event_head){
			.time_ns = 7, .task = 3, .tid = 33, .pid = 22, .captured = captured });
}

static void put_job(struct fixture *f, uint64_t seq)
{
	put_head(f, COTRACE_EVENT_JOB_STOP, seq, 0);
	wire_put_e_job(&f->w, &(struct wire_e_job){ 19 });
	assert_true(wire_finish(&f->w));
}

static void put_unknown(struct fixture *f)
{
	wire_begin(&f->w, WIRE_EVENT(100), 0, 1);
	assert_true(wire_finish(&f->w));
}

static void send_batch(struct fixture *f, int fd)
{
	assert_int_equal(frame_send(f->engine, f->buf, f->w.used, fd), 0);
	f->w.used = 0;
}

static void close_engine(struct fixture *f)
{
	close(f->engine);
	f->engine = -1;
}

static bool readable(const struct fixture *f)
{
	struct pollfd p = { .fd = cotrace_fd(f->s), .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static void expect_seq(struct fixture *f, uint64_t seq)
{
	assert_int_equal(cotrace_next(f->s, &f->ev, 0), 1);
	assert_int_equal(f->ev.seq, seq);
}

static void the_fd_is_readable_until_the_last_event_of_a_batch_is_taken(void **state)
{
	struct fixture *f = *state;

	assert_false(readable(f));
	for (uint64_t seq = 1; seq <= 3; seq++)
		put_job(f, seq);
	send_batch(f, -1);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		assert_true(readable(f));
		expect_seq(f, seq);
	}
	assert_false(readable(f));
	assert_int_equal(cotrace_next(f->s, &f->ev, 0), 0);
}

static void unknown_events_are_skipped_and_keep_nothing_readable(void **state)
{
	struct fixture *f = *state;

	put_unknown(f);
	put_job(f, 5);
	put_unknown(f);
	send_batch(f, -1);
	put_unknown(f);
	send_batch(f, -1);
	put_job(f, 6);
	send_batch(f, -1);
	expect_seq(f, 5);
	expect_seq(f, 6);
	assert_false(readable(f));
}

static void a_truncated_batch_gives_what_is_whole(void **state)
{
	struct fixture *f = *state;

	put_job(f, 1);
	put_job(f, 2);
	f->w.used -= 3;
	send_batch(f, -1);
	expect_seq(f, 1);
	assert_int_equal(cotrace_next(f->s, &f->ev, 0), 0);
	assert_false(readable(f));
}

static void an_event_carries_head_and_payload(void **state)
{
	struct fixture *f = *state;

	put_head(f, COTRACE_EVENT_SYSCALL_EXIT, 9, 0);
	wire_put_e_syscall_exit(&f->w, &(struct wire_e_syscall_exit){ .nr = 257,
								      .args = { 1, 2, 3, 4, 5, 6 },
								      .result = -2,
								      .is_error = 1 });
	wire_finish(&f->w);
	send_batch(f, -1);
	expect_seq(f, 9);
	assert_int_equal(f->ev.kind, COTRACE_EVENT_SYSCALL_EXIT);
	assert_int_equal(f->ev.tid, 33);
	assert_int_equal(f->ev.pid, 22);
	assert_int_equal(f->ev.time_ns, 7);
	assert_int_equal(f->ev.syscall.nr, 257);
	assert_int_equal(f->ev.syscall.args[5], 6);
	assert_int_equal(f->ev.syscall.result, -2);
	assert_int_equal(f->ev.syscall.is_error, 1);
}

static void a_hit_says_which_and_how_often(void **state)
{
	struct fixture *f = *state;

	put_head(f, COTRACE_EVENT_BREAKPOINT, 1, 0);
	wire_put_e_breakpoint(&f->w, &(struct wire_e_breakpoint){ 5, 6 });
	wire_finish(&f->w);
	put_head(f, COTRACE_EVENT_WATCHPOINT, 2, 0);
	wire_put_e_watchpoint(&f->w, &(struct wire_e_watchpoint){ 7, 8, 0x1000, 1, 2, 4 });
	wire_finish(&f->w);
	put_head(f, COTRACE_EVENT_STEP, 3, 0);
	wire_put_e_step(&f->w, &(struct wire_e_step){ COTRACE_STEP_RANGE });
	wire_finish(&f->w);
	send_batch(f, -1);
	expect_seq(f, 1);
	assert_int_equal(f->ev.breakpoint.id, 5);
	assert_int_equal(f->ev.breakpoint.hits, 6);
	expect_seq(f, 2);
	assert_int_equal(f->ev.watchpoint.id, 7);
	assert_int_equal(f->ev.watchpoint.hits, 8);
	assert_int_equal(f->ev.watchpoint.addr, 0x1000);
	assert_int_equal(f->ev.watchpoint.before, 1);
	assert_int_equal(f->ev.watchpoint.after, 2);
	assert_int_equal(f->ev.watchpoint.length, 4);
	expect_seq(f, 3);
	assert_int_equal(f->ev.step.kind, COTRACE_STEP_RANGE);
}

static void values_come_with_a_hit(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 42;
	uint8_t data[64];

	for (unsigned kind = COTRACE_EVENT_BREAKPOINT; kind <= COTRACE_EVENT_WATCHPOINT; kind++) {
		put_head(f, kind, kind, 2);
		if (kind == COTRACE_EVENT_BREAKPOINT)
			wire_put_e_breakpoint(&f->w, &(struct wire_e_breakpoint){ 5, 6 });
		else
			wire_put_e_watchpoint(&f->w, &(struct wire_e_watchpoint){ .id = 5 });
		wire_put_piece(&f->w,
			       &(struct wire_piece){ .slot = 0, .flags = COTRACE_CAPTURED_FAULT });
		wire_put_piece(&f->w, &(struct wire_piece){ .slot = 1, .size = sizeof value });
		wire_put_bytes(&f->w, &value, sizeof value);
		wire_finish(&f->w);
		send_batch(f, -1);
		assert_int_equal(cotrace_next_data(f->s, &f->ev, data, sizeof data, 0), 1);
		assert_int_equal(f->ev.kind, kind);
		assert_int_equal(f->ev.captured_count, 2);
		assert_int_equal(f->ev.captured[0].flags, COTRACE_CAPTURED_FAULT);
		assert_int_equal(f->ev.captured[0].size, 0);
		assert_int_equal(f->ev.captured[1].size, sizeof value);
		assert_memory_equal(data + f->ev.captured[1].offset, &value, sizeof value);
	}
}

static void put_captured(struct fixture *f)
{
	put_head(f, COTRACE_EVENT_SYSCALL_ENTRY, 1, 2);
	wire_put_e_syscall_entry(&f->w, &(struct wire_e_syscall_entry){ .nr = 1 });
	wire_put_piece(&f->w, &(struct wire_piece){ .slot = 0, .arg = 1, .size = 5 });
	wire_put_bytes(&f->w, "hello", 5);
	wire_put_piece(&f->w, &(struct wire_piece){ .slot = 1, .arg = 2, .size = 3 });
	wire_put_bytes(&f->w, "abc", 3);
	wire_finish(&f->w);
	send_batch(f, -1);
}

static void captured_pieces_are_stored_where_the_event_says(void **state)
{
	struct fixture *f = *state;
	char data[64];

	put_captured(f);
	assert_int_equal(cotrace_next_data(f->s, &f->ev, data, sizeof data, 0), 1);
	assert_int_equal(f->ev.captured_count, 2);
	assert_memory_equal(data + f->ev.captured[0].offset, "hello", 5);
	assert_int_equal(f->ev.captured[1].arg, 2);
	assert_int_equal(f->ev.captured[1].size, 3);
	assert_memory_equal(data + f->ev.captured[1].offset, "abc", 3);
}

static void captured_pieces_that_do_not_fit_are_cut_and_flagged(void **state)
{
	struct fixture *f = *state;
	char data[6];

	put_captured(f);
	assert_int_equal(cotrace_next_data(f->s, &f->ev, data, sizeof data, 0), 1);
	assert_int_equal(f->ev.captured[0].flags, 0);
	assert_int_equal(f->ev.captured[1].size, 1);
	assert_int_equal(f->ev.captured[1].flags, COTRACE_CAPTURED_MORE);
	put_captured(f);
	expect_seq(f, 1);
	assert_int_equal(f->ev.captured_count, 0);
}

static void a_fork_event_brings_the_fd_that_was_sent_beside_it(void **state)
{
	struct fixture *f = *state;
	int pipe_ends[2];
	char byte = 'x';

	assert_int_equal(pipe(pipe_ends), 0);
	put_head(f, COTRACE_EVENT_FORK, 1, 0);
	wire_put_e_child(&f->w, &(struct wire_e_child){ 4, 44, 44, 1 });
	wire_finish(&f->w);
	send_batch(f, pipe_ends[1]);
	close(pipe_ends[1]);
	put_head(f, COTRACE_EVENT_FORK, 2, 0);
	wire_put_e_child(&f->w, &(struct wire_e_child){ 5, 45, 45, 0 });
	wire_finish(&f->w);
	send_batch(f, -1);

	expect_seq(f, 1);
	assert_true(f->ev.child.fd >= 0);
	assert_int_equal(write(f->ev.child.fd, &byte, 1), 1);
	assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
	close(f->ev.child.fd);
	close(pipe_ends[0]);
	expect_seq(f, 2);
	assert_int_equal(f->ev.child.fd, -1);
	assert_false(readable(f));
}

static void a_dead_engine_is_told_once_after_all_events(void **state)
{
	struct fixture *f = *state;

	put_job(f, 1);
	put_job(f, 2);
	send_batch(f, -1);
	close_engine(f);
	expect_seq(f, 1);
	expect_seq(f, 2);
	assert_true(readable(f));
	expect_seq(f, 3);
	assert_int_equal(f->ev.kind, COTRACE_EVENT_ENGINE_GONE);
	assert_int_equal(cotrace_next(f->s, &f->ev, 0), -ESHUTDOWN);
	assert_int_equal(cotrace_next(f->s, &f->ev, -1), -ESHUTDOWN);
}

static void an_engine_that_dies_with_unread_requests_loses_no_event(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cotrace_resume(f->s, 0), 0);
	put_job(f, 1);
	send_batch(f, -1);
	close_engine(f); /* resets the connection */
	expect_seq(f, 1);
	assert_int_equal(cotrace_next(f->s, &f->ev, -1), 1);
	assert_int_equal(f->ev.kind, COTRACE_EVENT_ENGINE_GONE);
	assert_int_equal(cotrace_resume(f->s, 0), -ESHUTDOWN);
}

static void after_session_end_there_is_no_second_farewell(void **state)
{
	struct fixture *f = *state;

	put_head(f, COTRACE_EVENT_SESSION_END, 8, 0);
	wire_put_e_end(&f->w, &(struct wire_e_end){ COTRACE_END_BY_USER });
	wire_finish(&f->w);
	send_batch(f, -1);
	close_engine(f);
	expect_seq(f, 8);
	assert_int_equal(f->ev.end.reason, COTRACE_END_BY_USER);
	assert_int_equal(cotrace_next(f->s, &f->ev, -1), -ESHUTDOWN);
}

static void a_timeout_is_kept_to_the_microsecond_scale(void **state)
{
	struct fixture *f = *state;
	uint64_t least = UINT64_MAX;

	/* Of many, so that what else the machine does makes no difference. */
	for (int i = 0; i < 100; i++) {
		uint64_t before = clock_now_ns(), waited;

		assert_int_equal(cotrace_next(f->s, &f->ev, 200000), 0);
		waited = clock_now_ns() - before;
		assert_true(waited >= 200000);
		least = waited < least ? waited : least;
	}
	assert_true(least < CLOCK_MS);
}

static void post(struct fixture *f, uint64_t seq)
{
	put_job(f, seq);
	assert_true(lane_post(f->s->intake.lane, 0, f->buf, f->w.used));
	f->w.used = 0;
}

static void what_was_left_in_the_mailbox_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct lane lane = { 0 };

	f->s->intake.lane = &lane;
	lane_look(&lane, 0);
	post(f, 1);
	assert_int_equal(cotrace_next(f->s, &f->ev, CLOCK_SECOND), 1);
	assert_int_equal(f->ev.seq, 1);
}

#define PAIRS 20000

static void *post_one_and_send_the_next(void *arg)
{
	struct fixture *f = arg;
	struct lane *l = f->s->intake.lane;

	for (uint64_t seq = 0; seq < 2 * PAIRS; seq += 2) {
		while (!lane_is_looked_at(l) || atomic_load(&l->seen) != seq)
			;
		post(f, seq + 1);
		put_job(f, seq + 2);
		send_batch(f, -1);
	}
	return NULL;
}

/* Also when both come between a look there and one at the socket. */
static void the_mailbox_comes_before_what_was_sent_after_it(void **state)
{
	struct fixture *f = *state;
	struct lane lane = { 0 };
	pthread_t engine;

	f->s->intake.lane = &lane;
	assert_int_equal(pthread_create(&engine, NULL, post_one_and_send_the_next, f), 0);
	for (uint64_t seq = 1; seq <= 2 * PAIRS; seq++) {
		if (lane_leave(&lane))
			lane_look(&lane, seq - 1);
		while (cotrace_next(f->s, &f->ev, 0) == 0)
			;
		if (f->ev.seq != seq)
			break;
	}
	assert_int_equal(f->ev.seq, 2 * PAIRS);
	pthread_join(engine, NULL);
}

static void an_event_structure_of_unknown_size_is_refused(void **state)
{
	struct fixture *f = *state;

	f->ev.size = 8;
	assert_int_equal(cotrace_next(f->s, &f->ev, 0), -EINVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_fd_is_readable_until_the_last_event_of_a_batch_is_taken),
		CASE(unknown_events_are_skipped_and_keep_nothing_readable),
		CASE(a_truncated_batch_gives_what_is_whole),
		CASE(an_event_carries_head_and_payload),
		CASE(a_hit_says_which_and_how_often),
		CASE(values_come_with_a_hit),
		CASE(captured_pieces_are_stored_where_the_event_says),
		CASE(captured_pieces_that_do_not_fit_are_cut_and_flagged),
		CASE(a_fork_event_brings_the_fd_that_was_sent_beside_it),
		CASE(a_dead_engine_is_told_once_after_all_events),
		CASE(an_engine_that_dies_with_unread_requests_loses_no_event),
		CASE(after_session_end_there_is_no_second_farewell),
		CASE(a_timeout_is_kept_to_the_microsecond_scale),
		CASE(what_was_left_in_the_mailbox_is_not_waited_for),
		CASE(the_mailbox_comes_before_what_was_sent_after_it),
		CASE(an_event_structure_of_unknown_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
