/* SPDX-License-Identifier: MIT */
/*
 * A call into a task is one of the task's to the sessions nearer to the kernel than the one
 * who asked for it (R2). Its entry and exit are a stop within the stop at which the task
 * stands: with its own row of sessions, turns and offers, while those of the outer stop stay
 * open. To ask, the task's stop is exchanged for the inner one, and back.
 */
#ifndef ENGINE_JUDGE_H
#define ENGINE_JUDGE_H

#include "engine/engine.h"

/* What the task stands at, as far as sessions are told. */
struct judge_stop {
	struct rules rules;
	struct backend_event ev;
	struct backend_syscall call, asked;
	uint32_t kind, flags;
	int64_t denied_result;
	int signo;
	bool in_call, call_denied, call_replaced;
	struct task *unannounced;
};

struct judge {
	struct task *task;
	struct judge_stop other;	/* the inner stop; while it is exchanged, the outer one */
	bool inside;			/* exchanged */
	bool told;			/* of an entry that has had no exit yet */
	bool hurried;			/* not all were heard at the present stop */
	void (*judged)(struct task *t); /* all have had their turn */
};

/* @session: who asked for the call; 0: the engine. Returns 0 or -ENOMEM. */
int judge_init(struct judge *j, struct task *t, uint64_t session, void (*judged)(struct task *));
/* Tells of the end of a call whose task is no more. */
void judge_deinit(struct judge *j);
/* It stands at the call's entry or exit: turns begin. judged() is called when they are over. */
void judge_stop(struct judge *j, const struct backend_event *ev);
/* Goes on with the turns. */
void judge_proceed(struct judge *j);
/* Nobody is waited for any more. */
void judge_hurry(struct judge *j);
bool judge_denies(const struct judge *j, int64_t *result);
/* The call as they have left it. */
const struct backend_syscall *judge_call(const struct judge *j);

#endif
