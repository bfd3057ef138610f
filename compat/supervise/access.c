/* SPDX-License-Identifier: MIT */
#include "compat/supervise/access.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define HAS(set, capability) (((set) >> (capability)) & 1)

static int parse_ids(unsigned ids[4], const char *status, const char *field)
{
	const char *at = strstr(status, field);

	return at && sscanf(at + strlen(field), "%u %u %u %u", &ids[0], &ids[1], &ids[2],
			    &ids[3]) == 4
		       ? 0
		       : -ENODATA;
}

static int parse_set(uint64_t *set, const char *status, const char *field)
{
	const char *at = strstr(status, field);
	unsigned long long v;

	if (!at || sscanf(at + strlen(field), "%llx", &v) != 1)
		return -ENODATA;
	*set = v;
	return 0;
}

int credentials_parse(struct credentials *c, const char *status)
{
	int r = parse_ids(c->uid, status, "\nUid:");

	if (r == 0)
		r = parse_ids(c->gid, status, "\nGid:");
	if (r == 0)
		r = parse_set(&c->permitted, status, "\nCapPrm:");
	if (r == 0)
		r = parse_set(&c->effective, status, "\nCapEff:");
	return r;
}

bool credentials_same(const struct credentials *a, const struct credentials *b)
{
	return !memcmp(a->uid, b->uid, sizeof a->uid) && !memcmp(a->gid, b->gid, sizeof a->gid) &&
	       a->permitted == b->permitted && a->effective == b->effective;
}

/* In another user namespace it may well not count: we say no where the kernel might say yes. */
static bool may_trace_all(const struct access_case *c)
{
	return HAS(c->caller.effective, CAP_SYS_PTRACE) &&
	       (c->same_user_namespace || c->caller_in_ours);
}

static bool has_no_more(const struct access_case *c)
{
	return c->same_user_namespace && !(c->target.permitted & ~c->caller.permitted);
}

static bool same_ids(const unsigned target[4], unsigned real)
{
	return target[0] == real && target[1] == real && target[2] == real;
}

int access_judge(const struct access_case *c)
{
	bool own = same_ids(c->target.uid, c->caller.uid[0]) &&
		   same_ids(c->target.gid, c->caller.gid[0]);

	if (may_trace_all(c))
		return 0;
	return own && c->dumpable && has_no_more(c) ? 0 : -EPERM;
}

int access_judge_traceme(const struct access_case *c)
{
	return may_trace_all(c) || has_no_more(c) ? 0 : -EPERM;
}

static int read_credentials(struct credentials *c, pid_t pid)
{
	char path[48], text[4096];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	n = fd_read_file(path, text, sizeof text);
	return n < 0 ? -ESRCH : credentials_parse(c, text);
}

static ino_t user_namespace(pid_t pid)
{
	char path[48];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* The files of what is not dumpable belong to root, in /proc, but not its directory. */
static bool is_dumpable(pid_t pid, const struct credentials *c)
{
	char path[48];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	return stat(path, &st) == 0 && st.st_uid == c->uid[1];
}

/* 1: @caller is as we are, so that the kernel judges us as it would judge it. */
static int read_case(struct access_case *c, pid_t caller, pid_t target)
{
	struct credentials ours;
	ino_t own = user_namespace(getpid()), its = user_namespace(caller);
	int r = read_credentials(&c->caller, caller);

	if (r == 0)
		r = read_credentials(&ours, getpid());
	if (r < 0)
		return r;
	c->caller_in_ours = its == own;
	if (c->caller_in_ours && credentials_same(&c->caller, &ours))
		return 1;
	r = read_credentials(&c->target, target);
	if (r < 0)
		return r;
	c->same_user_namespace = its != 0 && user_namespace(target) == its;
	c->dumpable = is_dumpable(target, &c->target);
	return 0;
}

int access_check(pid_t caller, pid_t target)
{
	struct access_case c = { 0 };
	int r = read_case(&c, caller, target);

	return r < 0 ? r : r == 1 ? 0 : access_judge(&c);
}

int access_check_traceme(pid_t tracer, pid_t task)
{
	struct access_case c = { 0 };
	int r = read_case(&c, tracer, task);

	return r < 0 ? r : r == 1 ? 0 : access_judge_traceme(&c);
}

bool access_is_admin(pid_t caller)
{
	struct credentials c;

	return read_credentials(&c, caller) == 0 && HAS(c.effective, CAP_SYS_ADMIN) &&
	       user_namespace(caller) == user_namespace(getpid());
}
