/* SPDX-License-Identifier: MIT */
/* What is refused: by the kernel, by the rules of attaching, by the protocol. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/session.h"
#include "test/engine/stage.h"
#include "wire/frame.h"

static int try_attach(struct client *c, struct wire_attach how, int proof, int32_t *detail)
{
	struct wire_r_attach reply = { 0 };
	struct wire_reader r;
	struct message m;

	client_begin(c, WIRE_ATTACH, 0);
	wire_put_attach(&c->writer, &how);
	client_send(c, proof);
	settle(c->stage);
	assert_true(client_take(c, WIRE_R_ATTACH, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_attach(&r, &reply));
	free(m.body);
	if (detail != NULL)
		*detail = reply.detail;
	return reply.error;
}

static void what_the_kernel_says_to_an_attach_is_handed_on(void **state)
{
	struct stage *st = *state;
	struct client *c = client_new(st);
	int proof = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct wire_attach how = { .pid = PID };
	int32_t detail;

	assert_int_equal(try_attach(c, how, -1, NULL), -EACCES);
	fake_fail(st->kernel, FAKE_CHECK_ACCESS, -EACCES, 1);
	assert_int_equal(try_attach(c, how, proof, NULL), -EACCES);
	fake_fail(st->kernel, FAKE_ATTACH, -EPERM, 1);
	assert_int_equal(try_attach(c, how, proof, NULL), -EPERM);
	st->kernel->tracer = 4711;
	assert_int_equal(try_attach(c, how, proof, &detail), -EAGAIN);
	assert_int_equal(detail, 4711);
	st->kernel->tracer = 0;
	how.pid = 99;
	assert_int_equal(try_attach(c, how, proof, NULL), -ESRCH);
	assert_int_equal(st->engine->processes.count, 0);
	how.pid = PID;
	assert_int_equal(try_attach(c, how, proof, NULL), 0);
	assert_int_equal(try_attach(c, how, proof, NULL), -EISCONN);
	close(proof);
}

static void attaching_in_a_circle_is_refused(void **state)
{
	struct stage *st = *state;
	struct client *c = client_new(st);
	int proof = open("/dev/null", O_RDONLY | O_CLOEXEC);

	fake_add(st->kernel, getpid(), getpid());
	assert_int_equal(try_attach(c, (struct wire_attach){ .pid = getpid() }, proof, NULL),
			 -EDEADLK);
	close(proof);
}

/* A client that seems to be process @owner. */
static struct client *client_of(struct stage *st, pid_t owner)
{
	struct client *c = client_new(st);
	struct session *s = session_by_id(st->engine, c->session);

	if (fake_task(st->kernel, owner) == NULL)
		fake_add(st->kernel, owner, owner);
	s->owner_pid = s->main->pid = owner;
	return c;
}

static void no_row_of_tracers_can_be_closed_to_a_circle(void **state)
{
	struct stage *st = *state;
	struct client *a = client_of(st, 300), *b = client_of(st, 301), *c = client_of(st, 302);
	struct client *again = client_of(st, 302);
	int proof = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(try_attach(a, (struct wire_attach){ .pid = 300 }, proof, NULL), -EDEADLK);
	assert_int_equal(try_attach(a, (struct wire_attach){ .pid = 301 }, proof, NULL), 0);
	assert_int_equal(try_attach(b, (struct wire_attach){ .pid = 302 }, proof, NULL), 0);
	assert_int_equal(try_attach(c, (struct wire_attach){ .pid = 301 }, proof, NULL), -EDEADLK);
	assert_int_equal(try_attach(c, (struct wire_attach){ .pid = 300 }, proof, NULL), -EDEADLK);
	assert_int_equal(try_attach(c, (struct wire_attach){ .pid = PID }, proof, NULL), 0);
	/* One of its own that is to come in says nothing about who traces it. */
	assert_int_equal(try_attach(again, (struct wire_attach){ .pid = 302, .spawning = 1 }, proof,
				    NULL),
			 0);
	client_close(again);
	client_begin(c, WIRE_ADD, 0);
	wire_put_add(&c->writer, &(struct wire_add){ 300 });
	client_send(c, proof);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_ADD), -EDEADLK);
	/* Who has gone stops nobody. */
	client_close(a);
	client_begin(c, WIRE_ADD, 0);
	wire_put_add(&c->writer, &(struct wire_add){ 300 });
	client_send(c, proof);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_ADD), 0);
	close(proof);
}

