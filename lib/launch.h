/* SPDX-License-Identifier: MIT */
/* Making processes inside somebody else's program without its noticing. */
#ifndef LIB_LAUNCH_H
#define LIB_LAUNCH_H

#include <signal.h>
#include <sys/types.h>

/*
 * @body runs in a new process that shares the caller's memory while the calling thread
 * waits, until it exits or execs. All signals are blocked in it; @mask is what the caller
 * had. It may only make async-signal-safe calls, and ends by returning or exec.
 */
typedef int launch_body(void *argument, const sigset_t *mask);

/* A child like any other, with SIGCHLD at its end. Its pid, or -errno. */
pid_t launch_child(launch_body *body, void *argument);
/*
 * A child that wait() and SIGCHLD do not show, and that no tracer of the caller follows;
 * it has a copy of the memory. Returns its wait status once it has ended, or -errno.
 */
int launch_hidden(launch_body *body, void *argument);
/* As hidden, sharing the memory, and @body's process is nobody's child. 0 or -errno. */
int launch_orphan(launch_body *body, void *argument);
/* For bodies: gives every signal its default action, or only those that are caught. */
void launch_reset_signals(int only_caught);

#endif
