/* SPDX-License-Identifier: MIT */
/* What tests of calls into a target share. */
#ifndef TEST_SYSTEM_INJECT_H
#define TEST_SYSTEM_INJECT_H

#include <signal.h>
#include <sys/user.h>

#include "test/system/system.h"

#define ARGS(...) ((const uint64_t[6]){ __VA_ARGS__ })
#define I386_GETPID 20

/* All that is to be as it was. */
struct image {
	struct user_regs_struct regs; /* of a 32-bit task: as many bytes as it has */
	ssize_t regs_size;
	uint8_t xstate[16384];
	ssize_t xstate_size;
	siginfo_t info;
	ssize_t info_size;
	char masks[200];
};

/* Makes the call, which must come about, and gives its result. */
int64_t called(struct cotrace *s, uint64_t task, int64_t nr, const uint64_t args[6]);
/* Of the task that @ev is about, which stands. */
void take_image(struct cotrace *s, const struct cotrace_event *ev, struct image *i);
void check_image(struct cotrace *s, const struct cotrace_event *ev, const struct image *was);
/* Calls at a stop, after which all is as before. */
void check_calls(struct cotrace *s, const struct cotrace_event *ev);
/* A puppet that waits for orders, held. */
struct cotrace *stopped_puppet(struct target *t, struct cotrace_event *ev);
/* It runs on, works, and is untouched when the session is closed. */
void finish_calls(struct cotrace *s, struct target *t);

#endif
