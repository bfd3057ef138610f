/* SPDX-License-Identifier: MIT */
#include "engine/regs.h"

#include <elf.h>
#include <errno.h>

const struct arch_code *regs_code(struct task *t)
{
	struct backend *b = t->engine->backend;

	return arch_code_by_id(b->ops->task_arch(b, t->tid));
}

uint8_t *regs_get(struct task *t, size_t *size)
{
	struct backend *b = t->engine->backend;
	ssize_t n;

	if (t->regs.size == 0) {
		n = b->ops->regset_get(b, t->tid, NT_PRSTATUS, t->regs.set, sizeof t->regs.set);
		if (n <= 0)
			return NULL;
		t->regs.size = (size_t)n;
	}
	*size = t->regs.size;
	return t->regs.set;
}

void regs_changed(struct task *t)
{
	const struct arch_code *code = regs_code(t);

	t->regs.dirty = true;
	if (code != NULL)
		t->ev.pc = code->pc(code, t->regs.set, t->regs.size);
}

int regs_set_pc(struct task *t, uint64_t pc)
{
	const struct arch_code *code = regs_code(t);
	size_t size;
	uint8_t *set = regs_get(t, &size);

	if (set == NULL || code == NULL)
		return -ESRCH;
	code->set_pc(code, set, size, pc);
	t->regs.dirty = true;
	t->ev.pc = pc;
	return 0;
}

int regs_flush(struct task *t)
{
	struct backend *b = t->engine->backend;
	int r = 0;

	if (t->regs.dirty)
		r = b->ops->regset_set(b, t->tid, NT_PRSTATUS, t->regs.set, t->regs.size);
	t->regs.dirty = false;
	return r;
}

void regs_forget(struct task *t)
{
	t->regs.size = 0;
	t->regs.dirty = false;
}
