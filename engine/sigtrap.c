/* SPDX-License-Identifier: MIT */
/*
 * For a step SIGTRAP is unblocked while it lasts: then the kernel resets nothing. A trap
 * instruction comes when it comes, so there the mask is put back afterwards. Whether SIGTRAP
 * was in it, the kernel does not tell. It was, if
 *
 *	all signals of faults are blocked, as in the C library around clone() and the like:
 *	nobody blocks these one by one
 *	or the mask is what it was when last seen, but for SIGTRAP
 *
 * and a handler, if there was one, is gone. What was to be done about SIGTRAP is put back by a
 * call into the task. The kernel forgets the handler, so that must have been known before.
 */
#include "engine/sigtrap.h"

#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "base/log.h"
#include "engine/call.h"
#include "engine/space.h"
#include "engine/task.h"

#define BIT(signo) (1ull << ((signo)-1))
#define TRAP BIT(SIGTRAP)
#define FAULTS (BIT(SIGILL) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGSEGV))
#define MASK_SIZE 8		    /* bytes, for the kernel */
#define BELOW_STACK 1024	    /* beyond what a program may use there */
#define TASKS_MAX 64		    /* whose masks are looked at while they run */
#define LOOK_NS (CLOCK_SECOND / 10) /* what was seen holds so long */

static enum backend_disposition disposition(const struct process *p)
{
	struct backend *b = p->engine->backend;

	return b->ops->disposition(b, process_any_tid(p), SIGTRAP);
}

/* It may have changed: what is not known is found out when a task stands. */
static void look(struct process *p, enum backend_disposition now)
{
	p->sigtrap.looked_ns = clock_now_ns();
	p->sigtrap.what = now;
	p->sigtrap.fetched = false;
	p->sigtrap.fails = false;
	p->sigtrap.due = now != BACKEND_SIG_DEFAULT;
}

void sigtrap_born(struct task *t)
{
	struct backend *b = t->engine->backend;

	if (t->process && t->process->space->used)
		b->ops->mask_get(b, t->tid, &t->mask);
}

void sigtrap_look(struct process *p)
{
	struct backend *b = p->engine->backend;
	unsigned tasks = 0;

	if (clock_now_ns() - p->sigtrap.looked_ns < LOOK_NS)
		return;
	look(p, disposition(p));
	list_for_each (&p->tasks, node, after) {
		struct task *t = list_entry(node, struct task, in_process);

		if (++tasks > TASKS_MAX)
			break;
		b->ops->mask_get(b, t->tid, &t->mask);
		if (p->sigtrap.due && tasks == 1) /* a handler must be known before it is lost */
			task_interrupt(t);
	}
}

void sigtrap_changed(struct task *t)
{
	if (t->process != NULL)
		t->process->sigtrap.looked_ns = 0;
}

void sigtrap_inherit(struct process *child, const struct process *parent)
{
	child->sigtrap = parent->sigtrap;
	child->sigtrap.due = false;
}

/* ---- The mask ---- */

void sigtrap_run(struct task *t, bool steps)
{
	struct backend *b = t->engine->backend;
	uint64_t mask;

	t->unblocked = false;
	t->requeued = steps && t->requeue;
	t->requeue = false;
	if (!steps || t->requeued || t->to_handler || t->step.own ||
	    (t->step.insn.flags & (CODE_IS_TRAP | CODE_IS_SYSCALL)) ||
	    b->ops->mask_get(b, t->tid, &mask) < 0)
		return;
	t->mask = mask;
	if (!(mask & TRAP) || (t->ev.kind != BACKEND_TRAP && b->ops->mask_lent(b, t->tid)))
		return;
	t->unblocked = b->ops->mask_set(b, t->tid, mask & ~TRAP) == 0;
}

/*
 * A SIGTRAP that was waiting all the time comes as soon as it is unblocked: it has to wait on,
 * and the step is made with it blocked. The kernel then makes one signal of both.
 */
void sigtrap_settle(struct task *t, struct backend_event *ev)
{
	struct backend *b = t->engine->backend;
	bool comes = ev->kind == BACKEND_SIGNAL && ev->siginfo.si_signo == SIGTRAP;
	bool both = comes && t->requeued && t->steps;

	if (t->unblocked || both)
		b->ops->mask_set(b, t->tid, t->mask);
	t->requeue = comes && (t->unblocked || both);
	t->unblocked = t->requeued = false;
	if (!both)
		return;
	ev->kind = BACKEND_TRAP;
	ev->trap = BACKEND_TRAP_STEP;
	t->damaged = t->process && t->process->sigtrap.what != BACKEND_SIG_DEFAULT;
}

/* Where an unblocked SIGTRAP must have been blocked before the trap. */
static bool was_blocked(struct task *t, uint64_t now)
{
	if (now & TRAP)
		return false;
	if (t->process->sigtrap.what == BACKEND_SIG_HANDLED) /* its handler would be there */
		return disposition(t->process) != BACKEND_SIG_HANDLED;
	return (now & FAULTS) == FAULTS || t->mask == (now | TRAP);
}

