/* SPDX-License-Identifier: MIT */
#include "engine/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "engine/keeper.h"
#include "engine/regs.h"
#include "engine/task.h"

#define TABLE_CAPACITY 1024
#define CLEAN_TRIES 3
#define GHOSTS_MAX 64
#define SITE_KEPT_NS (10 * CLOCK_SECOND)

struct space *space_new(struct engine *e)
{
	struct space *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->engine = e;
	s->mem = -1;
	s->table = (struct sites)SITES_NULL;
	list_init(&s->processes);
	list_init(&s->areas);
	return s;
}

bool space_is_shared(const struct space *s)
{
	return s->processes.next != s->processes.prev;
}

bool space_has_traps(const struct space *s)
{
	return sites_count(&s->table) != 0;
}

static void space_free(struct space *s)
{
	struct trap_site *site;
	size_t at = 0;

	while ((site = map_walk(&s->sites, &at)) != NULL)
		free(site);
	map_deinit(&s->sites);
	list_for_each (&s->areas, node, after) /* NOLINT(clang-analyzer-unix.Malloc) */
		free(list_entry(node, struct slot_area, in_space));
	list_remove(&s->in_wakes);
	sites_destroy(&s->table);
	free(s);
}

static void space_free_ghost(struct engine *e)
{
	space_free(list_entry(e->ghosts.next, struct space, in_wakes));
}

/*
 * For when all that were known have left that memory, or are about to: others, whom nobody
 * told of, may live on in it.
 */
static void clean_left(struct space *s, const struct trap_site *site)
{
	struct backend *b = s->engine->backend;

	if (s->mem >= 0 &&
	    b->ops->memory_restore(b, s->mem, site->addr, site->code->trap, site->original,
				   site->code->trap_size) == -ESTALE) {
		fd_close(s->mem);
		s->mem = -1;
	}
}

/*
 * Nobody is in it any more. A child of the last one may still turn up with copies of its
 * traps, without a word from its parent.
 */
static void space_left(struct space *s)
{
	struct engine *e = s->engine;
	struct trap_site *site;
	size_t at = 0;

	while (s->mem >= 0 && (site = map_walk(&s->sites, &at)) != NULL)
		if (site->planted)
			clean_left(s, site);
	fd_close(s->mem);
	s->mem = -1;
	keeper_forget(s);
	if (!s->used) {
		space_free(s);
		return;
	}
	e->spaces_used--;
	list_remove(&s->in_wakes);
	list_append(&e->ghosts, &s->in_wakes);
	if (list_length(&e->ghosts) > GHOSTS_MAX)
		space_free_ghost(e);
}

void space_free_ghosts(struct engine *e)
{
	while (!list_empty(&e->ghosts))
		space_free_ghost(e);
}

void space_vfork_cut_short(const struct task *t)
{
	if (t->in_vfork && t->process != NULL)
		t->process->space->doomed = true;
}

void space_leave(struct process *p)
{
	list_remove(&p->in_space);
}

void space_enter(struct space *s, struct process *p)
{
	struct space *former = p->space;

	list_remove(&p->in_space);
	p->space = s;
	if (s != NULL)
		list_append(&s->processes, &p->in_space);
	if (former != NULL && list_empty(&former->processes))
		space_left(former);
	else if (former != NULL)
		process_release_guests(former);
}

static struct process *any_process(const struct space *s)
{
	return list_entry(s->processes.next, struct process, in_space);
}

struct trap_site *space_site(const struct space *s, uint64_t addr)
{
	return s && s->sites.count && addr != UINT64_MAX ? map_get(&s->sites, addr + 1) : NULL;
}

void space_drop_site(struct trap_site *site)
{
	if (site->was_planted || site->moved_valid || !list_empty(&site->breakpoints))
		return;
	map_take(&site->space->sites, site->addr + 1);
	free(site);
}

static void trap_is_out(struct trap_site *site)
{
	site->planted = false;
	site->since_ns = clock_now_ns();
	site->space->slots_idle |= site->slot != 0;
}

