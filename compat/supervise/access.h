/* SPDX-License-Identifier: MIT */
/* May a program trace another? What the kernel would say to it, where we would be let in. */
#ifndef COMPAT_SUPERVISE_ACCESS_H
#define COMPAT_SUPERVISE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of /proc/PID/status. */
struct credentials {
	unsigned uid[4], gid[4]; /* real, effective, saved, of the file system */
	uint64_t permitted, effective;
};

struct access_case {
	struct credentials caller, target;
	bool same_user_namespace;
	bool caller_in_ours; /* our user namespace: its capabilities reach all that we reach */
	bool dumpable;
};

/* 0 if all is there. */
int credentials_parse(struct credentials *c, const char *status);
bool credentials_same(const struct credentials *a, const struct credentials *b);

/* PTRACE_MODE_ATTACH_REALCREDS: 0 or -EPERM. */
int access_judge(const struct access_case *c);
/* The same for PTRACE_TRACEME: may @caller have the task @target, which wants that? */
int access_judge_traceme(const struct access_case *c);

/* For processes. -ESRCH: not there. */
int access_check(pid_t caller, pid_t target);
int access_check_traceme(pid_t tracer, pid_t task);
/* Whether it has CAP_SYS_ADMIN, as far as we know where that counts. */
bool access_is_admin(pid_t caller);

#endif
