/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "lib/session.h"

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

int cotrace_subscribe_signals(struct cotrace *s, uint64_t set, enum cotrace_mode mode)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_SIGNALS);

	if (r < 0)
		return r;
	wire_put_signals(&c.out, &(struct wire_signals){ set, mode });
	return call_finish(&c);
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
	for (size_t i = 0; i < count; i++) {
		const struct cotrace_capture *slot = &slots[i];

		wire_put_slot(&c.out,
			      &(struct wire_slot){ slot->kind, slot->phase, slot->arg,
						   slot->count_arg, slot->unit, slot->max });
	}
	return call_finish(&c);
}
