/* SPDX-License-Identifier: MIT */
/* Calls of ptrace(). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "compat/hosted.h"
#include "compat/supervise/access.h"
#include "compat/supervise/supervise.h"

static void forget_written(struct list *written)
{
	list_for_each (written, node, after) {
		list_remove(node);
		free(list_entry(node, struct written, in_call));
	}
}

static void done_free(struct done *d)
{
	if (d)
		forget_written(&d->written);
	free(d);
}

void ptrace_drop(struct supervisor *s, pid_t tid)
{
	done_free(map_take(&s->done, (uint64_t)tid));
}

/* False: it has been taken away once more. */
static bool give(struct supervisor *s, const struct notice *n, struct done *d)
{
	int64_t result = d->result;

	s->now = n;
	s->lost = false;
	list_for_each (&d->written, node, after) {
		const struct written *w = list_entry(node, struct written, in_call);

		if (caller_write(s, &n->caller, w->addr, w->bytes, w->size) < 0)
			result = -EFAULT;
	}
	s->now = NULL;
	return notice_answer(s, n, result) == 0;
}

/*
 * A signal may take the caller out of its call after we have carried it out. The call is made
 * again then, with the same arguments: it gets the result that it has not heard.
 */
static bool answer_again(struct supervisor *s, const struct notice *n)
{
	struct done *d = s->done.count ? map_take(&s->done, (uint64_t)n->caller.tid) : NULL;
	bool same = d && d->call == n->call && !memcmp(d->args, n->args, sizeof d->args);

	if (same && !give(s, n, d) && map_put(&s->done, (uint64_t)n->caller.tid, d) == 0)
		return true;
	done_free(d);
	return same;
}

static void remember(struct supervisor *s, const struct notice *n, int64_t result)
{
	struct done *d = malloc(sizeof *d);

	if (!d)
		return;
	d->call = n->call;
	memcpy(d->args, n->args, sizeof d->args);
	d->result = result;
	list_init(&d->written);
	list_for_each (&s->written, node, after) {
		list_remove(node);
		list_append(&d->written, node);
	}
	done_free(map_take(&s->done, (uint64_t)n->caller.tid));
	if (map_put(&s->done, (uint64_t)n->caller.tid, d) < 0)
		done_free(d);
}

/* Longs of 32-bit callers come without their sign. */
static int64_t extend(const struct caller *c, uint64_t v)
{
	return c->compat ? (int32_t)v : (int64_t)v;
}

/* The personality does not know who may do what: it would act with our credentials. */
static int judge(const struct notice *n, int64_t request, pid_t target)
{
	pid_t parent;

	switch (request) {
	case PTRACE_ATTACH:
	case PTRACE_SEIZE:
		return access_check(n->caller.pid, target);
	case PTRACE_TRACEME:
		parent = (pid_t)fd_status_number(n->caller.tid, "PPid");
		return parent > 0 ? access_check_traceme(parent, n->caller.tid) : -EPERM;
	default:
		return 0;
	}
}

/* Whose end is to be heard of from now on. */
static void watch(struct supervisor *s, const struct notice *n, int64_t request)
{
	if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
		tool_get(s, n->caller.pid);
	if (request == PTRACE_TRACEME)
		tool_get(s, (pid_t)fd_status_number(n->caller.tid, "PPid"));
}

static int64_t carry_out(struct supervisor *s, const struct notice *n, int64_t request, pid_t pid)
{
	pid_t parent = request == PTRACE_TRACEME && s->hosted.count
			       ? (pid_t)fd_status_number(n->caller.tid, "PPid")
			       : 0;
	int64_t result;

	if (parent > 0 && hosted_is(s, parent))
		return hosted_traceme(s, &n->caller, parent);
	s->now = n;
	s->lost = false;
	s->keeps = true;
	result = personality_ptrace(s->personality, &n->caller, (uint64_t)request, pid, n->args[2],
				    n->args[3]);
	s->keeps = false;
	s->now = NULL;
	if (result >= 0)
		watch(s, n, request);
	return result;
}

void ptrace_begin(struct supervisor *s, struct notice *n)
{
	int64_t request = extend(&n->caller, n->args[0]), pid = (pid_t)n->args[1], result;

	if (answer_again(s, n))
		return;
	if (request == CALLS_WHO_SUPERVISES) {
		notice_answer(s, n, getpid());
		return;
	}
	if (request == HOSTED_CLAIM) {
		hosted_begin(s, n);
		return;
	}
	if (!notice_process(s, n)) {
		notice_answer(s, n, -ESRCH);
		return;
	}
	result = judge(n, request, (pid_t)pid);
	if (result == 0)
		result = carry_out(s, n, request, (pid_t)pid);
	log_debug("%d: ptrace(%#llx, %lld, %#llx, %#llx) = %lld", n->caller.tid, (long long)request,
		  (long long)pid, (unsigned long long)n->args[2], (unsigned long long)n->args[3],
		  (long long)result);
	/* One that failed because its caller had been taken away is made anew. */
	if (notice_answer(s, n, result) == -ENOENT && !(s->lost && result == -EFAULT))
		remember(s, n, result);
	forget_written(&s->written);
}

void stop_begin(struct supervisor *s, struct notice *n)
{
	bool group = n->call == CALL_TGKILL;
	pid_t pid = group ? (pid_t)n->args[0] : 0;

	if (answer_again(s, n))
		return;
	if (!s->tools.count || !notice_process(s, n) || !tool_find(s, n->caller.pid) ||
	    !personality_stop(s->personality, &n->caller, pid, (pid_t)n->args[group])) {
		notice_continue(s, n);
		return;
	}
	log_debug("%d: SIGSTOP to %d", n->caller.tid, (pid_t)n->args[group]);
	if (notice_answer(s, n, 0) == -ENOENT)
		remember(s, n, 0);
}
