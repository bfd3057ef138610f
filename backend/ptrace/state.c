/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a task beside its registers. */
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/types.h>

#include "backend/ptrace/internal.h"

#define ROOM(size) ((size) > INT32_MAX ? INT32_MAX : (uint32_t)(size))

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

/* A call into the task has another one in force meanwhile. */
static ssize_t get_mask(struct ptrace_task *t, void *buf, size_t size)
{
	uint64_t mask;
	long r;

	if (size < sizeof mask)
		return -ENOBUFS;
	if (t->calling != NULL) {
		mask = t->calling->mask;
	} else {
		r = ptrace_call(PTRACE_GETSIGMASK, t->tid, sizeof mask, (uintptr_t)&mask);
		if (r < 0)
			return r;
	}
	memcpy(buf, &mask, sizeof mask);
	return sizeof mask;
}

static ssize_t get_pending(pid_t tid, uint64_t from, unsigned flags, void *buf, size_t size)
{
	struct ptrace_peeksiginfo_args args = {
		.off = from,
		.flags = flags,
		.nr = (int32_t)(ROOM(size) / sizeof(siginfo_t)),
	};
	long r;

	if (args.nr == 0)
		return -ENOBUFS;
	r = ptrace_call(PTRACE_PEEKSIGINFO, tid, (uintptr_t)&args, (uintptr_t)buf);
	return r < 0 ? r : r * (ssize_t)sizeof(siginfo_t);
}

static ssize_t get_rseq(pid_t tid, void *buf, size_t size)
{
	return ptrace_call(PTRACE_GET_RSEQ_CONFIGURATION, tid, ROOM(size), (uintptr_t)buf);
}

static ssize_t get_filter(pid_t tid, uint64_t which, void *buf, size_t size)
{
	long n = ptrace_call(PTRACE_SECCOMP_GET_FILTER, tid, which, 0);

	if (n < 0) /* EINVAL: it has none at all */
		return n == -EINVAL ? -ENOENT : n;
	if ((size_t)n * sizeof(struct sock_filter) > size)
		return -ENOBUFS;
	n = ptrace_call(PTRACE_SECCOMP_GET_FILTER, tid, which, (uintptr_t)buf);
	return n < 0 ? n : n * (ssize_t)sizeof(struct sock_filter);
}

ssize_t state_read(struct backend *base, pid_t tid, enum backend_state what, uint64_t from,
		   void *buf, size_t size)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	ssize_t r = t ? -EINVAL : -ESRCH;

	if (t == NULL)
		return r;
	switch (what) {
	case BACKEND_STATE_SIGNAL_MASK:
		return get_mask(t, buf, size);
	case BACKEND_STATE_PENDING:
		return get_pending(tid, from, 0, buf, size);
	case BACKEND_STATE_PENDING_SHARED:
		return get_pending(tid, from, PTRACE_PEEKSIGINFO_SHARED, buf, size);
	case BACKEND_STATE_RSEQ:
		r = get_rseq(tid, buf, size);
		break;
	case BACKEND_STATE_FILTER:
		r = get_filter(tid, from, buf, size);
		break;
	}
	return r == -EIO ? -ENODEV : r; /* the kernel knows no such request */
}

int state_write(struct backend *base, pid_t tid, enum backend_state what, const void *buf,
		size_t size)
{
	uint64_t mask;

	if (what != BACKEND_STATE_SIGNAL_MASK || size != sizeof mask)
		return -EINVAL;
	memcpy(&mask, buf, size);
	return call_mask_set(base, tid, mask);
}