static void options_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		struct wire_attach how;
		int error;
	} cases[] = {
		{ { .pid = 0 }, -EINVAL },
		{ { .pid = -1 }, -EINVAL },
		{ { .pid = PID, .role = 2 }, -EINVAL },
		{ { .pid = PID, .scope = 2 }, -EINVAL },
		{ { .pid = PID, .flags = 0x100 }, -EINVAL },
		{ { .pid = PID, .close_action = 3 }, -EINVAL },
		{ { .pid = PID, .role = COTRACE_OBSERVER, .close_action = 1 }, -EPERM },
		{ { .pid = PID, .role = COTRACE_OBSERVER, .flags = COTRACE_POLICY }, -EPERM },
	};
	struct stage *st = *state;
	struct client *c = client_new(st);
	int proof = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(try_attach(c, cases[i].how, proof, NULL), cases[i].error);
	close(proof);
}

static void a_session_without_a_target_can_change_nothing(void **state)
{
	struct stage *st = *state;
	struct client *c = client_new(st);

	assert_int_equal(refused(c, STOP, stop, 0, COTRACE_ALL, 0), -ENOTCONN);
	assert_int_equal(refused(c, KILL, kill, 0), -ENOTCONN);
	assert_int_equal(refused(c, TASKS, tasks, 0), 0);
}

static void tasks_of_others_are_out_of_reach(void **state)
{
	struct stage *st = *state;
	struct client *c, *other;

	fake_add(st->kernel, 200, 200);
	other = client_attached_as(st, (struct wire_attach){ .pid = 200 });
	c = client_attached(st);
	(void)other;
	assert_int_equal(refused(c, STOP, stop, task_id(st, 200), COTRACE_ONE, 0), -ESRCH);
	assert_int_equal(refused(c, SIGNAL, signal, task_id(st, 200), COTRACE_ONE, SIGKILL),
			 -ESRCH);
	assert_int_equal(refused(c, KILL, kill, task_id(st, 200)), -ESRCH);
	assert_int_equal(refused(c, REGSET_READ, regset_read, task_id(st, 200), 1), -ESRCH);
	assert_int_equal(refused(c, MEMORY, memory, 200), -ESRCH);
	assert_int_equal(refused(c, MEMORY_WRITE, memory_write, 200, 0, FAKE_MEMORY_AT), -ESRCH);
}

static int write_registers(struct client *c, uint64_t task, unsigned set)
{
	client_begin(c, WIRE_REGSET_WRITE, 0);
	wire_put_regset_write(&c->writer, &(struct wire_regset_write){ task, set });
	wire_put_bytes(&c->writer, "abcdefgh", 8);
	client_send(c, -1);
	settle(c->stage);
	return client_reply_error(c, WIRE_REGSET_WRITE);
}

static void registers_need_a_task_that_stands_and_writing_a_hold(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *other = client_attached(st);
	uint64_t id = task_id(st, PID);

	assert_int_equal(refused(c, REGSET_READ, regset_read, id, FAKE_REGSET), -EBUSY);
	assert_int_equal(write_registers(c, id, FAKE_REGSET), -EBUSY);
	st->kernel->answers = true;
	stop_task(other, PID);
	assert_int_equal(refused(c, REGSET_READ, regset_read, id, FAKE_REGSET), 0);
	assert_int_equal(refused(c, REGSET_READ, regset_read, id, 0x202), -ENODEV);
	assert_int_equal(write_registers(c, id, FAKE_REGSET), -EBUSY);
	stop_task(c, PID);
	assert_int_equal(write_registers(c, id, 0x202), -ENODEV);
	fake_fail(st->kernel, FAKE_REGSET_SET, -ESRCH, 1);
	assert_int_equal(write_registers(c, id, FAKE_REGSET), -ESRCH);
	assert_int_equal(write_registers(c, id, FAKE_REGSET), 0);
	assert_memory_equal(fake_task(st->kernel, PID)->regs, "abcdefgh", 8);
}

static int write_memory(struct client *c, uint64_t generation, uint64_t addr)
{
	client_begin(c, WIRE_MEMORY_WRITE, 0);
	wire_put_memory_write(&c->writer, &(struct wire_memory_write){ PID, generation, addr });
	wire_put_bytes(&c->writer, "data", 4);
	client_send(c, -1);
	settle(c->stage);
	return client_reply_error(c, WIRE_MEMORY_WRITE);
}

static void memory_that_is_not_there_or_another_programs_is_not_written(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	assert_int_equal(write_memory(c, 1, FAKE_MEMORY_AT), 0);
	assert_int_equal(write_memory(c, 0, 1), -EFAULT);
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	assert_int_equal(write_memory(c, 1, FAKE_MEMORY_AT), -ESTALE);
	assert_int_equal(write_memory(c, 2, FAKE_MEMORY_AT), 0);
	fake_fail(st->kernel, FAKE_MEMORY_WRITE, -EIO, 1);
	assert_int_equal(write_memory(c, 0, FAKE_MEMORY_AT), -EIO);
}

