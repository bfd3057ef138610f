/* SPDX-License-Identifier: MIT */
/* x86-64 and i386 tasks as ptrace shows them: always in the 64-bit layout here. */
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "backend/ptrace/internal.h"
#include "backend/ptrace/regs_x86_64.h"

#define I386_CLOSE 6
#define I386_EXIT 1
#define I386_EXIT_GROUP 252
#define USER32_CS 0x23
#define SYSCALL_LENGTH 2 /* bytes of syscall, sysenter and int $0x80 alike */

uint32_t regs_arch_of_audit(uint32_t audit_arch)
{
	return audit_arch == AUDIT_ARCH_X86_64 ? arch_x86_64.id
	       : audit_arch == AUDIT_ARCH_I386 ? arch_i386.id
					       : 0;
}

/* The kernel tells the architecture of a system call only, and of no call it says x86-64. */
uint32_t regs_arch(pid_t tid)
{
	unsigned long cs;

	if (ptrace_call(PTRACE_PEEKUSR, tid, offsetof(struct user_regs_struct, cs),
			(uintptr_t)&cs) < 0)
		return 0;
	return cs == USER32_CS ? arch_i386.id : arch_x86_64.id;
}

uint32_t regs_arch_of_machine(unsigned elf_machine)
{
	return elf_machine == EM_X86_64 ? arch_x86_64.id : elf_machine == EM_386 ? arch_i386.id : 0;
}

static int get(pid_t tid, struct user_regs_struct *regs)
{
	return (int)ptrace_call(PTRACE_GETREGS, tid, 0, (uintptr_t)regs);
}

static int set(pid_t tid, const struct user_regs_struct *regs)
{
	return (int)ptrace_call(PTRACE_SETREGS, tid, 0, (uintptr_t)regs);
}

/* The codes that the kernel gives on this architecture. */
enum backend_trap regs_trap(const siginfo_t *info)
{
	switch (info->si_code) {
	case SI_KERNEL:
		return BACKEND_TRAP_CODE;
	case TRAP_HWBKPT:
		return BACKEND_TRAP_DEBUG;
	case TRAP_BRKPT: /* or the one-byte trap that is no breakpoint (int1) */
		return BACKEND_TRAP_CALL;
	case SIGTRAP: /* no code of a trap: a notice at the start of a handler */
		return BACKEND_TRAP_NOTICE;
	default:
		return BACKEND_TRAP_STEP;
	}
}

int regs_where(struct backend *base, pid_t tid, uint64_t *pc, uint64_t *sp)
{
	struct user_regs_struct regs;
	int r = get(tid, &regs);

	(void)base;
	if (r == 0) {
		*pc = regs.rip;
		*sp = regs.rsp;
	}
	return r;
}

bool regs_is_restart_call(const struct backend_syscall *call)
{
	return call->nr == (call->arch == arch_i386.id ? 0 : SYS_restart_syscall);
}

bool regs_is_interruption(int64_t result)
{
	return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
	       result == -ERESTART_RESTARTBLOCK || result == -EINTR;
}

void regs_put_call(struct user_regs_struct *regs, const struct backend_syscall *call)
{
	regs->orig_rax = (unsigned long long)call->nr;
	if (call->arch == arch_i386.id) {
		regs->rbx = (uint32_t)call->args[0];
		regs->rcx = (uint32_t)call->args[1];
		regs->rdx = (uint32_t)call->args[2];
		regs->rsi = (uint32_t)call->args[3];
		regs->rdi = (uint32_t)call->args[4];
		regs->rbp = (uint32_t)call->args[5];
	} else {
		regs->rdi = call->args[0];
		regs->rsi = call->args[1];
		regs->rdx = call->args[2];
		regs->r10 = call->args[3];
		regs->r8 = call->args[4];
		regs->r9 = call->args[5];
	}
}

int regs_syscall_set(struct backend *base, pid_t tid, const struct backend_syscall *call)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	struct user_regs_struct regs;
	int r = get(tid, &regs);

	if (r < 0)
		return r;
	if (t != NULL)
		t->entry.nr = -1;
	regs_put_call(&regs, call);
	return set(tid, &regs);
}

int regs_syscall_restore(struct backend *base, pid_t tid, const struct backend_syscall *made,
			 const struct backend_syscall *original)
{
	struct user_regs_struct regs;
	int r = get(tid, &regs);

	(void)base;
	if (r < 0)
		return r;
	/* sigreturn has brought other registers altogether. */
	if ((int32_t)regs.orig_rax != (int32_t)made->nr)
		return 0;
	regs_put_call(&regs, original);
	return set(tid, &regs);
}

static int poke(pid_t tid, size_t offset, int64_t value)
{
	return (int)ptrace_call(PTRACE_POKEUSR, tid, offset, (uintptr_t)value);
}

