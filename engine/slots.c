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

#define AREA_SIZE (SPACE_AREA_SLOTS * CODE_SLOT_SIZE)
#define AREAS_MAX 64
#define ROOM_MIN (SPACE_AREA_SLOTS / 4) /* what makes it worth while to look through all sites */
#define REACH (INT32_MAX - (1u << 20))	/* what most instructions can be displaced over */

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
	site->space->slots_idle |= site->slot != 0;
	site->slot = 0;
	site->moved_valid = true;
	/* To its own address: what it is does not depend on where it goes. */
	site->code->displace(site->code, bytes, count, site->addr, site->addr, &site->moved);
}

/* One with room; *room: slots of all that are near enough. */
static struct slot_area *area_for(struct space *s, uint64_t addr, unsigned *room)
{
	struct slot_area *found = NULL;

	*room = 0;
	list_for_each (&s->areas, node, after) {
		struct slot_area *a = list_entry(node, struct slot_area, in_space);
		uint64_t distance = a->base > addr ? a->base - addr : addr - a->base;

		if (distance >= REACH || a->used == SPACE_AREA_SLOTS)
			continue;
		*room += SPACE_AREA_SLOTS - a->used;
		if (found == NULL)
			found = a;
	}
	return found;
}

static unsigned first_free(const struct slot_area *a)
{
	unsigned word = 0;

	while (a->taken[word] == UINT64_MAX)
		word++;
	return 64 * word + (unsigned)__builtin_ctzll(~a->taken[word]);
}

static void take(struct slot_area *a, unsigned i)
{
	a->used += !(a->taken[i / 64] >> (i % 64) & 1);
	a->taken[i / 64] |= 1ull << (i % 64);
}

static void take_at(struct space *s, uint64_t slot)
{
	list_for_each (&s->areas, node, after) {
		struct slot_area *a = list_entry(node, struct slot_area, in_space);

		if (slot - a->base < AREA_SIZE)
			take(a, (unsigned)((slot - a->base) / CODE_SLOT_SIZE));
	}
}

static void take_those_of_sites(struct space *s)
{
	struct trap_site *site;
	size_t at = 0;

	while ((site = map_walk(&s->sites, &at)) != NULL)
		if (site->planted && site->slot != 0)
			take_at(s, site->slot);
		else
			site->slot = 0;
}

/* Those in which a task runs, or ran when it was last seen. */
static void take_those_of_tasks(struct space *s)
{
	list_for_each (&s->processes, node, after) {
		const struct process *p = list_entry(node, struct process, in_space);

		list_for_each (&p->tasks, at, next) {
			const struct task *t = list_entry(at, struct task, in_process);

			if (t->slot_of != 0)
				take_at(s, t->slot_at);
		}
	}
}

/* One that makes a call of ours could have found the instruction for it anywhere. */
static bool any_in_call(const struct space *s)
{
	list_for_each (&s->processes, node, after) {
		const struct process *p = list_entry(node, struct process, in_space);

		list_for_each (&p->tasks, at, next)
			if (call_busy(list_entry(at, struct task, in_process)))
				return true;
	}
	return false;
}

/*
 * Finds out which slots are in use. The others can be given away: where a task stands it is in
 * none, as past_settle() has put it where it is in the program, and no signal frame, child or
 * call has an address in one either.
 */
static void count_anew(struct space *s)
{
	if (!s->slots_idle || any_in_call(s))
		return;
	list_for_each (&s->areas, node, after) {
		struct slot_area *a = list_entry(node, struct slot_area, in_space);

		memset(a->taken, 0, sizeof a->taken);
		a->used = 0;
	}
	take_those_of_sites(s);
	take_those_of_tasks(s);
	s->slots_idle = false;
}

static void add_area(struct space *s, uint64_t base)
{
	struct slot_area *a = calloc(1, sizeof *a);

	if (a == NULL) {
		s->slots_fail = true;
		return;
	}
	a->base = base;
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

/* 0; -EINPROGRESS; or another error of map_area(). */
static int find_area(struct trap_site *site, struct task *t, struct slot_area **out)
{
	struct space *s = site->space;
	unsigned room;
	int r;

	*out = area_for(s, site->addr, &room);
	if (*out != NULL)
		return 0;
	count_anew(s);
	*out = area_for(s, site->addr, &room);
	if (room >= ROOM_MIN)
		return 0;
	r = map_area(site, t);
	return r == -EINPROGRESS || *out == NULL ? r : 0;
}

int slots_prepare(struct trap_site *site, struct task *t)
{
	struct slot_area *area;
	uint64_t slot;
	unsigned i;
	int r;

	if (site->slot != 0)
		return 0;
	if (site->moved.size == 0)
		return -ENOTSUP;
	r = find_area(site, t, &area);
	if (r < 0)
		return r;
	i = first_free(area);
	slot = area->base + i * CODE_SLOT_SIZE;
	site->code->displace(site->code, site->bytes, site->byte_count, site->addr, slot,
			     &site->moved);
	if (site->moved.size == 0 || space_write_raw(t->process, slot, site->moved.code,
						     site->moved.size) != site->moved.size)
		return -ENOTSUP;
	take(area, i);
	site->slot = slot;
	site->space->slots_idle |= !site->planted; /* for a step, and no longer than that */
	return 0;
}

void slots_enter(struct task *t, const struct trap_site *site)
{
	t->slot_of = site->addr;
	t->slot_at = site->slot;
	t->slot_code = site->moved;
	regs_set_pc(t, site->slot);
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
		if (site->slot - a->base < AREA_SIZE)
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
	r = code ? call_start(t, code->unmap_call, (const uint64_t[6]){ a->base, AREA_SIZE },
			      unmapped, s)
		 : -ENODEV;
	forget_slots(s, a);
	list_remove(&a->in_space);
	free(a);
	return r == 0;
}
