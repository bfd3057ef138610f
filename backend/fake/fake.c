/* SPDX-License-Identifier: MIT */
/* The tables, and what moves tasks: attaching, stopping, resuming. */
#include "backend/fake/fake.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "backend/fake/internal.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

struct fake *fake_of(struct backend *b)
{
	return (struct fake *)b;
}

void fake_complain(struct fake *f, const char *format, ...)
{
	va_list args;

	if (f->illegal++)
		return;
	va_start(args, format);
	vsnprintf(f->complaint, sizeof f->complaint, format, args);
	va_end(args);
}

int fake_called(struct fake *f, struct fake_call call, int error)
{
	if (f->failures[call.op].times) {
		f->failures[call.op].times--;
		error = f->failures[call.op].error;
	}
	call.error = error;
	log_debug("kernel: call %d for %d: how %d signal %d: %d", (int)call.op, (int)call.tid,
		  call.how, call.signo, error);
	f->calls[f->call_count++ % FAKE_CALLS] = call;
	return error;
}

struct fake_task *fake_task(struct fake *f, pid_t tid)
{
	for (int i = 0; i < f->top; i++)
		if (tid > 0 && f->tasks[i].tid == tid)
			return &f->tasks[i];
	return NULL;
}

struct fake_task *fake_expect(struct fake *f, pid_t tid, bool stands, const char *what)
{
	struct fake_task *t = fake_task(f, tid);

	if (t == NULL)
		return NULL; /* it has died: the kernel says ESRCH, and that is no fault */
	if (!t->attached || t->stands != stands)
		fake_complain(f, "%s of %d, which is %s", what, (int)tid,
			      !t->attached ? "not attached"
			      : t->stands  ? "standing"
					   : "running");
	return t;
}

static int next(struct backend *b, struct backend_event *ev, uint64_t deadline)
{
	struct fake *f = fake_of(b);
	struct epoll_event ready;
	struct fake_task *t;

	if (f->event_count == 0) {
		int ms = clock_poll_ms(deadline);

		if (ms != 0)
			epoll_wait(f->epoll, &ready, 1, ms);
		return 0;
	}
	*ev = f->events[f->event_head++ % FAKE_EVENTS];
	f->event_count--;
	log_debug("kernel: %d has event %d", (int)ev->tid, (int)ev->kind);
	t = fake_task(f, ev->tid);
	if (ev->kind == BACKEND_EXEC && ev->exec.former_tid != ev->tid) {
		struct fake_task *former = fake_task(f, ev->exec.former_tid);

		if (former != NULL) {
			if (t != NULL)
				t->tid = 0;
			former->tid = ev->tid;
			t = former;
		}
	}
	if (t == NULL || ev->kind == BACKEND_KERNEL_HIT)
		return 1;
	if (ev->kind == BACKEND_DEAD) {
		t->tid = 0;
		return 1;
	}
	if (ev->kind == BACKEND_EXEC)
		fake_leave_memory(f, t->pid);
	/* What the old program's memory files write does not get here. */
	if (ev->kind == BACKEND_EXEC && f->exec_clears && fake_memory(f, t->pid) != NULL)
		memset(fake_memory(f, t->pid), 0, FAKE_MEMORY);
	t->stands = true;
	t->kind = ev->kind;
	t->interrupted = false; /* any stop takes it away */
	if (ev->kind == BACKEND_EXEC) {
		memset(t->debug, 0, sizeof t->debug);
		memset(t->kernel, 0, sizeof t->kernel);
	}
	if (ev->kind == BACKEND_SYSCALL_ENTRY || ev->kind == BACKEND_SECCOMP ||
	    ev->kind == BACKEND_SYSCALL_EXIT)
		t->call = ev->syscall;
	t->pc = ev->pc;
	t->sp = ev->sp;
	if (ev->kind == BACKEND_SIGNAL || ev->kind == BACKEND_TRAP)
		t->siginfo = ev->siginfo;
	return 1;
}

