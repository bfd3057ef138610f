/* SPDX-License-Identifier: MIT */
#include "compat/status.h"

#include <linux/ptrace.h>
#include <string.h>
#include <sys/wait.h>

void status_to_siginfo(int status, bool traced, siginfo_t *info)
{
	info->si_signo = SIGCHLD;
	info->si_errno = 0;
	if (WIFEXITED(status)) {
		info->si_code = CLD_EXITED;
		info->si_status = WEXITSTATUS(status);
	} else if (WIFSIGNALED(status)) {
		info->si_code = WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
		info->si_status = WTERMSIG(status);
	} else if (WIFCONTINUED(status)) {
		info->si_code = CLD_CONTINUED;
		info->si_status = SIGCONT;
	} else {
		info->si_code = traced ? CLD_TRAPPED : CLD_STOPPED;
		info->si_status = status >> 8; /* with the event's number */
	}
}

void status_stop_info(siginfo_t *info, int signo, int code, pid_t pid, uid_t uid)
{
	memset(info, 0, sizeof *info);
	info->si_signo = signo;
	info->si_code = code;
	info->si_pid = pid;
	info->si_uid = uid;
}

/* <linux/ptrace.h> leaves this one to the architectures. */
#define PTRACE_GETREGS 12

bool request_only_looks(uint64_t request)
{
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSR:
	case PTRACE_GETREGS:
	case PTRACE_GETEVENTMSG:
	case PTRACE_GETSIGINFO:
	case PTRACE_GETREGSET:
	case PTRACE_GET_SYSCALL_INFO:
		return true;
	default:
		return false;
	}
}
