/* SPDX-License-Identifier: MIT */
/* Tells on a terminal that an attach takes long. */
#ifndef TRACE_PROGRESS_H
#define TRACE_PROGRESS_H

#include <sys/types.h>

void progress_begin(pid_t pid);
void progress_end(void);

#endif