static void mend_mask(struct task *t, bool *blocked)
{
	struct backend *b = t->engine->backend;
	uint64_t now;

	*blocked = false;
	if (b->ops->mask_get(b, t->tid, &now) < 0)
		return;
	*blocked = was_blocked(t, now);
	if (*blocked && b->ops->mask_set(b, t->tid, now | TRAP) == 0)
		now |= TRAP;
	t->mask = now;
}

void sigtrap_taken(struct task *t, bool hit)
{
	struct process *p = t->process;
	bool blocked = false;

	if (p == NULL)
		return;
	if (hit)
		mend_mask(t, &blocked);
	if (p->sigtrap.what == BACKEND_SIG_IGNORED ||
	    (blocked && p->sigtrap.what == BACKEND_SIG_HANDLED))
		t->damaged = true;
	else if (hit && clock_now_ns() - p->sigtrap.looked_ns > LOOK_NS)
		look(p, disposition(p));
}

/* ---- What is to be done about it ---- */

/* Room for the kernel to read or write an action, in the task's own memory. */
static int borrow(struct task *t, const uint8_t *bytes)
{
	size_t size = sizeof t->lent.bytes;

	t->lent.at = (t->ev.sp - BELOW_STACK) & ~15ull;
	if (space_read_all(t, t->lent.at, t->lent.bytes, size) < 0 ||
	    space_write(t->process, t->lent.at, bytes ? bytes : t->lent.bytes, size) !=
		    (ssize_t)size)
		return -EFAULT;
	return 0;
}

static void give_back(struct task *t)
{
	space_write(t->process, t->lent.at, t->lent.bytes, sizeof t->lent.bytes);
}

static int sigaction_call(struct task *t, bool fetch);

/* The kernel has forgotten that it is ignored, and nothing else of it. */
static void ignore_again(struct task *t)
{
	uint8_t *action = t->process->sigtrap.action;
	struct backend *b = t->engine->backend;
	const struct arch *arch = arch_by_id(b->ops->task_arch(b, t->tid));

	t->damaged = false;
	memset(action, 0, arch ? arch->word_size : sizeof(uint64_t)); /* the handler comes first */
	action[0] = (uint8_t)(uintptr_t)SIG_IGN;
	sigaction_call(t, false);
}

static void fetched(struct task *t, int error, int64_t result, void *arg)
{
	struct process *p = t->process;

	(void)arg;
	if (error == -ESRCH)
		return;
	p->sigtrap.fetched =
		error == 0 && result == 0 &&
		space_read_all(t, t->lent.at, p->sigtrap.action, sizeof p->sigtrap.action) == 0;
	p->sigtrap.fails = !p->sigtrap.fetched;
	give_back(t);
	if (p->sigtrap.fetched && t->damaged && p->sigtrap.what == BACKEND_SIG_IGNORED)
		ignore_again(t);
	t->damaged = false;
}

static void put_back(struct task *t, int error, int64_t result, void *arg)
{
	(void)arg;
	log_debug("what %d does about SIGTRAP is put back: %d %ld", (int)t->tid, error,
		  (long)result);
	if (error != -ESRCH)
		give_back(t);
}

static int sigaction_call(struct task *t, bool fetch)
{
	struct backend *b = t->engine->backend;
	const struct arch *arch = arch_by_id(b->ops->task_arch(b, t->tid));
	uint64_t args[6] = { SIGTRAP, 0, 0, MASK_SIZE };
	int r = arch ? borrow(t, fetch ? NULL : t->process->sigtrap.action) : -ENODEV;

	if (r < 0)
		return r;
	args[fetch ? 2 : 1] = t->lent.at;
	r = call_start(t, arch->calls->sigaction, args, fetch ? fetched : put_back, NULL);
	if (r < 0)
		give_back(t);
	return r;
}

static bool is_known(const struct process *p)
{
	return p->sigtrap.what == BACKEND_SIG_DEFAULT || p->sigtrap.fetched || p->sigtrap.fails;
}

/* Returns false when a call is under way that finds out. */
static bool find_out(struct task *t)
{
	struct process *p = t->process;

	p->sigtrap.due = false;
	if (is_known(p))
		return true;
	if (sigaction_call(t, true) == 0)
		return false;
	p->sigtrap.fails = true;
	return true;
}

bool sigtrap_asked(struct task *t)
{
	return t->process == NULL || t->detaching || is_known(t->process) || find_out(t);
}

bool sigtrap_ready(struct task *t)
{
	struct process *p = t->process;

	if (p == NULL)
		return true;
	if (clock_now_ns() - p->sigtrap.looked_ns > LOOK_NS)
		look(p, disposition(p));
	return find_out(t);
}

void sigtrap_mend(struct task *t)
{
	struct process *p = t->process;

	if (p == NULL)
		return;
	if (t->damaged && p->sigtrap.fetched) {
		t->damaged = false;
		sigaction_call(t, false);
	} else if (p->sigtrap.due || (t->damaged && p->sigtrap.what == BACKEND_SIG_IGNORED)) {
		t->damaged = !find_out(t) && t->damaged;
	}
}
