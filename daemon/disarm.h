/* SPDX-License-Identifier: MIT */
/* Takes the debug registers out of all tasks of a process that nobody traces any more. */
#ifndef DAEMON_DISARM_H
#define DAEMON_DISARM_H

#include <sys/types.h>

#include "engine/backend.h"

void disarm(struct backend *b, pid_t pid);

#endif
