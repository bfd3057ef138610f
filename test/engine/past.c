/* SPDX-License-Identifier: MIT */
/* Past a trap: lifted while one task steps, or in a slot. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/space.h"
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

	give_birth(st, PID, BACKEND_CLONE, 101);
	must_set(c, (struct wire_break){ .addr = AT });
	st->kernel->answers = true;
	lift(st, 101);
	fake_push_dead(st->kernel, 101, 0);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	assert_true(runs(st, PID));
}

/* Its claim to step in place goes with the breakpoint, and with the session, at the end of a turn. */
static void who_waited_for_a_step_in_place_runs_on_when_its_session_goes(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st), *other = client_attached(st);

	thread(st, 101);
	thread(st, 102);
	must_set(c, (struct wire_break){ .addr = AT });
	without_slots(st);
	push_hit(st, 101, AT);
	fake_push_kind(st->kernel, PID, BACKEND_INTERRUPTED);
	settle(st);
	assert_false(runs(st, PID) || runs(st, 101));
	shutdown(c->fd, SHUT_RDWR);
	while (task_by_tid(st->engine, PID)->rules.count > 1)
		turn(st);
	assert_true(runs(st, PID) && runs(st, 101)); /* without another turn, as none may come */
	expect_none(other);
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
	give_birth(st, PID, BACKEND_FORK, CHILD);
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

#define AREA (SPACE_AREA_SLOTS * CODE_SLOT_SIZE)

static size_t areas_of(struct stage *st)
{
	return list_length(&task_by_tid(st->engine, PID)->process->space->areas);
}

/* A trap is set, hit by @tid, which goes into a slot, and cleared. Returns the slot. */
static uint64_t pass_once(struct client *c, pid_t tid, uint64_t at)
{
	struct stage *st = c->stage;
	uint64_t id = must_set(c, (struct wire_break){ .addr = at }), slot;

	push_hit(st, tid, at);
	if (areas_of(st) == 0)
		map_slots(st, tid, SLOTS);
	assert_int_equal(expect(c, COTRACE_EVENT_BREAKPOINT).breakpoint.id, id);
	assert_int_equal(fake_task(st->kernel, tid)->how, BACKEND_RUN);
	slot = pc_of(st, tid);
	assert_in_range(slot, SLOTS, SLOTS + AREA - CODE_SLOT_SIZE);
	granted(c, CLEAR, clear, .id = id);
	return slot;
}

/* Many more than fit, at different places each. Returns how often one of them got @slot. */
static unsigned pass_many(struct client *c, pid_t tid, uint64_t slot)
{
	unsigned times = 0;

	for (uint64_t i = 0; i < 2 * SPACE_AREA_SLOTS + 100; i++)
		times += pass_once(c, tid, AT + 16 + i) == slot;
	return times;
}

static void slots_of_traps_that_are_gone_are_used_again(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	uint64_t kept;

	pass_once(c, PID, AT + 8);
	must_set(c, (struct wire_break){ .addr = AT });
	push_hit(st, PID, AT);
	kept = pc_of(st, PID);
	expect(c, COTRACE_EVENT_BREAKPOINT);
	assert_int_equal(pass_many(c, PID, kept), 0);
	assert_int_equal(areas_of(st), 1);
	push_hit(st, PID, AT);
	assert_int_equal(pc_of(st, PID), kept);
}

static void stands_at(struct stage *st, pid_t tid, uint64_t at, uint64_t expected)
{
	fake_push(st->kernel,
		  &(struct backend_event){ .kind = BACKEND_INTERRUPTED, .tid = tid, .pc = at });
	settle(st);
	assert_int_equal(task_by_tid(st->engine, tid)->ev.pc, expected);
}

/* It has not been seen since: it may be asleep there, in a page fault. */
static void a_slot_in_which_a_task_may_be_is_given_to_nobody(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	uint64_t slot;

	thread(st, 101);
	slot = pass_once(c, 101, AT);
	assert_int_equal(pass_many(c, PID, slot), 0);
	/* The program's own place of it is known, though its trap is long gone. */
	stands_at(st, 101, slot + 2, AT + 2);
	assert_int_not_equal(pass_many(c, PID, slot), 0);
}

