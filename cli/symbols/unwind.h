/* SPDX-License-Identifier: MIT */
/* Stacks of tasks that stand still, by libdwfl's unwinder. */
#ifndef CLI_UNWIND_H
#define CLI_UNWIND_H

#include "cli/symbols/symbols.h"

struct frame {
	uint64_t pc;
	/* Not behind a call: the innermost one, and those a signal has interrupted. */
	bool is_exact;
};

struct unwinder;

/* For a process of the session with these modules. NULL: no memory. */
struct unwinder *unwinder_new(struct cotrace *s, pid_t pid, const struct modules *m);
void unwinder_free(struct unwinder *u);
/* The process has loaded or unloaded modules. */
void unwinder_changed(struct unwinder *u, const struct modules *m);
/*
 * The frames of a held task that stands at @pc, the innermost first. Returns how many of at
 * most @max were found before the unwinder could not go on, at least one.
 */
int unwinder_frames(struct unwinder *u, uint64_t task, pid_t tid, uint64_t pc, struct frame *frames,
		    int max);

/* Where a frame's call is: "f+0x1c (file.c:12)", "f (libc.so.6)", "0x401000". */
void frame_show(const struct modules *m, const struct frame *frame, struct out *out);
const struct module *frame_module(const struct modules *m, const struct frame *frame);

#endif
