/* SPDX-License-Identifier: MIT */
/* Mailboxes: what goes around the socket comes in the same order as through it. */
#include <stdlib.h>
#include <unistd.h>

#include "engine/box.h"
#include "test/engine/stage.h"

static struct backend_ops ops;
static void (*on_way)(void); /* what others do when they are given way */
static struct client *c;
static struct mailbox *box;

static void make_way(struct backend *b)
{
	void (*once)(void) = on_way;

	(void)b;
	virtual_clock_advance(10000);
	on_way = NULL;
	if (once != NULL)
		once();
}

static void give_way(struct stage *st)
{
	ops = *st->engine->backend->ops;
	ops.make_way = make_way;
	on_way = NULL;
	st->engine->backend->ops = &ops;
}

static struct client *with_box(struct stage *st)
{
	struct client *new = client_attached(st);
	struct message m = { 0 };

	request(new, MAILBOX, mailbox, 0);
	assert_true(client_take(new, WIRE_REPLY(WIRE_MAILBOX), &m));
	assert_int_equal(mailbox_map(&box, m.fd), 0);
	close(m.fd);
	free(m.body);
	return new;
}

static int end(void **state)
{
	box = mailbox_unmap(box);
	return stage_teardown(state);
}

static unsigned kind_in_lane(uint64_t *seq)
{
	uint8_t buf[LANE_BYTES];
	ssize_t n = lane_take(&box->events, buf);
	struct wire_reader r, body;
	struct wire_header h;

	if (n == 0)
		return 0;
	wire_reader_init(&r, buf, (size_t)n);
	assert_int_equal(wire_next(&r, &h, &body), 1);
	*seq = h.cookie;
	return h.type - WIRE_EVENT(0);
}

static void who_looks_and_has_all_is_told_there(void **state)
{
	struct stage *st = *state;
	struct seen ev;
	uint64_t seq;

	c = with_box(st);
	subscribe_calls(c, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 42, 7);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY); /* nobody looked */
	lane_look(&box->events, ev.seq);
	answer(c, &ev, COTRACE_PASS, 0);
	fake_push_exit(st->kernel, PID, 42, 3);
	settle(st);
	expect_none(c);
	assert_int_equal(kind_in_lane(&seq), COTRACE_EVENT_SYSCALL_EXIT);
	ev.seq = seq;
	/* One that has not taken the last event is told by the socket, and hears of it. */
	lane_look(&box->events, seq - 1);
	answer(c, &ev, COTRACE_PASS, 0);
	fake_push_entry(st->kernel, PID, 43, 7);
	settle(st);
	assert_false(lane_is_quiet(&box->events));
	assert_int_equal(kind_in_lane(&seq), 0);
	expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
}

/* Or those that are not taken at once would wait unseen. */
static void two_events_go_by_the_socket(void **state)
{
	struct stage *st = *state;
	uint64_t seq;

	c = with_box(st);
	subscribe_calls(c, COTRACE_ENTRY, COTRACE_NOTE);
	subscribe_calls(c, COTRACE_EXIT, COTRACE_STOP);
	lane_look(&box->events, 0);
	fake_push_entry(st->kernel, PID, 42, 7);
	fake_push_exit(st->kernel, PID, 42, 3);
	settle(st);
	assert_int_equal(kind_in_lane(&seq), 0);
	expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	expect(c, COTRACE_EVENT_SYSCALL_EXIT);
}

static void put(struct wire_writer *w, uint8_t *buf, unsigned type, uint64_t task, uint64_t seq)
{
	wire_writer_init(w, buf, LANE_BYTES);
	wire_begin(w, type, WIRE_REQUEST_NO_REPLY, 1);
	if (type == WIRE_STEP)
		wire_put_step(w, &(struct wire_step){ task, COTRACE_STEP_SYSCALL, 0, 0 });
	else
		wire_put_answer(w, &(struct wire_answer){ .task = task, .seq = seq });
	wire_finish(w);
}

static struct seen at;

static void step_from_a_stop(struct stage *st, void (*meanwhile)(void))
{
	give_way(st);
	fake_push_entry(st->kernel, PID, 42, 7);
	on_way = meanwhile;
	at.head.task = task_id(st, PID);
	settle(st);
}

static void leave_one(void)
{
	uint8_t buf[LANE_BYTES];
	struct wire_writer w;

	put(&w, buf, WIRE_STEP, at.head.task, 0);
	assert_true(lane_post(&box->requests, 0, buf, w.used));
}

static void a_request_that_is_left_there_is_carried_out(void **state)
{
	struct stage *st = *state;

	c = with_box(st);
	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	step_from_a_stop(st, leave_one);
	expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_true(runs(st, PID));
	fake_push_exit(st->kernel, PID, 42, 3);
	settle(st);
	expect(c, COTRACE_EVENT_SYSCALL_EXIT); /* what the step was to */
}

/* By the socket it denies; what is left afterwards, and passes, comes too late for that. */
static void deny_and_leave_one(void)
{
	uint8_t buf[LANE_BYTES];
	struct wire_writer w;

	client_begin(c, WIRE_ANSWER, WIRE_REQUEST_NO_REPLY);
	wire_put_answer(&c->writer, &(struct wire_answer){ .task = at.head.task,
							   .seq = c->stage->engine->seq,
							   .action = COTRACE_DENY,
							   .result = -5 });
	client_send(c, -1);
	put(&w, buf, WIRE_ANSWER, at.head.task, c->stage->engine->seq);
	assert_true(lane_post(&box->requests, 2, buf, w.used));
}

static void the_order_is_that_of_the_client(void **state)
{
	struct stage *st = *state;

	c = with_box(st);
	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP); /* one datagram */
	step_from_a_stop(st, deny_and_leave_one);
	assert_true(runs(st, PID));
	assert_int_equal(fake_count(st->kernel, FAKE_SYSCALL_DENY, PID), 1);
}

static void leave_nonsense(void)
{
	uint8_t buf[LANE_BYTES] = { 0 };

	assert_true(lane_post(&box->requests, 0, buf, sizeof buf));
}

static void nonsense_ends_the_session(void **state)
{
	struct stage *st = *state;

	c = with_box(st);
	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	step_from_a_stop(st, leave_nonsense);
	assert_true(c->hung_up);
	assert_true(runs(st, PID));
}

#define BOXED(name) cmocka_unit_test_setup_teardown(name, stage_setup, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(who_looks_and_has_all_is_told_there),
		BOXED(two_events_go_by_the_socket),
		BOXED(a_request_that_is_left_there_is_carried_out),
		BOXED(the_order_is_that_of_the_client),
		BOXED(nonsense_ends_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
