/* SPDX-License-Identifier: MIT */
/* Stopping on demand, and what the kernel leaves of it: broken calls, surplus stops, jobs. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/engine/stage.h"

static void push_broken_exit(struct stage *st, int64_t nr)
{
	struct backend_event ev = { .kind = BACKEND_SYSCALL_EXIT, .tid = PID };

	ev.syscall = (struct backend_syscall){ .arch = 1, .nr = nr, .result = -512 };
	ev.syscall.is_error = ev.syscall.interrupted = true;
	fake_push(st->kernel, &ev);
	settle(st);
}

static struct client *caller_of(struct stage *st)
{
	struct client *c = client_attached(st);

	subscribe_calls(c, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	fake_task(st->kernel, PID)->can_put_back = true;
	fake_push_entry(st->kernel, PID, 232, 7);
	settle(st);
	expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	return c;
}

static void a_call_broken_by_a_stop_is_made_again_without_a_word(void **state)
{
	struct stage *st = *state;
	struct client *c = caller_of(st);
	struct seen ev;

	stop_task(c, PID);
	push_broken_exit(st, 232);
	expect(c, COTRACE_EVENT_STOP_DONE);
	expect_none(c);
	assert_false(runs(st, PID));
	resume_all(c);
	fake_push_entry(st->kernel, PID, 232, 7);
	settle(st);
	expect_none(c);
	fake_push_exit(st->kernel, PID, 232, 1);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_EXIT);
	assert_int_equal(ev.syscall.result, 1);
	assert_int_equal(ev.flags, 0);
}

static void another_call_after_a_broken_one_is_told_with_the_end_of_that(void **state)
{
	struct stage *st = *state;
	struct client *c = caller_of(st);

	stop_task(c, PID);
	push_broken_exit(st, 232);
	expect(c, COTRACE_EVENT_STOP_DONE);
	resume_all(c);
	fake_push_entry(st->kernel, PID, 15, 0);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_SYSCALL_EXIT).syscall.nr, 232);
	assert_int_equal(expect(c, COTRACE_EVENT_SYSCALL_ENTRY).syscall.nr, 15);
}

static void a_call_that_a_signal_broke_is_told_and_so_is_its_restart(void **state)
{
	struct stage *st = *state;
	struct client *c = caller_of(st);

	push_broken_exit(st, 232);
	assert_int_equal(expect(c, COTRACE_EVENT_SYSCALL_EXIT).syscall.result, -512);
	fake_push_entry(st->kernel, PID, 232, 7);
	settle(st);
	assert_true(expect(c, COTRACE_EVENT_SYSCALL_ENTRY).flags & COTRACE_EV_RESTARTED);
}

static void a_denied_call_is_judged_again_whatever_it_returned(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe_calls(c, COTRACE_ENTRY, COTRACE_STOP);
	fake_task(st->kernel, PID)->can_put_back = true;
	fake_push_entry(st->kernel, PID, 2, 7);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	answer(c, &ev, COTRACE_DENY, -512);
	stop_task(c, PID);
	push_broken_exit(st, 2);
	expect(c, COTRACE_EVENT_STOP_DONE);
	resume_all(c);
	fake_push_entry(st->kernel, PID, 2, 7);
	settle(st);
	expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	assert_false(runs(st, PID));
}

static void a_stop_overtaken_by_another_is_that_one_and_its_rest_is_absorbed(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe_signals(c, ~0ull, COTRACE_NOTE);
	stop_task(c, PID);
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	ev = expect(c, COTRACE_EVENT_STOP_DONE);
	assert_int_equal(ev.stop.where, COTRACE_EVENT_SIGNAL);
	expect(c, COTRACE_EVENT_SIGNAL);
	resume_all(c);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->signo, SIGUSR1);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	expect_none(c);
	assert_true(runs(st, PID));
}

static void every_stop_interrupts_anew(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	for (unsigned i = 1; i <= 3; i++) {
		stop_task(c, PID);
		assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), i);
		fake_push_kind(st->kernel, PID, i == 2 ? BACKEND_SPURIOUS : BACKEND_INTERRUPTED);
		settle(st);
		expect(c, COTRACE_EVENT_STOP_DONE);
		resume_all(c);
		assert_true(runs(st, PID));
	}
}

static void a_hold_given_up_before_the_task_stands_leaves_no_trace(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	stop_task(c, PID);
	resume_all(c);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	expect_none(c);
	assert_true(runs(st, PID));
}

static void a_task_runs_when_the_last_of_its_holders_resumes_it(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	subscribe(b, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	st->kernel->answers = true;
	stop_task(a, PID);
	expect(a, COTRACE_EVENT_STOP_DONE);
	assert_int_equal(expect(b, COTRACE_EVENT_CHANGED).changed.what, COTRACE_CHANGE_HOLD);
	stop_all(b);
	expect(b, COTRACE_EVENT_STOP_DONE);
	resume_all(a);
	assert_int_equal(expect(b, COTRACE_EVENT_CHANGED).changed.what, COTRACE_CHANGE_RELEASE);
	assert_false(runs(st, PID));
	resume_all(b);
	assert_true(runs(st, PID));
}

static void a_hold_that_ends_with_its_session_is_told(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	struct seen ev;

	subscribe(b, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	st->kernel->answers = true;
	stop_task(a, PID);
	assert_int_equal(expect(b, COTRACE_EVENT_CHANGED).changed.what, COTRACE_CHANGE_HOLD);
	client_close(a);
	ev = expect(b, COTRACE_EVENT_CHANGED);
	assert_int_equal(ev.changed.what, COTRACE_CHANGE_RELEASE);
	assert_int_equal(ev.changed.session, a->session);
	expect_none(b);
}

static void a_stop_waits_for_all_tasks_to_stand(void **state)
{
	struct stage *st = *state;
	struct client *c;
	struct message m;

	fake_add(st->kernel, PID, 101);
	c = client_attached(st);
	request(c, STOP, stop, 0, COTRACE_ALL, 1);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	assert_false(client_take(c, WIRE_R_STOP, &m));
	fake_push_kind(st->kernel, 101, BACKEND_INTERRUPTED);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_STOP), 0);
}

/* It was about to exit when it was interrupted, which no stop and no status will tell. */
static void a_leader_that_exits_under_an_interrupt_is_noticed(void **state)
{
	struct stage *st = *state;
	struct client *c;
	struct message m;

	fake_add(st->kernel, PID, 101);
	c = client_attached(st);
	request(c, STOP, stop, 0, COTRACE_ALL, 1);
	fake_push_kind(st->kernel, 101, BACKEND_INTERRUPTED);
	pass_time(st, CLOCK_SECOND); /* it may as well be slow */
	assert_false(client_take(c, WIRE_R_STOP, &m));
	fake_task(st->kernel, PID)->exited = true;
	pass_time(st, CLOCK_SECOND / 5);
	assert_int_equal(client_reply_error(c, WIRE_STOP), 0);
	assert_int_equal(st->engine->disturbed, 0);
	assert_int_equal(task_by_tid(st->engine, PID)->rules.holders, 0);
	assert_int_equal(expect(c, COTRACE_EVENT_STOP_DONE).head.tid, 101);
	expect_none(c);
	resume_all(c);
	assert_true(runs(st, 101));
}

