/* SPDX-License-Identifier: MIT */
/* New tasks: nobody hears of a child before its parent's event (gotcha 53). */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "test/engine/stage.h"

#define CHILD 111

static struct client *tree_of(struct stage *st)
{
	struct client *c = with_tree(st);

	subscribe(c, COTRACE_EVENT_TASK_START, COTRACE_NOTE);
	subscribe(c, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	subscribe(c, COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(c, COTRACE_EVENT_CLONE, COTRACE_NOTE);
	return c;
}

/* A child of PID that the kernel has attached, and that is not told of yet. */
static void begin_child(struct stage *st, pid_t pid)
{
	struct fake_task *t = fake_add(st->kernel, pid, CHILD);

	t->attached = true;
	t->parent = PID;
}

static void a_child_that_stops_first_is_told_after_its_parents_event(void **state)
{
	struct stage *st = *state;
	struct client *c = tree_of(st);
	struct seen fork, start;

	begin_child(st, CHILD);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	expect_none(c);
	assert_false(runs(st, CHILD));
	fake_push_child(st->kernel, PID, BACKEND_FORK, CHILD);
	settle(st);
	fork = expect(c, COTRACE_EVENT_FORK);
	start = expect(c, COTRACE_EVENT_TASK_START);
	assert_int_equal(fork.head.tid, PID);
	assert_int_equal(fork.child.pid, CHILD);
	assert_int_equal(fork.child.task, start.head.task);
	assert_int_equal(start.child.task, fork.head.task);
	assert_true(fork.seq < start.seq);
	assert_true(runs(st, CHILD) && runs(st, PID));
}

static void a_child_starts_when_every_session_has_its_parents_event(void **state)
{
	struct stage *st = *state;
	struct client *first = tree_of(st), *second = tree_of(st);
	struct seen ev;

	subscribe(first, COTRACE_EVENT_FORK, COTRACE_STOP);
	give_birth(st, PID, BACKEND_FORK, CHILD);
	ev = expect(first, COTRACE_EVENT_FORK);
	expect_none(second);
	assert_false(runs(st, CHILD));
	answer(first, &ev, COTRACE_PASS, 0);
	expect(second, COTRACE_EVENT_FORK);
	expect(second, COTRACE_EVENT_TASK_START);
	expect(first, COTRACE_EVENT_TASK_START);
	assert_true(runs(st, CHILD));
}

static void a_child_whose_parent_was_killed_is_taken_in(void **state)
{
	struct stage *st = *state;
	struct client *c = tree_of(st);

	begin_child(st, CHILD);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	fake_push_dead(st->kernel, PID, SIGKILL);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_TASK_START).head.pid, CHILD);
	assert_int_equal(expect(c, COTRACE_EVENT_PROCESS_EXIT).exit.signo, SIGKILL);
	assert_true(runs(st, CHILD));
	fake_push_dead(st->kernel, CHILD, 0);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_PROCESS_EXIT).head.pid, CHILD);
	assert_int_equal(expect(c, COTRACE_EVENT_SESSION_END).end.reason, COTRACE_END_TARGET_GONE);
}

static void a_child_whose_parents_event_never_comes_is_taken_in_after_a_second(void **state)
{
	struct stage *st = *state;
	struct client *c = tree_of(st);

	begin_child(st, CHILD);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	pass_time(st, CLOCK_SECOND / 2);
	expect_none(c);
	pass_time(st, CLOCK_SECOND / 2);
	expect(c, COTRACE_EVENT_TASK_START);
	assert_true(runs(st, CHILD));
}

static void the_death_of_another_thread_does_not_hasten_a_child(void **state)
{
	struct stage *st = *state;
	struct client *c;

	fake_add(st->kernel, PID, 101);
	c = tree_of(st);
	begin_child(st, CHILD);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	fake_push_dead(st->kernel, 101, 0);
	settle(st);
	expect_none(c);
	fake_push_child(st->kernel, PID, BACKEND_FORK, CHILD);
	settle(st);
	expect(c, COTRACE_EVENT_FORK);
	expect(c, COTRACE_EVENT_TASK_START);
}

