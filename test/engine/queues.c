/* SPDX-License-Identifier: MIT */
/* Clients that do not read: lossless sessions delay tasks, for a while; lossy ones lose notes. */
#include "engine/session.h"
#include "test/engine/stage.h"
#include "wire/frame.h"

#define MANY 60000 /* more calls than any queue here takes */

static struct client *deaf_one(struct stage *st, uint32_t flags, int64_t deadline_ns)
{
	struct client *c = client_attached_as(
		st, (struct wire_attach){ .flags = flags, .queue_deadline_ns = deadline_ns });

	subscribe_calls(c, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	c->deaf = true;
	return c;
}

/* Makes calls until the task is delayed, or all are made. Returns how many notes that were. */
static unsigned make_calls(struct stage *st, unsigned most)
{
	unsigned notes = 0;

	while (notes < most && runs(st, PID)) {
		if (notes % 2)
			fake_push_exit(st->kernel, PID, 1, 0);
		else
			fake_push_entry(st->kernel, PID, 1, 0);
		turn(st);
		notes++;
	}
	return notes;
}

/* Reads all there is. Returns how many notes about calls came, in order. */
static unsigned hear(struct client *c, uint64_t *lost)
{
	uint64_t last = 0;
	unsigned notes = 0;

	c->deaf = false;
	for (unsigned before = 1; before != c->count;) {
		before = (unsigned)c->count;
		settle(c->stage);
	}
	for (size_t i = 0; i < c->count; i++) {
		struct message *m = &c->messages[i];
		struct wire_reader r;
		struct wire_event_head head;
		struct wire_e_lost told;

		assert_true(m->header.cookie > last);
		last = m->header.cookie;
		notes += m->header.type != WIRE_EVENT(COTRACE_EVENT_LOST);
		if (m->header.type != WIRE_EVENT(COTRACE_EVENT_LOST))
			continue;
		wire_reader_init(&r, m->body, m->size);
		wire_get_event_head(&r, &head);
		wire_get_e_lost(&r, &told);
		*lost += told.notes;
	}
	return notes;
}

static void a_full_queue_delays_the_task_and_loses_nothing(void **state)
{
	struct stage *st = *state;
	struct client *c = deaf_one(st, 0, -1);
	unsigned notes = make_calls(st, MANY);
	uint64_t lost = 0;

	assert_in_range(notes, 1000, MANY - 1);
	assert_false(runs(st, PID));
	pass_time(st, 100 * CLOCK_SECOND);
	assert_false(runs(st, PID)); /* no deadline was wanted */
	assert_int_equal(hear(c, &lost), notes);
	assert_int_equal(lost, 0);
	assert_true(runs(st, PID));
}

static void other_tasks_and_sessions_go_on_meanwhile(void **state)
{
	struct stage *st = *state;
	struct client *deaf = deaf_one(st, 0, -1), *c;

	make_calls(st, MANY);
	fake_add(st->kernel, 200, 200);
	c = client_attached_as(st, (struct wire_attach){ .pid = 200 });
	subscribe_calls(c, COTRACE_ENTRY, COTRACE_NOTE);
	fake_push_entry(st->kernel, 200, 1, 0);
	settle(st);
	expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_true(runs(st, 200));
	assert_false(runs(st, PID));
	client_close(deaf);
	assert_false(fake_task(st->kernel, PID)->stands);
}

static void after_the_deadline_the_session_is_lossy_and_told_so(void **state)
{
	struct stage *st = *state;
	struct client *c = deaf_one(st, 0, 3 * (int64_t)CLOCK_SECOND);
	unsigned notes = make_calls(st, MANY), more;
	uint64_t lost = 0;

	pass_time(st, 2 * CLOCK_SECOND);
	assert_false(runs(st, PID));
	pass_time(st, 2 * CLOCK_SECOND);
	assert_true(runs(st, PID));
	more = make_calls(st, 1000);
	assert_int_equal(more, 1000);
	assert_true(runs(st, PID));
	assert_int_equal(hear(c, &lost), notes);
	/* How many are lost is told with the next event. */
	client_forget(c);
	make_calls(st, 1);
	assert_int_equal(hear(c, &lost), 1);
	assert_int_equal(lost, more);
}

static void a_lossy_session_never_delays(void **state)
{
	struct stage *st = *state;
	struct client *c = deaf_one(st, COTRACE_LOSSY, 0);
	uint64_t lost = 0;
	unsigned heard;

	assert_int_equal(make_calls(st, MANY), MANY);
	assert_true(runs(st, PID));
	heard = hear(c, &lost);
	client_forget(c);
	make_calls(st, 1);
	hear(c, &lost);
	assert_int_equal(heard + lost, MANY);
	assert_true(lost > 0);
}

static void stops_are_not_lost_in_a_full_queue(void **state)
{
	struct stage *st = *state;
	struct client *c = deaf_one(st, COTRACE_LOSSY, 0);
	struct seen ev;
	uint64_t lost = 0;

	c->deaf = false;
	subscribe_signals(c, ~0ull, COTRACE_STOP);
	c->deaf = true;
	make_calls(st, MANY);
	fake_push_signal(st->kernel, PID, 10);
	settle(st);
	assert_false(runs(st, PID));
	hear(c, &lost);
	assert_true(lost > 0);
	do
		ev = next_event(c);
	while (ev.kind == COTRACE_EVENT_SYSCALL_ENTRY || ev.kind == COTRACE_EVENT_SYSCALL_EXIT ||
	       ev.kind == COTRACE_EVENT_LOST);
	assert_int_equal(ev.kind, COTRACE_EVENT_SIGNAL);
	answer(c, &ev, COTRACE_PASS, 0);
	assert_true(runs(st, PID));
}

/* It waits for tasks, and lets replies pile up until it is thrown out in their midst. */
static void replies_that_nobody_reads_end_the_session(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *other = client_attached(st);
	size_t sessions = st->engine->sessions_by_id.count;

	for (int i = 0; i < 20; i++)
		client_attached(st);
	c->deaf = true;
	for (int i = 0; i < 3; i++)
		request(c, STOP, stop, 0, COTRACE_ALL, 1);
	for (unsigned i = 0; st->engine->sessions_by_id.count == sessions + 20; i++) {
		assert_in_range(i, 0, 2000); /* also short ones take memory */
		request(c, CLOSE_ACTION, close_action, 0);
	}
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	assert_true(runs(st, PID));
	assert_int_equal(refused(other, KILL, kill, 0), 0);
	c->deaf = false;
	settle(st);
	assert_true(c->hung_up);
}

static void refusals_that_nobody_reads_end_the_session(void **state)
{
	struct stage *st = *state;
	struct client *c = client_new(st);

	c->deaf = true;
	for (unsigned i = 0; st->engine->sessions_by_id.count == 2; i++) {
		struct wire_writer w;

		assert_in_range(i, 0, 200);
		wire_writer_init(&w, c->out, sizeof c->out);
		for (unsigned j = 0; j < 2000; j++) {
			wire_begin(&w, WIRE_KILL, WIRE_REQUEST_NO_REPLY, j);
			wire_put_kill(&w, &(struct wire_kill){ 0 });
			wire_finish(&w);
		}
		assert_int_equal(frame_send(c->fd, c->out, w.used, -1), 0);
		settle(st);
	}
}

/* 1000 stops of a task that stands, each with its STOP_DONE. */
static void stop_often(struct client *c)
{
	const uint64_t task = task_id(c->stage, PID);

	client_begin(c, WIRE_STOP, WIRE_REQUEST_NO_REPLY);
	for (int i = 0; i < 1000; i++) {
		if (i)
			wire_begin(&c->writer, WIRE_STOP, WIRE_REQUEST_NO_REPLY, 0);
		wire_put_stop(&c->writer, &(struct wire_stop){ task, COTRACE_ONE, 0 });
		wire_finish(&c->writer);
		wire_begin(&c->writer, WIRE_RESUME, WIRE_REQUEST_NO_REPLY, 0);
		wire_put_resume(&c->writer, &(struct wire_resume){ task, COTRACE_ONE });
		wire_finish(&c->writer);
	}
	assert_int_equal(frame_send(c->fd, c->out, c->writer.used, -1), 0);
	settle(c->stage);
}

static void a_session_may_have_as_many_stops_under_way_as_there_are_tasks(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *holder = client_attached(st);
	struct session *s = session_by_id(st->engine, c->session);
	size_t tasks = st->engine->tasks_by_id.count;
	unsigned stops = 0;

	st->kernel->answers = true;
	stop_all(holder);
	c->deaf = true;
	/* As if there were so many. */
	st->engine->tasks_by_id.count = 200000;
	for (; stops < 200000; stops += 1000)
		stop_often(c);
	assert_ptr_equal(session_by_id(st->engine, c->session), s);
	/* Without them it is a client that does not read. */
	st->engine->tasks_by_id.count = tasks;
	stop_often(c);
	assert_null(session_by_id(st->engine, c->session));
}

static void changes_that_nobody_reads_of_are_counted_as_lost(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *deaf = client_attached(st);
	uint64_t lost = 0;
	unsigned changes = 0, heard;

	subscribe(deaf, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	deaf->deaf = true;
	while (session_by_id(st->engine, deaf->session)->lost == 0) {
		assert_in_range(changes, 0, 300000);
		stop_often(c);
		changes += 2000;
	}
	heard = hear(deaf, &lost);
	client_forget(deaf);
	stop_task(c, PID);
	heard += hear(deaf, &lost);
	assert_int_equal(heard + lost, changes + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_full_queue_delays_the_task_and_loses_nothing),
		STAGED(other_tasks_and_sessions_go_on_meanwhile),
		STAGED(after_the_deadline_the_session_is_lossy_and_told_so),
		STAGED(a_lossy_session_never_delays),
		STAGED(stops_are_not_lost_in_a_full_queue),
		STAGED(replies_that_nobody_reads_end_the_session),
		STAGED(refusals_that_nobody_reads_end_the_session),
		STAGED(a_session_may_have_as_many_stops_under_way_as_there_are_tasks),
		STAGED(changes_that_nobody_reads_of_are_counted_as_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