static void a_subscription_does_not_wait_for_a_leader_that_exits(void **state)
{
	struct stage *st = *state;
	struct client *c;

	fake_add(st->kernel, PID, 101);
	c = client_attached(st);
	request(c, SUBSCRIBE, subscribe, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
	fake_push_kind(st->kernel, 101, BACKEND_INTERRUPTED);
	fake_task(st->kernel, PID)->exited = true;
	pass_time(st, 10 * CLOCK_MS);
	assert_int_equal(client_reply_error(c, WIRE_SUBSCRIBE), 0);
	assert_int_equal(st->engine->pokes, 0);
}

static void one_who_waits_too_often_is_told_at_once(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct message m;
	unsigned replies = 0;

	for (int i = 0; i < 300; i++)
		request(c, STOP, stop, 0, COTRACE_ALL, 1);
	while (client_take(c, WIRE_R_STOP, &m)) {
		free(m.body);
		replies++;
	}
	assert_in_range(replies, 1, 100);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	while (client_take(c, WIRE_R_STOP, &m)) {
		free(m.body);
		replies++;
	}
	assert_int_equal(replies, 300);
}

static void job_control_is_told_and_left_in_force(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct backend_event ev = { .kind = BACKEND_JOB_STOP, .tid = PID };

	subscribe(c, COTRACE_EVENT_JOB_STOP, COTRACE_NOTE);
	subscribe(c, COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE);
	ev.job.signo = SIGTSTP;
	fake_push(st->kernel, &ev);
	settle(st);
	assert_int_equal(expect(c, COTRACE_EVENT_JOB_STOP).job.signo, SIGTSTP);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->how, BACKEND_LISTEN);
	/* A session stops what is stopped already: no second JOB_STOP. */
	stop_task(c, PID);
	fake_push(st->kernel, &ev);
	settle(st);
	expect(c, COTRACE_EVENT_STOP_DONE);
	expect_none(c);
	resume_all(c);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->how, BACKEND_LISTEN);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	expect(c, COTRACE_EVENT_JOB_CONTINUE);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->how, BACKEND_RUN);
}

