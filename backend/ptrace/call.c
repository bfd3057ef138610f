/* SPDX-License-Identifier: MIT */
/*
 * Calls into a task: how it is brought back, exactly.
 *
 * The last stop must be one from which the kernel goes on as from the first one. Where that
 * matters is signal work: only there an interrupted call is made again, and only there a
 * signal can be delivered. The marks that lead there are lost on the way out (gotcha 78). So
 * the way back ends in signal work: at the exit of our call an interrupt is pending, whose
 * stop comes before any signal is taken; or, for a task that stood at a signal, a signal of
 * our own, which then becomes the one at which it stood. No step is made: its trap would
 * reset what the program does about SIGTRAP (79).
 *
 * A task that stood at an entry goes to that entry once more.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "backend/ptrace/internal.h"
#include "base/log.h"

#define BIT(signo) (1ull << ((signo)-1))
#define NONE_BUT(set) (~0ull & ~(uint64_t)(set))
#define BELOW_STACK 512 /* beyond what a program may use there */
#define MASK_SIZE 8	/* bytes, for the kernel */

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif
#define RSEQ_SECTION 8 /* offset of the pointer to the critical section */

struct rseq_configuration {
	uint64_t at;
	uint32_t size, signature, flags, padding;
};

static int get_mask(pid_t tid, uint64_t *mask)
{
	return (int)ptrace_call(PTRACE_GETSIGMASK, tid, sizeof *mask, (uintptr_t)mask);
}

static int set_mask(pid_t tid, uint64_t mask)
{
	return (int)ptrace_call(PTRACE_SETSIGMASK, tid, sizeof mask, (uintptr_t)&mask);
}

int call_mask_get(struct backend *base, pid_t tid, uint64_t *mask)
{
	uint64_t pending;
	int r = get_mask(tid, mask);

	(void)base;
	if (r == -ESRCH) /* it runs */
		r = proc_signals(tid, &pending, mask) ? 0 : -ESRCH;
	return r;
}

int call_mask_set(struct backend *base, pid_t tid, uint64_t mask)
{
	(void)base;
	return set_mask(tid, mask);
}

bool call_mask_lent(struct backend *base, pid_t tid)
{
	uint64_t pending, blocked, mask;

	(void)base;
	return get_mask(tid, &mask) < 0 || !proc_signals(tid, &pending, &blocked) ||
	       mask != blocked;
}

/*
 * What is blocked meanwhile stays pending. A filter of the program's may answer our call with
 * a SIGSYS, and to block that one would be fatal.
 */
static uint64_t mask_for_call(const struct ptrace_call *c)
{
	return NONE_BUT(BIT(SIGSYS)) | (c->mask & BIT(SIGSYS));
}

/* The kernel takes a pc outside of a critical section for its end. */
static void save_section(struct backend *base, pid_t tid, struct ptrace_call *c)
{
	struct rseq_configuration rseq = { 0 };

	if (ptrace_call(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof rseq, (uintptr_t)&rseq) < 0 ||
	    rseq.at == 0)
		return;
	c->rseq_at = rseq.at + RSEQ_SECTION;
	if (mem_read(base, tid, c->rseq_at, &c->rseq, sizeof c->rseq) != sizeof c->rseq)
		c->rseq = 0;
}

static void restore_section(struct backend *base, pid_t tid, const struct ptrace_call *c)
{
	if (c->rseq != 0)
		mem_write(base, tid, -1, c->rseq_at, &c->rseq, sizeof c->rseq);
}

static int save_signal(struct backend *base, pid_t tid, const struct backend_event *at,
		       struct ptrace_call *c)
{
	pid_t pid = proc_process_of(base, tid);
	uint64_t pending;

	c->from = PTRACE_CALL_AT_SIGNAL;
	c->siginfo = at->siginfo;
	if (!proc_signals(tid, &pending, &c->effective))
		return -ESRCH;
	/* The way back needs a signal. */
	return syscall(SYS_tgkill, pid, tid, 0) < 0 ? -errno : 0;
}

static int save(struct backend *base, struct ptrace_task *t, const struct backend_event *at,
		struct ptrace_call *c)
{
	int r = regs_save(t->tid, &c->regs);

	if (r == 0)
		r = get_mask(t->tid, &c->mask);
	if (r == 0 && at->kind == BACKEND_SYSCALL_ENTRY) {
		c->from = PTRACE_CALL_AT_ENTRY;
		r = at->syscall.arch == c->call.arch ? 0 : -EBUSY;
	} else if (r == 0 && (at->kind == BACKEND_SIGNAL ||
			      (at->kind == BACKEND_TRAP && at->trap != BACKEND_TRAP_NOTICE))) {
		r = save_signal(base, t->tid, at, c);
	}
	c->put_back = t->put_back;
	c->entry = t->entry;
	save_section(base, t->tid, c);
	return r;
}

static const struct arch_calls *calls_of(const struct ptrace_call *c)
{
	return arch_by_id(c->call.arch)->calls;
}

