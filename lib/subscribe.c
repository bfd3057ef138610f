/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>

#include "lib/session.h"

/* Each takes at most 12 bytes and 6 slots of 8. */
#define CAPTURES_A_MESSAGE 1024u
static_assert(CAPTURES_A_MESSAGE * (12 + 8 * COTRACE_CAPTURES_MAX) + 64 <= WIRE_DATAGRAM_MAX,
	      "so many fit into one message");

int cotrace_subscribe(struct cotrace *s, enum cotrace_event_kind kind, enum cotrace_mode mode)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_SUBSCRIBE);

	if (r < 0)
		return r;
	wire_put_subscribe(&c.out, &(struct wire_subscribe){ kind, mode });
	r = call_finish(&c);
	if (r == 0 && kind == COTRACE_EVENT_EXEC) {
		atomic_store(&s->exec_subscribed, mode != COTRACE_OFF);
		memories_unsure(&s->memories, false);
	}
	return r;
}

int cotrace_subscribe_syscalls(struct cotrace *s, enum cotrace_arch arch, unsigned phases,
			       const struct cotrace_syscall_set *set, enum cotrace_mode mode)
{
	struct wire_syscalls m = { .arch = arch, .phases = phases, .mode = mode };
	struct call c;
	int r = call_begin(&c, s, WIRE_SYSCALLS);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < sizeof m.bits / sizeof *m.bits; i++)
		m.bits[i] = set != NULL ? set->bits[i] : UINT64_MAX;
	wire_put_syscalls(&c.out, &m);
	return call_finish(&c);
}

int cotrace_condition_syscalls(struct cotrace *s, enum cotrace_arch arch, unsigned phases,
			       const struct cotrace_syscall_set *set,
			       const struct cotrace_expression *condition)
{
	struct wire_condition m = { .arch = arch, .phases = phases };
	struct call c;
	int r;

	if (condition != NULL && condition->size > COTRACE_EXPRESSION_BYTES_MAX)
		return -EINVAL;
	r = call_begin(&c, s, WIRE_CONDITION);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < sizeof m.bits / sizeof *m.bits; i++)
		m.bits[i] = set != NULL ? set->bits[i] : UINT64_MAX;
	wire_put_condition(&c.out, &m);
	if (condition != NULL && condition->size > 0)
		wire_put_bytes(&c.out, condition->code, condition->size);
	return call_finish(&c);
}

int cotrace_subscribe_signals(struct cotrace *s, uint64_t set, enum cotrace_mode mode)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_SIGNALS);

	if (r < 0)
		return r;
	wire_put_signals(&c.out, &(struct wire_signals){ set, mode });
	return call_finish(&c);
}

static void put_slots(struct wire_writer *w, const struct cotrace_capture *slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		wire_put_slot(w, &(struct wire_slot){ slots[i].kind, slots[i].phase, slots[i].arg,
						      slots[i].count_arg, slots[i].unit,
						      slots[i].max });
}

int cotrace_capture(struct cotrace *s, enum cotrace_arch arch, int nr,
		    const struct cotrace_capture *slots, size_t count)
{
	struct call c;
	int r;

	if (count > COTRACE_CAPTURES_MAX)
		return -EINVAL;
	r = call_begin(&c, s, WIRE_CAPTURE);
	if (r < 0)
		return r;
	wire_put_capture(&c.out, &(struct wire_capture){ arch, nr });
	put_slots(&c.out, slots, count);
	return call_finish(&c);
}

/* As many as one message has room for; *done becomes how many. */
static int capture_some(struct cotrace *s, const struct cotrace_captures *v, size_t n, size_t *done)
{
	const size_t some = n < CAPTURES_A_MESSAGE ? n : CAPTURES_A_MESSAGE;
	struct call c;
	int r = call_begin(&c, s, WIRE_CAPTURES);

	if (r < 0)
		return r;
	wire_put_captures(&c.out, &(struct wire_captures){ (uint32_t)some });
	for (size_t i = 0; i < some; i++) {
		wire_put_call_slots(&c.out, &(struct wire_call_slots){ v[i].arch, v[i].nr,
								       (uint32_t)v[i].count });
		put_slots(&c.out, v[i].slots, v[i].count);
	}
	*done = some;
	return call_finish(&c);
}

int cotrace_capture_all(struct cotrace *s, const struct cotrace_captures *v, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		if (v[i].count > COTRACE_CAPTURES_MAX)
			return -EINVAL;
	while (n > 0 && r == 0) {
		size_t done = 0;

		r = capture_some(s, v, n, &done);
		v += done;
		n -= done;
	}
	return r;
}
