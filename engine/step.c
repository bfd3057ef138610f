/* SPDX-License-Identifier: MIT */
/*
 * Steps (R5). What a trap flag does to a program (102) is kept from it where it can be:
 *
 *	system calls	are run as such, and their exit is the end of the step. So children do
 *			not inherit the flag (59), and sessions see the call (87)
 *	pushf, popf	are put right afterwards
 *	mov ss, cpuid	after which the processor may not trap (101), are executed in a slot:
 *			there the second instruction is a jump back
 *	a program that has set its flag itself has its own trap for each step
 */
#include "engine/step.h"

#include <errno.h>
#include <string.h>

#include "engine/past.h"
#include "engine/regs.h"
#include "engine/request.h"
#include "engine/session.h"
#include "engine/sigtrap.h"
#include "engine/task.h"
#include "engine/watch.h"

/* What it is about to execute: how many bytes are known. */
static ssize_t look_ahead(struct task *t, struct code_instruction *insn, uint8_t *bytes)
{
	const struct arch_code *code = regs_code(t);
	ssize_t n = code ? space_read(t, t->ev.pc, bytes, CODE_INSTRUCTION_MAX) : -1;

	*insn = (struct code_instruction){ 0 };
	if (n > 0)
		code->decode(code, bytes, (size_t)n, insn);
	return n;
}

/* The instruction of @pc is executed at @at: what it shows of that is put right afterwards. */
void step_watch(struct task *t, const struct code_instruction *insn, uint8_t end, uint64_t pc,
		uint64_t at)
{
	const struct arch_code *code = regs_code(t);
	size_t size;
	const uint8_t *set = regs_get(t, &size);

	t->step.insn = *insn;
	t->step.pc = pc;
	t->step.at = at;
	t->step.end = end;
	t->step.own = set && code && code->steps_itself(code, set, size);
	if (insn->flags & CODE_SETS_STEP)
		t->step.chain = true;
	t->step.fix = set && (at != pc || t->step.chain ||
			      insn->flags & (CODE_SHOWS_STEP | CODE_IS_SYSCALL));
	if (t->step.fix)
		memcpy(t->step.before, set, size);
}

/* The kernel goes on with a call as soon as the task runs. */
static bool is_in_call(const struct task *t)
{
	switch (t->ev.kind) {
	case BACKEND_SYSCALL_ENTRY:
	case BACKEND_SECCOMP:
	case BACKEND_FORK:
	case BACKEND_VFORK:
	case BACKEND_CLONE:
	case BACKEND_VFORK_DONE:
	case BACKEND_EXEC:
		return true;
	case BACKEND_SYSCALL_EXIT: /* it will be made again */
		return t->call_suspended ||
		       (t->call_broken && t->call.result == t->ev.syscall.result &&
			t->call.result != -EINTR);
	default:
		return t->restarting;
	}
}

static bool is_plain(const struct task *t)
{
	return (rules_wants_step(&t->rules) || watch_steps(t)) && !task_listens(t) &&
	       !is_in_call(t) && t->signo == 0 && !t->detaching;
}

/* One after which the processor does not trap. Where it fails, it is stepped all the same. */
static int find_slot(struct task *t, const uint8_t *bytes)
{
	struct space *s = t->process->space;
	struct trap_site *site = space_add_site(s, regs_code(t), t->ev.pc);
	int r;

	if (site == NULL || site->planted)
		return -EEXIST;
	/* Nobody says when the program writes something else there. */
	if (!site->moved_valid || memcmp(site->moved.code, bytes, site->moved.insn.length) != 0)
		slots_decode(site, t);
	site->since_ns = clock_now_ns();
	r = slots_prepare(site, t);
	t->step.slot = r == 0 ? site->slot : 0;
	return r;
}

bool step_ready(struct task *t)
{
	uint8_t bytes[CODE_INSTRUCTION_MAX];

	t->step.slot = 0;
	t->step.looked = false;
	if (!is_plain(t) || t->process == NULL || t->process->space == NULL)
		return true;
	look_ahead(t, &t->step.insn, bytes);
	t->step.looked = true;
	if (!(t->step.insn.flags & CODE_IS_SYSCALL) && !sigtrap_ready(t))
		return false;
	return !(t->step.insn.flags & CODE_STEPS_TWO) || find_slot(t, bytes) != -EINPROGRESS;
}

static void go_to_slot(struct task *t)
{
	struct trap_site *site = space_site(t->process->space, t->ev.pc);

	if (site == NULL || site->slot != t->step.slot)
		return;
	step_watch(t, &site->moved.insn, site->moved.end, site->addr, site->slot);
	slots_enter(t, site);
}

enum backend_resume step_begin(struct task *t)
{
	uint8_t bytes[CODE_INSTRUCTION_MAX];
	struct code_instruction insn = t->step.insn;

	if (!t->step.looked)
		look_ahead(t, &insn, bytes);
	t->step.looked = false;
	t->step.done = t->step.idle = false;
	step_watch(t, &insn, insn.length, t->ev.pc, t->ev.pc);
	if (!t->to_handler && is_in_call(t)) {
		t->step.insn = (struct code_instruction){ 0 };
		t->steps_call = true;
		sigtrap_changed(t);
		return BACKEND_SYSCALLS;
	}
	if (!t->to_handler && (insn.flags & CODE_IS_SYSCALL)) /* to its entry */
		return BACKEND_SYSCALLS;
	t->steps = true;
	if (t->step.slot != 0)
		go_to_slot(t);
	return BACKEND_STEP;
}

