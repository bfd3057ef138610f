/* SPDX-License-Identifier: MIT */
/*
 * The end of a process, known in time: a tracer that asks for it has the process stand at the
 * beginning of its end, whatever kills it. All that it traces stands or runs on as before, and
 * is not let go until it goes on. Nothing else of the process is changed or made slower.
 */
#ifndef BACKEND_PTRACE_GUARD_H
#define BACKEND_PTRACE_GUARD_H

#include <sys/types.h>

/* Of a process with one thread. 0 or -errno. Its stops send SIGCHLD. */
int guard_begin(pid_t pid);
/* To be called after a SIGCHLD. 1: it stands at its end; 0: it lives; -ESRCH it is gone. */
int guard_look(pid_t pid);
/* It stands at its end: it goes on. */
void guard_let_end(pid_t pid);
/* Until it is gone, and has let go what it traced. */
void guard_await(pid_t pid);
/* It is guarded no more. */
void guard_leave(pid_t pid);

#endif
