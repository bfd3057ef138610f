/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "engine/request.h"

void request_break(struct request *rq, const struct wire_break *m)
{
	(void)m;
	request_done(rq, -ENOSYS);
}

void request_clear(struct request *rq, const struct wire_clear *m)
{
	(void)m;
	request_done(rq, -ENOSYS);
}

void request_breakpoints(struct request *rq, const struct wire_breakpoints *m)
{
	(void)m;
	request_done(rq, -ENOSYS);
}

void request_sites(struct request *rq, const struct wire_sites *m)
{
	(void)m;
	request_done(rq, -ENOSYS);
}
