/* SPDX-License-Identifier: MIT */
/* How sessions begin, end and are looked at. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/session.h"
#include "test/engine/stage.h"
#include "wire/frame.h"

static void a_session_ended_by_another_is_told_and_holds_nothing(void **state)
{
	struct stage *st = *state;
	struct client *hung = client_attached(st), *owner = client_attached(st);

	st->kernel->answers = true;
	subscribe_calls(hung, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 1, 0);
	settle(st);
	expect(hung, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_false(runs(st, PID));
	granted(owner, END, end, hung->session);
	assert_true(runs(st, PID));
	assert_int_equal(expect(hung, COTRACE_EVENT_SESSION_END).end.reason, COTRACE_END_BY_USER);
	assert_true(hung->hung_up);
	assert_int_equal(refused(owner, END, end, hung->session), -ENOENT);
}

static void a_policy_is_ended_by_its_owner_only(void **state)
{
	struct stage *st = *state;
	struct client *policy =
		client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });
	struct client *c = client_attached(st);

	assert_int_equal(refused(c, END, end, policy->session), -EPERM);
	assert_false(policy->hung_up);
}

static void a_session_ends_in_the_middle_of_offers_of_several_tasks(void **state)
{
	struct stage *st = *state;
	struct client *a, *b, *policy;

	for (pid_t tid = 101; tid < 110; tid++)
		fake_add(st->kernel, PID, tid);
	policy = client_attached_as(st, (struct wire_attach){ .flags = COTRACE_POLICY });
	a = client_attached(st);
	b = client_attached(st);
	subscribe_calls(a, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(b, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_calls(policy, COTRACE_ENTRY, COTRACE_NOTE);
	for (pid_t tid = 101; tid < 110; tid++)
		fake_push_entry(st->kernel, tid, tid, 0);
	settle(st);
	client_close(b);
	for (pid_t tid = 101; tid < 110; tid++) {
		struct seen ev = expect(a, COTRACE_EVENT_SYSCALL_ENTRY);

		if (tid < 105)
			answer(a, &ev, COTRACE_PASS, 0);
		assert_int_equal(runs(st, tid), tid < 105);
	}
	client_close(a);
	for (pid_t tid = 101; tid < 110; tid++) {
		assert_true(runs(st, tid));
		expect(policy, COTRACE_EVENT_SYSCALL_ENTRY);
	}
	expect_none(policy);
}

static void an_attenuated_session_holds_nothing_and_its_stops_are_notes(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 1, 0);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	granted(c, ATTENUATE, attenuate, 0);
	assert_true(runs(st, PID));
	answer(c, &ev, COTRACE_DENY, -1);
	assert_int_equal(expect(c, COTRACE_EVENT_REFUSED).refused.error, -EPERM);
	fake_push_exit(st->kernel, PID, 1, 0);
	fake_push_entry(st->kernel, PID, 2, 0);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_int_equal(ev.flags & COTRACE_EV_STOP, 0);
	assert_true(runs(st, PID));
}

static void an_observer_sees_and_changes_nothing(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached_as(st, (struct wire_attach){ .role = COTRACE_OBSERVER });
	uint64_t id = task_id(st, PID);

	assert_int_equal(refused(c, STOP, stop, id, COTRACE_ONE, 0), -EPERM);
	assert_int_equal(refused(c, RESUME, resume, id, COTRACE_ONE), -EPERM);
	assert_int_equal(refused(c, KILL, kill, 0), -EPERM);
	assert_int_equal(refused(c, SIGNAL, signal, id, COTRACE_ONE, SIGTERM), -EPERM);
	assert_int_equal(refused(c, REGSET_WRITE, regset_write, id, FAKE_REGSET), -EPERM);
	assert_int_equal(refused(c, MEMORY_WRITE, memory_write, PID, 0, FAKE_MEMORY_AT), -EPERM);
	assert_int_equal(refused(c, END, end, st->keeper->session), -EPERM);
	assert_int_equal(refused(c, CLOSE_ACTION, close_action, COTRACE_CLOSE_KILL), -EPERM);
	assert_int_equal(refused(c, SUBSCRIBE, subscribe, COTRACE_EVENT_EXEC, COTRACE_STOP),
			 -EPERM);
	assert_int_equal(refused(c, SIGNALS, signals, ~0ull, COTRACE_STOP), -EPERM);
	assert_int_equal(fake_count(st->kernel, FAKE_SIGNAL, 0), 0);
	subscribe_signals(c, ~0ull, COTRACE_NOTE);
	fake_push_signal(st->kernel, PID, SIGTERM);
	settle(st);
	expect(c, COTRACE_EVENT_SIGNAL);
	assert_true(runs(st, PID));
}

static void an_attenuated_session_cannot_attach_as_a_controller(void **state)
{
	struct stage *st = *state;
	struct client *c = client_new(st);
	int proof = open("/dev/null", O_RDONLY | O_CLOEXEC);

	granted(c, ATTENUATE, attenuate, 0);
	client_begin(c, WIRE_ATTACH, 0);
	wire_put_attach(&c->writer, &(struct wire_attach){ .pid = PID });
	client_send(c, proof);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_ATTACH), -EPERM);
	client_begin(c, WIRE_ATTACH, 0);
	wire_put_attach(&c->writer, &(struct wire_attach){ .pid = PID, .role = COTRACE_OBSERVER });
	client_send(c, proof);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_ATTACH), 0);
	close(proof);
}

static void close_does_what_was_chosen_for_it(void **state)
{
	static const int signals[] = { 0, SIGKILL, SIGSTOP };
	struct stage *st = *state;

	for (uint32_t action = COTRACE_CLOSE_RUN; action <= COTRACE_CLOSE_STOP; action++) {
		struct client *c = client_attached(st);

		granted(c, CLOSE_ACTION, close_action, action);
		fake_forget_calls(st->kernel);
		client_close(c);
		assert_int_equal(fake_count(st->kernel, FAKE_SIGNAL, PID), signals[action] != 0);
		if (signals[action])
			assert_int_equal(fake_last(st->kernel, FAKE_SIGNAL, PID)->signo,
					 signals[action]);
	}
}

static void a_spawned_program_is_held_at_its_first_exec(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached_as(st, (struct wire_attach){ .spawning = 1 });

	subscribe(c, COTRACE_EVENT_EXEC, COTRACE_NOTE);
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	assert_false(runs(st, PID));
	resume_all(c);
	assert_true(runs(st, PID));
	fake_push_exec(st->kernel, PID, PID);
	settle(st);
	assert_true(runs(st, PID));
}

static void a_descendant_is_added_to_a_session(void **state)
{
	struct stage *st = *state;
	struct client *c = with_tree(st);
	int proof = open("/dev/null", O_RDONLY | O_CLOEXEC);

	fake_add(st->kernel, 200, 200);
	stop_all(c);
	client_begin(c, WIRE_ADD, 0);
	wire_put_add(&c->writer, &(struct wire_add){ 200 });
	client_send(c, proof);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_ADD), 0);
	fake_push_kind(st->kernel, 200, BACKEND_INTERRUPTED);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_STOP_DONE).head.tid, 200);
	fake_add(st->kernel, 300, 300);
	st->kernel->tracer = 77;
	client_begin(c, WIRE_ADD, 0);
	wire_put_add(&c->writer, &(struct wire_add){ 300 });
	client_send(c, proof);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_ADD), -EXDEV);
	assert_null(process_by_pid(st->engine, 300));
	close(proof);
}

/* ---- Lists ---- */

