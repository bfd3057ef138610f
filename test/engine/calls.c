/* SPDX-License-Identifier: MIT */
/* Calls into a task: its course from stop to stop, and all ways to its end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "test/engine/inject.h"

static void a_call_goes_by_entry_and_exit_and_way_back(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	stopped_at(c, BACKEND_INTERRUPTED);
	kernel_task(st)->way_back = 1;
	ask_for(c, NR, -1);
	assert_int_equal(fake_last(st->kernel, FAKE_CALL_BEGIN, PID)->value, NR);
	assert_true(runs(st, PID));
	assert_int_equal(kernel_task(st)->how, BACKEND_SYSCALLS);
	push_entry(st);
	assert_int_equal(kernel_task(st)->how, BACKEND_SYSCALLS);
	push_exit(st, 5);
	expect_no_answer(c);
	assert_true(runs(st, PID));
	push(st, BACKEND_INTERRUPTED);
	expect_answer(c, 0, 5);
	/* It stands, is held, and nobody was told anything. */
	assert_false(runs(st, PID));
	expect_none(c);
	assert_int_equal(fake_count(st->kernel, FAKE_PUT_BACK, PID), 1);
	resume_all(c);
	assert_true(runs(st, PID));
}

static void at_an_entry_the_call_is_made_in_place(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe_calls(c, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 39, 1);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_ENTRY);
	kernel_task(st)->way_back = 1;
	ask_for(c, NR, -1);
	push_exit(st, 5);
	expect_no_answer(c);
	fake_push_entry(st->kernel, PID, 39, 1);
	settle(st);
	expect_answer(c, 0, 5);
	expect_none(c);
	/* The offer is still open. */
	answer(c, &ev, COTRACE_DENY, -EPERM);
	assert_int_equal(fake_last(st->kernel, FAKE_SYSCALL_DENY, PID)->value, -EPERM);
	fake_push_exit(st->kernel, PID, 39, -EPERM);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SYSCALL_EXIT);
	assert_int_equal(ev.syscall.nr, 39);
	assert_true(ev.flags & COTRACE_EV_DENIED);
}

static void a_signal_is_delivered_after_a_call_at_its_stop(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	st->kernel->dispositions[SIGUSR1] = BACKEND_SIG_HANDLED;
	subscribe_signals(c, ~0ull, COTRACE_STOP);
	fake_push_signal(st->kernel, PID, SIGUSR1);
	settle(st);
	ev = expect(c, COTRACE_EVENT_SIGNAL);
	kernel_task(st)->way_back = 1;
	ask_for(c, NR, -1);
	push_entry(st);
	push_exit(st, 5);
	fake_push_signal(st->kernel, PID, SIGTRAP);
	settle(st);
	expect_answer(c, 0, 5);
	expect_none(c);
	answer(c, &ev, COTRACE_PASS, 0);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->signo, SIGUSR1);
}

static void from_within_a_fork_it_goes_to_the_end_of_that_first(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	struct seen ev;

	subscribe(c, COTRACE_EVENT_FORK, COTRACE_STOP);
	subscribe_calls(c, COTRACE_EXIT, COTRACE_STOP);
	fake_push_entry(st->kernel, PID, 57, 0);
	fake_push_child(st->kernel, PID, BACKEND_FORK, 200);
	settle(st);
	ev = expect(c, COTRACE_EVENT_FORK);
	for (int i = 0; i < 2; i++) {
		ask_for(c, NR, -1);
		if (i == 0) {
			assert_int_equal(fake_count(st->kernel, FAKE_CALL_BEGIN, PID), 0);
			fake_push_exit(st->kernel, PID, 57, 200);
			settle(st);
		}
		assert_int_equal(fake_count(st->kernel, FAKE_CALL_BEGIN, PID), i + 1);
		push_entry(st);
		push_exit(st, 5);
		expect_answer(c, 0, 5);
		expect_none(c);
	}
	answer(c, &ev, COTRACE_PASS, 0);
	ev = expect(c, COTRACE_EVENT_SYSCALL_EXIT);
	assert_int_equal(ev.syscall.result, 200);
	assert_false(runs(st, PID));
	answer(c, &ev, COTRACE_PASS, 0);
	assert_true(runs(st, PID));
}

