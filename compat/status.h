/* SPDX-License-Identifier: MIT */
/* Status words and siginfo as ptrace(2) and wait(2) have them. Pure. */
#ifndef COMPAT_STATUS_H
#define COMPAT_STATUS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STATUS_SYSGOOD 0x80
#define STATUS_CONTINUED 0xffff

/* @signo with STATUS_SYSGOOD where asked for; @event: PTRACE_EVENT_*, or 0. */
static inline int status_stopped(int signo, int event)
{
	return event << 16 | signo << 8 | 0x7f;
}

/* What waitid() gives for a wait status: si_code and si_status. */
void status_to_siginfo(int status, bool traced, siginfo_t *info);
/* The siginfo_t of a stop that is no signal's: si_code is what PTRACE_GETSIGINFO shows. */
void status_stop_info(siginfo_t *info, int signo, int code, pid_t pid, uid_t uid);

/* What does no harm if the one that stands has just been killed: it need not be heard of first. */
bool request_only_looks(uint64_t request);

#endif