/* Of a trap that has been out for so long nobody comes any more. */
static void forget_old_sites(struct space *s)
{
	uint64_t now = clock_now_ns();
	struct trap_site *site;
	size_t at = 0;

	while ((site = map_walk(&s->sites, &at)) != NULL) {
		if (site->planted || !list_empty(&site->breakpoints) ||
		    now - site->since_ns < SITE_KEPT_NS)
			continue;
		map_take(&s->sites, site->addr + 1);
		free(site);
		at--; /* the next one may have moved here */
	}
}

struct trap_site *space_add_site(struct space *s, const struct arch_code *code, uint64_t addr)
{
	struct trap_site *site = space_site(s, addr);

	if (site != NULL || addr == UINT64_MAX)
		return site;
	if (s->sites.count >= SPACE_SITES_MAX)
		forget_old_sites(s);
	if (s->sites.count >= SPACE_SITES_MAX)
		return NULL;
	site = calloc(1, sizeof *site);
	if (site == NULL || map_put(&s->sites, addr + 1, site) < 0) {
		free(site);
		return NULL;
	}
	site->space = s;
	site->addr = addr;
	site->code = code;
	site->since_ns = clock_now_ns();
	list_init(&site->breakpoints);
	return site;
}

static ssize_t read_raw(const struct process *p, uint64_t at, void *buf, size_t size)
{
	struct backend *b = p->engine->backend;

	return b->ops->memory_read(b, process_any_tid(p), at, buf, size);
}

ssize_t space_write_raw(const struct process *p, uint64_t at, const void *buf, size_t size)
{
	struct backend *b = p->engine->backend;

	return b->ops->memory_write(b, process_any_tid(p), p->mem_write, at, buf, size);
}

int space_table(struct space *s)
{
	return s->table.fd >= 0 ? 0 : sites_create(&s->table, TABLE_CAPACITY);
}

/* Whether all that are known have told of their end; one that is being born has told nothing. */
static bool is_dying(const struct space *s)
{
	list_for_each (&s->processes, node, after) {
		const struct process *p = list_entry(node, struct process, in_space);

		if (list_empty(&p->tasks))
			return false;
		list_for_each (&p->tasks, at, next)
			if (!list_entry(at, struct task, in_process)->exit_told)
				return false;
	}
	return true;
}

int space_plant(struct trap_site *site)
{
	struct space *s = site->space;
	struct process *p = any_process(s);
	struct backend *b = s->engine->backend;
	size_t size = site->code->trap_size;
	uint8_t now[sizeof site->original];
	int r = space_table(s);

	if (r < 0)
		return r;
	if (s->doomed || is_dying(s)) /* who comes by may be a child that is not known */
		return -ESRCH;
	if (!space_has_traps(s))
		process_gather(s);
	if (!b->ops->may_plant(b, process_any_tid(p), site->addr) ||
	    read_raw(p, site->addr, now, size) != (ssize_t)size)
		return -EFAULT;
	if (memcmp(now, site->original, size) != 0)
		site->moved_valid = false;
	memcpy(site->original, now, size);
	if (!s->used) {
		s->used = true;
		s->engine->spaces_used++;
		s->mem = engine_spare_fd(s->engine,
					 b->ops->memory_open(b, process_any_tid(p), true));
	}
	sites_begin(&s->table);
	r = sites_insert(&s->table, site->addr, site->original, size);
	keeper_watch(s);
	if (r == 0 && !site->lifted &&
	    space_write_raw(p, site->addr, site->code->trap, size) != (ssize_t)size) {
		sites_remove(&s->table, site->addr);
		r = -EFAULT;
	}
	sites_end(&s->table);
	if (r == 0)
		site->planted = site->was_planted = true;
	return r;
}

/* One attempt: a negative errno, or all is as it should be. */
static ssize_t try_clean(struct backend *b, pid_t tid, int fd, const struct trap_site *site)
{
	size_t size = site->code->trap_size;
	uint8_t now[sizeof site->original];
	ssize_t n = b->ops->memory_read(b, tid, site->addr, now, size);

	if (n != (ssize_t)size || memcmp(now, site->code->trap, size) != 0)
		return n;
	return b->ops->memory_write(b, tid, fd, site->addr, site->original, size);
}

