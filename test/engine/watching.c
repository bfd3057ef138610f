/* SPDX-License-Identifier: MIT */
#include "test/engine/watching.h"

#include <string.h>

struct wire_break watch(uint64_t at, uint32_t length)
{
	return (struct wire_break){ .kind = COTRACE_WATCH_WRITE,
				    .mode = COTRACE_NOTE,
				    .pid = PID,
				    .addr = at,
				    .length = length };
}

static unsigned in_use(const struct backend_debug *registers)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		n += registers[i].kind != BACKEND_DEBUG_NONE;
	return n;
}

unsigned armed(struct stage *st, pid_t tid)
{
	return in_use(fake_task(st->kernel, tid)->debug);
}

unsigned armed_for_kernel(struct stage *st, pid_t tid)
{
	return in_use(fake_task(st->kernel, tid)->kernel);
}

bool has(struct stage *st, pid_t tid, uint64_t addr, uint32_t length)
{
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++) {
		const struct backend_debug *d = &fake_task(st->kernel, tid)->debug[i];

		if (d->kind != BACKEND_DEBUG_NONE && d->addr == addr && d->length == length)
			return true;
	}
	return false;
}

struct client *answered(struct stage *st)
{
	st->kernel->answers = true;
	return client_attached(st);
}

void hit(struct stage *st, pid_t tid, enum backend_trap trap, uint64_t addr, uint32_t value)
{
	memcpy(fake_memory(st->kernel, PID) + (addr - AT), &value, sizeof value);
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		if (fake_task(st->kernel, tid)->debug[i].kind != BACKEND_DEBUG_NONE &&
		    fake_task(st->kernel, tid)->debug[i].addr == addr)
			fake_task(st->kernel, tid)->debug_hits |= 1u << i;
	fake_push_trap(st->kernel, tid, trap, 0x500);
	settle(st);
}
