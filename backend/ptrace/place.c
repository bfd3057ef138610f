/* SPDX-License-Identifier: MIT */
/* Where tasks wake. Measured first: see bench/; filled in when it pays. */
#include "backend/ptrace/internal.h"

void place_init(struct ptrace_backend *b)
{
	b->place.cpu = -1;
}

void place_stopped(struct ptrace_backend *b, pid_t tid)
{
	(void)b;
	(void)tid;
}

bool place_before_wake(struct ptrace_backend *b, pid_t tid, cpu_set_t *before)
{
	(void)b;
	(void)tid;
	(void)before;
	return false;
}

void place_after_wake(struct ptrace_backend *b, pid_t tid, const cpu_set_t *before)
{
	(void)b;
	(void)tid;
	(void)before;
}
