/* SPDX-License-Identifier: MIT */
/* Breakpoints and watchpoints of a session. */
#include <errno.h>

#include "lib/session.h"

#define WATCH_LENGTH_MAX 8u

static bool is_watch(uint32_t kind)
{
	return kind == COTRACE_WATCH_WRITE || kind == COTRACE_WATCH_ACCESS;
}

/* At least @min bytes of code. */
static int check_code(const struct cotrace_expression *e, size_t min)
{
	if (e->size < min || e->size > COTRACE_EXPRESSION_BYTES_MAX)
		return -EINVAL;
	return e->size > 0 && e->code == NULL ? -EINVAL : 0;
}

static int check_expressions(const struct cotrace_breakpoint *b)
{
	int r = check_code(&b->condition, 0);

	if (b->value_count > COTRACE_BREAK_VALUES_MAX)
		return -EINVAL;
	for (uint32_t i = 0; r == 0 && i < b->value_count; i++)
		r = check_code(&b->values[i], 1);
	return r;
}

static int check_place(const struct cotrace_breakpoint *b)
{
	if (!is_watch(b->kind))
		return b->length || (b->flags & COTRACE_WATCH_SOFTWARE) ? -EINVAL : 0;
	if (b->length < 1 || b->length > WATCH_LENGTH_MAX)
		return -EINVAL;
	return b->addr > UINT64_MAX - (b->length - 1) ? -EINVAL : 0;
}

static int check(const struct cotrace_breakpoint *b)
{
	const uint32_t flags = COTRACE_BREAK_INHERIT | COTRACE_BREAK_REPLANT | COTRACE_BREAK_ONCE |
			       COTRACE_WATCH_SOFTWARE;

	if (b->size != sizeof *b || b->kind > COTRACE_WATCH_ACCESS ||
	    (b->mode != COTRACE_NOTE && b->mode != COTRACE_STOP) || (b->flags & ~flags) ||
	    b->reserved_ || check_place(b) < 0 || check_expressions(b) < 0)
		return -EINVAL;
	return b->pid <= 0 ? -ESRCH : 0;
}

static void put_break(struct wire_writer *w, const struct cotrace_breakpoint *b)
{
	wire_put_break(w, &(struct wire_break){
				  .kind = b->kind,
				  .mode = b->mode,
				  .flags = b->flags,
				  .pid = b->pid,
				  .length = b->length,
				  .addr = b->addr,
				  .task = b->task,
				  .ignore = b->ignore,
				  .condition = (uint32_t)b->condition.size,
				  .values = b->value_count,
			  });
	wire_put_bytes(w, b->condition.code, b->condition.size);
	for (uint32_t i = 0; i < b->value_count; i++) {
		wire_put_expression(w, &(struct wire_expression){ (uint32_t)b->values[i].size });
		wire_put_bytes(w, b->values[i].code, b->values[i].size);
	}
}

int cotrace_break(struct cotrace *s, uint64_t *id, const struct cotrace_breakpoint *b)
{
	struct wire_r_break reply;
	struct call c;
	int r = check(b);

	if (r == 0)
		r = call_begin(&c, s, WIRE_BREAK);
	if (r < 0)
		return r;
	put_break(&c.out, b);
	r = call_run(&c, -1, CLOCK_NEVER);
	if (r == 0 && !wire_get_r_break(&c.in, &reply))
		r = -EPROTO;
	if (r == 0)
		*id = reply.id;
	call_end(&c);
	return r;
}

int cotrace_clear(struct cotrace *s, uint64_t id)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_CLEAR);

	if (r < 0)
		return r;
	wire_put_clear(&c.out, &(struct wire_clear){ id });
	return call_finish(&c);
}
