/* SPDX-License-Identifier: MIT */
#include "test/engine/traps.h"

#include <errno.h>

#include "arch/code.h"

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

void lift(struct stage *st, pid_t tid)
{
	without_slots(st);
	push_hit(st, tid, AT);
	assert_int_equal(fake_task(st->kernel, tid)->how, BACKEND_STEP);
	assert_int_equal(byte_at(st, PID, AT), 0);
}

void thread(struct stage *st, pid_t tid)
{
	give_birth(st, PID, BACKEND_CLONE, tid);
}
