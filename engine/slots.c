/* SPDX-License-Identifier: MIT */
/* Memory of the target in which displaced instructions are executed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "engine/call.h"
#include "engine/past.h"
#include "engine/regs.h"
#include "engine/task.h"

#define AREA_SIZE 65536u
#define AREAS_MAX 64
#define REACH (INT32_MAX - (1u << 20)) /* what most instructions can be displaced over */

void slots_decode(struct trap_site *site, struct task *t)
{
	uint8_t bytes[CODE_INSTRUCTION_MAX] = { 0 };
	ssize_t n = space_read(t, site->addr, bytes, sizeof bytes);
	size_t count = n > 0 ? (size_t)n : 0;

	/* The program may have changed it since; what is in the old slot stays there. */
	if (site->moved_valid && count == site->byte_count &&
	    memcmp(bytes, site->bytes, sizeof bytes) == 0)
		return;
	memcpy(site->bytes, bytes, sizeof bytes);
	site->byte_count = count;
	site->slot = 0;
	site->moved_valid = true;
	/* To its own address: what it is does not depend on where it goes. */
	site->code->displace(site->code, bytes, count, site->addr, site->addr, &site->moved);
}

static struct slot_area *area_for(struct space *s, uint64_t addr)
{
	list_for_each (&s->areas, node, after) {
		struct slot_area *a = list_entry(node, struct slot_area, in_space);
		uint64_t distance = a->base > addr ? a->base - addr : addr - a->base;

		if (distance < REACH && a->used + CODE_SLOT_SIZE <= a->size)
			return a;
	}
	return NULL;
}

static void add_area(struct space *s, uint64_t base)
{
	struct slot_area *a = calloc(1, sizeof *a);

	if (a == NULL) {
		s->slots_fail = true;
		return;
	}
	a->base = base;
	a->size = AREA_SIZE;
	list_append(&s->areas, &a->in_space);
}

/* Not only from where this task stands, or of this moment. */
static bool is_for_good(int error)
{
	return error != -EBUSY && error != -ESRCH && error != -ENOMEM;
}

static void mapped(struct task *t, int error, int64_t result, void *arg)
{
	struct space *s = arg;

	(void)t;
	log_debug("slots at %lx: %d", (unsigned long)result, error);
	s->mapping = NULL;
	if (error == 0 && (result > 0 || result < -4095))
		add_area(s, (uint64_t)result);
	else
		s->slots_fail = error == 0 || is_for_good(error);
	space_wake(s);
}

static int map_area(struct trap_site *site, struct task *t)
{
	struct backend *b = t->engine->backend;
	struct space *s = site->space;
	uint64_t hint = b->ops->gap(b, t->tid, site->addr, AREA_SIZE);
	const uint64_t args[6] = {
		hint, AREA_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0
	};
	int r;

	if (s->slots_fail || list_length(&s->areas) >= AREAS_MAX)
		return -ENOSPC;
	if (s->mapping != NULL)
		return -EINPROGRESS;
	s->mapping = t;
	r = call_start(t, site->code->map_call, args, mapped, s);
	if (r == 0)
		return -EINPROGRESS;
	s->mapping = NULL;
	s->slots_fail = is_for_good(r);
	return r;
}

int slots_prepare(struct trap_site *site, struct task *t)
{
	struct slot_area *area;

	if (site->slot != 0)
		return 0;
	if (site->moved.size == 0)
		return -ENOTSUP;
	area = area_for(site->space, site->addr);
	if (area == NULL)
		return map_area(site, t);
	site->code->displace(site->code, site->bytes, site->byte_count, site->addr,
			     area->base + area->used, &site->moved);
	if (site->moved.size == 0 ||
	    space_write_raw(t->process, area->base + area->used, site->moved.code,
			    site->moved.size) != site->moved.size)
		return -ENOTSUP;
	site->slot = area->base + area->used;
	area->used += CODE_SLOT_SIZE;
	return 0;
}

static void unmapped(struct task *t, int error, int64_t result, void *arg)
{
	struct space *s = arg;

	(void)t;
	log_debug("slots are gone: %d, %ld", error, (long)result);
	space_wake(s);
}

/* Others may still be in a slot, or come back to one. */
static bool is_last(const struct task *t)
{
	return t->process->task_count == 1 && !space_is_shared(t->process->space);
}

/* A session may yet come: what it plants gets slots anew. */
static void forget_slots(struct space *s, const struct slot_area *a)
{
	struct trap_site *site;
	size_t at = 0;

	while ((site = map_walk(&s->sites, &at)) != NULL)
		if (site->slot - a->base < a->size)
			site->slot = 0;
}

bool slots_leave(struct task *t)
{
	struct space *s = t->process ? t->process->space : NULL;
	const struct arch_code *code;
	struct slot_area *a;
	int r;

	if (s == NULL || list_empty(&s->areas) || !is_last(t))
		return false;
	a = list_entry(s->areas.next, struct slot_area, in_space);
	code = regs_code(t);
	r = code ? call_start(t, code->unmap_call, (const uint64_t[6]){ a->base, a->size },
			      unmapped, s)
		 : -ENODEV;
	forget_slots(s, a);
	list_remove(&a->in_space);
	free(a);
	return r == 0;
}