static void what_is_refused_leaves_the_task_alone(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *other = client_attached(st), *looker;

	looker = client_attached_as(st, (struct wire_attach){ .role = COTRACE_OBSERVER });
	ask_for(c, NR, -1);
	expect_answer(c, -EBUSY, 0); /* it runs */
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(other, NR, -1);
	expect_answer(other, -EBUSY, 0);
	ask_for(looker, NR, -1);
	expect_answer(looker, -EPERM, 0);
	ask_for(c, 59, -1);
	expect_answer(c, -EOPNOTSUPP, 0);
	ask_for(c, -1, -1);
	expect_answer(c, -EOPNOTSUPP, 0);
	ask_for(c, 1ll << 32, -1);
	expect_answer(c, -EOPNOTSUPP, 0);
	request(c, SYSCALL, syscall, .task = 999, .nr = NR);
	expect_answer(c, -ESRCH, 0);
	fake_fail(st->kernel, FAKE_CALL_BEGIN, -ENOSYS, 1);
	ask_for(c, NR, -1);
	expect_answer(c, -ENOSYS, 0);
	assert_false(runs(st, PID));
	ask_for(c, NR, -1);
	push_entry(st);
	push_exit(st, 5);
	expect_answer(c, 0, 5);
}

static void stops_without_a_way_back_are_refused(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe(c, COTRACE_EVENT_VFORK, COTRACE_STOP);
	subscribe(c, COTRACE_EVENT_TASK_EXIT, COTRACE_STOP);
	fake_push_child(st->kernel, PID, BACKEND_VFORK, 200);
	settle(st);
	expect(c, COTRACE_EVENT_VFORK);
	ask_for(c, NR, -1);
	expect_answer(c, -EBUSY, 0);
	resume_all(c);
	fake_push_exiting(st->kernel, PID, 0, BACKEND_EXIT_GROUP);
	settle(st);
	expect(c, COTRACE_EVENT_TASK_EXIT);
	ask_for(c, NR, -1);
	expect_answer(c, -EBUSY, 0);
}

static void one_call_at_a_time(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	stopped_at(a, BACKEND_INTERRUPTED);
	stop_task(b, PID);
	client_forget(b);
	ask_for(a, NR, -1);
	ask_for(b, NR, -1);
	expect_answer(b, -EBUSY, 0);
	/* All give up their holds: it runs on when the call is over. */
	resume_all(a);
	resume_all(b);
	push_entry(st);
	push_exit(st, 5);
	expect_answer(a, 0, 5);
	assert_true(runs(st, PID));
	assert_int_equal(kernel_task(st)->how, BACKEND_RUN);
}

static void who_stops_it_in_a_call_has_it_stopped(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	stopped_at(a, BACKEND_INTERRUPTED);
	ask_for(a, NR, -1);
	push_entry(st);
	stop_task(b, PID);
	expect(b, COTRACE_EVENT_STOP_DONE);
	assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), 1); /* of the first stop */
	push_exit(st, 5);
	expect_answer(a, 0, 5);
	resume_all(a);
	assert_false(runs(st, PID));
	resume_all(b);
	assert_true(runs(st, PID));
}

static void an_interruption_that_nobody_asked_for_is_made_good(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	stopped_at(c, BACKEND_INTERRUPTED);
	kernel_task(st)->calls_again = true;
	ask_for(c, NR, -1);
	push_entry(st);
	push_interrupted_exit(st, -512);
	expect_no_answer(c);
	assert_int_equal(fake_last(st->kernel, FAKE_CALL_AGAIN, PID)->value, -512);
	push(st, BACKEND_JOB_STOP); /* that was it */
	push_entry(st);
	kernel_task(st)->way_back = 1;
	push_exit(st, 5);
	push(st, BACKEND_JOB_STOP);
	expect_answer(c, 0, 5);
	/* The job stop is told when it runs. */
	subscribe(c, COTRACE_EVENT_JOB_STOP, COTRACE_NOTE);
	assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), 2);
	resume_all(c);
	push(st, BACKEND_JOB_STOP);
	expect(c, COTRACE_EVENT_JOB_STOP);
	assert_int_equal(kernel_task(st)->how, BACKEND_LISTEN);
}

