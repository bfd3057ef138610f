/* SPDX-License-Identifier: MIT */
/* Connections: sockets, datagrams, replies. */
#ifndef ENGINE_CONN_H
#define ENGINE_CONN_H

#include "engine/engine.h"

/* Takes over @fd. NULL: no memory, or too many; the fd is closed then. */
struct conn *conn_new(struct engine *e, int fd);
void conn_close(struct conn *c);
/* To be closed at the end of the turn. */
void conn_mark_dead(struct conn *c);
void conn_want_write(struct conn *c, bool want);
void conn_accept(struct engine *e);
/* epoll says that something is up. */
void conn_ready(struct conn *c, uint32_t events);
/* intake.c: something may have come on @c; handles what its turn allows. */
void intake_ready(struct conn *c);
/*
 * One datagram of @c, if it is a main socket and has one; with @looked_at only what is in its
 * mailbox. Returns whether.
 */
bool intake_main(struct conn *c, bool looked_at);
/* Goes on with those whose turn was over, each for another. */
void intake_backlog(struct engine *e);
/* Closes the marked ones. */
void conn_sweep(struct engine *e);

/* A reply: begin, put fields, finish. @fd is consumed; -1: none. */
struct wire_writer *conn_reply_begin(struct conn *c, unsigned type, uint64_t cookie, int fd);
void conn_reply_finish(struct conn *c);
/* The plain reply to @request. */
void conn_reply_done(struct conn *c, unsigned request, uint64_t cookie, int error);

#define EFFECTIVE_NS (CLOCK_SECOND / 5) /* who has not stood by then runs no instruction */
#define ARMED_NS (2 * CLOCK_SECOND) /* ... or all are busy: but an answer that is right matters */

/* Replies to come when something has happened. */
int waiter_add(struct conn *c, unsigned request, uint64_t cookie, uint64_t deadline);
/* For the BREAK of @id. */
int waiter_add_break(struct conn *c, uint64_t id, uint64_t cookie);
void waiters_check(struct engine *e);
void waiters_drop(struct engine *e, const struct session *s);
void waiters_drop_conn(struct engine *e, const struct conn *c);

#endif