static void a_child_that_dies_before_its_parents_event_is_told_after_it(void **state)
{
	struct stage *st = *state;
	struct client *c = tree_of(st);
	struct backend_event fork = { .kind = BACKEND_FORK, .tid = PID };

	begin_child(st, CHILD);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	fake_push_dead(st->kernel, CHILD, SIGKILL);
	settle(st);
	expect_none(c);
	fork.child.tid = CHILD;
	fake_push(st->kernel, &fork);
	settle(st);
	expect(c, COTRACE_EVENT_FORK);
	assert_int_equal(expect(c, COTRACE_EVENT_PROCESS_EXIT).exit.signo, SIGKILL);
	expect_none(c);
	assert_null(process_by_pid(st->engine, CHILD));
}

static void a_child_that_dies_without_ever_stopping_is_told_as_well(void **state)
{
	struct stage *st = *state;
	struct client *c = tree_of(st);
	struct backend_event fork = { .kind = BACKEND_FORK, .tid = PID };

	fake_push_dead(st->kernel, CHILD, SIGKILL);
	fork.child.tid = CHILD;
	fake_push(st->kernel, &fork);
	settle(st);
	expect(c, COTRACE_EVENT_FORK);
	expect(c, COTRACE_EVENT_PROCESS_EXIT);
	assert_null(process_by_pid(st->engine, CHILD));
	assert_null(task_by_tid(st->engine, CHILD));
}

static void a_child_killed_under_its_parents_stop_is_told_when_that_is_passed(void **state)
{
	struct stage *st = *state;
	struct client *first = tree_of(st), *second = tree_of(st);
	struct seen ev;

	subscribe(first, COTRACE_EVENT_FORK, COTRACE_STOP);
	subscribe(second, COTRACE_EVENT_TASK_EXIT, COTRACE_STOP);
	give_birth(st, PID, BACKEND_FORK, CHILD);
	ev = expect(first, COTRACE_EVENT_FORK);
	fake_push_exiting(st->kernel, CHILD, SIGKILL, BACKEND_EXIT_OTHER);
	settle(st);
	assert_true(runs(st, CHILD)); /* nothing may delay death */
	fake_push_dead(st->kernel, CHILD, SIGKILL);
	settle(st);
	expect_none(second);
	answer(first, &ev, COTRACE_PASS, 0);
	expect(second, COTRACE_EVENT_FORK);
	expect(second, COTRACE_EVENT_TASK_EXIT);
	expect(second, COTRACE_EVENT_PROCESS_EXIT);
	assert_true(runs(st, PID));
}

/* The leader stands at a fork when another task calls exec: its stop is over at once. */
static void a_fork_cut_short_by_an_exec_is_told_to_all(void **state)
{
	struct stage *st = *state;
	struct client *first, *second;

	fake_add(st->kernel, PID, 101);
	first = tree_of(st);
	second = tree_of(st);
	subscribe(first, COTRACE_EVENT_FORK, COTRACE_STOP);
	give_birth(st, PID, BACKEND_FORK, CHILD);
	expect_none(second);
	fake_push_exec(st->kernel, PID, 101);
	settle(st);
	expect(second, COTRACE_EVENT_FORK);
	expect(second, COTRACE_EVENT_TASK_START);
	assert_true(runs(st, CHILD) && runs(st, PID));
}

