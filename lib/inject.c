/* SPDX-License-Identifier: MIT */
/* Calls into the target, and the signal at which a task stands. */
#include <errno.h>
#include <string.h>

#include "lib/session.h"

/* The engine keeps to the timeout; it has to interrupt the call and put the task right. */
#define GRACE_NS (2 * (int64_t)CLOCK_SECOND)

static uint64_t deadline_of(int64_t timeout_ns)
{
	if (timeout_ns < 0 || timeout_ns > INT64_MAX - GRACE_NS)
		return CLOCK_NEVER;
	return clock_deadline(timeout_ns + GRACE_NS);
}

int cotrace_syscall(struct cotrace *s, uint64_t task, int64_t nr, const uint64_t args[6],
		    int64_t *result, int64_t timeout_ns)
{
	struct wire_syscall m = { .task = task, .nr = nr, .timeout_ns = timeout_ns };
	struct wire_r_syscall reply;
	struct call c;
	int r;

	if (task == 0)
		return -EINVAL;
	r = call_begin(&c, s, WIRE_SYSCALL);
	if (r < 0)
		return r;
	memcpy(m.args, args, sizeof m.args);
	wire_put_syscall(&c.out, &m);
	r = call_run(&c, -1, deadline_of(timeout_ns));
	if (r == 0 && !wire_get_r_syscall(&c.in, &reply))
		r = -EPROTO;
	if (r == 0)
		*result = reply.result;
	call_end(&c);
	return r;
}

ssize_t cotrace_siginfo_read(struct cotrace *s, uint64_t task, void *buf, size_t size)
{
	struct wire_r_siginfo_read reply;
	struct call c;
	ssize_t n;

	if (task == 0)
		return -EINVAL;
	n = call_begin(&c, s, WIRE_SIGINFO_READ);
	if (n < 0)
		return n;
	wire_put_siginfo_read(&c.out, &(struct wire_siginfo_read){ task });
	n = call_run(&c, -1, CLOCK_NEVER);
	if (n == 0 && !wire_get_r_siginfo_read(&c.in, &reply))
		n = -EPROTO;
	if (n == 0) {
		size_t length = wire_left(&c.in);

		n = (ssize_t)(length < size ? length : size);
		if (n > 0)
			memcpy(buf, wire_get_bytes(&c.in, (size_t)n), (size_t)n);
	}
	call_end(&c);
	return n;
}