static int watch_fd(struct backend *b, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(fake_of(b)->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int check_access(struct backend *b, pid_t pid, int fd)
{
	return fake_called(fake_of(b), (struct fake_call){ FAKE_CHECK_ACCESS, pid },
			   fd < 0 ? -EACCES : 0);
}

static pid_t process_of(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_task(fake_of(b), tid);

	return t ? t->pid : -ESRCH;
}

static pid_t parent_of(struct backend *b, pid_t pid)
{
	struct fake_task *t = fake_task(fake_of(b), pid);

	return t && t->parent ? t->parent : -ESRCH;
}

static int attach(struct backend *b, pid_t pid, void (*attached)(void *arg, pid_t tid), void *arg,
		  pid_t *tracer)
{
	struct fake *f = fake_of(b);
	int r = -ESRCH;

	for (int i = 0; i < f->top; i++)
		if (f->tasks[i].tid && f->tasks[i].pid == pid)
			r = 0;
	if (f->tracer) {
		*tracer = f->tracer;
		r = -EAGAIN;
	}
	r = fake_called(f, (struct fake_call){ FAKE_ATTACH, pid }, r);
	for (int i = 0; i < f->top && r == 0; i++) {
		if (f->tasks[i].tid == 0 || f->tasks[i].pid != pid || f->tasks[i].attached)
			continue;
		f->tasks[i].attached = true;
		attached(arg, f->tasks[i].tid);
	}
	return r;
}

static void adopted(struct backend *b, pid_t tid)
{
	fake_called(fake_of(b), (struct fake_call){ FAKE_ADOPTED, tid }, 0);
}

static void renamed(struct backend *b, pid_t former, pid_t tid)
{
	fake_called(fake_of(b), (struct fake_call){ FAKE_RENAMED, tid, .value = former }, 0);
}

static int interrupt(struct backend *b, pid_t tid)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_task(f, tid);
	int r = fake_called(f, (struct fake_call){ FAKE_INTERRUPT, tid }, t ? 0 : -ESRCH);

	if (r < 0 || t == NULL)
		return r;
	if (!t->attached)
		fake_complain(f, "interrupt of %d, which is not attached", (int)tid);
	if (f->answers && !t->interrupted && !t->stands)
		fake_push_kind(f, tid, BACKEND_INTERRUPTED);
	t->interrupted = true;
	return 0;
}

static int resume(struct backend *b, pid_t tid, enum backend_resume how, int signo)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "resume");
	int r = fake_called(f, (struct fake_call){ FAKE_RESUME, tid, (int)how, signo },
			    t ? 0 : -ESRCH);

	if (t == NULL)
		return r;
	if (signo && t->kind != BACKEND_SIGNAL && t->kind != BACKEND_TRAP)
		fake_complain(f, "resume of %d with signal %d at no signal stop", (int)tid, signo);
	if (how == BACKEND_LISTEN && t->kind != BACKEND_JOB_STOP)
		fake_complain(f, "resume of %d with LISTEN at a stop of kind %d", (int)tid,
			      (int)t->kind);
	t->stands = false;
	t->how = how;
	t->kind = BACKEND_NONE;
	if (f->answers && t->interrupted) /* while it stood */
		fake_push_kind(f, tid, BACKEND_INTERRUPTED);
	return r;
}

static int detach(struct backend *b, pid_t tid, int signo)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "detach");
	int r = fake_called(f, (struct fake_call){ FAKE_DETACH, tid, .signo = signo },
			    t ? 0 : -ESRCH);

	if (t == NULL)
		return r;
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		if (t->debug[i].kind != BACKEND_DEBUG_NONE ||
		    t->kernel[i].kind != BACKEND_DEBUG_NONE)
			fake_complain(f, "detach of %d with debug registers armed", (int)tid);
	t->attached = t->stands = t->interrupted = false;
	t->extra_stops = 0;
	return r;
}

static bool has_exited(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_task(fake_of(b), tid);

	return t && t->exited;
}

