/* SPDX-License-Identifier: MIT */
/* What a command line needs to put a program on the ptrace personality. */
#ifndef COMPAT_RUN_H
#define COMPAT_RUN_H

#include <stdbool.h>
#include <sys/types.h>

struct run {
	pid_t supervisor;    /* who answers from now on */
	bool outer;	     /* one that was there before: nothing was done */
	bool no_new_privs;   /* had to be set: set-user-ID programs take no effect */
	bool sync_wake_up;   /* the kernel hands the CPU over at each call */
	const char *problem; /* on failure: a sentence without its reason, for people */
};

/*
 * From now on ptrace(), wait*() and reads of other processes' memory, made by the calling
 * process and all that it starts, are answered by a supervisor. The caller has one thread,
 * and goes on to exec. Returns 0 or -errno; then nothing has changed, or @r->problem says so.
 */
int run_supervised(struct run *r);

#define RUN_PATH_MAX 4096

/*
 * Of a program that a supervised process is about to exec: has a library host what it traces,
 * in itself, so that no other process answers its calls. False: that cannot be, and *why is a
 * phrase that goes on from "it"; the supervisor answers then.
 */
bool run_preload(const char *program, const char **why);

#endif
