/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "engine/request.h"

void request_syscall(struct request *rq, const struct wire_syscall *m)
{
	(void)m;
	request_done(rq, -ENOSYS);
}
