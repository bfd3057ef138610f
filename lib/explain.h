/* SPDX-License-Identifier: MIT */
#ifndef LIB_EXPLAIN_H
#define LIB_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/proc.h"

/* All that bears on whether the caller may trace a process. */
struct explain_facts {
	pid_t pid;
	bool absent;	/* no such process */
	bool invisible; /* it exists, but /proc does not show it */
	bool zombie;
	bool kernel_thread;
	bool self;
	int access; /* of opening its memory: 0 or a negative errno */
	bool ids_differ;
	bool privileged; /* the caller has CAP_SYS_PTRACE in its user namespace */
	bool not_dumpable;
	bool other_userns;
	char userns[32], own_userns[32]; /* names; empty where the kernel does not say */
	bool more_capable;		 /* it has capabilities that the caller lacks */
	int yama;			 /* the scope; -1 without Yama */
	bool descendant;		 /* of the caller */
	bool filtered;			 /* the caller's seccomp filter stops ptrace */
	pid_t tracer;
	bool tracer_is_engine;
	int engine; /* of connecting to it: 0 or a negative errno */
	bool engine_missing;
	bool cycle;
	uid_t uid, own_uid;
	char comm[PROC_COMM_MAX], tracer_comm[PROC_COMM_MAX];
};

/* Pure: the first thing in the way, and a number that goes with it. */
unsigned explain_decide(const struct explain_facts *f, int *detail);
/* Pure: one sentence with cause and remedy. */
void explain_sentence(const struct explain_facts *f, unsigned reason, char *buf, size_t size);

void explain_gather(struct explain_facts *f, pid_t pid);
/* The error with which attaching to @pid should fail, when @error came of a refusal. */
int explain_error(pid_t pid, int error);

#endif
