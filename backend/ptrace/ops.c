/* SPDX-License-Identifier: MIT */
/* The ptrace requests themselves, and the table that the engine sees. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/ptrace/backend.h"
#include "backend/ptrace/internal.h"
#include "base/log.h"

long ptrace_call(long request, pid_t tid, uintptr_t address, uintptr_t data)
{
	long r = syscall(SYS_ptrace, request, tid, address, data);

	return r < 0 ? -errno : r;
}

static void op_adopted(struct backend *base, pid_t tid)
{
	struct ptrace_backend *b = ptrace_backend(base);
	struct ptrace_task *t;

	if (ptrace_task(b, tid) != NULL)
		return;
	t = calloc(1, sizeof *t);
	if (t == NULL || map_put(&b->tasks, (uint64_t)tid, t) < 0) {
		free(t);
		return;
	}
	t->tid = tid;
}

void ptrace_task_forget(struct ptrace_backend *b, pid_t tid)
{
	struct ptrace_task *t = map_take(&b->tasks, (uint64_t)tid);

	if (t != NULL) {
		list_remove(&t->likely);
		perf_forget(b, t);
		free(t->calling);
	}
	free(t);
}

static void op_renamed(struct backend *base, pid_t former, pid_t tid)
{
	/* The stop was reported for @tid, and what it is now is known by that name. */
	ptrace_task_forget(ptrace_backend(base), former);
	(void)tid;
}

static int op_interrupt(struct backend *base, pid_t tid)
{
	struct ptrace_backend *b = ptrace_backend(base);
	struct ptrace_task *t = ptrace_task(b, tid);
	int r = (int)ptrace_call(PTRACE_INTERRUPT, tid, 0, 0);

	if (r == 0 && t != NULL)
		wait_expect(b, t, true);
	return r;
}

static int op_resume(struct backend *base, pid_t tid, enum backend_resume how, int signo)
{
	static const long requests[] = {
		[BACKEND_RUN] = PTRACE_CONT,
		[BACKEND_STEP] = PTRACE_SINGLESTEP,
		[BACKEND_SYSCALLS] = PTRACE_SYSCALL,
		[BACKEND_LISTEN] = PTRACE_LISTEN,
	};
	struct ptrace_backend *b = ptrace_backend(base);
	struct ptrace_task *t = ptrace_task(b, tid);
	bool placed;
	long r;

	if (t != NULL && how != BACKEND_LISTEN)
		t->stepped = how == BACKEND_STEP;
	if (t != NULL && how != BACKEND_LISTEN)
		perf_runs(b, t);
	log_debug("resume %d how %d signal %d", (int)tid, (int)how, signo);
	placed = how == BACKEND_SYSCALLS && place_before_wake(b, tid);
	r = ptrace_call(requests[how], tid, 0, (uintptr_t)signo);
	if (placed)
		place_after_wake(b, tid);
	return (int)r;
}

static int op_detach(struct backend *base, pid_t tid, int signo)
{
	ptrace_task_forget(ptrace_backend(base), tid);
	return (int)ptrace_call(PTRACE_DETACH, tid, 0, (uintptr_t)signo);
}

static bool op_has_exited(struct backend *base, pid_t tid)
{
	char state = proc_state(tid);

	(void)base;
	return state == 'Z' || state == 'X';
}

static int op_extra_stops(struct backend *base, pid_t tid, unsigned which)
{
	unsigned exit = which & BACKEND_EXTRA_EXITING ? PTRACE_O_TRACEEXIT : 0;
	unsigned seccomp = which & BACKEND_EXTRA_SECCOMP ? PTRACE_O_TRACESECCOMP : 0;

	(void)base;
	return (int)ptrace_call(PTRACE_SETOPTIONS, tid, 0, PTRACE_BACKEND_OPTIONS | exit | seccomp);
}

static int op_syscall_get(struct backend *base, pid_t tid, struct backend_syscall *call)
{
	struct ptrace_syscall_info info;
	long r = ptrace_call(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, (uintptr_t)&info);

	(void)base;
	if (r < 0)
		return (int)r;
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY && info.op != PTRACE_SYSCALL_INFO_SECCOMP)
		return -EBUSY; /* both have the call at the same place */
	call->arch = regs_arch_of_audit(info.arch);
	call->nr = (int64_t)info.entry.nr;
	for (int i = 0; i < 6; i++)
		call->args[i] = info.entry.args[i];
	return 0;
}

static int op_siginfo_set(struct backend *base, pid_t tid, const siginfo_t *info)
{
	(void)base;
	return (int)ptrace_call(PTRACE_SETSIGINFO, tid, 0, (uintptr_t)info);
}

