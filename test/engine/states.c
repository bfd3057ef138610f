/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a task beside its registers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/engine/stage.h"

/* The error, or how many numbers came; the first is stored. */
static int numbers(struct client *c, uint64_t *first)
{
	struct wire_r_state_read reply;
	struct wire_reader r;
	struct message m = { 0 };
	size_t n;

	assert_true(client_take(c, WIRE_R_STATE_READ, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_state_read(&r, &reply));
	n = wire_left(&r) / sizeof *first;
	if (n > 0)
		memcpy(first, wire_get_bytes(&r, sizeof *first), sizeof *first);
	free(m.body);
	return reply.error ? reply.error : (int)n;
}

static int read_state(struct client *c, unsigned what, uint64_t from, size_t size, uint64_t *first)
{
	request(c, STATE_READ, state_read, task_id(c->stage, PID), what, (uint32_t)size, from);
	return numbers(c, first);
}

static int write_mask(struct client *c, uint64_t mask, size_t size)
{
	client_begin(c, WIRE_STATE_WRITE, 0);
	wire_put_state_write(&c->writer, &(struct wire_state_write){ task_id(c->stage, PID),
								     COTRACE_STATE_SIGNAL_MASK });
	wire_put_bytes(&c->writer, &mask, size);
	client_send(c, -1);
	settle(c->stage);
	return client_reply_error(c, WIRE_STATE_WRITE);
}

static struct client *holder(struct stage *st)
{
	struct client *c = client_attached(st);

	stop_task(c, PID);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	expect(c, COTRACE_EVENT_STOP_DONE);
	return c;
}

static void whoever_holds_the_task_everybody_may_read(void **state)
{
	struct stage *st = *state;
	struct client *other = client_attached(st), *c = holder(st);
	uint64_t first = 0;

	fake_task(st->kernel, PID)->mask = 0x1234;
	assert_int_equal(read_state(other, COTRACE_STATE_SIGNAL_MASK, 0, 8, &first), 1);
	assert_int_equal(first, 0x1234);
	assert_int_equal(read_state(c, COTRACE_STATE_PENDING, 2, 4096, &first), 4);
	assert_int_equal(first, 2);
	assert_int_equal(fake_last(st->kernel, FAKE_STATE_GET, PID)->how, BACKEND_STATE_PENDING);
	assert_int_equal(read_state(c, COTRACE_STATE_PENDING_SHARED, 6, 4096, &first), 0);
	assert_int_equal(read_state(c, COTRACE_STATE_RSEQ, 0, 8, &first), -ENOBUFS);
	assert_int_equal(read_state(c, 0, 0, 8, &first), -EINVAL);
	assert_int_equal(read_state(c, COTRACE_STATE_FILTER + 1, 0, 8, &first), -EINVAL);
	resume_all(c);
	assert_int_equal(read_state(c, COTRACE_STATE_SIGNAL_MASK, 0, 8, &first), -EBUSY);
}

static void only_who_holds_the_task_writes_and_the_others_are_told(void **state)
{
	struct stage *st = *state;
	struct client *other = client_attached(st), *c = holder(st);
	struct client *observer =
		client_attached_as(st, (struct wire_attach){ .role = COTRACE_OBSERVER });
	struct seen ev;

	subscribe(other, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	assert_int_equal(write_mask(other, 5, 8), -EBUSY);
	assert_int_equal(write_mask(observer, 5, 8), -EPERM);
	assert_int_equal(write_mask(c, 5, 7), -EINVAL);
	assert_int_equal(fake_task(st->kernel, PID)->mask, 0);
	assert_int_equal(write_mask(c, 5, 8), 0);
	assert_int_equal(fake_task(st->kernel, PID)->mask, 5);
	ev = expect(other, COTRACE_EVENT_CHANGED);
	assert_int_equal(ev.changed.what, COTRACE_CHANGE_STATE);
	assert_int_equal(ev.changed.addr, COTRACE_STATE_SIGNAL_MASK);
	expect_none(other);
}

/* Its mask is another one meanwhile, and it does not really stand. */
static void what_is_read_during_a_call_comes_after_it(void **state)
{
	struct stage *st = *state;
	struct client *c = holder(st), *other = client_attached(st);
	struct message m;
	uint64_t first = 0;

	client_begin(c, WIRE_SYSCALL, 0);
	wire_put_syscall(&c->writer, &(struct wire_syscall){ .task = task_id(st, PID),
							     .nr = 39,
							     .timeout_ns = -1 });
	client_send(c, -1);
	settle(st);
	request(other, STATE_READ, state_read, task_id(st, PID), COTRACE_STATE_SIGNAL_MASK, 8, 0);
	assert_false(client_take(other, WIRE_R_STATE_READ, &m));
	assert_int_equal(write_mask(c, 5, 8), -EBUSY);
	fake_push_entry(st->kernel, PID, 39, 0);
	fake_push_exit(st->kernel, PID, 39, PID);
	settle(st);
	assert_int_equal(numbers(other, &first), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(whoever_holds_the_task_everybody_may_read),
		STAGED(only_who_holds_the_task_writes_and_the_others_are_told),
		STAGED(what_is_read_during_a_call_comes_after_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
