/* SPDX-License-Identifier: MIT */
/*
 * Steps (R5). The kernel cannot step and stop at system calls at once (gotcha 87), so when
 * somebody wants to see the call it is run as one, and its exit is the end of the step.
 */
#include "engine/step.h"

#include <errno.h>
#include <string.h>

#include "engine/past.h"
#include "engine/regs.h"
#include "engine/request.h"
#include "engine/session.h"
#include "engine/task.h"

/* What it is about to execute. */
static void look_ahead(struct task *t, struct code_instruction *insn)
{
	const struct arch_code *code = regs_code(t);
	uint8_t bytes[CODE_INSTRUCTION_MAX];
	ssize_t n = code ? space_read(t, t->ev.pc, bytes, sizeof bytes) : -1;

	*insn = (struct code_instruction){ 0 };
	if (n > 0)
		code->decode(code, bytes, (size_t)n, insn);
}

/* The instruction of @pc is executed at @at: what it shows of that is put right afterwards. */
void step_watch(struct task *t, const struct code_instruction *insn, uint8_t end, uint64_t pc,
		uint64_t at)
{
	size_t size;
	const uint8_t *set = regs_get(t, &size);

	t->step.insn = *insn;
	t->step.pc = pc;
	t->step.at = at;
	t->step.end = end;
	t->step.fix = set != NULL;
	if (set != NULL)
		memcpy(t->step.before, set, size);
}

enum backend_resume step_begin(struct task *t, bool sees_calls)
{
	bool in_call = t->ev.kind == BACKEND_SYSCALL_ENTRY || t->restarting;

	look_ahead(t, &t->step.insn);
	t->step.pc = t->step.at = t->ev.pc;
	t->step.fix = false;
	t->steps_call = sees_calls && (in_call || (t->step.insn.flags & CODE_IS_SYSCALL));
	t->steps = !t->steps_call;
	if (t->steps && (t->step.insn.flags & (CODE_SHOWS_STEP | CODE_IS_SYSCALL)))
		step_watch(t, &t->step.insn, t->step.insn.length, t->ev.pc, t->ev.pc);
	return t->steps ? BACKEND_STEP : BACKEND_SYSCALLS;
}

static void put_right(struct task *t, struct backend_event *ev)
{
	const struct code_access access = past_access(t);
	const struct arch_code *code = regs_code(t);
	size_t size;
	uint8_t *set = regs_get(t, &size);

	t->step.fix = false;
	t->slot_of = 0;
	if (set == NULL || code == NULL)
		return;
	if (code->after_step(code, &t->step.insn, t->step.end, t->step.pc, t->step.at,
			     t->step.before, set, size, &access) > 0) {
		regs_changed(t);
		ev->pc = t->ev.pc;
	}
}

bool step_ends(struct task *t, struct backend_event *ev)
{
	bool ours = t->steps && (ev->trap == BACKEND_TRAP_STEP || ev->trap == BACKEND_TRAP_NOTICE);

	if (!ours)
		return false;
	t->steps = false;
	if (t->step.fix)
		put_right(t, ev);
	return true;
}

bool step_done(struct task *t)
{
	bool branched = t->ev.pc != t->step.pc + t->step.insn.length &&
			!(t->ev.pc == t->step.pc && (t->step.insn.flags & CODE_IS_REPEATED));

	return rules_stepped(&t->rules, t->ev.pc, branched);
}

/* The step was acted out, or was a call that is over: nothing is left to be executed. */
static bool is_over(struct task *t)
{
	bool acted_out = t->step.virtual;

	t->step.virtual = false;
	if (acted_out)
		return true;
	if (!t->steps_call || t->ev.kind != BACKEND_SYSCALL_EXIT || t->call_suspended)
		return false;
	t->steps_call = false;
	return true;
}

bool step_follows(struct task *t)
{
	if (!is_over(t) || !step_done(t))
		return false;
	rules_run(&t->rules);
	rules_stop(&t->rules, RULES_TO_PROGRAM, false);
	t->kind = COTRACE_EVENT_STEP;
	t->flags = 0;
	t->signo = 0;
	return true;
}

static int check_step(struct request *rq, const struct wire_step *m, struct task *t)
{
	struct rules_party *p = t ? rules_party(&t->rules, rq->session->id) : NULL;
	int r = request_may_change(rq);

	if (r < 0)
		return r;
	if (t == NULL || p == NULL)
		return -ESRCH;
	if (m->kind < COTRACE_STEP_INSTRUCTION || m->kind > COTRACE_STEP_RANGE)
		return -EINVAL;
	return p->holds & (RULES_HOLD_ASKED | RULES_HOLD_OFFER) ? 0 : -EBUSY;
}

void request_step(struct request *rq, const struct wire_step *m)
{
	struct task *t = request_task(rq, m->task);
	int r = check_step(rq, m, t);

	if (r == 0) {
		rules_step(rules_party(&t->rules, rq->session->id), (enum rules_step)m->kind,
			   m->from, m->to);
		task_release(t, rq->session, RULES_HOLD_ASKED | RULES_HOLD_OFFER);
	}
	request_done(rq, r);
}
