/* SPDX-License-Identifier: MIT */
/* Breakpoints (R7): whose a hit is, and that no trap stays or goes where it must not. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/space.h"
#include "test/engine/traps.h"

static void a_hit_is_told_to_its_owners_one_after_another(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st), *c = client_attached(st);
	uint64_t first, second;
	struct seen ev;

	subscribe_signals(c, ~0ull, COTRACE_NOTE);
	first = must_set(a, (struct wire_break){ .addr = AT, .mode = COTRACE_STOP });
	second = must_set(b, (struct wire_break){ .addr = AT, .mode = COTRACE_STOP });
	without_slots(st);
	push_hit(st, PID, AT);
	ev = expect(a, COTRACE_EVENT_BREAKPOINT);
	assert_int_equal(ev.breakpoint.id, first);
	assert_int_equal(ev.head.pc, AT);
	expect_none(b);
	resume_all(a);
	ev = expect(b, COTRACE_EVENT_BREAKPOINT);
	assert_int_equal(ev.breakpoint.id, second);
	assert_false(runs(st, PID));
	resume_all(b);
	assert_true(runs(st, PID));
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_STEP);
	assert_int_equal(byte_at(st, PID, AT), 0);
	push_step(st, PID, AT + 2);
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	expect_none(a);
	expect_none(b);
	expect_none(c);
}

/* Returns the error; *info: the only one. */
static int list_of(struct client *c, uint64_t session, struct wire_break_info *info)
{
	struct wire_r_breakpoints_of reply;
	struct wire_reader r;
	struct message m;

	request(c, BREAKPOINTS_OF, breakpoints_of, session, 0);
	assert_true(client_take(c, WIRE_R_BREAKPOINTS_OF, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_breakpoints_of(&r, &reply));
	assert_int_equal(reply.count, reply.error ? 0 : 1);
	assert_int_equal(reply.total, reply.count);
	if (reply.count)
		assert_true(wire_get_break_info(&r, info));
	assert_int_equal(wire_left(&r), 0);
	free(m.body);
	return reply.error;
}

static void others_breakpoints_are_listed_to_who_has_no_target_only(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st), *looker = client_new(st);
	struct wire_break_info info = { 0 };
	uint64_t id = must_set(a, (struct wire_break){ .addr = AT, .mode = COTRACE_NOTE });

	without_slots(st);
	push_hit(st, PID, AT);
	assert_int_equal(list_of(looker, a->session, &info), 0);
	assert_int_equal(info.id, id);
	assert_int_equal(info.addr, AT);
	assert_int_equal(info.hits, 1);
	assert_int_equal(info.pid, PID);
	assert_int_equal(list_of(a, a->session, &info), 0);
	assert_int_equal(list_of(b, a->session, &info), -EPERM);
	assert_int_equal(list_of(looker, 12345, &info), -ENOENT);
}

