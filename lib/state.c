/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a task beside its registers. */
#include <errno.h>
#include <string.h>

#include "lib/session.h"

ssize_t cotrace_state_read(struct cotrace *s, uint64_t task, enum cotrace_state what, uint64_t from,
			   void *buf, size_t size)
{
	struct wire_state_read m = { task, what, size < UINT32_MAX ? (uint32_t)size : UINT32_MAX,
				     from };
	struct wire_r_state_read reply;
	struct call c;
	ssize_t n = call_begin(&c, s, WIRE_STATE_READ);

	if (n < 0)
		return n;
	wire_put_state_read(&c.out, &m);
	n = call_run(&c, -1, CLOCK_NEVER);
	if (n == 0 && !wire_get_r_state_read(&c.in, &reply))
		n = -EPROTO;
	if (n == 0) {
		n = (ssize_t)wire_left(&c.in);
		if ((size_t)n > size)
			n = -EPROTO;
		else
			memcpy(buf, wire_get_bytes(&c.in, (size_t)n), (size_t)n);
	}
	call_end(&c);
	return n;
}

int cotrace_state_write(struct cotrace *s, uint64_t task, enum cotrace_state what, const void *buf,
			size_t size)
{
	struct call c;
	int r = size > sizeof(uint64_t) ? -EINVAL : call_begin(&c, s, WIRE_STATE_WRITE);

	if (r < 0)
		return r;
	wire_put_state_write(&c.out, &(struct wire_state_write){ task, what });
	wire_put_bytes(&c.out, buf, size);
	return call_finish(&c);
}