static void holds_come_in_pages(void **state)
{
	struct stage *st = *state;
	struct client *c;
	struct wire_r_holds page;
	uint32_t stored = 0;
	size_t bytes = 0;

	for (pid_t tid = 101; tid < 120; tid++)
		fake_add(st->kernel, PID, tid);
	st->kernel->answers = true;
	for (int i = 0; i < 30; i++)
		stop_all(client_attached(st));
	c = client_new(st);
	do {
		struct wire_reader r;
		struct message m;

		request(c, HOLDS, holds, stored);
		assert_true(client_take(c, WIRE_R_HOLDS, &m));
		wire_reader_init(&r, m.body, m.size);
		assert_true(wire_get_r_holds(&r, &page));
		assert_int_equal(page.total, 600);
		stored += page.count;
		bytes += wire_left(&r);
		free(m.body);
	} while (page.count);
	assert_int_equal(stored, 600);
	assert_int_equal(bytes % 600, 0);
}

static void tasks_come_in_pages(void **state)
{
	struct stage *st = *state;
	struct client *c;
	struct wire_r_tasks page;
	uint64_t last = 0;
	uint32_t stored = 0;

	for (pid_t tid = 1000; tid < 2299; tid++)
		fake_add(st->kernel, PID, tid);
	c = client_attached(st);
	do {
		struct wire_task task;
		struct wire_reader r;
		struct message m;

		request(c, TASKS, tasks, last);
		assert_true(client_take(c, WIRE_R_TASKS, &m));
		wire_reader_init(&r, m.body, m.size);
		assert_true(wire_get_r_tasks(&r, &page));
		assert_int_equal(page.total, 1300);
		stored += page.count;
		while (wire_left(&r)) {
			assert_true(wire_get_task(&r, &task));
			assert_true(task.task > last);
			last = task.task;
		}
		free(m.body);
	} while (page.count);
	assert_int_equal(stored, 1300);
}