static void a_capture_of_memory_that_cannot_be_read_says_so(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct wire_slot slot = { .kind = COTRACE_CAPTURE_STRING, .phase = COTRACE_ENTRY };
	struct wire_piece piece;
	struct wire_reader r;
	struct seen ev;

	subscribe_calls(c, COTRACE_ENTRY, COTRACE_NOTE);
	client_begin(c, WIRE_CAPTURE, 0);
	wire_put_capture(&c->writer, &(struct wire_capture){ 0, 2 });
	wire_put_slot(&c->writer, &slot);
	client_send(c, -1);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_CAPTURE), 0);
	memcpy(fake_memory(st->kernel, PID), "/etc/passwd", 12);
	fake_push_entry(st->kernel, PID, 2, FAKE_MEMORY_AT);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.head.captured, 1);
	wire_reader_init(&r, ev.tail, ev.tail_size);
	assert_true(wire_get_piece(&r, &piece));
	assert_int_equal(piece.size, 11);
	assert_memory_equal(wire_get_bytes(&r, 11), "/etc/passwd", 11);
	fake_push_exit(st->kernel, PID, 2, 0);
	fake_push_entry(st->kernel, PID, 2, 1);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	wire_reader_init(&r, ev.tail, ev.tail_size);
	assert_true(wire_get_piece(&r, &piece));
	assert_int_equal(piece.size, 0);
	assert_true(piece.flags & COTRACE_CAPTURED_FAULT);
}

static int set_captures(struct client *c, uint32_t count, const struct wire_call_slots *calls,
			size_t calls_sent, const struct wire_slot *slot)
{
	client_begin(c, WIRE_CAPTURES, 0);
	wire_put_captures(&c->writer, &(struct wire_captures){ count });
	for (size_t i = 0; i < calls_sent; i++) {
		wire_put_call_slots(&c->writer, &calls[i]);
		for (uint32_t k = 0; k < calls[i].slots && k < 8; k++)
			wire_put_slot(&c->writer, slot);
	}
	client_send(c, -1);
	settle(c->stage);
	return client_reply_error(c, WIRE_CAPTURES);
}

static void of_many_captures_all_are_set_or_none(void **state)
{
	static const struct wire_call_slots calls[] = { { 1, 5, 1 }, { 0, 6, 6 }, { 2, 7, 0 } };
	static const struct wire_call_slots bad[][2] = {
		{ { 1, 8, 1 }, { 1, 9, 7 } },
		{ { 1, 8, 1 }, { ENGINE_ARCHS, 9, 1 } },
		{ { 1, 8, 1 }, { 1, -1, 1 } },
	};
	struct wire_slot slot = { .kind = COTRACE_CAPTURE_STRING, .phase = COTRACE_ENTRY };
	struct stage *st = *state;
	struct client *c = client_attached(st);
	const struct map *captures = &session_by_id(st->engine, c->session)->captures;

	assert_int_equal(set_captures(c, 0, NULL, 0, &slot), 0);
	assert_int_equal(set_captures(c, 4, calls, 3, &slot), -EINVAL); /* one is missing */
	assert_int_equal(set_captures(c, 2, calls, 3, &slot), -EINVAL); /* one too many */
	assert_int_equal(set_captures(c, UINT32_MAX, calls, 3, &slot), -EINVAL);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(set_captures(c, 2, bad[i], 2, &slot), -EINVAL);
	slot.phase = 3;
	assert_int_equal(set_captures(c, 3, calls, 3, &slot), -EINVAL);
	assert_int_equal(captures->count, 0);
	slot.phase = COTRACE_ENTRY;
	assert_int_equal(set_captures(c, 3, calls, 3, &slot), 0);
	assert_int_equal(captures->count, 1 + ENGINE_ARCHS);
}

/* ---- Too few file descriptors ---- */

static void without_spare_fds_new_connections_and_memory_files_are_refused(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	int fds_max = st->engine->fds_max, pair[2];
	struct message m;

	st->engine->fds_max = 3;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	assert_true(engine_adopt(st->engine, pair[1]) < 0);
	assert_int_equal(recv(pair[0], &m, 1, 0), 0); /* hung up */
	close(pair[0]);
	assert_int_equal(refused(c, MEMORY, memory, PID), -EMFILE);
	/* Nothing is kept of the program that comes, and of no later one is anything given. */
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	assert_int_equal(refused(c, MEMORY, memory, PID), -EMFILE);
	st->engine->fds_max = fds_max;
	assert_int_equal(refused(c, MEMORY, memory, PID), -EMFILE);
	st->kernel->answers = true;
	stop_all(c); /* no exec can be under way */
	request(c, MEMORY, memory, PID);
	assert_true(client_take(c, WIRE_R_MEMORY, &m));
	assert_true(m.fd >= 0);
	close(m.fd);
	free(m.body);
	/* Those that nobody takes do not take all. */
	for (int i = 0; i < 100; i++) {
		st->engine->fds_max = i < 50 ? fds_max : 3;
		request(c, MEMORY, memory, PID);
	}
	st->engine->fds_max = fds_max;
	for (int i = 0; i < 100; i++) {
		assert_true(client_take(c, WIRE_R_MEMORY, &m));
		assert_int_equal(m.fd >= 0, i < 50);
		if (m.fd >= 0)
			close(m.fd);
		free(m.body);
	}
}

