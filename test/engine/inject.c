/* SPDX-License-Identifier: MIT */
#include "test/engine/inject.h"

#include <stdlib.h>

void stopped_at(struct client *c, enum backend_kind kind)
{
	stop_task(c, PID);
	fake_push_kind(c->stage->kernel, PID, kind);
	settle(c->stage);
	client_forget(c);
}

void ask_for(struct client *c, int64_t nr, int64_t timeout_ns)
{
	request(c, SYSCALL, syscall, .task = task_id(c->stage, PID), .nr = nr,
		.args = { 1, 2, 3, 4, 5, 6 }, .timeout_ns = timeout_ns);
}

static bool answered(struct client *c, struct wire_r_syscall *reply)
{
	struct wire_reader r;
	struct message m;

	if (!client_take(c, WIRE_R_SYSCALL, &m))
		return false;
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_syscall(&r, reply));
	free(m.body);
	return true;
}

void expect_answer(struct client *c, int error, int64_t result)
{
	struct wire_r_syscall reply;

	assert_true(answered(c, &reply));
	assert_int_equal(reply.error, error);
	assert_int_equal(reply.result, result);
}

void expect_no_answer(struct client *c)
{
	struct wire_r_syscall reply;

	assert_false(answered(c, &reply));
}

void push_entry(struct stage *st)
{
	fake_push_entry(st->kernel, PID, NR, 1);
	settle(st);
}

void push_exit(struct stage *st, int64_t result)
{
	fake_push_exit(st->kernel, PID, NR, result);
	settle(st);
}

void push_interrupted_exit(struct stage *st, int64_t result)
{
	struct backend_event ev = { .kind = BACKEND_SYSCALL_EXIT, .tid = PID };

	ev.syscall.arch = 1;
	ev.syscall.nr = NR;
	ev.syscall.result = result;
	ev.syscall.is_error = ev.syscall.interrupted = true;
	fake_push(st->kernel, &ev);
	settle(st);
}

void push(struct stage *st, enum backend_kind kind)
{
	fake_push_kind(st->kernel, PID, kind);
	settle(st);
}

struct fake_task *kernel_task(struct stage *st)
{
	return fake_task(st->kernel, PID);
}