static void a_process_session_hears_of_a_child_and_lets_it_go(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe(c, COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(c, COTRACE_EVENT_TASK_START, COTRACE_NOTE);
	give_birth(st, PID, BACKEND_FORK, CHILD);
	assert_int_equal(expect(c, COTRACE_EVENT_FORK).child.pid, CHILD);
	expect_none(c);
	assert_false(fake_task(st->kernel, CHILD)->attached);
}

/* The last session goes while the child, of the same process, waits for its start. */
static void a_thread_not_started_yet_is_let_go_with_its_process(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe(c, COTRACE_EVENT_CLONE, COTRACE_STOP);
	give_birth(st, PID, BACKEND_CLONE, CHILD);
	expect(c, COTRACE_EVENT_CLONE);
	st->kernel->answers = true;
	client_close(c);
	assert_false(fake_task(st->kernel, CHILD)->stands);
	assert_false(fake_task(st->kernel, CHILD)->attached);
}

static void a_fork_brings_a_session_for_the_child_which_it_holds(void **state)
{
	struct stage *st = *state;
	struct client *c =
		client_attached_as(st, (struct wire_attach){ .flags = COTRACE_CHILD_FDS });
	struct client *of_child;
	struct seen ev;

	subscribe(c, COTRACE_EVENT_FORK, COTRACE_NOTE);
	give_birth(st, PID, BACKEND_FORK, CHILD);
	ev = expect(c, COTRACE_EVENT_FORK);
	assert_true(ev.fd >= 0 && ev.child.has_fd);
	assert_true(runs(st, PID));
	assert_false(runs(st, CHILD));
	of_child = client_from_fd(st, ev.fd);
	settle(st);
	assert_int_equal(expect(of_child, COTRACE_EVENT_STOP_DONE).head.tid, CHILD);
	assert_int_equal(refused(c, STOP, stop, ev.child.task, COTRACE_ONE, 0), -ESRCH);
	resume_all(of_child);
	assert_true(runs(st, CHILD));
	fake_push_dead(st->kernel, CHILD, 0);
	settle(st);
	assert_int_equal(expect(of_child, COTRACE_EVENT_SESSION_END).end.reason,
			 COTRACE_END_TARGET_GONE);
	expect_none(c);
}

/* From its first instruction, without a word between client and engine; and so on. */
static void a_childs_session_can_inherit_what_its_parents_wants_to_see(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached_as(
		st, (struct wire_attach){ .flags = COTRACE_CHILD_FDS | COTRACE_CHILD_INHERITS });
	struct client *family[3] = { c };
	pid_t pids[3] = { PID, CHILD, CHILD + 1 };
	struct wire_slot slot = { .kind = COTRACE_CAPTURE_BYTES, .phase = COTRACE_ENTRY, .max = 4 };
	struct seen ev;

	subscribe(c, COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(c, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	subscribe_signals(c, ~0ull, COTRACE_STOP);
	client_begin(c, WIRE_CAPTURE, 0);
	wire_put_capture(&c->writer, &(struct wire_capture){ .arch = 1, .nr = 42 });
	wire_put_slot(&c->writer, &slot);
	client_send(c, -1);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_CAPTURE), 0);
	for (int i = 1; i < 3; i++) {
		give_birth(st, pids[i - 1], BACKEND_FORK, pids[i]);
		ev = expect(family[i - 1], COTRACE_EVENT_FORK);
		assert_true(ev.fd >= 0);
		family[i] = client_from_fd(st, ev.fd);
		settle(st);
		ev = expect(family[i], COTRACE_EVENT_STOP_DONE);
		granted(family[i], RESUME, resume, ev.head.task, COTRACE_ONE);
		assert_int_equal(fake_task(st->kernel, pids[i])->how, BACKEND_SYSCALLS);
		assert_int_equal(fake_task(st->kernel, pids[i])->extra_stops,
				 BACKEND_EXTRA_SECCOMP);
	}
	for (int i = 0; i < 3; i++) {
		fake_push_entry(st->kernel, pids[i], 42, FAKE_MEMORY_AT);
		settle(st);
		ev = expect(family[i], COTRACE_EVENT_SYSCALL_ENTRY);
		assert_int_equal(ev.flags, COTRACE_EV_STOP);
		assert_int_equal(ev.head.captured, 1);
		answer(family[i], &ev, COTRACE_PASS, 0);
		fake_push_exit(st->kernel, pids[i], 42, 0);
		fake_push_signal(st->kernel, pids[i], SIGUSR1);
		settle(st);
		expect(family[i], COTRACE_EVENT_SIGNAL);
	}
}

/* Of a child the first task is held: it may create threads when it has been resumed. */
static void threads_of_a_child_are_not_held(void **state)
{
	struct stage *st = *state;
	struct client *c =
		client_attached_as(st, (struct wire_attach){ .flags = COTRACE_CHILD_FDS });
	struct client *of_child;
	struct seen ev;

	subscribe(c, COTRACE_EVENT_FORK, COTRACE_NOTE);
	give_birth(st, PID, BACKEND_FORK, CHILD);
	of_child = client_from_fd(st, expect(c, COTRACE_EVENT_FORK).fd);
	settle(st);
	ev = expect(of_child, COTRACE_EVENT_STOP_DONE);
	granted(of_child, RESUME, resume, ev.head.task, COTRACE_ONE);
	give_birth(st, CHILD, BACKEND_CLONE, CHILD + 1);
	expect_none(of_child);
	assert_true(runs(st, CHILD + 1));
}

static void a_childs_session_that_is_thrown_away_lets_the_child_run(void **state)
{
	struct stage *st = *state;
	struct client *c =
		client_attached_as(st, (struct wire_attach){ .flags = COTRACE_CHILD_FDS });
	struct seen ev;

	subscribe(c, COTRACE_EVENT_FORK, COTRACE_NOTE);
	fake_push_child(st->kernel, PID, BACKEND_FORK, CHILD);
	settle(st);
	ev = expect(c, COTRACE_EVENT_FORK);
	close(ev.fd);
	settle(st);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	assert_false(fake_task(st->kernel, CHILD)->attached);
	assert_int_equal(st->engine->sessions_by_id.count, 2); /* the keeper's and c's */
}

static void new_tasks_of_a_stopped_target_are_held_from_their_start(void **state)
{
	struct stage *st = *state;
	struct client *c = with_tree(st);

	fake_add(st->kernel, PID, 101);
	stop_all(c); /* 101 is not attached: it does not exist for the engine */
	give_birth(st, PID, BACKEND_FORK, CHILD);
	assert_int_equal(expect(c, COTRACE_EVENT_STOP_DONE).head.tid, PID);
	assert_int_equal(expect(c, COTRACE_EVENT_STOP_DONE).head.tid, CHILD);
	assert_false(runs(st, CHILD));
	resume_all(c);
	assert_true(runs(st, CHILD) && runs(st, PID));
}

static void a_hold_on_a_child_is_told_when_the_child_is(void **state)
{
	struct stage *st = *state;
	struct client *a = tree_of(st), *b = tree_of(st);
	struct seen ev;

	subscribe(b, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	st->kernel->answers = true;
	stop_all(a);
	assert_int_equal(expect(b, COTRACE_EVENT_CHANGED).changed.what, COTRACE_CHANGE_HOLD);
	begin_child(st, CHILD);
	give_birth(st, PID, BACKEND_FORK, CHILD);
	expect(b, COTRACE_EVENT_FORK);
	ev = expect(b, COTRACE_EVENT_CHANGED);
	assert_int_equal(ev.changed.what, COTRACE_CHANGE_HOLD);
	assert_int_equal(ev.changed.session, a->session);
	assert_int_equal(ev.head.tid, CHILD);
	expect(b, COTRACE_EVENT_TASK_START);
	expect_none(b);
}

static void a_hold_given_up_before_a_child_is_announced_does_not_keep_it(void **state)
{
	struct stage *st = *state;
	struct client *c = with_tree(st);
	struct client *other = client_attached(st);

	subscribe(other, COTRACE_EVENT_FORK, COTRACE_STOP);
	stop_all(c);
	fake_push_child(st->kernel, PID, BACKEND_FORK, CHILD);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_STOP_DONE).head.tid, PID);
	resume_all(c);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	resume_all(other);
	assert_true(runs(st, CHILD) && runs(st, PID));
	expect_none(c);
}