static void a_job_stop_can_be_held(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_JOB_STOP, COTRACE_STOP);
	fake_push_kind(st->kernel, PID, BACKEND_JOB_STOP);
	settle(st);
	ev = expect(c, COTRACE_EVENT_JOB_STOP);
	assert_false(runs(st, PID));
	answer(c, &ev, COTRACE_PASS, 0);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->how, BACKEND_LISTEN);
}

static void a_subscription_to_calls_takes_effect_by_an_interruption_that_nobody_sees(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct wire_syscalls all = { .phases = COTRACE_ENTRY, .mode = COTRACE_NOTE, .bits = { 1 } };
	struct message m;

	client_begin(c, WIRE_SYSCALLS, 0);
	wire_put_syscalls(&c->writer, &all);
	client_send(c, -1);
	settle(st);
	assert_false(client_take(c, WIRE_REPLY(WIRE_SYSCALLS), &m));
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	assert_int_equal(client_reply_error(c, WIRE_SYSCALLS), 0);
	expect_none(c);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->how, BACKEND_SYSCALLS);
}

static void a_subscription_does_not_wait_for_ever_for_a_task_that_does_not_stop(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct message m;

	request(c, SUBSCRIBE, subscribe, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
	assert_false(client_take(c, WIRE_REPLY(WIRE_SUBSCRIBE), &m));
	pass_time(st, CLOCK_SECOND / 5);
	assert_int_equal(client_reply_error(c, WIRE_SUBSCRIBE), 0);
}

static void an_ignored_signal_that_broke_a_call_leaves_it_unbroken(void **state)
{
	struct stage *st = *state;

	client_attached(st);
	st->kernel->dispositions[SIGCHLD] = BACKEND_SIG_IGNORED;
	st->kernel->dispositions[SIGUSR1] = BACKEND_SIG_HANDLED;
	fake_push_signal(st->kernel, PID, SIGCHLD);
	settle(st);
	assert_int_equal(fake_count(st->kernel, FAKE_PUT_BACK, PID), 1);
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	assert_int_equal(fake_count(st->kernel, FAKE_PUT_BACK, PID), 1);
	assert_int_equal(fake_count(st->kernel, FAKE_TAKE_BACK, PID), 1);
}

static void the_last_close_lets_a_running_target_go_with_its_call_put_off(void **state)
{
	struct stage *st = *state;
	struct client *c = caller_of(st);

	fake_push_exit(st->kernel, PID, 232, 0);
	client_close(c);
	fake_push_entry(st->kernel, PID, 1, 0);
	settle(st);
	assert_int_equal(fake_count(st->kernel, FAKE_PUT_OFF, PID), 1);
	assert_false(fake_task(st->kernel, PID)->attached);
	assert_int_equal(st->engine->tasks_by_id.count, 0);
}

static void an_engine_that_leaves_detaches_what_stops_at_calls(void **state)
{
	struct stage *st = *state;
	struct client *c = caller_of(st);

	st->kernel->answers = true;
	close(c->fd);
	close(st->keeper->fd);
	c->fd = st->keeper->fd = -1;
	assert_int_equal(engine_run(st->engine), 0);
	assert_false(fake_task(st->kernel, PID)->attached);
	assert_false(fake_task(st->kernel, PID)->stands);
}

static struct seen job_stop(struct stage *st, struct client *c)
{
	fake_push_kind(st->kernel, PID, BACKEND_JOB_STOP);
	settle(st);
	return expect(c, COTRACE_EVENT_JOB_STOP);
}

static void a_denied_job_stop_lets_the_task_run_until_it_continues(void **state)
{
	struct stage *st = *state;
	struct client *old = client_attached(st), *new = client_attached(st);
	struct fake_task *t = fake_task(st->kernel, PID);
	struct seen ev;

	subscribe(old, COTRACE_EVENT_JOB_STOP, COTRACE_STOP);
	subscribe(new, COTRACE_EVENT_JOB_STOP, COTRACE_STOP);
	subscribe(new, COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE);
	ev = job_stop(st, old);
	answer(old, &ev, COTRACE_DENY, 0);
	ev = expect(new, COTRACE_EVENT_JOB_STOP);
	assert_int_equal(ev.flags, COTRACE_EV_STOP | COTRACE_EV_DENIED);
	answer(new, &ev, COTRACE_PASS, 0);
	assert_true(runs(st, PID));
	assert_int_equal(t->how, BACKEND_RUN);
	/* A hold finds it in a process that is stopped: it runs on after that all the same. */
	stop_task(new, PID);
	fake_push_kind(st->kernel, PID, BACKEND_JOB_STOP);
	settle(st);
	expect(new, COTRACE_EVENT_STOP_DONE);
	resume_all(new);
	assert_int_equal(t->how, BACKEND_RUN);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	expect(new, COTRACE_EVENT_JOB_CONTINUE);
	ev = job_stop(st, old);
	answer(old, &ev, COTRACE_PASS, 0);
	ev = expect(new, COTRACE_EVENT_JOB_STOP);
	assert_int_equal(ev.flags, COTRACE_EV_STOP);
	answer(new, &ev, COTRACE_REPLACE, 0);
	assert_int_equal(expect(new, COTRACE_EVENT_REFUSED).refused.error, -EINVAL);
	assert_int_equal(t->how, BACKEND_LISTEN);
}

static void a_task_that_was_let_run_can_stop_anew(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_JOB_STOP, COTRACE_STOP);
	ev = job_stop(st, c);
	answer(c, &ev, COTRACE_DENY, 0);
	ev = job_stop(st, c);
	answer(c, &ev, COTRACE_PASS, 0);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_LISTEN);
}

