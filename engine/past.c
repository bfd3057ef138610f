/* SPDX-License-Identifier: MIT */
/*
 * Past a trap without lifting it, so that no other task misses it: acted out, or in a slot
 * from which it jumps back by itself. Only what cannot be done so is stepped in place, with
 * all other tasks of the memory held.
 */
#include "engine/past.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "engine/break.h"
#include "engine/regs.h"
#include "engine/step.h"
#include "engine/task.h"

#define LIFT_NS (CLOCK_SECOND / 20) /* who does not stand by then is deep in the kernel */

static struct trap_site *passed_site(const struct task *t)
{
	struct trap_site *site = t->process ? space_site(t->process->space, t->passed) : NULL;

	return site && site->planted && t->passed == t->ev.pc ? site : NULL;
}

/* ---- What a task is found at ---- */

static void fault_in_slot(struct task *t, struct backend_event *ev)
{
	struct backend *b = t->engine->backend;

	if ((uint64_t)(uintptr_t)ev->siginfo.si_addr != t->slot_at || ev->siginfo.si_code <= 0)
		return;
	ev->siginfo.si_addr = (void *)(uintptr_t)t->slot_of;
	b->ops->siginfo_set(b, t->tid, &ev->siginfo);
}

static void entered_from_slot(struct task *t, struct backend_event *ev)
{
	const struct arch_code *code = regs_code(t);
	size_t size;
	uint8_t *set = regs_get(t, &size);

	if (set == NULL || code == NULL)
		return;
	if (code->entered(code, &t->slot_code, t->slot_of, t->slot_at, set, size) > 0) {
		regs_changed(t);
		ev->pc = t->ev.pc;
	}
	t->site_call = t->slot_of;
}

/* Whatever has become of its site and of its slot since: they are asked no more. */
void past_settle(struct task *t, struct backend_event *ev)
{
	bool is_signal = ev->kind == BACKEND_SIGNAL || ev->kind == BACKEND_TRAP;

	t->own_trap = false;
	if (ev->kind == BACKEND_SYSCALL_ENTRY)
		t->site_call = 0;
	if (t->slot_of == 0)
		return;
	if (ev->kind == BACKEND_SYSCALL_ENTRY) {
		entered_from_slot(t, ev);
	} else if (t->steps && t->step.fix && ev->kind == BACKEND_TRAP &&
		   ev->trap != BACKEND_TRAP_KERNEL) {
		return; /* step.c puts it right */
	} else if (ev->pc == t->slot_at) {
		regs_set_pc(t, t->slot_of);
		t->passed = t->slot_of;
		if (is_signal)
			fault_in_slot(t, ev);
	} else if (ev->pc == t->slot_at + t->slot_code.end) {
		regs_set_pc(t, t->slot_of + t->slot_code.insn.length);
		t->own_trap = ev->kind == BACKEND_TRAP && ev->trap == BACKEND_TRAP_CODE;
	}
	if (t->regs.dirty)
		ev->pc = t->ev.pc;
	t->slot_of = 0;
}

/* ---- Getting ready ---- */

static int access_read(void *arg, uint64_t addr, void *buf, size_t size)
{
	return space_read_all(arg, addr, buf, size);
}

static int access_write(void *arg, uint64_t addr, const void *buf, size_t size)
{
	struct task *t = arg;
	struct backend *b = t->engine->backend;

	return b->ops->memory_store(b, t->tid, addr, buf, size) == (ssize_t)size ? 0 : -EFAULT;
}

/* What somebody watches is left to the hardware, which tells of it. */
static int unwatched_read(void *arg, uint64_t addr, void *buf, size_t size)
{
	const struct task *t = arg;

	return watch_concerns(t->process, addr, size, false) ? -EFAULT
							     : access_read(arg, addr, buf, size);
}

static int unwatched_write(void *arg, uint64_t addr, const void *buf, size_t size)
{
	const struct task *t = arg;

	return watch_concerns(t->process, addr, size, true) ? -EFAULT
							    : access_write(arg, addr, buf, size);
}

struct code_access past_access(struct task *t)
{
	return (struct code_access){ .arg = t, .read = access_read, .write = access_write };
}

static bool acted_out(struct task *t, const struct trap_site *site)
{
	const struct code_access access = { .arg = t,
					    .read = unwatched_read,
					    .write = unwatched_write };
	size_t size;
	uint8_t *set = regs_get(t, &size);

	if (set == NULL || site->code->emulate(site->code, site->bytes, site->byte_count,
					       site->addr, set, size, &access) < 0)
		return false;
	regs_changed(t);
	t->passed = 0;
	if (rules_wants_step(&t->rules)) {
		t->step.pc = site->addr;
		t->step.insn = site->moved.insn;
		t->step.virtual = true;
	}
	return true;
}

static void remember_unfinished(struct task *t, uint64_t at, bool call)
{
	unsigned i = 0;

	while (i < TASK_UNFINISHED_MAX - 1 && t->unfinished[i].at)
		i++;
	t->unfinished[i].at = at;
	t->unfinished[i].sp = t->ev.sp;
	t->unfinished[i].call = call;
}

bool past_awaits_call(const struct task *t)
{
	for (unsigned i = 0; i < TASK_UNFINISHED_MAX; i++)
		if (t->unfinished[i].at && t->unfinished[i].call)
			return true;
	/* At its entry: made again or not, it is no second hit. */
	return task_at_entry(t) && t->site_call;
}

