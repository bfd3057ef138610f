/* SPDX-License-Identifier: MIT */
/*
 * A tracer that writes a trap instruction into code wants a breakpoint. It gets one of its
 * own: others do not see the byte, and it does not see theirs (R7).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compat/internal.h"

static struct trap *trap_at(const struct covered *c, uint64_t addr)
{
	list_for_each (&c->traps, node, after) {
		struct trap *trap = list_entry(node, struct trap, in_covered);

		if (trap->addr == addr)
			return trap;
	}
	return NULL;
}

const struct trap *memory_trap_of(const struct covered *c, uint64_t id)
{
	list_for_each (&c->traps, node, after) {
		const struct trap *trap = list_entry(node, struct trap, in_covered);

		if (trap->id == id)
			return trap;
	}
	return NULL;
}

static void forget(struct trap *trap)
{
	list_remove(&trap->in_covered);
	free(trap);
}

void memory_forget_traps(struct covered *c)
{
	while (!list_empty(&c->traps))
		forget(list_entry(c->traps.next, struct trap, in_covered));
}

static int plant(struct covered *c, uint64_t addr)
{
	struct cotrace_breakpoint b = {
		.size = sizeof b, .mode = COTRACE_STOP, .pid = c->pid, .addr = addr
	};
	struct trap *trap = calloc(1, sizeof *trap);
	int r = trap == NULL ? -ENOMEM : cotrace_break(c->s, &trap->id, &b);

	if (r < 0) {
		free(trap);
		return r;
	}
	trap->addr = addr;
	list_append(&c->traps, &trap->in_covered);
	return 0;
}

void memory_inherit_traps(struct covered *c, const struct covered *parent)
{
	list_for_each (&parent->traps, node, after)
		plant(c, list_entry(node, struct trap, in_covered)->addr);
}

ssize_t memory_read(struct covered *c, uint64_t addr, void *buf, size_t size)
{
	ssize_t n = cotrace_read_memory(c->s, c->pid, addr, buf, size);

	list_for_each (&c->traps, node, after) {
		uint64_t at = list_entry(node, struct trap, in_covered)->addr;

		if (n > 0 && at >= addr && at - addr < (uint64_t)n)
			((uint8_t *)buf)[at - addr] = user_trap;
	}
	return n;
}

/* How many bytes differ from what the tracer sees there, and where the last one is. */
static size_t differences(const uint8_t *was, const uint8_t *is, size_t size, size_t *at)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		if (was[i] != is[i]) {
			n++;
			*at = i;
		}
	return n;
}

/* The bytes of @size at @addr, without the tracer's own traps. */
static ssize_t write_beneath(struct covered *c, uint64_t addr, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		struct trap *trap = trap_at(c, addr + i);

		if (trap == NULL || bytes[i] == user_trap)
			continue;
		cotrace_clear(c->s, trap->id);
		forget(trap);
	}
	return cotrace_write_memory(c->s, c->pid, addr, bytes, size);
}

#define LOOK_MAX 64 /* nobody writes more at once to set one breakpoint */

ssize_t memory_write(struct covered *c, uint64_t addr, const void *buf, size_t size)
{
	const uint8_t *bytes = buf;
	uint8_t was[LOOK_MAX];
	size_t at = 0, n;
	ssize_t there;

	if (size > LOOK_MAX)
		return write_beneath(c, addr, bytes, size);
	there = memory_read(c, addr, was, size);
	if (there <= 0)
		return -EFAULT;
	size = (size_t)there; /* what fits is written, as the kernel does it */
	n = differences(was, bytes, size, &at);
	if (n == 0)
		return (ssize_t)size;
	if (n == 1 && bytes[at] == user_trap && plant(c, addr + at) == 0)
		return (ssize_t)size;
	if (n == 1) {
		ssize_t r = write_beneath(c, addr + at, bytes + at, 1);

		return r < 0 ? r : (ssize_t)size;
	}
	return write_beneath(c, addr, bytes, size);
}

/* ---- For those who come by other ways ---- */

static struct covered *find(struct personality *p, pid_t tracer, pid_t pid)
{
	struct tracer *t = tracer_by_pid(p, tracer);

	return t != NULL ? covered_by_pid(t, pid) : NULL;
}

bool personality_has_tracee(struct personality *p, pid_t tracer, pid_t pid)
{
	return find(p, tracer, pid) != NULL;
}

ssize_t personality_read(struct personality *p, pid_t tracer, pid_t pid, uint64_t addr, void *buf,
			 size_t size)
{
	struct covered *c = find(p, tracer, pid);

	return c != NULL ? memory_read(c, addr, buf, size) : -ESRCH;
}

ssize_t personality_write(struct personality *p, pid_t tracer, pid_t pid, uint64_t addr,
			  const void *buf, size_t size)
{
	struct covered *c = find(p, tracer, pid);

	return c != NULL ? memory_write(c, addr, buf, size) : -ESRCH;
}