static int extra_stops(struct backend *b, pid_t tid, unsigned which)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "extra_stops");
	int r = fake_called(f, (struct fake_call){ FAKE_EXTRA_STOPS, tid, (int)which },
			    t ? 0 : -ESRCH);

	if (r == 0 && t != NULL)
		t->extra_stops = which;
	return r;
}

static bool put_back(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_expect(fake_of(b), tid, true, "put_back");

	fake_called(fake_of(b), (struct fake_call){ FAKE_PUT_BACK, tid }, 0);
	return t && t->can_put_back;
}

static int put_off(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_expect(fake_of(b), tid, true, "put_off");

	if (t != NULL && t->kind != BACKEND_SYSCALL_ENTRY)
		fake_complain(fake_of(b), "put_off of %d at no entry", (int)tid);
	return fake_called(fake_of(b), (struct fake_call){ FAKE_PUT_OFF, tid }, t ? 0 : -ESRCH);
}

static void take_back(struct backend *b, pid_t tid)
{
	fake_expect(fake_of(b), tid, true, "take_back");
	fake_called(fake_of(b), (struct fake_call){ FAKE_TAKE_BACK, tid }, 0);
}

static bool signal_waits(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_task(fake_of(b), tid);

	return t && t->signal_waits;
}

static bool trap_waits(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_task(fake_of(b), tid);

	return t && t->trap_waits;
}

static bool may_plant(struct backend *b, pid_t tid, uint64_t at)
{
	(void)b;
	(void)tid;
	return at >= FAKE_MEMORY_AT && at < FAKE_MEMORY_AT + FAKE_MEMORY;
}

static uint64_t gap(struct backend *b, pid_t tid, uint64_t at, uint64_t size)
{
	(void)b;
	(void)tid;
	(void)at;
	(void)size;
	return 0;
}

static bool in_sequence(struct backend *b, pid_t tid, uint64_t pc)
{
	struct fake_task *t = fake_task(fake_of(b), tid);

	(void)pc;
	return t && t->in_sequence;
}

static int same_memory(struct backend *b, pid_t one, pid_t other)
{
	struct fake *f = fake_of(b);
	const struct fake_task *t = fake_task(f, one), *u = fake_task(f, other);

	if (t == NULL || u == NULL)
		return -ESRCH;
	return f->same_memory || fake_shares(f, t->pid, u->pid);
}

static int mask_get(struct backend *b, pid_t tid, uint64_t *mask)
{
	(void)b;
	(void)tid;
	*mask = 0;
	return 0;
}

static int mask_set(struct backend *b, pid_t tid, uint64_t mask)
{
	(void)mask;
	fake_complain(fake_of(b), "mask_set of %d", (int)tid);
	return 0;
}

static bool mask_lent(struct backend *b, pid_t tid)
{
	(void)b;
	(void)tid;
	return false;
}

static int where(struct backend *b, pid_t tid, uint64_t *pc, uint64_t *sp)
{
	struct fake_task *t = fake_expect(fake_of(b), tid, true, "where");

	if (t == NULL)
		return -ESRCH;
	*pc = t->pc;
	*sp = t->sp;
	return 0;
}

static enum backend_disposition disposition(struct backend *b, pid_t tid, int signo)
{
	(void)tid;
	return signo > 0 && signo <= 64 ? fake_of(b)->dispositions[signo] : BACKEND_SIG_DEFAULT;
}

static int send_signal(struct backend *b, pid_t pid, pid_t tid, int signo, const siginfo_t *info)
{
	(void)info;
	return fake_called(fake_of(b),
			   (struct fake_call){ FAKE_SIGNAL, tid ? tid : pid, .signo = signo }, 0);
}

static void close_all(struct backend *b)
{
	struct fake *f = fake_of(b);

	for (int i = 0; i < FAKE_TASKS; i++)
		free(f->memory[i]);
	fd_close(f->epoll);
	free(f->tasks);
	free(f);
}