/* Whether the kernel remembers how the task's call goes on, which @c would make it forget. */
static bool forgets(const struct ptrace_call *c, const struct backend_event *at)
{
	const struct arch_calls *calls = calls_of(c);

	if (at->kind == BACKEND_SYSCALL_ENTRY) /* which call it was is not known here */
		return at->syscall.restart && (arch_lists_call(calls->forget, c->call.nr) ||
					       arch_lists_call(calls->may_forget, c->call.nr));
	return regs_goes_on(&c->regs, c->call.arch) && arch_lists_call(calls->forget, c->call.nr);
}

int call_begin(struct backend *base, pid_t tid, const struct backend_event *at,
	       const struct backend_syscall *call)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	struct ptrace_call *c = t && !t->calling ? calloc(1, sizeof *c) : NULL;
	int r;

	if (c == NULL)
		return t == NULL ? -ESRCH : -ENOMEM;
	c->call = *call;
	t->call_place = regs_find_entry(base, tid, call->arch, t->call_place);
	r = t->call_place ? save(base, t, at, c) : -ENOSYS;
	if (r == 0 && forgets(c, at))
		r = -EBUSY;
	if (r == 0)
		r = set_mask(tid, mask_for_call(c));
	if (r == 0)
		r = c->from == PTRACE_CALL_AT_ENTRY
			    ? regs_call_here(tid, &c->regs, call)
			    : regs_call_from(tid, &c->regs, t->call_place, call);
	if (r < 0) {
		free(c);
		return r;
	}
	t->entry.nr = -1;
	t->calling = c;
	return c->from == PTRACE_CALL_AT_ENTRY;
}

bool call_again(struct backend *base, pid_t tid, const struct backend_syscall *call)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	struct ptrace_call *c = t ? t->calling : NULL;
	struct backend_syscall again;

	if (c == NULL)
		return false;
	again = *call;
	again.nr = regs_call_again(call, call->result);
	if (again.nr == calls_of(c)->restart)
		c->forgetful = true;
	return again.nr >= 0 && regs_call_from(tid, &c->regs, t->call_place, &again) == 0;
}

/* SECCOMP_RET_TRAP leaves the number where the result would be, and SIGSYS waits. */
bool call_refused(struct backend *base, pid_t tid, const struct backend_syscall *call)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	uint64_t pending, blocked;

	if (t == NULL || t->calling == NULL || call->result != call->nr ||
	    !proc_signals(tid, &pending, &blocked))
		return false;
	t->calling->refused = pending & ~blocked & BIT(SIGSYS);
	return t->calling->refused;
}

/* A signal of ours that nothing stands in the way of: not waiting already, not in @blocked. */
static int own_signal(pid_t tid, uint64_t blocked, int wished)
{
	static const int signals[] = { SIGTRAP, SIGURG, SIGWINCH, SIGIO, SIGPWR };
	uint64_t pending = 0, now;

	if (!proc_signals(tid, &pending, &now))
		return 0;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		if (!((pending | blocked) & BIT(signals[i])))
			return signals[i];
	return pending & BIT(wished) ? 0 : wished;
}

static int send(struct backend *base, pid_t tid, int signo)
{
	long r = signo ? syscall(SYS_tgkill, proc_process_of(base, tid), tid, signo) : -1;

	return r < 0 ? -EAGAIN : 0;
}

/* It stands in signal work, with everything as before. */
static int arrived(struct backend *base, struct ptrace_task *t)
{
	struct ptrace_call *c = t->calling;

	t->put_back = c->put_back;
	t->entry = c->entry;
	restore_section(base, t->tid, c);
	t->calling = NULL;
	free(c);
	return 1;
}

/* An interruption of our call may have made the kernel forget how the task's own goes on. */
static void make_up(struct ptrace_call *c, const struct backend_event *ev)
{
	if (ev->kind != BACKEND_SYSCALL_EXIT)
		return;
	if (regs_call_again(&c->call, ev->syscall.result) == calls_of(c)->restart)
		c->forgetful = true;
	if (c->forgetful && regs_goes_on(&c->regs, c->call.arch))
		regs_call_forget(&c->regs);
}

static int end_plainly(struct backend *base, struct ptrace_task *t, const struct backend_event *ev)
{
	struct ptrace_call *c = t->calling;
	int r;

	if (c->way == PTRACE_CALL_LAST && ev->kind != BACKEND_SYSCALL_EXIT)
		return arrived(base, t);
	c->way = PTRACE_CALL_LAST;
	r = regs_load(t->tid, &c->regs);
	if (r == 0)
		r = set_mask(t->tid, c->mask);
	if (r < 0)
		return r;
	if (ev->kind != BACKEND_SYSCALL_EXIT)
		return arrived(base, t);
	return base->ops->interrupt(base, t->tid);
}

static int end_at_entry(struct backend *base, struct ptrace_task *t, const struct backend_event *ev,
			enum backend_resume *how)
{
	struct ptrace_call *c = t->calling;
	int r;

