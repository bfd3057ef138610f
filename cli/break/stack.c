/* SPDX-License-Identifier: MIT */
/* The stack at a hit. */
#include "cli/break/breaker.h"

int stack_frames(const struct hit *hit, struct frame frames[FRAMES_MAX])
{
	const struct cotrace_event *ev = hit->ev;
	struct process *p = process_find(hit->field, ev->pid);

	if (!p)
		return 0;
	if (!p->unwinder)
		p->unwinder = unwinder_new(hit->field->session, ev->pid, &p->modules);
	if (!p->unwinder)
		return 0;
	return unwinder_frames(p->unwinder, ev->task, ev->tid, ev->pc, frames, FRAMES_MAX);
}
