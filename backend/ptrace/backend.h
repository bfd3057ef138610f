/* SPDX-License-Identifier: MIT */
#ifndef BACKEND_PTRACE_BACKEND_H
#define BACKEND_PTRACE_BACKEND_H

#include "engine/backend.h"

/* Makes the backend over ptrace(2). Blocks SIGCHLD, SIGIO and SIGALRM in the caller. */
int ptrace_backend_new(struct backend **out);

#endif