/*
 * Takes the trap out, unless the program has written something else there. One that stays
 * would kill, so what can fail for a moment is tried again.
 */
static bool clean_task(struct backend *b, pid_t tid, int fd, const struct trap_site *site)
{
	for (int i = 0; i < CLEAN_TRIES; i++)
		if (try_clean(b, tid, fd, site) >= 0)
			return true;
	log_debug("a trap is left at %lx of %d", (unsigned long)site->addr, (int)tid);
	return false;
}

static bool clean(const struct process *p, const struct trap_site *site)
{
	return clean_task(p->engine->backend, process_any_tid(p), p->mem_write, site);
}

void space_unplant(struct trap_site *site)
{
	struct space *s = site->space;

	if (!site->planted)
		return;
	trap_is_out(site);
	sites_begin(&s->table);
	if (list_empty(&s->processes) || !clean(any_process(s), site))
		clean_left(s, site);
	sites_remove(&s->table, site->addr);
	sites_end(&s->table);
	if (!space_has_traps(s)) {
		keeper_unplanted(s->engine);
		process_release_guests(s);
	}
}

void space_lift(struct trap_site *site)
{
	site->lifted = true;
	space_write_raw(any_process(site->space), site->addr, site->original,
			site->code->trap_size);
}

void space_lower(struct trap_site *site)
{
	site->lifted = false;
	if (site->planted && !list_empty(&site->space->processes))
		space_write_raw(any_process(site->space), site->addr, site->code->trap,
				site->code->trap_size);
}

void space_check(struct trap_site *site)
{
	struct process *p = any_process(site->space);
	struct backend *b = p->engine->backend;
	size_t size = site->code->trap_size;
	uint8_t now[sizeof site->original];
	ssize_t n = site->planted ? read_raw(p, site->addr, now, size) : 0;

	if (site->lifted || (n == (ssize_t)size && memcmp(now, site->code->trap, size) == 0))
		return;
	/* What cannot be read for a moment is still there: it is not to be taken for original. */
	if (n < 0 && b->ops->may_plant(b, process_any_tid(p), site->addr))
		return;
	if (site->planted) { /* the program has written or mapped something else there */
		trap_is_out(site);
		sites_remove(&site->space->table, site->addr);
	}
	space_plant(site);
}

void space_wake(struct space *s)
{
	if (!list_linked(&s->in_wakes))
		list_append(&s->engine->wakes, &s->in_wakes);
}

void space_wake_all(struct engine *e)
{
	while (!list_empty(&e->wakes)) {
		struct space *s = list_entry(e->wakes.next, struct space, in_wakes);

		list_remove(&s->in_wakes);
		list_for_each (&s->processes, node, after) {
			struct process *p = list_entry(node, struct process, in_space);

			list_for_each (&p->tasks, at, next)
				task_proceed(list_entry(at, struct task, in_process));
		}
	}
}

static void clean_of(const struct space *s, pid_t tid)
{
	struct trap_site *site;
	size_t at = 0;

	while ((site = map_walk(&s->sites, &at)) != NULL)
		clean_task(s->engine->backend, tid, -1, site);
}

void space_of_orphan(struct engine *e, pid_t tid)
{
	struct backend *b = e->backend;
	struct process *p;
	size_t at = 0;

	list_for_each (&e->ghosts, node, after)
		clean_of(list_entry(node, struct space, in_wakes), tid);
	/* Its parent may have left others behind in that memory. */
	while ((p = map_walk(&e->processes, &at)) != NULL)
		if (p->space->used && b->ops->same_memory(b, tid, process_any_tid(p)) == 0)
			clean_of(p->space, tid);
}

/* Areas are copied by fork(). Nobody runs in the copies: a child begins behind its call. */
static void copy_areas(struct space *to, const struct space *from)
{
	list_for_each (&from->areas, node, after) {
		struct slot_area *area = calloc(1, sizeof *area);

		if (area == NULL)
			return;
		area->base = list_entry(node, struct slot_area, in_space)->base;
		list_append(&to->areas, &area->in_space);
	}
}

