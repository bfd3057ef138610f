/* SPDX-License-Identifier: MIT */
/* The one place where a wait status is read (gotchas 31, 36, 37, 42, 55). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "backend/ptrace/internal.h"
#include "base/log.h"

#ifndef TRAP_PERF
#define TRAP_PERF 6
#endif
#define SYSCALL_STOP (SIGTRAP | 0x80)

/* pc, sp and arch; works at every stop. False: the task is gone. */
static bool read_info(struct ptrace_task *t, struct ptrace_syscall_info *info,
		      struct backend_event *ev)
{
	if (ptrace_call(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof *info, (uintptr_t)info) < 0)
		return false;
	ev->pc = info->instruction_pointer;
	ev->sp = info->stack_pointer;
	t->arch = regs_arch_of_audit(info->arch);
	return true;
}

static void syscall_event(struct ptrace_task *t, const struct ptrace_syscall_info *info,
			  struct backend_event *ev)
{
	ev->syscall.arch = t->arch;
	switch (info->op) {
	case PTRACE_SYSCALL_INFO_SECCOMP: /* begins as ENTRY does */
	case PTRACE_SYSCALL_INFO_ENTRY:
		ev->kind = BACKEND_SYSCALL_ENTRY;
		t->put_back.active = false;
		ev->syscall.nr = (int64_t)info->entry.nr;
		for (int i = 0; i < 6; i++)
			ev->syscall.args[i] = info->entry.args[i];
		ev->syscall.restart = regs_is_restart_call(&ev->syscall);
		t->entry.at = true;
		t->entry.arch = t->arch;
		t->entry.nr = ev->syscall.nr;
		t->entry.arg = ev->syscall.args[0];
		if (info->op == PTRACE_SYSCALL_INFO_SECCOMP) {
			ev->kind = BACKEND_SECCOMP;
			ev->syscall.data = info->seccomp.ret_data;
		}
		break;
	case PTRACE_SYSCALL_INFO_EXIT:
		ev->kind = BACKEND_SYSCALL_EXIT;
		ev->syscall.result = info->exit.rval;
		ev->syscall.is_error = info->exit.is_error;
		ev->syscall.interrupted = regs_is_interruption(info->exit.rval);
		break;
	default:
		ev->kind = BACKEND_SPURIOUS;
	}
}

static enum backend_kind kind_of_event(int event)
{
	switch (event) {
	case PTRACE_EVENT_FORK:
		return BACKEND_FORK;
	case PTRACE_EVENT_VFORK:
		return BACKEND_VFORK;
	case PTRACE_EVENT_CLONE:
		return BACKEND_CLONE;
	case PTRACE_EVENT_VFORK_DONE:
		return BACKEND_VFORK_DONE;
	case PTRACE_EVENT_EXEC:
		return BACKEND_EXEC;
	case PTRACE_EVENT_EXIT:
		return BACKEND_EXITING;
	default:
		return BACKEND_SPURIOUS;
	}
}

/* Stops with an event number: the message says the rest. */
static bool message_event(struct ptrace_backend *b, struct ptrace_task *t, int event,
			  struct backend_event *ev)
{
	unsigned long message = 0;

	ev->kind = kind_of_event(event);
	if (ptrace_call(PTRACE_GETEVENTMSG, t->tid, 0, (uintptr_t)&message) < 0)
		return false;
	switch (ev->kind) {
	case BACKEND_EXEC:
		ev->exec.former_tid = (pid_t)message;
		t->runs = 0;
		t->rseq = 0;
		t->put_back.active = false;
		break;
	case BACKEND_EXITING:
		ev->exit.status = (int)message;
		ev->exit.call = regs_exit_call(t->tid);
		break;
	default:
		/* The child is not known yet, and may have stopped unheard. */
		ev->child.tid = (pid_t)message;
		b->wait.scan_due = true;
	}
	return true;
}

static bool stop_event(struct ptrace_backend *b, struct ptrace_task *t, int status,
		       struct backend_event *ev)
{
	struct ptrace_syscall_info info;
	int signo = WSTOPSIG(status), event = status >> 16;

	if (!read_info(t, &info, ev))
		return false;
	if (event == PTRACE_EVENT_STOP) {
		ev->kind = signo == SIGTRAP ? BACKEND_INTERRUPTED : BACKEND_JOB_STOP;
		ev->job.signo = signo;
		return true;
	}
	if (signo == SYSCALL_STOP || event == PTRACE_EVENT_SECCOMP) {
		syscall_event(t, &info, ev);
		return true;
	}
	if (event)
		return message_event(b, t, event, ev);
	ev->kind = BACKEND_SIGNAL;
	ev->unsaid = false;
	if (ptrace_call(PTRACE_GETSIGINFO, t->tid, 0, (uintptr_t)&ev->siginfo) < 0)
		return false;
	/* A perf event of the program itself asks for a signal, and means it. */
	if (signo == SIGTRAP && ev->siginfo.si_code > 0 && ev->siginfo.si_code != TRAP_PERF) {
		ev->kind = BACKEND_TRAP;
		ev->unsaid = !t->stepped && debug_unsaid(t->tid, ev->pc, &ev->siginfo);
		ev->trap = ev->unsaid ? BACKEND_TRAP_DEBUG : regs_trap(&ev->siginfo);
	} else if (perf_is_ours(&ev->siginfo)) {
		ev->kind = BACKEND_TRAP;
		ev->trap = BACKEND_TRAP_KERNEL;
	}
	return true;
}

static struct ptrace_task *stopped_task(struct ptrace_backend *b, pid_t tid)
{
	struct ptrace_task *t = ptrace_task(b, tid);

	if (t == NULL) {
		/* A child that the kernel attached; its parent's event is still to come. */
		b->base.ops->adopted(&b->base, tid);
		t = ptrace_task(b, tid);
	}
	return t;
}

bool classify(struct ptrace_backend *b, pid_t tid, int status, struct backend_event *ev)
{
	struct ptrace_task *t;

	ev->kind = BACKEND_NONE;
	ev->tid = tid;
	ev->pc = ev->sp = 0;
	log_debug("wait %d status %x", (int)tid, (unsigned)status);
	if (!WIFSTOPPED(status)) {
		ptrace_task_forget(b, tid);
		ev->kind = BACKEND_DEAD;
		ev->exit.status = status;
		return true;
	}
	t = stopped_task(b, tid);
	if (t == NULL)
		return false;
	wait_stopped(b, t);
	t->entry.at = false;
	place_stopped(b, tid);
	perf_stopped(b, t);
	/* When this fails SIGKILL took it out of the stop: its death follows. */
	return stop_event(b, t, status, ev);
}
