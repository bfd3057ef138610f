/* SPDX-License-Identifier: MIT */
/* The keeper's own side: what it keeps, and putting it back. See keeper.h. */
#ifndef ENGINE_KEEPING_H
#define ENGINE_KEEPING_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/list.h"

struct keeping {
	struct list spaces;
	struct list armed; /* processes whose tasks may have debug registers */
	bool heard;	   /* any message at all */
};

void keeping_init(struct keeping *k);
/* Takes the messages that are there. 1: more may come; 0: no more will. */
int keeping_take(struct keeping *k, int fd);
/* The engine is dead, or as good as dead: no trap is to be left. */
void keeping_restore(struct keeping *k);
/* Such a process, which is taken off the list; 0: there is none. */
pid_t keeping_next_armed(struct keeping *k);
/* Goes through it without a change. */
void keeping_rehearse(const struct keeping *k);
/*
 * While all that @engine traces still stands, or is let go by nobody else: children that were
 * forked with traps in their copy of the memory, and that the engine had no time to clean.
 */
void keeping_restore_children(struct keeping *k, pid_t engine);
void keeping_deinit(struct keeping *k);

#endif