static void a_job_stop_that_ends_in_a_call_is_told(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe(c, COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE);
	stopped_at(c, BACKEND_JOB_STOP);
	for (int i = 0; i < 2; i++) {
		kernel_task(st)->way_back = 1;
		ask_for(c, NR, -1);
		push_entry(st);
		push_exit(st, 5);
		push(st, i ? BACKEND_INTERRUPTED : BACKEND_JOB_STOP);
		expect_answer(c, 0, 5);
	}
	expect(c, COTRACE_EVENT_JOB_CONTINUE);
	kernel_task(st)->kind = BACKEND_INTERRUPTED;
	resume_all(c);
	assert_int_equal(kernel_task(st)->how, BACKEND_RUN);
}

static void signals_on_the_way_are_sent_again(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, -1);
	fake_push_signal(st->kernel, PID, SIGSTOP);
	settle(st);
	assert_int_equal(fake_last(st->kernel, FAKE_RESUME, PID)->signo, 0);
	push_entry(st);
	push_exit(st, 5);
	expect_answer(c, 0, 5);
	assert_int_equal(fake_last(st->kernel, FAKE_SIGNAL, PID)->signo, SIGSTOP);
	expect_none(c);
}

static void a_filter_of_the_programs_may_refuse_the_call(void **state)
{
	struct backend_event fault = { .kind = BACKEND_SIGNAL, .tid = PID };
	struct stage *st = *state;
	struct client *c = client_attached(st);

	fault.siginfo.si_signo = SIGSYS;
	fault.siginfo.si_code = 2;
	stopped_at(c, BACKEND_INTERRUPTED);
	ask_for(c, NR, -1);
	fake_push(st->kernel, &fault);
	settle(st);
	expect_answer(c, -EPERM, 0);
	assert_int_equal(fake_count(st->kernel, FAKE_CALL_END, PID), 1);
	assert_false(runs(st, PID));
	/* Or after it. */
	kernel_task(st)->call_refused = true;
	kernel_task(st)->way_back = 1;
	ask_for(c, NR, -1);
	push_entry(st);
	push_exit(st, NR);
	fake_push(st->kernel, &fault);
	settle(st);
	expect_answer(c, -EPERM, 0);
	expect_none(c);
}

static void a_call_that_takes_too_long_is_interrupted(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	stopped_at(c, BACKEND_INTERRUPTED);
	fake_forget_calls(st->kernel);
	ask_for(c, NR, 1000);
	push_entry(st);
	pass_time(st, 2000);
	assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), 1);
	expect_no_answer(c);
	push_interrupted_exit(st, -514);
	expect_answer(c, -ETIMEDOUT, 0);
	assert_int_equal(fake_count(st->kernel, FAKE_CALL_AGAIN, PID), 0);
	/* One that comes to its end after all has its result. */
	ask_for(c, NR, 1000);
	pass_time(st, 2000);
	push_entry(st);
	push_exit(st, 5);
	expect_answer(c, 0, 5);
}

static int regset_error(struct client *c)
{
	struct wire_r_regset_read reply;
	struct wire_reader r;
	struct message m;

	if (!client_take(c, WIRE_R_REGSET_READ, &m))
		return 1;
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_regset_read(&r, &reply));
	free(m.body);
	return reply.error;
}

/* Many at once wait for nothing: who has to is told so. */
static void who_reads_many_sets_is_told_who_to_wait_for(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	struct wire_r_regsets_read reply;
	struct wire_reader r;
	struct wire_regset set;
	struct message m;

	stopped_at(a, BACKEND_INTERRUPTED);
	for (int calls = 0; calls < 2; calls++) {
		if (calls) {
			ask_for(a, NR, -1);
			push_entry(st);
		}
		client_begin(b, WIRE_REGSETS_READ, 0);
		wire_put_regsets_read(&b->writer, &(struct wire_regsets_read){ 3 });
		for (int i = 0; i < 2; i++) /* fewer than it says */
			wire_put_regset_asked(&b->writer, &(struct wire_regset_asked){
								  task_id(st, PID), FAKE_REGSET });
		client_send(b, -1);
		settle(st);
		assert_true(client_take(b, WIRE_R_REGSETS_READ, &m));
		wire_reader_init(&r, m.body, m.size);
		assert_true(wire_get_r_regsets_read(&r, &reply));
		assert_int_equal(reply.error, 0);
		assert_int_equal(reply.count, 2);
		assert_true(wire_get_regset(&r, &set));
		assert_int_equal(set.error, calls ? -EAGAIN : 0);
		assert_int_equal(set.size, calls ? 0 : FAKE_REGS);
		free(m.body);
	}
}

