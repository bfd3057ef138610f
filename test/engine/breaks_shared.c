/* SPDX-License-Identifier: MIT */
/* Breakpoints in memory that several processes have (gotcha 57). */
#include <errno.h>
#include <signal.h>

#include "test/engine/traps.h"

/* A child in its parent's memory, which it has a breakpoint of its own in. */
static struct client *vforked(struct stage *st)
{
	struct client *c = with_tree(st);

	st->kernel->same_memory = true;
	give_birth(st, PID, BACKEND_VFORK, CHILD);
	must_set(c, (struct wire_break){ .addr = AT, .pid = CHILD });
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	return c;
}

static void a_childs_trap_in_its_parents_memory_goes_when_it_dies(void **state)
{
	struct stage *st = *state;

	vforked(st);
	fake_push_dead(st->kernel, CHILD, 0);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT), 0);
}

static void a_childs_trap_in_its_parents_memory_goes_when_it_leaves_it(void **state)
{
	struct stage *st = *state;

	vforked(st);
	fake_memory(st->kernel, CHILD)[AT - FAKE_MEMORY_AT] = 0x55;
	fake_push_exec(st->kernel, CHILD, CHILD);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT), 0);
	assert_int_equal(byte_at(st, CHILD, AT), 0x55);
}

static void a_parents_trap_goes_from_its_childs_memory_when_it_dies(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	st->kernel->same_memory = true;
	must_set(c, (struct wire_break){ .addr = AT });
	give_birth(st, PID, BACKEND_VFORK, CHILD);
	assert_int_equal(fake_count(st->kernel, FAKE_DETACH, CHILD), 0);
	fake_memory(st->kernel, CHILD)[AT - FAKE_MEMORY_AT] = TRAP;
	fake_push_dead(st->kernel, PID, SIGKILL);
	settle(st);
	assert_int_equal(byte_at(st, CHILD, AT), 0);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	assert_int_equal(fake_count(st->kernel, FAKE_DETACH, CHILD), 1);
}

/* Whom a trap of its memory would kill, if it were left alone. */
static void child_in_the_same_memory(struct stage *st, enum backend_kind kind)
{
	st->kernel->same_memory = true;
	st->kernel->answers = true;
	give_birth(st, PID, kind, CHILD);
}

/* Its exec would not heed set-user-ID. */
static void a_child_of_vfork_is_left_alone_as_long_as_there_are_no_traps(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	uint64_t id;

	child_in_the_same_memory(st, BACKEND_VFORK);
	assert_false(fake_task(st->kernel, CHILD)->attached);
	id = must_set(c, (struct wire_break){ .addr = AT });
	assert_true(fake_task(st->kernel, CHILD)->attached);
	without_slots(st);
	push_hit(st, CHILD, AT);
	push_step(st, CHILD, AT + 2);
	expect_none(c);
	granted(c, CLEAR, clear, .id = id);
	assert_false(fake_task(st->kernel, CHILD)->attached);
	/* It may have called exec since: then it is no business of ours. */
	st->kernel->same_memory = false;
	must_set(c, (struct wire_break){ .addr = AT });
	assert_false(fake_task(st->kernel, CHILD)->attached);
	/* This one has, as its parent runs again. */
	fake_push_kind(st->kernel, PID, BACKEND_VFORK_DONE);
	settle(st);
	fake_forget_calls(st->kernel);
	must_set(c, (struct wire_break){ .addr = AT + 1 });
	assert_int_equal(fake_count(st->kernel, FAKE_ATTACH, CHILD), 0);
}

static void a_child_of_vfork_that_is_being_let_go_stays_for_the_first_trap(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);
	uint64_t id;

	child_in_the_same_memory(st, BACKEND_VFORK);
	id = must_set(c, (struct wire_break){ .addr = AT });
	st->kernel->answers = false;
	granted(c, CLEAR, clear, .id = id);
	assert_true(fake_task(st->kernel, CHILD)->interrupted);
	must_set(c, (struct wire_break){ .addr = AT });
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	assert_true(fake_task(st->kernel, CHILD)->attached);
}

static void who_shares_memory_stays_as_long_as_somebody_covers_it(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	child_in_the_same_memory(st, BACKEND_FORK);
	assert_true(fake_task(st->kernel, CHILD)->attached);
	client_close(c);
	assert_false(fake_task(st->kernel, CHILD)->attached);
}

static void who_is_attached_by_itself_has_the_traps_of_its_memory(void **state)
{
	struct stage *st = *state;
	struct client *a = client_attached(st), *b;

	fake_add(st->kernel, CHILD, CHILD);
	st->kernel->same_memory = true;
	must_set(a, (struct wire_break){ .addr = AT });
	b = client_attached_as(st, (struct wire_attach){ .pid = CHILD });
	subscribe_signals(b, ~0ull, COTRACE_NOTE);
	fake_memory(st->kernel, CHILD)[AT - FAKE_MEMORY_AT] = TRAP;
	st->kernel->answers = true;
	without_slots(st);
	push_hit(st, CHILD, AT);
	push_step(st, CHILD, AT + 2);
	expect_none(a);
	expect_none(b);
	must_set(b, (struct wire_break){ .addr = AT, .pid = CHILD });
	push_hit(st, CHILD, AT);
	expect(b, COTRACE_EVENT_BREAKPOINT);
	expect_none(a);
}

/* The child has stepped its exec() in place: the trap is its parent's as before. */
static void a_trap_lifted_for_an_exec_is_lowered_in_the_parent(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	st->kernel->same_memory = true;
	must_set(c, (struct wire_break){ .addr = AT });
	give_birth(st, PID, BACKEND_VFORK, CHILD);
	lift(st, CHILD);
	fake_push_exec(st->kernel, CHILD, CHILD);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	assert_int_equal(byte_at(st, CHILD, AT), 0);
}

/* Made before anybody was attached, by clone(CLONE_VM): nothing tells of it. */
static void a_trap_goes_from_the_memory_of_one_that_is_not_known(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	fake_add(st->kernel, CHILD, CHILD)->memory = fake_task(st->kernel, PID)->memory;
	must_set(c, (struct wire_break){ .addr = AT });
	assert_int_equal(byte_at(st, CHILD, AT), TRAP);
	fake_push_dead(st->kernel, PID, SIGKILL);
	settle(st);
	assert_int_equal(byte_at(st, CHILD, AT), 0);
}

/* A child of its vfork() may live on there. */
static void nothing_is_planted_where_all_are_dying(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	fake_push_exiting(st->kernel, PID, SIGKILL, BACKEND_EXIT_OTHER);
	settle(st);
	assert_int_equal(error_of(c, (struct wire_break){ .addr = AT, .mode = COTRACE_NOTE }),
			 -ESRCH);
	assert_int_equal(byte_at(st, PID, AT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_childs_trap_in_its_parents_memory_goes_when_it_dies),
		STAGED(a_childs_trap_in_its_parents_memory_goes_when_it_leaves_it),
		STAGED(a_parents_trap_goes_from_its_childs_memory_when_it_dies),
		STAGED(a_child_of_vfork_is_left_alone_as_long_as_there_are_no_traps),
		STAGED(a_child_of_vfork_that_is_being_let_go_stays_for_the_first_trap),
		STAGED(who_shares_memory_stays_as_long_as_somebody_covers_it),
		STAGED(who_is_attached_by_itself_has_the_traps_of_its_memory),
		STAGED(a_trap_goes_from_the_memory_of_one_that_is_not_known),
		STAGED(nothing_is_planted_where_all_are_dying),
		STAGED(a_trap_lifted_for_an_exec_is_lowered_in_the_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