/* One page of a list; returns how many, and checks that they are all of that id. */
static uint32_t page_of(struct client *c, uint64_t index, uint64_t id, uint32_t *total)
{
	struct wire_r_breakpoints reply;
	struct wire_break_info info;
	struct wire_reader r;
	struct message m;

	request(c, BREAKPOINTS, breakpoints, index);
	assert_true(client_take(c, WIRE_R_BREAKPOINTS, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_breakpoints(&r, &reply));
	for (uint32_t i = 0; i < reply.count; i++) {
		assert_true(wire_get_break_info(&r, &info));
		assert_int_equal(info.id, id);
	}
	free(m.body);
	*total = reply.total;
	return reply.count;
}

static void those_that_children_have_inherited_are_all_listed(void **state)
{
	struct stage *st = *state;
	struct client *c = with_tree(st);
	const uint32_t flags = COTRACE_BREAK_INHERIT | COTRACE_BREAK_REPLANT;
	uint64_t id = must_set(c, (struct wire_break){ .addr = AT, .flags = flags });
	uint32_t count, total;

	for (pid_t child = CHILD; child < CHILD + 600; child++) {
		give_birth(st, PID, BACKEND_FORK, child);
		client_forget(c);
	}
	count = page_of(c, 0, id, &total);
	assert_int_equal(total, 601);
	assert_in_range(count, 1, 600);
	assert_int_equal(page_of(c, count, id, &total), 601 - count);
	assert_int_equal(page_of(c, 601, id, &total), 0);
}

static void the_trap_of_a_breakpoint_that_is_gone_is_nobodys(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	uint64_t id = must_set(a, (struct wire_break){ .addr = AT });

	subscribe_signals(b, ~0ull, COTRACE_NOTE);
	granted(a, CLEAR, clear, .id = id);
	assert_int_equal(byte_at(st, PID, AT), 0);
	push_hit(st, PID, AT);
	expect_none(a);
	expect_none(b);
	assert_true(runs(st, PID));
	/* This one is the program's own. */
	fake_memory(st->kernel, PID)[AT - FAKE_MEMORY_AT] = TRAP;
	push_hit(st, PID, AT);
	assert_int_equal(expect(b, COTRACE_EVENT_SIGNAL).signal.signo, SIGTRAP);
}

static void several_of_one_session_are_told_and_once_is_once(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	uint64_t ids[3];

	ids[0] = must_set(c, (struct wire_break){ .addr = AT, .flags = COTRACE_BREAK_ONCE });
	ids[1] = must_set(c, (struct wire_break){ .addr = AT, .mode = COTRACE_STOP });
	ids[2] = must_set(c, (struct wire_break){ .addr = AT, .flags = COTRACE_BREAK_ONCE });
	without_slots(st);
	push_hit(st, PID, AT);
	assert_int_equal(expect(c, COTRACE_EVENT_BREAKPOINT).breakpoint.id, ids[0]);
	assert_int_equal(expect(c, COTRACE_EVENT_BREAKPOINT).breakpoint.id, ids[2]);
	assert_int_equal(expect(c, COTRACE_EVENT_BREAKPOINT).breakpoint.id, ids[1]);
	assert_int_equal(refused(c, CLEAR, clear, .id = ids[0]), -ENOENT);
	resume_all(c);
	push_step(st, PID, AT + 2);
	push_hit(st, PID, AT);
	assert_int_equal(expect(c, COTRACE_EVENT_BREAKPOINT).breakpoint.id, ids[1]);
	expect_none(c);
}

static void at_the_ends_of_the_address_space_there_is_nothing(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	assert_int_equal(error_of(c, (struct wire_break){ .addr = 0 }), -EFAULT);
	assert_int_equal(error_of(c, (struct wire_break){ .addr = UINT64_MAX }), -EFAULT);
	for (int i = 0; i < 100; i++)
		must_set(c,
			 (struct wire_break){ .addr = UINT64_MAX, .flags = COTRACE_BREAK_REPLANT });
	assert_int_equal(task_by_tid(st->engine, PID)->process->space->sites.count, 0);
	must_set(c, (struct wire_break){ .addr = AT });
	push_hit(st, PID, AT);
	expect(c, COTRACE_EVENT_BREAKPOINT);
}

static void what_cannot_be_planted_uses_nothing_up(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(error_of(c, (struct wire_break){ .addr = 4096 + i }), -EFAULT);
	assert_int_equal(task_by_tid(st->engine, PID)->process->space->sites.count, 0);
}

static void what_is_written_over_a_trap_lies_beneath_it(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = client_attached(st);
	uint64_t id = must_set(a, (struct wire_break){ .addr = AT });

	client_begin(b, WIRE_MEMORY_WRITE, 0);
	wire_put_memory_write(&b->writer,
			      &(struct wire_memory_write){ .pid = PID, .addr = AT - 1 });
	wire_put_bytes(&b->writer, "\x90\x91\x92", 3);
	client_send(b, -1);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT - 1), 0x90);
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	assert_int_equal(byte_at(st, PID, AT + 1), 0x92);
	granted(a, CLEAR, clear, .id = id);
	assert_int_equal(byte_at(st, PID, AT), 0x91);
}

static void a_trap_is_told_before_the_stop_by_job_control_that_overtook_it(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	subscribe(c, COTRACE_EVENT_JOB_STOP, COTRACE_NOTE);
	must_set(c, (struct wire_break){ .addr = AT });
	fake_task(st->kernel, PID)->trap_waits = true;
	fake_push_kind(st->kernel, PID, BACKEND_JOB_STOP);
	settle(st);
	expect_none(c);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_RUN);
	fake_task(st->kernel, PID)->trap_waits = false;
	without_slots(st);
	push_hit(st, PID, AT);
	expect(c, COTRACE_EVENT_BREAKPOINT);
	assert_int_equal(fake_count(st->kernel, FAKE_INTERRUPT, PID), 1);
	fake_push(st->kernel,
		  &(struct backend_event){ .kind = BACKEND_JOB_STOP, .tid = PID, .pc = AT });
	settle(st);
	expect(c, COTRACE_EVENT_JOB_STOP);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_LISTEN);
	/* It stands where it did: there is no second hit. */
	fake_push(st->kernel,
		  &(struct backend_event){ .kind = BACKEND_INTERRUPTED, .tid = PID, .pc = AT });
	settle(st);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_STEP);
	push_step(st, PID, AT + 2);
	expect_none(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_hit_is_told_to_its_owners_one_after_another),
		STAGED(others_breakpoints_are_listed_to_who_has_no_target_only),
		STAGED(those_that_children_have_inherited_are_all_listed),
		STAGED(the_trap_of_a_breakpoint_that_is_gone_is_nobodys),
		STAGED(several_of_one_session_are_told_and_once_is_once),
		STAGED(at_the_ends_of_the_address_space_there_is_nothing),
		STAGED(what_cannot_be_planted_uses_nothing_up),
		STAGED(what_is_written_over_a_trap_lies_beneath_it),
		STAGED(a_trap_is_told_before_the_stop_by_job_control_that_overtook_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
