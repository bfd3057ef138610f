/* SPDX-License-Identifier: MIT */
/* Finding engines and starting them. */
#ifndef LIB_ENGINE_H
#define LIB_ENGINE_H

#include <sys/types.h>

/* The engine program: COTRACE_ENGINE, or the one that was installed. */
const char *engine_path(void);
/*
 * A connection to the engine @pid, checked by the kernel's word on who listens.
 * Returns the fd; -ENOENT it is no engine; -EPERM another user's; -EAGAIN it is one, but
 * not there yet or no longer.
 */
int engine_connect(pid_t pid);
/* Starts one that belongs to nobody. Returns the connection's fd; -ENOENT not found. */
int engine_start(void);

#endif
