/* SPDX-License-Identifier: MIT */
/*
 * Calls into a target: a task that stands makes one system call and stands again exactly as
 * before. To everybody else it stands all the while.
 */
#ifndef ENGINE_CALL_H
#define ENGINE_CALL_H

#include "engine/judge.h"

/* @result as the kernel returns it. @error -ESRCH: @t has died, and goes when this returns. */
typedef void call_done(struct task *t, int error, int64_t result, void *arg);

/*
 * @t stands. Returns 0, and done() is called once, later, when it stands again or has died;
 * or with nothing done -EBUSY (another call is under way, or not from this stop), -ENOSYS (no
 * place to make calls from), -EOPNOTSUPP (not this call), -ENOMEM, -ESRCH.
 * Not judged by any session: for what the engine needs itself.
 */
int call_start(struct task *t, int64_t nr, const uint64_t args[6], call_done *done, void *arg);
/* As call_start(), for @session: judged by those nearer to the kernel. */
int call_start_for(struct task *t, uint64_t session, const struct wire_syscall *call,
		   call_done *done, void *arg);
bool call_busy(const struct task *t);

/* Takes an event of a task with a call under way. False: the call is over, the event is not. */
bool call_event(struct task *t, const struct backend_event *ev);
/* Nobody holds the task: the end of a call of its own that was put off is told now. */
bool call_tells_kept(struct task *t);
/* The task is no more. */
void call_died(struct task *t);
/* A session has changed the target: what was judged is judged anew. */
void call_changed(struct task *t);
/* Has it end soon: interrupted if it waits, and then done() has -EINTR. */
void call_cut_short(struct task *t);

/* judge.c: what sessions do at the entry or exit of such a call */
/* NULL: none is under way. */
struct judge *call_judge(const struct task *t);
/* Whether the offer that made the event @seq is one of them. */
bool call_answers(struct task *t, uint64_t session, uint64_t seq);
int call_verdict(struct task *t, struct session *s, const struct wire_answer *answer,
		 const void *siginfo, size_t size);
/* Those at the outer stop that change the task wait for the end of the call. */
bool call_has_deferred(const struct task *t, uint64_t session);
bool call_defers(struct task *t, struct session *s, const struct wire_answer *answer,
		 const void *siginfo, size_t size);
/* Reasons among @why for which @s gives up the task now. */
unsigned call_release(struct task *t, struct session *s, unsigned why);
void call_leave(struct task *t, struct session *s);
void call_reoffer(struct task *t);
/* Its registers are not those that @session is to see. */
bool call_hides(const struct task *t, uint64_t session);
/* The row of those who judge, if it stands there; or NULL. */
const struct rules *call_rules(const struct task *t);

/* readers.c: who waits for the registers of @t has them now, or @error. */
void readers_answer(struct task *t, int error);
void readers_drop_conn(struct engine *e, const struct conn *conn);

/* inject.c */
/* Nobody waits for their answers any more; those of @s are cut short. */
void injections_drop_session(struct engine *e, const struct session *s);
void injections_drop_conn(struct engine *e, const struct conn *conn);

#endif
