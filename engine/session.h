/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include "engine/engine.h"

struct session *session_new(struct engine *e, struct conn *main);
struct session *session_by_id(struct engine *e, uint64_t id);
/* The session is over: withdraws all that is its own, then tells why and hangs up. */
void session_end(struct session *s, enum cotrace_end_reason reason);
/* Its main socket is gone. */
void session_free(struct session *s);

/* Makes @s cover @p, and join the rules of its tasks. Returns 0 or -ENOMEM. */
int session_cover(struct session *s, struct process *p);
/* The process has ended, or is not covered any more. Frees @c. */
void session_uncover(struct cover *c);
struct cover *session_find_cover(struct session *s, const struct process *p);
/* A session of its own for the child of a CHILD_FDS session; returns the client's end. */
int session_for_child(struct session *parent, struct process *child);

/* Whether a note can be put into the queue; counts it as lost otherwise. */
bool session_takes_note(struct session *s);
/* Something was put into the queue. */
void session_dirty(struct session *s, uint64_t now, bool at_once);
void session_flush(struct session *s);
/* After a change of subscriptions or covers: what its processes are to be stopped for. */
void session_interests(struct session *s);
/* One task less for which it waits to stand. */
void session_stood(struct session *s);

#endif