static void a_denial_of_a_job_stop_ends_with_its_session(void **state)
{
	struct stage *st = *state;
	struct client *other = client_attached(st), *c = client_attached(st);
	struct seen ev;

	(void)other;
	subscribe(c, COTRACE_EVENT_JOB_STOP, COTRACE_STOP);
	ev = job_stop(st, c);
	answer(c, &ev, COTRACE_DENY, 0);
	fake_forget_calls(st->kernel);
	client_close(c);
	assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), 1);
	fake_push_kind(st->kernel, PID, BACKEND_JOB_STOP);
	settle(st);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_LISTEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_call_broken_by_a_stop_is_made_again_without_a_word),
		STAGED(another_call_after_a_broken_one_is_told_with_the_end_of_that),
		STAGED(a_call_that_a_signal_broke_is_told_and_so_is_its_restart),
		STAGED(a_denied_call_is_judged_again_whatever_it_returned),
		STAGED(a_stop_overtaken_by_another_is_that_one_and_its_rest_is_absorbed),
		STAGED(every_stop_interrupts_anew),
		STAGED(a_hold_given_up_before_the_task_stands_leaves_no_trace),
		STAGED(a_task_runs_when_the_last_of_its_holders_resumes_it),
		STAGED(a_hold_that_ends_with_its_session_is_told),
		STAGED(a_stop_waits_for_all_tasks_to_stand),
		STAGED(a_leader_that_exits_under_an_interrupt_is_noticed),
		STAGED(a_subscription_does_not_wait_for_a_leader_that_exits),
		STAGED(one_who_waits_too_often_is_told_at_once),
		STAGED(job_control_is_told_and_left_in_force),
		STAGED(a_job_stop_can_be_held),
		STAGED(a_denied_job_stop_lets_the_task_run_until_it_continues),
		STAGED(a_task_that_was_let_run_can_stop_anew),
		STAGED(a_denial_of_a_job_stop_ends_with_its_session),
		STAGED(a_subscription_to_calls_takes_effect_by_an_interruption_that_nobody_sees),
		STAGED(a_subscription_does_not_wait_for_ever_for_a_task_that_does_not_stop),
		STAGED(an_ignored_signal_that_broke_a_call_leaves_it_unbroken),
		STAGED(an_engine_that_leaves_detaches_what_stops_at_calls),
		STAGED(the_last_close_lets_a_running_target_go_with_its_call_put_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
