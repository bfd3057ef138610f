/* SPDX-License-Identifier: MIT */
#include "test/engine/traps.h"

#include <errno.h>
#include <stdlib.h>

#include "arch/code.h"

int set_break(struct client *c, struct wire_break b, uint64_t *id)
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

uint64_t must_set(struct client *c, struct wire_break b)
{
	uint64_t id;

	assert_int_equal(set_break(c, b, &id), 0);
	return id;
}

uint8_t byte_at(struct stage *st, pid_t pid, uint64_t at)
{
	return fake_memory(st->kernel, pid)[at - FAKE_MEMORY_AT];
}

void without_slots(struct stage *st)
{
	fake_fail(st->kernel, FAKE_CALL_BEGIN, -ENOSYS, 1);
}

void map_slots(struct stage *st, pid_t tid, int64_t at)
{
	const struct fake_call *call = fake_last(st->kernel, FAKE_CALL_BEGIN, tid);

	assert_non_null(call);
	fake_push_entry(st->kernel, tid, call->value, 0);
	settle(st);
	fake_push_exit(st->kernel, tid, call->value, at);
	settle(st);
}

uint64_t pc_of(struct stage *st, pid_t tid)
{
	const struct fake_task *t = fake_task(st->kernel, tid);
	const struct arch_code *code = arch_code_by_id(t->arch);

	return code->pc(code, t->regs, sizeof t->regs);
}

void push_hit(struct stage *st, pid_t tid, uint64_t at)
{
	fake_push_trap(st->kernel, tid, BACKEND_TRAP_CODE, at + 1);
	settle(st);
}

void push_step(struct stage *st, pid_t tid, uint64_t pc)
{
	fake_push_trap(st->kernel, tid, BACKEND_TRAP_STEP, pc);
	settle(st);
}

struct client *with_tree(struct stage *st)
{
	return client_attached_as(st, (struct wire_attach){ .scope = COTRACE_TREE });
}

void lift(struct stage *st, pid_t tid)
{
	without_slots(st);
	push_hit(st, tid, AT);
	assert_int_equal(fake_task(st->kernel, tid)->how, BACKEND_STEP);
	assert_int_equal(byte_at(st, PID, AT), 0);
}

void thread(struct stage *st, pid_t tid)
{
	fake_push_child(st->kernel, PID, BACKEND_CLONE, tid);
	settle(st);
	fake_push_kind(st->kernel, tid, BACKEND_INTERRUPTED);
	settle(st);
}