static void tasks_and_sessions_are_listed_from_where_one_asks(void **state)
{
	struct stage *st = *state;
	struct wire_r_sessions sessions;
	struct wire_session session;
	struct wire_r_tasks tasks;
	struct wire_task task;
	struct wire_reader r;
	struct message m;
	struct client *c;

	fake_add(st->kernel, PID, 101);
	c = client_attached(st);
	st->kernel->answers = true;
	stop_task(c, 101);
	request(c, TASKS, tasks, task_id(st, PID));
	assert_true(client_take(c, WIRE_R_TASKS, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_tasks(&r, &tasks) && wire_get_task(&r, &task));
	assert_int_equal(tasks.total, 2);
	assert_int_equal(tasks.count, 1);
	assert_int_equal(task.tid, 101);
	assert_int_equal(task.state, COTRACE_TASK_STOPPED);
	assert_true(task.holds == 1 && task.held == 1);
	free(m.body);
	request(c, SESSIONS, sessions, st->keeper->session);
	assert_true(client_take(c, WIRE_R_SESSIONS, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_sessions(&r, &sessions) && wire_get_session(&r, &session));
	assert_int_equal(sessions.total, 2);
	assert_int_equal(sessions.count, 1);
	assert_true(session.session == c->session);
	assert_int_equal(session.holds, 1);
	assert_int_equal(session.tasks, 2);
	free(m.body);
}

/* ---- Channels ---- */

static struct client *channel_of(struct client *c)
{
	struct client *channel;
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	channel = client_from_fd(c->stage, pair[0]);
	client_begin(c, WIRE_CHANNEL, 0);
	wire_put_channel(&c->writer, &(struct wire_channel){ 0 });
	client_send(c, pair[1]);
	close(pair[1]);
	settle(c->stage);
	assert_int_equal(client_reply_error(channel, 0), 0);
	return channel;
}

/* ---- Turns ---- */

/* One datagram of @count requests that have no reply, and of one that stops PID. */
static void send_many(struct client *c, unsigned count)
{
	client_begin(c, WIRE_CLOSE_ACTION, WIRE_REQUEST_NO_REPLY);
	for (unsigned i = 1; i <= count; i++) {
		wire_put_close_action(&c->writer, &(struct wire_close_action){ 0 });
		wire_finish(&c->writer);
		wire_begin(&c->writer, i < count ? WIRE_CLOSE_ACTION : WIRE_STOP,
			   WIRE_REQUEST_NO_REPLY, 0);
	}
	wire_put_stop(&c->writer, &(struct wire_stop){ 0, COTRACE_ALL, 0 });
	client_send(c, -1);
}

static void a_long_datagram_does_not_keep_others_waiting(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *other = client_new(st);
	const struct task *t = task_by_tid(st->engine, PID);

	send_many(c, 1000);
	client_begin(other, WIRE_TASKS, 0);
	wire_put_tasks(&other->writer, &(struct wire_tasks){ 0 });
	client_send(other, -1);
	for (int i = 0; i < 3; i++)
		turn(st);
	assert_int_equal(t->rules.holders, 0);
	assert_false(list_empty(&st->engine->backlog));
	assert_true(poll(&(struct pollfd){ .fd = other->fd, .events = POLLIN }, 1, 0) == 1);
	settle(st);
	assert_int_equal(t->rules.holders, 1);
	assert_true(list_empty(&st->engine->backlog));
}

static void what_was_sent_before_on_the_main_socket_is_seen_before_a_channel_is(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *channel = channel_of(c);
	struct wire_r_tasks tasks;
	struct wire_task task;
	struct wire_reader r;
	struct message m;

	/* In more than one datagram, none of which fits into one turn. */
	send_many(c, 200);
	send_many(c, 100);
	request(channel, TASKS, tasks, 0);
	assert_true(client_take(channel, WIRE_R_TASKS, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_tasks(&r, &tasks) && wire_get_task(&r, &task));
	assert_int_equal(task.held, 1);
	free(m.body);
}

static void a_client_can_go_in_the_middle_of_its_datagram(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *rude = client_attached(st);
	const struct task *t = task_by_tid(st->engine, PID);

	send_many(c, 1000);
	turn(st);
	turn(st);
	client_close(c); /* what it has sent still counts, but it holds nothing any more */
	assert_int_equal(t->rules.holders, 0);
	/* And the engine can throw one out. */
	send_many(rude, 1000);
	turn(st);
	turn(st);
	session_end(session_by_id(st->engine, rude->session), COTRACE_END_BY_USER);
	settle(st);
	assert_int_equal(t->rules.count, 0);
	assert_true(list_empty(&st->engine->backlog));
}

static void a_channel_has_its_own_replies_and_ends_with_its_session(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *channel = channel_of(c);

	request(channel, TASKS, tasks, 0);
	assert_int_equal(client_reply_error(channel, WIRE_TASKS), 0);
	assert_int_equal(c->count, 0);
	client_close(c);
	settle(st);
	assert_true(channel->hung_up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_session_ended_by_another_is_told_and_holds_nothing),
		STAGED(a_policy_is_ended_by_its_owner_only),
		STAGED(a_session_ends_in_the_middle_of_offers_of_several_tasks),
		STAGED(an_attenuated_session_holds_nothing_and_its_stops_are_notes),
		STAGED(an_observer_sees_and_changes_nothing),
		STAGED(an_attenuated_session_cannot_attach_as_a_controller),
		STAGED(close_does_what_was_chosen_for_it),
		STAGED(a_spawned_program_is_held_at_its_first_exec),
		STAGED(a_descendant_is_added_to_a_session),
		STAGED(holds_come_in_pages),
		STAGED(tasks_come_in_pages),
		STAGED(tasks_and_sessions_are_listed_from_where_one_asks),
		STAGED(a_long_datagram_does_not_keep_others_waiting),
		STAGED(what_was_sent_before_on_the_main_socket_is_seen_before_a_channel_is),
		STAGED(a_client_can_go_in_the_middle_of_its_datagram),
		STAGED(a_channel_has_its_own_replies_and_ends_with_its_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
