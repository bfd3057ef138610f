/* SPDX-License-Identifier: MIT */
/* Processes: which modules they have, and what is placed in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/break/breaker.h"
#include "cli/command.h"

struct process *process_find(struct field *f, pid_t pid)
{
	for (struct process *p = f->processes; p; p = p->next)
		if (p->pid == pid)
			return p;
	return NULL;
}

const struct module *process_module(const struct process *p, uint64_t addr)
{
	for (size_t i = 0; i < p->modules.count; i++)
		if (image_is_code(p->modules.v[i].image, addr - p->modules.v[i].bias))
			return &p->modules.v[i];
	return NULL;
}

static void process_free(struct process *p)
{
	modules_free(&p->modules);
	unwinder_free(p->unwinder);
	addresses_free(&p->inherited);
	free(p);
}

static struct process *add(struct field *f, pid_t pid)
{
	struct process *p = process_find(f, pid);

	if (p)
		return p;
	p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->pid = pid;
	p->next = f->processes;
	f->processes = p;
	return p;
}

/* A child that has it too. */
static struct process *heir_of(const struct field *f, const struct placement *at)
{
	for (struct process *p = f->processes; p; p = p->next)
		if (addresses_have(&p->inherited, at->id))
			return p;
	return NULL;
}

/* The process has it no more; children may have. */
static void drop(struct field *f, struct placement *at, bool clear)
{
	struct process *heir = heir_of(f, at);

	if (heir) {
		at->pid = heir->pid;
		addresses_remove(&heir->inherited, at->id);
	} else
		placement_remove(f, at, clear);
}

/*
 * What was placed in modules that are gone. What a child has of its parent can only be taken
 * from both, so it stays, unheard: the module may come back to the same place.
 */
static void drop_gone(struct field *f, struct process *p)
{
	struct placement *next;

	for (struct placement *at = f->placements; at; at = next) {
		struct module module = { at->image, at->bias };

		next = at->next;
		if (!at->image || modules_have(&p->modules, &module))
			continue;
		if (at->pid == p->pid)
			drop(f, at, true);
		else
			addresses_remove(&p->inherited, at->id);
	}
}

int process_refresh(struct breaker *b, struct field *f, struct process *p)
{
	struct modules old = p->modules;
	int status = 0, r = modules_read(&p->modules, f->session, p->pid);

	if (r) {
		p->modules = old;
		return r == -ENOENT || r == -ESRCH
			       ? 0
			       : complain(EXIT_FAILURE, "the modules of process %d: %s",
					  (int)p->pid, strerror(-r));
	}
	unwinder_changed(p->unwinder, &p->modules);
	drop_gone(f, p);
	linker_follow(f, p);
	for (size_t i = 0; i < p->modules.count && !status; i++)
		if (!modules_have(&old, &p->modules.v[i]))
			status = resolve_points(b, f, p, &p->modules.v[i]);
	modules_free(&old);
	if (!status && !p->started && linker_has_loaded(f, p)) {
		p->started = true;
		if (!b->opening)
			resolve_tell(b);
	}
	return status;
}

int process_begin(struct breaker *b, struct field *f, pid_t pid)
{
	struct process *p = add(f, pid);
	int status = p ? process_refresh(b, f, p) : complain(EXIT_FAILURE, "out of memory");

	/* What it has loaded before the linker's breakpoint was there. */
	if (!status)
		status = process_refresh(b, f, p);
	return status ? status : resolve_points(b, f, p, NULL);
}

void process_fork(struct field *f, pid_t parent, pid_t pid)
{
	struct process *from = process_find(f, parent), *p = add(f, pid);

	if (!from || !p || p->modules.count)
		return;
	modules_copy(&p->modules, &from->modules);
	p->started = from->started;
	p->followed = from->followed;
	for (size_t i = 0; i < from->inherited.count; i++)
		addresses_add(&p->inherited, from->inherited.v[i]);
	for (const struct placement *at = f->placements; at; at = at->next)
		if (at->pid == parent && at->kind != PLACEMENT_RESULT)
			addresses_add(&p->inherited, at->id);
}

/* With the program its breakpoints have gone. */
static void forget(struct field *f, struct process *p)
{
	struct placement *next;

	for (struct placement *at = f->placements; at; at = next) {
		next = at->next;
		if (at->pid == p->pid)
			drop(f, at, false);
	}
}

int process_exec(struct breaker *b, struct field *f, pid_t pid)
{
	struct process *p = add(f, pid);

	if (!p)
		return complain(EXIT_FAILURE, "out of memory");
	forget(f, p);
	modules_free(&p->modules);
	unwinder_free(p->unwinder);
	p->unwinder = NULL;
	addresses_free(&p->inherited);
	p->started = p->followed = false;
	return process_begin(b, f, pid);
}

void process_end(struct field *f, pid_t pid)
{
	for (struct process **at = &f->processes; *at; at = &(*at)->next) {
		struct process *p = *at;

		if (p->pid != pid)
			continue;
		forget(f, p);
		*at = p->next;
		process_free(p);
		return;
	}
}

void processes_free(struct field *f)
{
	return_forget(f, NULL);
	while (f->placements)
		placement_remove(f, f->placements, false);
	while (f->processes) {
		struct process *p = f->processes;

		f->processes = p->next;
		process_free(p);
	}
}
