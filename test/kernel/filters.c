/* SPDX-License-Identifier: MIT */
/* Seccomp filters that leave a call to a tracer: in what order that is told, and what follows. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/kernel/raw.h"

#define DATA 4711

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif
#define SYSCALL_STATUS EVENT_STATUS(0, SIGTRAP | 0x80)
#define SECCOMP_STATUS EVENT_STATUS(PTRACE_EVENT_SECCOMP, SIGTRAP)

static void ask_when_told(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | DATA),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof code[0], code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	raise(SIGSTOP);
	_exit(syscall(SYS_getppid) < 0 ? errno : 0);
}

/* Stands before its getppid(). */
static pid_t asker(unsigned options)
{
	pid_t pid = raw_child(ask_when_told);
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	raw_seize(pid, PTRACE_O_TRACESYSGOOD | options);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_STOP, SIGSTOP));
	kill(pid, SIGCONT);
	raw_cont(pid, 0);
	do
		raw(PTRACE_INTERRUPT, pid, 0, 0);
	while (WSTOPSIG(raw_status(pid)) == SIGCONT && raw(PTRACE_CONT, pid, 0, 0) == 0);
	return pid;
}

static struct __ptrace_syscall_info info_of(pid_t pid)
{
	struct __ptrace_syscall_info info;

	CHECK_OP(raw(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info), >, 0);
	return info;
}

static void goes_to(pid_t pid, int request, int status)
{
	for (;;) {
		int now;

		CHECK_EQ(raw(request, pid, 0, 0), 0);
		now = raw_status(pid);
		if (now == EVENT_STATUS(PTRACE_EVENT_STOP, SIGTRAP) ||
		    now == EVENT_STATUS(0, SIGCONT))
			continue;
		if (now == SYSCALL_STATUS && status == SYSCALL_STATUS) {
			struct __ptrace_syscall_info info = info_of(pid);

			/* Those of raise() and of its return are others. */
			if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr != SYS_getppid)
				continue;
			if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval != getpid() &&
			    info.exit.rval != -ENOSYS && info.exit.rval != -EXDEV)
				continue;
		}
		CHECK_EQ(now, status);
		return;
	}
}

static void ends_with(pid_t pid, int code)
{
	goes_to(pid, PTRACE_CONT, code << 8);
}

TEST(the_stop_of_a_filter_comes_after_that_of_the_entry)
{
	pid_t pid = asker(PTRACE_O_TRACESECCOMP);
	struct __ptrace_syscall_info info;
	unsigned long message = 0;

	goes_to(pid, PTRACE_SYSCALL, SYSCALL_STATUS);
	CHECK_EQ(info_of(pid).op, PTRACE_SYSCALL_INFO_ENTRY);
	goes_to(pid, PTRACE_SYSCALL, SECCOMP_STATUS);
	info = info_of(pid);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
	CHECK_EQ(info.seccomp.nr, SYS_getppid);
	CHECK_EQ(info.seccomp.ret_data, DATA);
	CHECK_EQ(raw(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message), 0);
	CHECK_EQ(message, DATA);
	goes_to(pid, PTRACE_SYSCALL, SYSCALL_STATUS);
	CHECK_EQ(info_of(pid).op, PTRACE_SYSCALL_INFO_EXIT);
	ends_with(pid, 0);
}

TEST(a_call_left_to_a_tracer_that_does_not_ask_for_it_fails_with_enosys)
{
	ends_with(asker(0), ENOSYS);
}

TEST(a_filters_stop_comes_to_a_task_that_is_not_stopped_at_entries_and_its_exit_can_be_seen)
{
	pid_t pid = asker(PTRACE_O_TRACESECCOMP);

	goes_to(pid, PTRACE_CONT, SECCOMP_STATUS);
	goes_to(pid, PTRACE_SYSCALL, SYSCALL_STATUS);
	CHECK_EQ(info_of(pid).op, PTRACE_SYSCALL_INFO_EXIT);
	ends_with(pid, 0);
}

TEST(no_call_of_that_number_is_made_at_a_filters_stop_and_the_result_stands)
{
	pid_t pid = asker(PTRACE_O_TRACESECCOMP);

	goes_to(pid, PTRACE_CONT, SECCOMP_STATUS);
	CHECK_EQ(raw(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax),
		     (uintptr_t)-1),
		 0);
	CHECK_EQ(raw(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax),
		     (uintptr_t)-EXDEV),
		 0);
	ends_with(pid, EXDEV);
}

/* So a task that the kernel attaches by itself need not stop first. */
TEST(children_have_the_options_of_their_parent)
{
	pid_t pid = raw_child(ask_when_told), child;
	unsigned long message = 0;
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		child = fork();
		if (child == 0)
			ask_when_told();
		waitpid(child, &status, 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	raw_seize(pid, PTRACE_O_TRACEFORK | PTRACE_O_TRACESECCOMP);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_STOP, SIGSTOP));
	kill(pid, SIGCONT);
	goes_to(pid, PTRACE_CONT, EVENT_STATUS(PTRACE_EVENT_FORK, SIGTRAP));
	CHECK_EQ(raw(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message), 0);
	child = (pid_t)message;
	CHECK_EQ(raw_status(child), EVENT_STATUS(PTRACE_EVENT_STOP, SIGTRAP));
	goes_to(child, PTRACE_CONT, EVENT_STATUS(0, SIGSTOP));
	goes_to(child, PTRACE_CONT, SECCOMP_STATUS);
	raw_kill(child);
	raw_kill(pid);
}