void space_of_child(struct process *child, struct process *parent, enum backend_kind kind)
{
	struct backend *b = child->engine->backend;
	struct space *from = parent->space;
	int same = b->ops->same_memory(b, child->pid, parent->pid);
	struct trap_site *site;
	size_t at = 0;

	if (same > 0 || (same < 0 && kind == BACKEND_VFORK)) {
		space_enter(from, child);
		return;
	}
	if (kind == BACKEND_NONE) { /* the parent may have left that memory meanwhile */
		process_find_space(child);
		if (space_is_shared(child->space))
			return;
	}
	while ((site = map_walk(&from->sites, &at)) != NULL)
		clean(child, site);
	if (same == 0) /* else the parent may be there, too */
		copy_areas(child->space, from);
}

void space_hide(const struct space *s, uint64_t at, void *buf, size_t size)
{
	if (s != NULL && space_has_traps(s))
		sites_hide(s->table.table, s->table.size, at, buf, size);
}

ssize_t space_read(struct task *t, uint64_t at, void *buf, size_t size)
{
	struct backend *b = t->engine->backend;
	ssize_t n = b->ops->memory_read(b, t->tid, at, buf, size);

	if (n > 0 && t->process != NULL)
		space_hide(t->process->space, at, buf, (size_t)n);
	return n;
}

int space_read_all(struct task *t, uint64_t at, void *buf, size_t size)
{
	return space_read(t, at, buf, size) == (ssize_t)size ? 0 : -EFAULT;
}

/* The planted sites that have bytes in @size at @at, one after another. */
struct overlap {
	const struct space *space;
	uint64_t at;
	size_t size, index;
};

static struct overlap overlap_with(const struct space *s, uint64_t at, size_t size)
{
	uint64_t from = at < SITE_BYTES_MAX ? 0 : at - SITE_BYTES_MAX + 1;

	return (struct overlap){ s, at, size, sites_find(&s->table, from) };
}

static struct trap_site *next_overlap(struct overlap *o)
{
	const struct sites *table = &o->space->table;
	struct site record;

	if (o->size == 0 || table->table == NULL ||
	    !sites_get(table->table, table->size, o->index, &record) ||
	    (record.addr > o->at && record.addr - o->at >= o->size))
		return NULL;
	o->index++;
	return space_site(o->space, record.addr);
}

/* Puts the traps into what is to be written. */
static void weave(const struct space *s, uint64_t at, uint8_t *buf, size_t size)
{
	struct overlap o = overlap_with(s, at, size);
	struct trap_site *site;

	while ((site = next_overlap(&o)) != NULL)
		for (unsigned i = 0; i < site->code->trap_size && !site->lifted; i++)
			if (site->addr + i - at < size)
				buf[site->addr + i - at] = site->code->trap[i];
}

/* What was written lies beneath the traps now. */
static void lay_beneath(struct space *s, uint64_t at, const uint8_t *buf, size_t size)
{
	struct overlap o = overlap_with(s, at, size);
	struct trap_site *site;

	while ((site = next_overlap(&o)) != NULL) {
		for (unsigned i = 0; i < site->code->trap_size; i++)
			if (site->addr + i - at < size)
				site->original[i] = buf[site->addr + i - at];
		sites_insert(&s->table, site->addr, site->original, site->code->trap_size);
	}
}

ssize_t space_write(struct process *p, uint64_t at, const void *buf, size_t size)
{
	struct space *s = p->space;
	uint8_t *woven;
	ssize_t n;

	if (s == NULL || !space_has_traps(s))
		return space_write_raw(p, at, buf, size);
	woven = malloc(size + 1);
	if (woven == NULL)
		return -ENOMEM;
	memcpy(woven, buf, size);
	weave(s, at, woven, size);
	sites_begin(&s->table);
	n = space_write_raw(p, at, woven, size);
	if (n > 0)
		lay_beneath(s, at, buf, (size_t)n);
	sites_end(&s->table);
	free(woven);
	return n;
}