static ssize_t op_regset_get(struct backend *base, pid_t tid, unsigned set, void *buf, size_t size)
{
	struct iovec iov = { buf, size };
	long r = ptrace_call(PTRACE_GETREGSET, tid, set, (uintptr_t)&iov);

	(void)base;
	if (r == -EINVAL || r == -EIO) /* one code for "not here" (gotcha 104) */
		return regs_hidden_get(tid, set, buf, size);
	return r < 0 ? r : (ssize_t)iov.iov_len;
}

static int op_regset_set(struct backend *base, pid_t tid, unsigned set, const void *buf,
			 size_t size)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	struct iovec iov = { (void *)buf, size };
	int r;

	if (t != NULL) {
		t->entry.nr = -1;
		t->runs_at = 0;
	}
	r = (int)ptrace_call(PTRACE_SETREGSET, tid, set, (uintptr_t)&iov);
	return r < 0 && regs_hidden_set(tid, set, buf, size) == 0 ? 0 : r;
}

static uint32_t op_task_arch(struct backend *base, pid_t tid)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	uint32_t now;

	if (t == NULL)
		return 0;
	if (t->runs && t->runs_at == t->stopped_at)
		return t->runs;
	now = regs_arch(tid);
	if (now) {
		t->runs = now;
		t->runs_at = t->stopped_at;
	}
	return t->runs ? t->runs : proc_arch(tid);
}

static int op_signal(struct backend *base, pid_t pid, pid_t tid, int signo, const siginfo_t *info)
{
	long r;

	(void)base;
	if (info && tid)
		r = syscall(SYS_rt_tgsigqueueinfo, pid, tid, signo, info);
	else if (info)
		r = syscall(SYS_rt_sigqueueinfo, pid, signo, info);
	else if (tid)
		r = syscall(SYS_tgkill, pid, tid, signo);
	else
		r = kill(pid, signo);
	return r < 0 ? -errno : 0;
}

static void op_close(struct backend *base)
{
	struct ptrace_backend *b = ptrace_backend(base);
	struct ptrace_task *t;
	size_t at = 0;

	while ((t = map_walk(&b->tasks, &at)) != NULL) {
		perf_forget(b, t);
		free(t->calling);
		free(t);
	}
	map_deinit(&b->tasks);
	map_deinit(&b->perf);
	wait_deinit(b);
	free(b);
}

static const struct backend_ops ops = {
	.next = wait_next,
	.make_way = wait_make_way,
	.watch_fd = wait_watch_fd,
	.companion = place_companion,
	.check_access = proc_check_access,
	.process_of = proc_process_of,
	.parent_of = proc_parent_of,
	.attach = attach_process,
	.adopted = op_adopted,
	.renamed = op_renamed,
	.interrupt = op_interrupt,
	.rest = wait_rest,
	.resume = op_resume,
	.detach = op_detach,
	.has_exited = op_has_exited,
	.extra_stops = op_extra_stops,
	.put_back = regs_put_back,
	.put_off = regs_put_off,
	.take_back = regs_take_back,
	.signal_waits = proc_signal_waits,
	.trap_waits = perf_trap_waits,
	.disposition = proc_disposition,
	.syscall_get = op_syscall_get,
	.syscall_set = regs_syscall_set,
	.syscall_restore = regs_syscall_restore,
	.syscall_deny = regs_syscall_deny,
	.result_set = regs_result_set,
	.siginfo_set = op_siginfo_set,
	.regset_get = op_regset_get,
	.regset_set = op_regset_set,
	.state_get = state_read,
	.state_set = state_write,
	.call_begin = call_begin,
	.call_again = call_again,
	.call_refused = call_refused,
	.call_end = call_end,
	.debug_count = debug_count,
	.debug_set = debug_set,
	.debug_hits = debug_hits,
	.debug_pass = debug_pass,
	.kernel_set = perf_set,
	.kernel_hits = perf_hits,
	.mask_get = call_mask_get,
	.mask_set = call_mask_set,
	.mask_lent = call_mask_lent,
	.where = regs_where,
	.task_arch = op_task_arch,
	.memory_open = mem_open,
	.memory_read = mem_read,
	.memory_write = mem_write,
	.memory_restore = mem_restore,
	.memory_store = mem_store,
	.may_plant = maps_may_plant,
	.gap = maps_gap,
	.in_sequence = mem_in_sequence,
	.same_memory = maps_same_memory,
	.signal = op_signal,
	.close = op_close,
};

int ptrace_backend_new(struct backend **out)
{
	struct ptrace_backend *b = calloc(1, sizeof *b);
	int r;

	*out = NULL;
	if (b == NULL)
		return -ENOMEM;
	b->base.ops = &ops;
	r = wait_init(b);
	if (r < 0) {
		free(b);
		return r;
	}
	place_init(b);
	*out = &b->base;
	return 0;
}
