/* SPDX-License-Identifier: MIT */
#ifndef LIB_CYCLE_H
#define LIB_CYCLE_H

#include <sys/types.h>

/*
 * R10: would attaching to @process let two tracers stop each other? 0; -EDEADLK if it can
 * already stop the caller, at once or through others, or if it is an engine of the caller.
 */
int cycle_check(pid_t process);

#endif