static void put_right(struct task *t, struct backend_event *ev)
{
	const struct code_access access = past_access(t);
	const struct arch_code *code = regs_code(t);
	bool handler = ev->kind == BACKEND_TRAP && ev->trap == BACKEND_TRAP_NOTICE;
	size_t size;
	uint8_t *set = regs_get(t, &size);
	int r = 0;

	t->step.fix = false;
	if (set == NULL || code == NULL)
		return;
	if (ev->kind == BACKEND_TRAP && ev->trap != BACKEND_TRAP_KERNEL && !handler)
		r = code->after_step(code, &t->step.insn, t->step.end, t->step.pc, t->step.at,
				     t->step.before, set, size, &access);
	else if (t->step.chain && !t->step.own)
		r = code->not_stepped(code, t->step.pc, handler, set, size, &access);
	if (r > 0) {
		regs_changed(t);
		ev->pc = t->ev.pc;
	}
}

void step_settle(struct task *t, struct backend_event *ev)
{
	if (!t->steps || !t->step.fix || ev->kind == BACKEND_EXITING)
		return;
	put_right(t, ev);
	t->slot_of = 0;
}

/* The trap of the instruction that was stepped is the program's own, too. */
static bool is_own(const struct task *t, enum backend_trap trap)
{
	bool is_trap = t->step.insn.flags & CODE_IS_TRAP;

	switch (trap) {
	case BACKEND_TRAP_STEP:
		return t->step.own || is_trap;
	case BACKEND_TRAP_CALL:
	case BACKEND_TRAP_CODE:
		return is_trap;
	default:
		return false;
	}
}

bool step_ends(struct task *t, const struct backend_event *ev)
{
	if (!t->steps)
		return false;
	if (is_own(t, ev->trap)) {
		t->step.done = true;
		return false;
	}
	/* It stood in a call that none had seen begin, as a new task does. */
	t->step.idle = ev->trap == BACKEND_TRAP_CALL && ev->pc == t->step.pc &&
		       !(t->step.insn.flags & CODE_IS_SYSCALL);
	return ev->trap == BACKEND_TRAP_STEP || ev->trap == BACKEND_TRAP_NOTICE ||
	       ev->trap == BACKEND_TRAP_CALL;
}

bool step_done(struct task *t)
{
	bool idle = t->step.idle;
	bool branched = t->ev.pc != t->step.pc + t->step.insn.length &&
			!(t->ev.pc == t->step.pc && (t->step.insn.flags & CODE_IS_REPEATED));

	t->step.idle = false;
	return !idle && rules_stepped(&t->rules, t->ev.pc, branched);
}

/* The signal that it brought, and that all have seen, will not end it in a handler. */
static bool is_without_handler(struct task *t)
{
	struct backend *b = t->engine->backend;

	return t->signo == 0 || (t->flags & COTRACE_EV_DENIED) ||
	       b->ops->disposition(b, t->tid, t->signo) == BACKEND_SIG_IGNORED;
}

/* The step was acted out, or was a call that is over: nothing is left to be executed. */
static bool is_over(struct task *t)
{
	bool acted_out = t->step.virtual, made = t->step.done;

	t->step.virtual = t->step.done = false;
	if (acted_out || (made && is_without_handler(t)))
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
	struct rules_party *p;
	int r = request_part(rq, t, &p);

	if (r < 0)
		return r;
	if (m->kind < COTRACE_STEP_INSTRUCTION || m->kind > COTRACE_STEP_SYSCALL)
		return -EINVAL;
	return p->holds & (RULES_HOLD_ASKED | RULES_HOLD_OFFER) ? 0 : -EBUSY;
}

static void ask_for_step(struct request *rq, const struct wire_step *m, struct task *t)
{
	t->step.done = false; /* the next one is meant */
	rules_step(rules_party(&t->rules, rq->session->id), (enum rules_step)m->kind, m->from,
		   m->to);
}

void request_step(struct request *rq, const struct wire_step *m)
{
	struct task *t = request_task(rq, m->task);
	int r = check_step(rq, m, t);

	if (r == 0) {
		ask_for_step(rq, m, t);
		task_release(t, rq->session, RULES_HOLD_ASKED | RULES_HOLD_OFFER);
	}
	request_done(rq, r);
}

static bool is_open(const struct request *rq, struct task *t, uint64_t seq)
{
	const struct rules_party *p = rules_party(&t->rules, rq->session->id);

	return (p->holds & RULES_HOLD_OFFER) && p->offer_seq == seq;
}

void request_answer_step(struct request *rq, const struct wire_answer_step *m)
{
	const struct wire_step step = { m->task, m->kind, m->from, m->to };
	struct wire_answer answer = { .task = m->task,
				      .seq = m->seq,
				      .action = m->action,
				      .nr = m->nr,
				      .result = m->result,
				      .signo = m->signo };
	struct task *t = request_task(rq, m->task);
	size_t size = wire_left(rq->body);
	int r = check_step(rq, &step, t);

	memcpy(answer.args, m->args, sizeof answer.args);
	/* The offer goes last: another one can follow at the same stop. */
	if (r == 0 && is_open(rq, t, m->seq)) {
		ask_for_step(rq, &step, t);
		task_release(t, rq->session, RULES_HOLD_ASKED);
		r = verdict_apply(t, rq->session, &answer, wire_get_bytes(rq->body, size), size);
	}
	request_done(rq, r);
}