static void an_exec_that_cannot_be_judged_is_taken_for_one_that_gains_privilege(void **state)
{
	static const int unknown[] = { -EACCES, -EPERM, -EMFILE, -ENFILE, -ENOMEM };
	struct stage *st = *state;

	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		struct client *root = client_attached(st), *user = client_attached(st);

		session_by_id(st->engine, root->session)->owner_uid = 0;
		session_by_id(st->engine, user->session)->owner_uid = 1000;
		fake_push_exec(st->kernel, PID, PID);
		settle(st);
		expect_none(user);
		fake_fail(st->kernel, FAKE_MEMORY_OPEN, unknown[i], 1);
		fake_push_exec(st->kernel, PID, PID);
		settle(st);
		assert_int_equal(expect(user, COTRACE_EVENT_SESSION_END).end.reason,
				 COTRACE_END_PRIVILEGE_GAINED);
		expect_none(root);
		client_close(user);
		client_close(root);
	}
}

/* ---- The protocol ---- */

static void rubbish_ends_the_session_and_lets_the_target_run(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	st->kernel->answers = true;
	stop_task(c, PID);
	assert_int_equal(frame_send(c->fd, "rubbish", 7, -1), 0);
	settle(st);
	expect(c, COTRACE_EVENT_STOP_DONE);
	assert_int_equal(expect(c, COTRACE_EVENT_SESSION_END).end.reason, COTRACE_END_PROTOCOL);
	assert_true(c->hung_up);
	assert_false(fake_task(st->kernel, PID)->stands);
}

static void an_unknown_request_is_refused_and_a_short_one_is_the_end(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	client_begin(c, 60, 0);
	client_send(c, -1);
	settle(st);
	assert_int_equal(client_reply_error(c, 60), -ENOSYS);
	client_begin(c, WIRE_STOP, 0);
	wire_put_bytes(&c->writer, "x", 1);
	client_send(c, -1);
	settle(st);
	assert_true(c->hung_up);
}

static struct client *stranger(struct stage *st)
{
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(engine_adopt(st->engine, pair[1]), 0);
	return client_from_fd(st, pair[0]);
}

static void nothing_comes_before_hello_and_hello_comes_soon(void **state)
{
	struct stage *st = *state;
	struct client *hasty = stranger(st), *slow = stranger(st), *old = stranger(st);

	request(hasty, TASKS, tasks, 0);
	assert_true(hasty->hung_up);
	assert_int_equal(refused(old, HELLO, hello, 100, 200), -EPROTONOSUPPORT);
	pass_time(st, 9 * CLOCK_SECOND);
	assert_false(slow->hung_up);
	pass_time(st, CLOCK_SECOND);
	assert_true(slow->hung_up);
	assert_int_equal(list_length(&st->engine->conns), 1);
}

static void only_sockets_that_keep_messages_apart_are_adopted(void **state)
{
	struct stage *st = *state;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(engine_adopt(st->engine, pair[1]), -EPROTOTYPE);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(what_the_kernel_says_to_an_attach_is_handed_on),
		STAGED(attaching_in_a_circle_is_refused),
		STAGED(no_row_of_tracers_can_be_closed_to_a_circle),
		STAGED(options_that_make_no_sense_are_refused),
		STAGED(a_session_without_a_target_can_change_nothing),
		STAGED(tasks_of_others_are_out_of_reach),
		STAGED(registers_need_a_task_that_stands_and_writing_a_hold),
		STAGED(memory_that_is_not_there_or_another_programs_is_not_written),
		STAGED(a_capture_of_memory_that_cannot_be_read_says_so),
		STAGED(of_many_captures_all_are_set_or_none),
		STAGED(without_spare_fds_new_connections_and_memory_files_are_refused),
		STAGED(an_exec_that_cannot_be_judged_is_taken_for_one_that_gains_privilege),
		STAGED(rubbish_ends_the_session_and_lets_the_target_run),
		STAGED(an_unknown_request_is_refused_and_a_short_one_is_the_end),
		STAGED(nothing_comes_before_hello_and_hello_comes_soon),
		STAGED(only_sockets_that_keep_messages_apart_are_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
