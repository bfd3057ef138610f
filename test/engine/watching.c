/* SPDX-License-Identifier: MIT */
#include "test/engine/watching.h"

#include <stdlib.h>
#include <string.h>

void set(struct client *c, struct wire_break b)
{
	client_begin(c, WIRE_BREAK, 0);
	wire_put_break(&c->writer, &b);
	client_send(c, -1);
	settle(c->stage);
}

struct wire_break watch(uint64_t at, uint32_t length)
{
	return (struct wire_break){ .kind = COTRACE_WATCH_WRITE,
				    .mode = COTRACE_NOTE,
				    .pid = PID,
				    .addr = at,
				    .length = length };
}

bool is_answered(struct client *c, struct wire_r_break *reply)
{
	struct message m;
	struct wire_reader r;

	if (!client_take(c, WIRE_R_BREAK, &m))
		return false;
	wire_reader_init(&r, m.body, m.size);
	assert_true(wire_get_r_break(&r, reply));
	free(m.body);
	return true;
}

int error_of(struct client *c, struct wire_break b)
{
	struct wire_r_break reply;

	set(c, b);
	assert_true(is_answered(c, &reply));
	return reply.error;
}

uint64_t id_of(struct client *c, struct wire_break b)
{
	struct wire_r_break reply;

	set(c, b);
	assert_true(is_answered(c, &reply));
	assert_int_equal(reply.error, 0);
	return reply.id;
}

unsigned armed(struct stage *st, pid_t tid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		n += fake_task(st->kernel, tid)->debug[i].kind != BACKEND_DEBUG_NONE;
	return n;
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
