/* SPDX-License-Identifier: MIT */
/* Shared by regs_x86_64.c and regs_call_x86_64.c only. */
#ifndef BACKEND_PTRACE_REGS_X86_64_H
#define BACKEND_PTRACE_REGS_X86_64_H

#include <sys/user.h>

#include "engine/backend.h"

/* Results that exist only between the kernel and itself: the call will be made again. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

/* Number and arguments as they are at an entry. */
void regs_put_call(struct user_regs_struct *regs, const struct backend_syscall *call);

#endif