	*how = BACKEND_SYSCALLS;
	if (c->way == PTRACE_CALL_LAST) {
		if (ev->kind != BACKEND_SYSCALL_ENTRY)
			return 0;
		r = regs_load(t->tid, &c->regs);
		if (r == 0)
			r = set_mask(t->tid, c->mask);
		return r < 0 ? r : arrived(base, t);
	}
	c->way = PTRACE_CALL_LAST;
	return regs_enter_again(t->tid, &c->regs, t->call_place);
}

/* The stop of our own signal becomes that of the signal at which it stood. */
static int take_signal(struct backend *base, struct ptrace_task *t)
{
	struct ptrace_call *c = t->calling;
	int r = regs_load(t->tid, &c->regs);

	if (c->lent_at !=
	    0) /* the mask is as it was, and the kernel knows to which one to return */
		mem_write(base, t->tid, -1, c->lent_at, &c->lent, sizeof c->lent);
	else if (r == 0)
		r = set_mask(t->tid, c->mask);
	if (r == 0)
		r = (int)ptrace_call(PTRACE_SETSIGINFO, t->tid, 0, (uintptr_t)&c->siginfo);
	return r < 0 ? r : arrived(base, t);
}

/*
 * The signal came while a call had another mask in force for its time (sigsuspend, ppoll,
 * ...): a handler is to return to the former mask. Only a call can set that up.
 */
static bool suspend_first(struct backend *base, struct ptrace_task *t)
{
	struct ptrace_call *c = t->calling;
	uint64_t pc, sp;
	struct backend_syscall suspend = {
		.arch = c->call.arch,
		.nr = calls_of(c)->suspend,
	};

	if (c->effective == c->mask || !own_signal(t->tid, c->effective, c->siginfo.si_signo) ||
	    regs_load(t->tid, &c->regs) < 0 || regs_where(base, t->tid, &pc, &sp) < 0)
		return false;
	c->lent_at = (sp - BELOW_STACK) & ~(uint64_t)(MASK_SIZE - 1);
	if (mem_read(base, t->tid, c->lent_at, &c->lent, sizeof c->lent) != sizeof c->lent ||
	    mem_write(base, t->tid, -1, c->lent_at, &c->effective, sizeof c->effective) !=
		    sizeof c->effective) {
		c->lent_at = 0;
		return false;
	}
	suspend.args[0] = c->lent_at;
	suspend.args[1] = MASK_SIZE;
	return regs_call_from(t->tid, &c->regs, t->call_place, &suspend) == 0;
}

/* A signal that came by itself instead of our call's entry. */
static bool is_stray_signal(const struct backend_event *ev)
{
	return ev->kind == BACKEND_SIGNAL || ev->kind == BACKEND_TRAP;
}

static int end_at_signal(struct backend *base, struct ptrace_task *t,
			 const struct backend_event *ev, enum backend_resume *how)
{
	struct ptrace_call *c = t->calling;
	uint64_t blocked = 0;
	int signo;

	if (is_stray_signal(ev) && c->way != PTRACE_CALL_SUSPENDING)
		return take_signal(base, t);
	if (c->way == PTRACE_CALL_LAST)
		return 0;
	if (c->way == PTRACE_CALL_OUT && suspend_first(base, t)) {
		c->way = PTRACE_CALL_SUSPENDING;
		*how = BACKEND_SYSCALLS;
		return 0;
	}
	if (c->way == PTRACE_CALL_SUSPENDING && ev->kind != BACKEND_SYSCALL_ENTRY) {
		*how = BACKEND_SYSCALLS;
		return 0;
	}
	blocked = c->way == PTRACE_CALL_SUSPENDING ? c->effective : 0;
	signo = own_signal(t->tid, blocked, c->siginfo.si_signo);
	if (blocked)
		set_mask(t->tid, c->mask);
	else
		set_mask(t->tid, NONE_BUT(signo ? BIT(signo) : 0));
	c->way = PTRACE_CALL_LAST;
	if (send(base, t->tid, signo) == 0)
		return 0;
	/* No memory in the kernel: it stands as before, but nothing can be delivered there. */
	log_debug("no signal for the way back of %d", (int)t->tid);
	c->from = PTRACE_CALL_PLAIN;
	c->way = PTRACE_CALL_OUT;
	return end_plainly(base, t, ev);
}

int call_end(struct backend *base, pid_t tid, const struct backend_event *ev,
	     enum backend_resume *how)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);

	if (t == NULL || t->calling == NULL)
		return -ESRCH;
	*how = BACKEND_RUN;
	if (t->calling->refused) { /* that signal's stop is the next one */
		t->calling->refused = false;
		return 0;
	}
	make_up(t->calling, ev);
	switch (t->calling->from) {
	case PTRACE_CALL_AT_ENTRY:
		return end_at_entry(base, t, ev, how);
	case PTRACE_CALL_AT_SIGNAL:
		return end_at_signal(base, t, ev, how);
	default:
		return end_plainly(base, t, ev);
	}
}
