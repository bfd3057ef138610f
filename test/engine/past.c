/* SPDX-License-Identifier: MIT */
/* Past a trap: lifted while one task steps, or in a slot. */
#include <errno.h>
#include <string.h>

#include "test/engine/traps.h"

/* Else the task that steps there would hit it a second time. */
static void a_write_while_a_trap_is_lifted_leaves_it_so(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	must_set(c, (struct wire_break){ .addr = AT });
	without_slots(st);
	push_hit(st, PID, AT);
	expect(c, COTRACE_EVENT_BREAKPOINT);
	assert_int_equal(byte_at(st, PID, AT), 0);
	client_begin(c, WIRE_MEMORY_WRITE, 0);
	wire_put_memory_write(&c->writer, &(struct wire_memory_write){ .pid = PID, .addr = AT });
	wire_put_bytes(&c->writer, "\x90", 1);
	client_send(c, -1);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT), 0x90);
	push_step(st, PID, AT + 1);
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	client_close(c);
	assert_int_equal(byte_at(st, PID, AT), 0x90);
}

/* An exec by another thread takes the leader away with its trap lifted. */
static void no_trap_is_lowered_into_the_next_program(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	thread(st, 101); /* by which the fake kernel finds the memory */
	thread(st, 102);
	must_set(c, (struct wire_break){ .addr = AT });
	without_slots(st);
	push_hit(st, PID, AT);
	pass_time(st, 100 * 1000000ull); /* the others do not stand: they are in exec() */
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_STEP);
	memset(fake_memory(st->kernel, PID), 0x77, FAKE_MEMORY);
	fake_push_exec(st->kernel, PID, 102);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT), 0x77);
}

static void who_dies_while_it_steps_leaves_the_trap_in_place(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	fake_push_child(st->kernel, PID, BACKEND_CLONE, 101);
	settle(st);
	fake_push_kind(st->kernel, 101, BACKEND_INTERRUPTED);
	settle(st);
	must_set(c, (struct wire_break){ .addr = AT });
	st->kernel->answers = true;
	lift(st, 101);
	fake_push_dead(st->kernel, 101, 0);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	assert_true(runs(st, PID));
}

/* The death of a leader is reported with that of the last task: a look tells of it. */
static void a_leader_that_exits_while_it_steps_leaves_the_trap_in_place(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	thread(st, 101);
	must_set(c, (struct wire_break){ .addr = AT });
	st->kernel->answers = true;
	lift(st, PID);
	assert_false(runs(st, 101));
	fake_task(st->kernel, PID)->exited = true;
	pass_time(st, 200 * 1000000ull);
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	assert_true(runs(st, 101));
}

static void slots_are_asked_for_again_where_they_could_not_be_had_just_then(void **state)
{
	struct stage *st = *state;

	must_set(client_attached(st), (struct wire_break){ .addr = AT });
	fake_fail(st->kernel, FAKE_CALL_BEGIN, -EBUSY, 1);
	push_hit(st, PID, AT);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_STEP);
	push_step(st, PID, AT + 2);
	push_hit(st, PID, AT);
	map_slots(st, PID, SLOTS);
	assert_int_equal(fake_task(st->kernel, PID)->how, BACKEND_RUN);
	assert_int_equal(pc_of(st, PID), SLOTS);
}

/* The child has copies of its parent's, and of the traps' in them. */
static void who_has_let_its_slots_go_gets_others(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b = with_tree(st), *c;

	must_set(a, (struct wire_break){ .addr = AT });
	push_hit(st, PID, AT);
	map_slots(st, PID, SLOTS);
	fake_push_child(st->kernel, PID, BACKEND_FORK, CHILD);
	settle(st);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	client_close(b);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	assert_int_equal(fake_count(st->kernel, FAKE_CALL_BEGIN, CHILD), 1);
	c = client_attached_as(st, (struct wire_attach){ .pid = CHILD });
	map_slots(st, CHILD, 0);
	must_set(c, (struct wire_break){ .addr = AT, .pid = CHILD });
	push_hit(st, CHILD, AT);
	assert_int_equal(fake_count(st->kernel, FAKE_CALL_BEGIN, CHILD), 2);
	map_slots(st, CHILD, SLOTS);
	assert_int_equal(fake_task(st->kernel, CHILD)->how, BACKEND_RUN);
	assert_int_equal(pc_of(st, CHILD), SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_write_while_a_trap_is_lifted_leaves_it_so),
		STAGED(no_trap_is_lowered_into_the_next_program),
		STAGED(who_dies_while_it_steps_leaves_the_trap_in_place),
		STAGED(a_leader_that_exits_while_it_steps_leaves_the_trap_in_place),
		STAGED(slots_are_asked_for_again_where_they_could_not_be_had_just_then),
		STAGED(who_has_let_its_slots_go_gets_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