void past_call_ended(struct task *t, const struct backend_event *ev)
{
	for (unsigned i = 0; i < TASK_UNFINISHED_MAX; i++) {
		if (!t->unfinished[i].call || t->unfinished[i].sp != ev->sp)
			continue;
		if (t->unfinished[i].at != ev->pc)
			t->unfinished[i].at = 0;
		t->unfinished[i].call = false;
	}
}

void past_forget_unfinished(struct task *t, uint64_t sp)
{
	for (unsigned i = 0; i < TASK_UNFINISHED_MAX; i++)
		if (sp > t->unfinished[i].sp)
			t->unfinished[i].at = 0;
}

/* A handler is about to run: the instruction comes after it, and its trap once more. */
static bool handler_comes_first(struct task *t, bool at_site)
{
	struct backend *b = t->engine->backend;
	const siginfo_t *info = &t->ev.siginfo;
	bool fault = info->si_code > 0 && (t->signo == SIGSEGV || t->signo == SIGBUS ||
					   t->signo == SIGILL || t->signo == SIGFPE);
	bool broken = t->site_call && t->call_broken;

	if (t->signo == 0 || !(at_site || broken) || (t->flags & COTRACE_EV_DENIED) ||
	    b->ops->disposition(b, t->tid, t->signo) != BACKEND_SIG_HANDLED)
		return false;
	if (broken)
		remember_unfinished(t, t->site_call, true);
	else if (!fault) /* after a fault it is tried again, and may hit again */
		remember_unfinished(t, t->passed, false);
	t->site_call = t->passed = 0;
	return true;
}

/* ---- In place, with the trap lifted ---- */

/* Has them stand soon; whether they do. */
static bool stop_others(const struct task *t)
{
	bool all = true;

	list_for_each (&t->process->space->processes, node, after) {
		struct process *p = list_entry(node, struct process, in_space);

		list_for_each (&p->tasks, at, next) {
			struct task *u = list_entry(at, struct task, in_process);

			if (u == t || u->in_vfork)
				continue;
			task_interrupt(u);
			all = all && (u->state != TASK_RUNNING || task_has_left(u));
		}
	}
	return all;
}

static void waited_enough(struct timer *timer)
{
	struct task *t = list_entry(timer, struct task, timer);

	t->lift_due = true;
	task_proceed(t);
}

static bool lift(struct task *t, struct trap_site *site)
{
	struct space *s = site->space;

	if (s->lifting != NULL && s->lifting != t)
		return false;
	if (s->lifting == NULL) {
		s->lifting = t;
		t->lift_due = false;
		timer_set(&t->engine->timers, &t->timer, clock_now_ns() + LIFT_NS, waited_enough);
	}
	if (!t->lift_due && !stop_others(t))
		return false;
	timer_cancel(&t->timer);
	log_debug("%d steps over %lx (%02x) in place", (int)t->tid, (unsigned long)site->addr,
		  site->original[0]);
	space_lift(site);
	t->lifted = true;
	return true;
}

void past_lifted(struct task *t)
{
	struct space *s = t->process ? t->process->space : NULL;
	struct trap_site *site = s ? space_site(s, t->passed) : NULL;

	if (s == NULL || s->lifting != t)
		return;
	timer_cancel(&t->timer);
	s->lifting = NULL;
	if (t->lifted && site != NULL)
		space_lower(site);
	t->lifted = false;
	space_wake(s);
}

bool past_barred(const struct task *t)
{
	const struct space *s = t->process ? t->process->space : NULL;

	return s != NULL && s->lifting != NULL && s->lifting != t;
}

/* ---- Running ---- */

static bool finds_a_way(struct task *t)
{
	struct trap_site *site = passed_site(t);
	int r;

	if (past_barred(t))
		return false;
	if (task_listens(t) || t->lifted)
		return true;
	if (t->detaching) {
		t->passed = 0;
		return !slots_leave(t);
	}
	if (handler_comes_first(t, site != NULL) || site == NULL) {
		t->passed = 0;
		return true;
	}
	slots_decode(site, t);
	if (site->moved.emulated && acted_out(t, site))
		return true;
	if (t->engine->backend->ops->in_sequence(t->engine->backend, t->tid, site->addr)) {
		t->passed = 0; /* the kernel takes it out of the sequence, and it begins anew */
		return true;
	}
	r = slots_prepare(site, t);
	if (r == -EINPROGRESS)
		return false;
	return r == 0 || lift(t, site);
}

bool past_ready(struct task *t)
{
	bool ready = finds_a_way(t);

	/* Who has found another way keeps nobody waiting, as it may never stop again. */
	if (ready && !t->lifted)
		past_lifted(t);
	return ready;
}

void past_run(struct task *t, enum backend_resume *how)
{
	struct trap_site *site = passed_site(t);

	if (site == NULL || task_listens(t))
		return;
	if (t->lifted) {
		death_expect_leader(t); /* the instruction may be an exit, of which no stop tells */
		*how = BACKEND_STEP;
		if (!t->steps)
			step_watch(t, &site->moved.insn, site->moved.insn.length, site->addr,
				   site->addr);
		t->steps = true;
		return;
	}
	slots_enter(t, site);
	t->passed = 0;
	if (site->moved.kind == CODE_SYSCALL) {
		/* Its entry must be seen in any case, and so its exit: it may be made again. */
		t->steps_call = *how == BACKEND_STEP || t->steps_call;
		t->steps = false;
		*how = BACKEND_SYSCALLS;
	} else if (site->moved.step) {
		t->steps = true;
		*how = BACKEND_STEP;
		step_watch(t, &site->moved.insn, site->moved.end, site->addr, site->slot);
	} else if (t->step.fix) {
		t->step.at = site->slot;
		t->step.end = site->moved.end;
	}
}
