/* SPDX-License-Identifier: MIT */
/*
 * A tracer that writes a trap instruction into code wants a breakpoint. It gets one of its
 * own: others do not see the byte, and it does not see theirs (R7).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "compat/internal.h"

bool memory_has_trap(const struct covered *c, uint64_t addr)
{
	list_for_each (&c->traps, node, after)
		if (list_entry(node, struct trap, in_covered)->addr == addr)
			return true;
	return false;
}

static void forget(struct trap *trap)
{
	list_remove(&trap->in_covered);
	free(trap);
}

void memory_forget_traps(struct covered *c)
{
	c->entry = 0;
	c->scratch_used = false;
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

/* Traps that are written over go; others stay, and what is beneath them. */
static void clear_traps(struct covered *c, uint64_t addr, uint8_t *bytes, const uint8_t *beneath,
			size_t size)
{
	list_for_each (&c->traps, node, after) {
		struct trap *trap = list_entry(node, struct trap, in_covered);
		uint64_t i = trap->addr - addr;

		if (trap->addr < addr || i >= size)
			continue;
		if (bytes[i] == user_trap) {
			bytes[i] = beneath[i];
			continue;
		}
		cotrace_clear(c->s, trap->id);
		forget(trap);
	}
}

/*
 * The bytes of @size at @addr, without the tracer's own traps. Who only takes a trap out has
 * written nothing: the others are not told of a change.
 */
static ssize_t write_beneath(struct covered *c, uint64_t addr, const uint8_t *bytes, size_t size)
{
	uint8_t *is = malloc(size), *was = malloc(size);
	ssize_t n = -ENOMEM;

	if (is != NULL && was != NULL) {
		memcpy(is, bytes, size);
		memcpy(was, bytes, size);
		n = cotrace_read_memory(c->s, c->pid, addr, was, size);
		clear_traps(c, addr, is, was, size);
		if (n != (ssize_t)size || memcmp(is, was, size) != 0)
			n = cotrace_write_memory(c->s, c->pid, addr, is, size);
	}
	free(is);
	free(was);
	return n;
}

/* ---- Where debuggers put copies of instructions, to step them there ---- */

/* From the memory that AT_ENTRY stands in, whatever the size of its words. */
static uint64_t entry_of(pid_t pid)
{
	union {
		uint64_t wide[128];
		uint32_t narrow[256];
	} v = { 0 };
	char path[32];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/auxv", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &v, sizeof v) < 0)
		v.wide[0] = 0;
	fd_close(fd);
	for (size_t i = 0; i + 1 < 128; i += 2)
		if (v.wide[i] == AT_ENTRY)
			return v.wide[i + 1];
	for (size_t i = 0; i + 1 < 256; i += 2)
		if (v.narrow[i] == AT_ENTRY)
			return v.narrow[i + 1];
	return 0;
}

/*
 * GDB copies the instruction beneath its breakpoint to the program's entry, and sends the task
 * there. Two of them would write over each other's copies, and who comes to a breakpoint second
 * would find the task gone. So each has that place for itself, and the task executes the
 * instruction where it is (user_move_on()).
 */
static bool finds_scratch(struct covered *c)
{
	if (c->entry == 0)
		c->entry = entry_of(c->pid);
	return c->entry != 0;
}

static ssize_t write_scratch(struct covered *c, uint64_t addr, const uint8_t *bytes, size_t size)
{
	uint8_t beneath[sizeof c->scratch];
	const ssize_t whole = sizeof beneath;

	if (cotrace_read_memory(c->s, c->pid, c->entry, beneath, sizeof beneath) != whole)
		return -EIO;
	if (!c->scratch_used)
		memcpy(c->scratch, beneath, sizeof beneath);
	memcpy(c->scratch + (addr - c->entry), bytes, size);
	c->scratch_used = memcmp(c->scratch, beneath, sizeof beneath) != 0;
	return (ssize_t)size;
}

bool memory_is_scratch(const struct covered *c, uint64_t addr)
{
	return c->scratch_used && addr >= c->entry && addr - c->entry < sizeof c->scratch;
}

void memory_keep_scratch(struct covered *c)
{
	if (c->scratch_used)
		write_beneath(c, c->entry, c->scratch, sizeof c->scratch);
	c->scratch_used = false;
}

static void show_scratch(const struct covered *c, uint64_t addr, uint8_t *buf, size_t size)
{
	for (size_t i = 0; i < sizeof c->scratch && c->scratch_used; i++)
		if (c->entry + i >= addr && c->entry + i - addr < size)
			buf[c->entry + i - addr] = c->scratch[i];
}

ssize_t memory_read(struct covered *c, uint64_t addr, void *buf, size_t size)
{
	ssize_t n = cotrace_read_memory(c->s, c->pid, addr, buf, size);

	if (n > 0)
		show_scratch(c, addr, buf, (size_t)n);
	list_for_each (&c->traps, node, after) {
		uint64_t at = list_entry(node, struct trap, in_covered)->addr;

		if (n > 0 && at >= addr && at - addr < (uint64_t)n)
			((uint8_t *)buf)[at - addr] = user_trap;
	}
	return n;
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
	if (size > 1 && !(n == 1 && memory_has_trap(c, addr + at)) && finds_scratch(c) &&
	    addr >= c->entry && addr - c->entry <= sizeof c->scratch - size)
		return write_scratch(c, addr, bytes, size);
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
