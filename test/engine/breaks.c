/* SPDX-License-Identifier: MIT */
/* Breakpoints (R7): whose a hit is, and that no trap stays or goes where it must not. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/space.h"
#include "test/engine/stage.h"

#define AT (FAKE_MEMORY_AT + 64)
#define SLOTS (FAKE_MEMORY_AT + 4096)
#define TRAP 0xcc
#define CHILD 200

static int set(struct client *c, struct wire_break b, uint64_t *id)
{
	struct wire_r_break reply;
	struct wire_reader r;
	struct message m;

	b.pid = b.pid ? b.pid : PID;
	b.mode = b.mode ? b.mode : COTRACE_NOTE;
	client_begin(c, WIRE_BREAK, 0);
	wire_put_break(&c->writer, &b);
	client_send(c, -1);
	settle(c->stage);
	assert_true(client_take(c, WIRE_R_BREAK, &m));
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_break(&r, &reply));
	free(m.body);
	*id = reply.id;
	return reply.error;
}

static uint64_t must_set(struct client *c, struct wire_break b)
{
	uint64_t id;

	assert_int_equal(set(c, b, &id), 0);
	return id;
}

static uint8_t byte_at(struct stage *st, pid_t pid, uint64_t at)
{
	return fake_memory(st->kernel, pid)[at - FAKE_MEMORY_AT];
}

/* What stands at the trap runs on in place: there is no memory for slots. */
static void without_slots(struct stage *st)
{
	fake_fail(st->kernel, FAKE_CALL_BEGIN, -ENOSYS, 1);
}

/* The call into @tid that makes room for slots at @at, or says why not. */
static void map_slots(struct stage *st, pid_t tid, int64_t at)
{
	const struct fake_call *call = fake_last(st->kernel, FAKE_CALL_BEGIN, tid);

	assert_non_null(call);
	fake_push_entry(st->kernel, tid, call->value, 0);
	settle(st);
	fake_push_exit(st->kernel, tid, call->value, at);
	settle(st);
}

static uint64_t pc_of(struct stage *st, pid_t tid)
{
	const struct fake_task *t = fake_task(st->kernel, tid);
	const struct arch_code *code = arch_code_by_id(t->arch);

	return code->pc(code, t->regs, sizeof t->regs);
}

static void push_hit(struct stage *st, pid_t tid, uint64_t at)
{
	fake_push_trap(st->kernel, tid, BACKEND_TRAP_CODE, at + 1);
	settle(st);
}

static void push_step(struct stage *st, pid_t tid, uint64_t pc)
{
	fake_push_trap(st->kernel, tid, BACKEND_TRAP_STEP, pc);
	settle(st);
}

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
	uint64_t id;

	assert_int_equal(set(c, (struct wire_break){ .addr = 0 }, &id), -EFAULT);
	assert_int_equal(set(c, (struct wire_break){ .addr = UINT64_MAX }, &id), -EFAULT);
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
	uint64_t id;

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(set(c, (struct wire_break){ .addr = 4096 + i }, &id), -EFAULT);
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

static struct client *with_tree(struct stage *st)
{
	return client_attached_as(st, (struct wire_attach){ .scope = COTRACE_TREE });
}

/* A child in its parent's memory, which it has a breakpoint of its own in. */
static struct client *vforked(struct stage *st)
{
	struct client *c = with_tree(st);

	st->kernel->same_memory = 1;
	fake_push_child(st->kernel, PID, BACKEND_VFORK, CHILD);
	settle(st);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
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

	st->kernel->same_memory = 1;
	must_set(c, (struct wire_break){ .addr = AT });
	fake_push_child(st->kernel, PID, BACKEND_VFORK, CHILD);
	settle(st);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	assert_int_equal(fake_count(st->kernel, FAKE_DETACH, CHILD), 0);
	fake_memory(st->kernel, CHILD)[AT - FAKE_MEMORY_AT] = TRAP;
	fake_push_dead(st->kernel, PID, SIGKILL);
	settle(st);
	assert_int_equal(byte_at(st, CHILD, AT), 0);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	assert_int_equal(fake_count(st->kernel, FAKE_DETACH, CHILD), 1);
}

static void lift(struct stage *st, pid_t tid)
{
	without_slots(st);
	push_hit(st, tid, AT);
	assert_int_equal(fake_task(st->kernel, tid)->how, BACKEND_STEP);
	assert_int_equal(byte_at(st, PID, AT), 0);
}

static void thread(struct stage *st, pid_t tid)
{
	fake_push_child(st->kernel, PID, BACKEND_CLONE, tid);
	settle(st);
	fake_push_kind(st->kernel, tid, BACKEND_INTERRUPTED);
	settle(st);
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

/* The child has stepped its exec() in place: the trap is its parent's as before. */
static void a_trap_lifted_for_an_exec_is_lowered_in_the_parent(void **state)
{
	struct stage *st = *state;
	struct client *c = client_attached(st);

	st->kernel->same_memory = 1;
	must_set(c, (struct wire_break){ .addr = AT });
	fake_push_child(st->kernel, PID, BACKEND_VFORK, CHILD);
	settle(st);
	fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
	settle(st);
	lift(st, CHILD);
	fake_push_exec(st->kernel, CHILD, CHILD);
	settle(st);
	assert_int_equal(byte_at(st, PID, AT), TRAP);
	assert_int_equal(byte_at(st, CHILD, AT), 0);
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
		STAGED(the_trap_of_a_breakpoint_that_is_gone_is_nobodys),
		STAGED(several_of_one_session_are_told_and_once_is_once),
		STAGED(at_the_ends_of_the_address_space_there_is_nothing),
		STAGED(what_cannot_be_planted_uses_nothing_up),
		STAGED(what_is_written_over_a_trap_lies_beneath_it),
		STAGED(a_write_while_a_trap_is_lifted_leaves_it_so),
		STAGED(a_childs_trap_in_its_parents_memory_goes_when_it_dies),
		STAGED(a_childs_trap_in_its_parents_memory_goes_when_it_leaves_it),
		STAGED(a_parents_trap_goes_from_its_childs_memory_when_it_dies),
		STAGED(no_trap_is_lowered_into_the_next_program),
		STAGED(a_trap_lifted_for_an_exec_is_lowered_in_the_parent),
		STAGED(who_dies_while_it_steps_leaves_the_trap_in_place),
		STAGED(a_leader_that_exits_while_it_steps_leaves_the_trap_in_place),
		STAGED(slots_are_asked_for_again_where_they_could_not_be_had_just_then),
		STAGED(who_has_let_its_slots_go_gets_others),
		STAGED(a_trap_is_told_before_the_stop_by_job_control_that_overtook_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