/* A process that was made by vfork(), or clone(CLONE_VM), has its tasks there as well. */
static void nor_is_one_of_a_task_of_another_process_in_the_same_memory(void **state)
{
	struct stage *st = *state;
	struct client *c = with_tree(st);
	uint64_t slot;

	st->kernel->same_memory = true;
	give_birth(st, PID, BACKEND_VFORK, CHILD);
	client_forget(c);
	pass_once(c, PID, AT + 8);
	must_set(c, (struct wire_break){ .addr = AT, .pid = CHILD });
	push_hit(st, CHILD, AT);
	slot = pc_of(st, CHILD);
	assert_in_range(slot, SLOTS, SLOTS + AREA);
	granted(c, CLEAR, clear, .id = expect(c, COTRACE_EVENT_BREAKPOINT).breakpoint.id);
	assert_int_equal(pass_many(c, PID, slot), 0);
}

/* The call may go through an instruction that lies in a slot. */
static void nothing_is_given_away_while_a_call_is_under_way(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	uint64_t id;

	thread(st, 101);
	for (uint64_t i = 0; i < SPACE_AREA_SLOTS; i++)
		pass_once(c, PID, AT + 16 + i);
	stop_task(c, 101);
	fake_push_kind(st->kernel, 101, BACKEND_INTERRUPTED);
	settle(st);
	request(c, SYSCALL, syscall, .task = task_id(st, 101), .nr = 77, .timeout_ns = -1);
	client_forget(c);
	fake_forget_calls(st->kernel);
	id = must_set(c, (struct wire_break){ .addr = AT });
	push_hit(st, PID, AT);
	assert_int_equal(fake_count(st->kernel, FAKE_CALL_BEGIN, PID), 1); /* for another area */
	granted(c, CLEAR, clear, .id = id);
}

static void who_runs_in_the_slot_of_former_code_is_found_behind_it(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	uint64_t slot;

	thread(st, 101);
	must_set(c, (struct wire_break){ .addr = AT });
	push_hit(st, 101, AT);
	map_slots(st, 101, SLOTS);
	slot = pc_of(st, 101);
	client_begin(c, WIRE_MEMORY_WRITE, 0);
	wire_put_memory_write(&c->writer, &(struct wire_memory_write){ .pid = PID, .addr = AT });
	wire_put_bytes(&c->writer, "\x48\x01\x00", 3); /* one byte longer */
	client_send(c, -1);
	settle(st);
	push_hit(st, PID, AT);
	assert_in_range(pc_of(st, PID), SLOTS, SLOTS + AREA);
	assert_int_not_equal(pc_of(st, PID), slot);
	stands_at(st, 101, slot + 2, AT + 2);
	stands_at(st, PID, slot + CODE_SLOT_SIZE + 3, AT + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_write_while_a_trap_is_lifted_leaves_it_so),
		STAGED(no_trap_is_lowered_into_the_next_program),
		STAGED(who_dies_while_it_steps_leaves_the_trap_in_place),
		STAGED(who_waited_for_a_step_in_place_runs_on_when_its_session_goes),
		STAGED(a_leader_that_exits_while_it_steps_leaves_the_trap_in_place),
		STAGED(slots_are_asked_for_again_where_they_could_not_be_had_just_then),
		STAGED(who_has_let_its_slots_go_gets_others),
		STAGED(slots_of_traps_that_are_gone_are_used_again),
		STAGED(a_slot_in_which_a_task_may_be_is_given_to_nobody),
		STAGED(nor_is_one_of_a_task_of_another_process_in_the_same_memory),
		STAGED(nothing_is_given_away_while_a_call_is_under_way),
		STAGED(who_runs_in_the_slot_of_former_code_is_found_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