static void a_new_thread_is_told_as_a_clone(void **state)
{
	struct stage *st = *state;
	struct client *c = tree_of(st);

	fake_push_child(st->kernel, PID, BACKEND_CLONE, CHILD);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_CLONE).child.pid, PID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_child_that_stops_first_is_told_after_its_parents_event),
		STAGED(a_child_starts_when_every_session_has_its_parents_event),
		STAGED(a_child_whose_parent_was_killed_is_taken_in),
		STAGED(a_child_whose_parents_event_never_comes_is_taken_in_after_a_second),
		STAGED(the_death_of_another_thread_does_not_hasten_a_child),
		STAGED(a_child_that_dies_before_its_parents_event_is_told_after_it),
		STAGED(a_child_that_dies_without_ever_stopping_is_told_as_well),
		STAGED(a_child_killed_under_its_parents_stop_is_told_when_that_is_passed),
		STAGED(a_fork_cut_short_by_an_exec_is_told_to_all),
		STAGED(a_process_session_hears_of_a_child_and_lets_it_go),
		STAGED(a_thread_not_started_yet_is_let_go_with_its_process),
		STAGED(a_fork_brings_a_session_for_the_child_which_it_holds),
		STAGED(a_childs_session_can_inherit_what_its_parents_wants_to_see),
		STAGED(threads_of_a_child_are_not_held),
		STAGED(a_childs_session_that_is_thrown_away_lets_the_child_run),
		STAGED(new_tasks_of_a_stopped_target_are_held_from_their_start),
		STAGED(a_hold_on_a_child_is_told_when_the_child_is),
		STAGED(a_hold_given_up_before_a_child_is_announced_does_not_keep_it),
		STAGED(a_new_thread_is_told_as_a_clone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
