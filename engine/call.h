/* SPDX-License-Identifier: MIT */
/*
 * Calls into a target: a task that stands makes one system call and stands again exactly as
 * before. To everybody else it stands all the while.
 */
#ifndef ENGINE_CALL_H
#define ENGINE_CALL_H

#include "engine/engine.h"

/* @result as the kernel returns it. @error -ESRCH: @t has died, and goes when this returns. */
typedef void call_done(struct task *t, int error, int64_t result, void *arg);

/*
 * @t stands. Returns 0, and done() is called once, later, when it stands again or has died;
 * or with nothing done -EBUSY (another call is under way, or not from this stop), -ENOSYS (no
 * place to make calls from), -EOPNOTSUPP (not this call), -ENOMEM, -ESRCH.
 * Not judged by any session: for what the engine needs itself.
 */
int call_start(struct task *t, int64_t nr, const uint64_t args[6], call_done *done, void *arg);
bool call_busy(const struct task *t);

/* Takes an event of a task with a call under way. False: the call is over, the event is not. */
bool call_event(struct task *t, const struct backend_event *ev);
/* Nobody holds the task: the end of a call of its own that was put off is told now. */
bool call_tells_kept(struct task *t);
/* The task is no more. */
void call_died(struct task *t);
/* Has it end soon: interrupted if it waits, and then done() has -EINTR. */
void call_cut_short(struct task *t);

/* inject.c */
/* Nobody waits for their answers any more; those of @s are cut short. */
void injections_drop_session(struct engine *e, const struct session *s);
void injections_drop_conn(struct engine *e, const struct conn *conn);

#endif