static int call_begin(struct backend *b, pid_t tid, const struct backend_event *at,
		      const struct backend_syscall *call)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "call_begin");
	int r = fake_called(f, (struct fake_call){ FAKE_CALL_BEGIN, tid, .value = call->nr },
			    t ? 0 : -ESRCH);

	if (r < 0 || t == NULL)
		return r;
	if (t->called_at != BACKEND_NONE)
		fake_complain(f, "call into %d while another is under way", (int)tid);
	t->called_at = at->kind;
	return at->kind == BACKEND_SYSCALL_ENTRY;
}

static bool call_again(struct backend *b, pid_t tid, const struct backend_syscall *call)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "call_again");

	fake_called(f, (struct fake_call){ FAKE_CALL_AGAIN, tid, .value = call->result }, 0);
	return t && t->calls_again;
}

static bool call_refused(struct backend *b, pid_t tid, const struct backend_syscall *call)
{
	struct fake_task *t = fake_expect(fake_of(b), tid, true, "call_refused");

	(void)call;
	return t && t->call_refused;
}

static int call_end(struct backend *b, pid_t tid, const struct backend_event *ev,
		    enum backend_resume *how)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "call_end");
	int r = fake_called(f, (struct fake_call){ FAKE_CALL_END, tid, (int)ev->kind },
			    t ? 0 : -ESRCH);

	if (r < 0 || t == NULL)
		return r;
	*how = t->called_at == BACKEND_SYSCALL_ENTRY ? BACKEND_SYSCALLS : BACKEND_RUN;
	if (t->way_back > 0) {
		t->way_back--;
		return 0;
	}
	if (t->called_at == BACKEND_NONE)
		fake_complain(f, "call_end of %d without a call", (int)tid);
	t->kind = t->called_at;
	t->called_at = BACKEND_NONE;
	return 1;
}

static const struct backend_ops ops = {
	.next = next,
	.watch_fd = watch_fd,
	.check_access = check_access,
	.process_of = process_of,
	.parent_of = parent_of,
	.attach = attach,
	.adopted = adopted,
	.renamed = renamed,
	.interrupt = interrupt,
	.resume = resume,
	.detach = detach,
	.has_exited = has_exited,
	.extra_stops = extra_stops,
	.put_back = put_back,
	.put_off = put_off,
	.take_back = take_back,
	.signal_waits = signal_waits,
	.trap_waits = trap_waits,
	.call_begin = call_begin,
	.call_again = call_again,
	.call_refused = call_refused,
	.call_end = call_end,
	.debug_count = fake_debug_count,
	.debug_set = fake_debug_set,
	.debug_hits = fake_debug_hits,
	.debug_pass = fake_debug_pass,
	.kernel_set = fake_kernel_set,
	.kernel_hits = fake_kernel_hits,
	.mask_get = mask_get,
	.mask_set = mask_set,
	.mask_lent = mask_lent,
	.where = where,
	.disposition = disposition,
	.syscall_get = fake_syscall_get,
	.syscall_set = fake_syscall_set,
	.syscall_restore = fake_syscall_restore,
	.syscall_deny = fake_syscall_deny,
	.result_set = fake_result_set,
	.siginfo_set = fake_siginfo_set,
	.regset_get = fake_regset_get,
	.regset_set = fake_regset_set,
	.state_get = fake_state_get,
	.state_set = fake_state_set,
	.task_arch = fake_task_arch,
	.memory_open = fake_memory_open,
	.memory_read = fake_memory_read,
	.memory_write = fake_memory_write,
	.memory_restore = fake_memory_restore,
	.memory_store = fake_memory_store,
	.may_plant = may_plant,
	.gap = gap,
	.in_sequence = in_sequence,
	.same_memory = same_memory,
	.signal = send_signal,
	.close = close_all,
};

struct fake *fake_new(void)
{
	struct fake *f = calloc(1, sizeof *f);

	if (f == NULL)
		return NULL;
	f->room = FAKE_TASKS;
	f->tasks = calloc((size_t)f->room, sizeof *f->tasks);
	if (f->tasks == NULL) {
		free(f);
		return NULL;
	}
	f->base.ops = &ops;
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	return f;
}
