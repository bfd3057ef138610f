/* SPDX-License-Identifier: MIT */
/*
 * An address space and the traps that the engine has planted in it (R7). Processes share
 * one after vfork() or clone(CLONE_VM); all of them, covered or not, run into its traps.
 *
 * A site outlives its last breakpoint: a task may have hit it and not been seen yet, and a
 * child that was forked meanwhile has a copy of the trap.
 */
#ifndef ENGINE_SPACE_H
#define ENGINE_SPACE_H

#include "arch/code.h"
#include "engine/engine.h"
#include "wire/sites.h"

#define SPACE_SITES_MAX 131072u /* more than one session may have, and some that are history */

#define SPACE_AREA_SLOTS 1024u

/* Memory of the target for displaced instructions. */
struct slot_area {
	struct list in_space;
	uint64_t base;
	unsigned used;			       /* slots */
	uint64_t taken[SPACE_AREA_SLOTS / 64]; /* which, as bits */
};

struct space {
	struct engine *engine;
	struct list processes;
	struct map sites;   /* by address + 1 */
	int mem;	    /* its file, kept since the first trap; -1: none */
	bool doomed;	    /* a task has died in vfork(): so will all others, or leave by exec */
	bool used;	    /* has had sites, so tasks may carry traps of them */
	struct sites table; /* what sessions go by when they read memory */
	uint64_t id;	    /* for the keeper; 0: it never heard of it */
	const void *kept;   /* the table that the keeper has; NULL: none */
	struct list areas;
	bool slots_fail;      /* no memory to be had */
	bool slots_idle;      /* some may be used by nobody any more: slots.c */
	struct list in_wakes; /* or in ghosts */
	struct task *mapping; /* makes the call that adds an area */
	struct task *lifting; /* steps in place, with all others held */
};

struct trap_site {
	struct space *space;
	uint64_t addr;
	const struct arch_code *code;
	struct list breakpoints;
	uint8_t original[sizeof((struct arch_code *)0)->trap];
	bool planted;
	bool lifted; /* the trap is out, as somebody steps there */
	bool was_planted;
	uint64_t since_ns; /* when it was made, or the trap was taken out */
	bool moved_valid;  /* `bytes` and `moved` have been filled in */
	uint8_t bytes[CODE_INSTRUCTION_MAX];
	size_t byte_count;
	struct code_displaced moved;
	uint64_t slot; /* where `moved` is; 0: nowhere */
};

struct space *space_new(struct engine *e);
/* Whether more than one process has it. */
bool space_is_shared(const struct space *s);
/* Whether there is a trap in it. */
bool space_has_traps(const struct space *s);
/* @t dies: if that is in vfork(), the child lives on in its memory, and nobody knows of it. */
void space_vfork_cut_short(const struct task *t);
/* @p has other memory by now, or none: space_enter() follows. */
void space_leave(struct process *p);
/* @p is in it from now on, and in no other. NULL: in none. */
void space_enter(struct space *s, struct process *p);
/*
 * The space of a new process: its parent's, if they share it, else one of its own, in which
 * no trap of the parent is left. @kind NONE: nobody has told of it.
 */
void space_of_child(struct process *child, struct process *parent, enum backend_kind kind);

/* ... of one whose parent, whoever it was, has died without a word. */
void space_of_orphan(struct engine *e, pid_t tid);
void space_free_ghosts(struct engine *e);

/* The site at @addr whether planted or not; NULL. */
struct trap_site *space_site(const struct space *s, uint64_t addr);
/* Makes one for the architecture of @code; NULL: no memory, or too many. */
struct trap_site *space_add_site(struct space *s, const struct arch_code *code, uint64_t addr);
/* 0; -EFAULT there is nothing that may be planted. */
int space_plant(struct trap_site *site);
void space_unplant(struct trap_site *site);
/* It could not be planted: if it never was, and nobody else has it, it is as if it had not been. */
void space_drop_site(struct trap_site *site);

/* The trap goes out, and in again, while somebody steps there. */
void space_lift(struct trap_site *site);
void space_lower(struct trap_site *site);
/* Whether the trap is still there; plants it again if the program has overwritten it. */
void space_check(struct trap_site *site);
/* The table for clients is there. 0 or a negative errno. */
int space_table(struct space *s);
/* Tasks of the space that could not run may be able to: at the end of the turn. */
void space_wake(struct space *s);
void space_wake_all(struct engine *e);

/* Puts what the program has there over the traps in @buf. */
void space_hide(const struct space *s, uint64_t at, void *buf, size_t size);
/* Reads memory of a task, without traps; as much as there is. */
ssize_t space_read(struct task *t, uint64_t at, void *buf, size_t size);
/* All of it: 0, or -EFAULT. */
int space_read_all(struct task *t, uint64_t at, void *buf, size_t size);
/* Writes as it is. */
ssize_t space_write_raw(const struct process *p, uint64_t at, const void *buf, size_t size);
/* Writes beneath the traps. Bytes or a negative errno. */
ssize_t space_write(struct process *p, uint64_t at, const void *buf, size_t size);

#endif
