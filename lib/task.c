/* SPDX-License-Identifier: MIT */
/* Stopping tasks, letting them run, sending them signals. */
#include <errno.h>
#include <string.h>

#include "lib/session.h"

#define SIGINFO_SIZE 128u

int cotrace_stop(struct cotrace *s, uint64_t task, enum cotrace_reach reach, int64_t timeout_ns)
{
	struct wire_r_stop reply;
	struct call c;
	int r = call_begin(&c, s, WIRE_STOP);

	if (r < 0)
		return r;
	wire_put_stop(&c.out, &(struct wire_stop){ task, reach, timeout_ns != 0 });
	/* With nothing to wait for the reply comes at once. */
	r = call_run(&c, -1, clock_deadline(timeout_ns != 0 ? timeout_ns : -1));
	if (r == 0 && !wire_get_r_stop(&c.in, &reply))
		r = -EPROTO;
	if (r == 0 && reply.pending)
		r = -ETIMEDOUT;
	call_end(&c);
	return r;
}

/* Says something that lets tasks run, and gets no reply. */
static int release(struct cotrace *s, struct wire_writer *w)
{
	wire_finish(w);
	intake_answered(&s->intake);
	box_answered(s);
	return session_tell(s, w, -1);
}

int cotrace_resume_all(struct cotrace *s, uint64_t task, enum cotrace_reach reach)
{
	struct wire_writer w;
	uint8_t buf[64];

	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_RESUME, WIRE_REQUEST_NO_REPLY, session_cookie(s));
	wire_put_resume(&w, &(struct wire_resume){ task, reach });
	return release(s, &w);
}

static int check_step(uint64_t task, unsigned kind, uint64_t from, uint64_t to)
{
	if (task == 0 || kind < COTRACE_STEP_INSTRUCTION || kind > COTRACE_STEP_SYSCALL)
		return -EINVAL;
	if (kind == COTRACE_STEP_RANGE)
		return from < to ? 0 : -EINVAL;
	return from || to ? -EINVAL : 0;
}

int cotrace_step(struct cotrace *s, uint64_t task, enum cotrace_step_kind kind, uint64_t from,
		 uint64_t to)
{
	struct wire_writer w;
	uint8_t buf[64];
	int r = check_step(task, kind, from, to);

	if (r == 0)
		r = session_knows(s, WIRE_STEP);
	if (r < 0)
		return r;
	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_STEP, WIRE_REQUEST_NO_REPLY, session_cookie(s));
	wire_put_step(&w, &(struct wire_step){ task, kind, from, to });
	return release(s, &w);
}

int cotrace_resume(struct cotrace *s, uint64_t task)
{
	return cotrace_resume_all(s, task, task ? COTRACE_ONE : COTRACE_ALL);
}

static const struct cotrace_verdict pass = { .size = sizeof pass };

static int check_verdict(const struct cotrace_verdict *v)
{
	if (v->size != sizeof *v || v->action > COTRACE_DENY || v->siginfo_size > sizeof v->siginfo)
		return -EINVAL;
	return 0;
}

int cotrace_answer(struct cotrace *s, const struct cotrace_event *ev,
		   const struct cotrace_verdict *verdict)
{
	const struct cotrace_verdict *v = verdict ? verdict : &pass;
	struct wire_answer m = { .task = ev->task,
				 .seq = ev->seq,
				 .action = v->action,
				 .nr = v->nr,
				 .result = v->result,
				 .signo = v->signo };
	struct wire_writer w;
	uint8_t buf[WIRE_HEADER_SIZE + sizeof m + SIGINFO_SIZE];

	if (!(ev->flags & COTRACE_EV_STOP) || check_verdict(v) < 0)
		return -EINVAL;
	memcpy(m.args, v->args, sizeof m.args);
	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_ANSWER, WIRE_REQUEST_NO_REPLY, session_cookie(s));
	wire_put_answer(&w, &m);
	wire_put_bytes(&w, v->siginfo, v->siginfo_size);
	return release(s, &w);
}

int cotrace_answer_step(struct cotrace *s, const struct cotrace_event *ev,
			const struct cotrace_verdict *verdict, enum cotrace_step_kind kind,
			uint64_t from, uint64_t to)
{
	const struct cotrace_verdict *v = verdict ? verdict : &pass;
	struct wire_answer_step m = { .task = ev->task,
				      .seq = ev->seq,
				      .action = v->action,
				      .nr = v->nr,
				      .result = v->result,
				      .signo = v->signo,
				      .kind = kind,
				      .from = from,
				      .to = to };
	struct wire_writer w;
	uint8_t buf[WIRE_HEADER_SIZE + sizeof m + SIGINFO_SIZE];
	int r = check_step(ev->task, kind, from, to);

	if (!(ev->flags & COTRACE_EV_STOP) || check_verdict(v) < 0)
		r = -EINVAL;
	if (r == 0)
		r = session_knows(s, WIRE_ANSWER_STEP);
	if (r < 0)
		return r;
	memcpy(m.args, v->args, sizeof m.args);
	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_ANSWER_STEP, WIRE_REQUEST_NO_REPLY, session_cookie(s));
	wire_put_answer_step(&w, &m);
	wire_put_bytes(&w, v->siginfo, v->siginfo_size);
	return release(s, &w);
}

int cotrace_signal(struct cotrace *s, uint64_t task, enum cotrace_reach reach, int signo,
		   const void *siginfo)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_SIGNAL);

	if (r < 0)
		return r;
	wire_put_signal(&c.out, &(struct wire_signal){ task, reach, signo });
	if (siginfo != NULL)
		wire_put_bytes(&c.out, siginfo, SIGINFO_SIZE);
	return call_finish(&c);
}

int cotrace_kill(struct cotrace *s, uint64_t task)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_KILL);

	if (r < 0)
		return r;
	wire_put_kill(&c.out, &(struct wire_kill){ task });
	return call_finish(&c);
}
