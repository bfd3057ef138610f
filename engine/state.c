/* SPDX-License-Identifier: MIT */
/* Requests about what the kernel knows of a task beside its registers. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/call.h"
#include "engine/event.h"
#include "engine/request.h"
#include "engine/task.h"

#define STATE_MAX 32768u /* the longest filter there can be */

_Static_assert((int)BACKEND_STATE_FILTER == (int)COTRACE_STATE_FILTER, "the same numbers");

/* The kernel asks this of the engine, which may have more rights than its client. */
static bool may_administer(pid_t pid)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, pid };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN));
}

static void reply_state(const struct reading *what, struct task *t, int error)
{
	struct backend *b = what->conn->engine->backend;
	struct wire_r_state_read reply = { 0 };
	struct wire_writer *w;
	uint8_t buf[STATE_MAX];
	ssize_t n = error;

	if (n == 0)
		n = b->ops->state_get(b, t->tid, (enum backend_state)what->kind, what->from, buf,
				      what->size < STATE_MAX ? what->size : STATE_MAX);
	reply.error = n < 0 ? (int32_t)n : 0;
	w = conn_reply_begin(what->conn, WIRE_R_STATE_READ, what->cookie, -1);
	if (w == NULL)
		return;
	wire_put_r_state_read(w, &reply);
	wire_put_bytes(w, buf, n > 0 ? (size_t)n : 0);
	conn_reply_finish(what->conn);
}

void request_state_read(struct request *rq, const struct wire_state_read *m)
{
	if (m->what < COTRACE_STATE_SIGNAL_MASK || m->what > COTRACE_STATE_FILTER)
		request_done(rq, -EINVAL);
	else if (m->what == COTRACE_STATE_FILTER && !may_administer(rq->conn->pid))
		request_done(rq, -EACCES);
	else
		readers_reply(rq, request_task(rq, m->task),
			      (struct reading){ .reply = reply_state,
						.kind = m->what,
						.size = m->size,
						.from = m->from });
}

void request_state_write(struct request *rq, const struct wire_state_write *m)
{
	struct backend *b = rq->conn->engine->backend;
	struct task *t = request_task(rq, m->task);
	size_t size = wire_left(rq->body);
	struct rules_party *party;
	int r = request_part(rq, t, &party);

	if (r == 0 && (!task_stands(t) || call_busy(t) ||
		       !(party->holds & (RULES_HOLD_ASKED | RULES_HOLD_OFFER))))
		r = -EBUSY;
	if (r == 0)
		r = b->ops->state_set(b, t->tid, (enum backend_state)m->what,
				      wire_get_bytes(rq->body, size), size);
	if (r == 0) {
		b->ops->mask_get(b, t->tid, &t->mask);
		event_changed(t->process, rq->session, t, COTRACE_CHANGE_STATE, m->what, 0);
	}
	request_done(rq, r);
}