/*
 * A call number of -1 is no call: the kernel leaves rax as it finds it, so the result stands
 * even if nobody is there at the exit.
 */
int regs_syscall_deny(struct backend *base, pid_t tid, int64_t result)
{
	int r = poke(tid, offsetof(struct user_regs_struct, orig_rax), -1);

	return r < 0 ? r : regs_result_set(base, tid, result);
}

int regs_result_set(struct backend *base, pid_t tid, int64_t result)
{
	(void)base;
	return poke(tid, offsetof(struct user_regs_struct, rax), result);
}

enum backend_exit_call regs_exit_call(pid_t tid)
{
	struct ptrace_syscall_info info;
	struct user_regs_struct regs;
	bool i386;

	if (get(tid, &regs) < 0 ||
	    ptrace_call(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, (uintptr_t)&info) < 0)
		return BACKEND_EXIT_OTHER;
	i386 = info.arch == AUDIT_ARCH_I386;
	if (regs.orig_rax == (i386 ? I386_EXIT : SYS_exit))
		return BACKEND_EXIT_TASK;
	if (regs.orig_rax == (i386 ? I386_EXIT_GROUP : SYS_exit_group))
		return BACKEND_EXIT_GROUP;
	return BACKEND_EXIT_OTHER;
}

enum regs_affinity regs_affinity_use(uint32_t arch, int64_t nr)
{
	/* i386 calls, x32 calls and numbers that are not known: better not. */
	if (arch != arch_x86_64.id || nr < 0 || nr >= 0x40000000)
		return REGS_AFFINITY_USED;
	switch (nr) {
	case SYS_clone:
	case SYS_clone3:
	case SYS_fork:
	case SYS_vfork:
	case SYS_sched_getaffinity:
	case SYS_sched_setaffinity:
	case SYS_sched_setscheduler:
	case SYS_sched_setattr:
	case SYS_io_uring_setup:
	case SYS_io_uring_enter:
	case SYS_io_uring_register:
	case SYS_sendfile:
	case SYS_splice:
	case SYS_copy_file_range:
		return REGS_AFFINITY_USED;
	case SYS_read:
	case SYS_pread64:
	case SYS_readv:
	case SYS_preadv:
	case SYS_preadv2:
		return REGS_AFFINITY_READS_FILE;
	default:
		return REGS_AFFINITY_UNUSED;
	}
}

/*
 * close() has closed even when it says EINTR; every other call that reports EINTR for an
 * interruption without a handler has done nothing yet.
 */
static bool may_put_back(const struct ptrace_task *t, const struct user_regs_struct *regs)
{
	return regs->orig_rax !=
	       (t->arch == arch_i386.id ? I386_CLOSE : (unsigned long long)SYS_close);
}

/* i386 tasks have 32-bit values here, not sign-extended. */
static int64_t result_of(const struct ptrace_task *t, const struct user_regs_struct *regs)
{
	return t->arch == arch_i386.id ? (int32_t)regs->rax : (int64_t)regs->rax;
}

static bool in_call(const struct ptrace_task *t, const struct user_regs_struct *regs)
{
	return t->arch == arch_i386.id ? (int32_t)regs->orig_rax >= 0
				       : (int64_t)regs->orig_rax >= 0;
}

bool regs_put_back(struct backend *base, pid_t tid)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	struct user_regs_struct regs;

	if (t == NULL || get(tid, &regs) < 0)
		return false;
	if (t->put_back.active && regs.rip == t->put_back.pc)
		return true;
	if (!in_call(t, &regs))
		return false;
	switch (result_of(t, &regs)) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return true;
	case -EINTR:
		break;
	default:
		return false;
	}
	if (!may_put_back(t, &regs) || proc_signal_waits(base, tid))
		return false;
	regs.rip -= SYSCALL_LENGTH;
	regs.rax = regs.orig_rax;
	if (set(tid, &regs) < 0)
		return false;
	t->put_back.active = true;
	t->put_back.pc = regs.rip;
	return true;
}

int regs_put_off(struct backend *base, pid_t tid)
{
	struct user_regs_struct regs;
	int r = get(tid, &regs);

	(void)base;
	if (r < 0)
		return r;
	regs.rax = regs.orig_rax;
	regs.orig_rax = (unsigned long long)-1;
	regs.rip -= SYSCALL_LENGTH;
	return set(tid, &regs);
}

void regs_take_back(struct backend *base, pid_t tid)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	struct user_regs_struct regs;

	if (t == NULL || !t->put_back.active)
		return;
	t->put_back.active = false;
	if (get(tid, &regs) < 0 || regs.rip != t->put_back.pc)
		return;
	regs.rip += SYSCALL_LENGTH;
	regs.rax = (unsigned long long)-EINTR;
	set(tid, &regs);
}
