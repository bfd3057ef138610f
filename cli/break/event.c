/* SPDX-License-Identifier: MIT */
/* What each event means. */
#include "cli/break/breaker.h"
#include "cli/json.h"
#include "cli/program.h"

static void take_hit(struct breaker *b, struct field *f, struct placement *p,
		     const struct cotrace_event *ev)
{
	struct hit hit = { ev, p, f };

	if (break_done(b))
		return;
	b->hits++;
	p->hits++;
	p->point->hits++;
	if (b->options.returns)
		return_expect(b, &hit);
	if (b->options.common.summary)
		return;
	if (b->options.common.json)
		json_hit(b, &hit);
	else
		line_hit(b, &hit);
}

static void take_breakpoint(struct breaker *b, struct field *f, const struct cotrace_event *ev)
{
	struct placement *p = placement_find(f, ev);
	struct process *process;

	/* It was removed while the event was under way. */
	if (!p)
		return;
	if (p->kind == PLACEMENT_POINT) {
		take_hit(b, f, p, ev);
		return;
	}
	if (p->kind == PLACEMENT_RESOLVER || p->kind == PLACEMENT_RESULT) {
		resolve_indirect(b, f, p, ev);
		return;
	}
	if (p->kind == PLACEMENT_RETURN) {
		return_take(b, f, p, ev);
		return;
	}
	process = process_find(f, ev->pid);
	if (p->kind == PLACEMENT_START)
		placement_remove(f, p, true);
	if (process)
		process_refresh(b, f, process);
}

static void take_lost(struct breaker *b, const struct cotrace_event *ev)
{
	if (!b->options.common.json) {
		line_lost(b, ev);
		return;
	}
	out_str(&b->out, "{\"event\":\"lost\"");
	json_i64(&b->out, "seq", (int64_t)ev->seq);
	json_i64(&b->out, "notes", (int64_t)ev->lost.notes);
	out_char(&b->out, '}');
	out_newline(&b->out);
}

void break_take(struct breaker *b, struct field *f, const struct cotrace_event *ev)
{
	switch (ev->kind) {
	case COTRACE_EVENT_BREAKPOINT:
		take_breakpoint(b, f, ev);
		break;
	case COTRACE_EVENT_EXEC:
		process_exec(b, f, ev->pid);
		break;
	case COTRACE_EVENT_FORK:
	case COTRACE_EVENT_VFORK:
		if (b->options.common.follow)
			process_fork(f, ev->pid, ev->child.pid);
		break;
	case COTRACE_EVENT_PROCESS_EXIT:
		process_end(f, ev->pid);
		break;
	case COTRACE_EVENT_LOST:
		take_lost(b, ev);
		break;
	case COTRACE_EVENT_ENGINE_GONE:
	case COTRACE_EVENT_SESSION_END:
		f->over = true;
		if (program_session_over(ev, f->session, f->pid))
			b->failed = true;
		break;
	}
	if (ev->flags & COTRACE_EV_STOP)
		cotrace_answer(f->session, ev, NULL);
}