/* R11 */
static void who_reads_registers_waits_for_the_end_of_the_call(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st), *gone;
	uint64_t task = task_id(st, PID);

	gone = client_attached(st);
	stopped_at(a, BACKEND_INTERRUPTED);
	for (int dies = 0; dies < 2; dies++) {
		ask_for(a, NR, -1);
		push_entry(st);
		request(b, REGSET_READ, regset_read, .task = task, .set = FAKE_REGSET);
		assert_int_equal(regset_error(b), 1);
		if (!dies) {
			request(gone, REGSET_READ, regset_read, .task = task, .set = FAKE_REGSET);
			client_close(gone);
			push_exit(st, 5);
			expect_answer(a, 0, 5);
			assert_int_equal(regset_error(b), 0);
			assert_int_equal(fake_count(st->kernel, FAKE_REGSET_GET, PID), 1);
		} else {
			fake_push_dead(st->kernel, PID, 9);
			settle(st);
			assert_int_equal(regset_error(b), -ESRCH);
		}
	}
}

static void death_in_any_part_of_a_call_answers_once(void **state)
{
	struct stage *st = *state;
	struct client *c = with_tree(st);

	for (int part = 0; part < 4; part++) {
		pid_t pid = 200 + part;
		struct fake_task *t;

		if (!fake_task(st->kernel, PID)->stands || part == 0)
			resume_all(c);
		give_birth(st, PID, BACKEND_FORK, pid);
		stop_task(c, pid);
		t = fake_task(st->kernel, pid);
		if (!t->stands) {
			fake_push_kind(st->kernel, pid, BACKEND_INTERRUPTED);
			settle(st);
		}
		t->way_back = 1;
		client_forget(c);
		request(c, SYSCALL, syscall, .task = task_id(st, pid), .nr = NR, .timeout_ns = -1);
		if (part > 0)
			fake_push_entry(st->kernel, pid, NR, 0);
		if (part > 1)
			fake_push_exit(st->kernel, pid, NR, 5);
		if (part > 2)
			fake_push_exiting(st->kernel, pid, 9, BACKEND_EXIT_OTHER);
		fake_push_dead(st->kernel, pid, 9);
		settle(st);
		expect_answer(c, -ESRCH, 0);
		expect_no_answer(c);
		assert_int_equal(st->engine->calls, 0);
	}
}

static void nobody_left_to_answer_is_no_harm(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);

	stopped_at(a, BACKEND_INTERRUPTED);
	ask_for(a, NR, -1);
	push_entry(st);
	client_close(a);
	settle(st);
	/* Cut short; then the task runs, as nobody holds it. */
	assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), 2);
	push_interrupted_exit(st, -512);
	assert_true(runs(st, PID));
	assert_int_equal(st->engine->calls, 0);
	expect_none(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_call_goes_by_entry_and_exit_and_way_back),
		STAGED(at_an_entry_the_call_is_made_in_place),
		STAGED(a_signal_is_delivered_after_a_call_at_its_stop),
		STAGED(from_within_a_fork_it_goes_to_the_end_of_that_first),
		STAGED(what_is_refused_leaves_the_task_alone),
		STAGED(stops_without_a_way_back_are_refused),
		STAGED(one_call_at_a_time),
		STAGED(who_stops_it_in_a_call_has_it_stopped),
		STAGED(an_interruption_that_nobody_asked_for_is_made_good),
		STAGED(a_job_stop_that_ends_in_a_call_is_told),
		STAGED(signals_on_the_way_are_sent_again),
		STAGED(a_filter_of_the_programs_may_refuse_the_call),
		STAGED(a_call_that_takes_too_long_is_interrupted),
		STAGED(who_reads_many_sets_is_told_who_to_wait_for),
		STAGED(who_reads_registers_waits_for_the_end_of_the_call),
		STAGED(death_in_any_part_of_a_call_answers_once),
		STAGED(nobody_left_to_answer_is_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
