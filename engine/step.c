/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "engine/request.h"

void request_step(struct request *rq, const struct wire_step *m)
{
	(void)m;
	request_done(rq, -ENOSYS);
}
