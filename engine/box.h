/* SPDX-License-Identifier: MIT */
/* A session's side of its mailbox: what need not go through the socket. */
#ifndef ENGINE_BOX_H
#define ENGINE_BOX_H

#include "engine/engine.h"
#include "wire/mailbox.h"

/* What is queued, if the client is just looking for it. */
bool box_post(struct session *s);
/* Something was sent by the socket. */
void box_ring(struct session *s);

/* @c: any connection. From now on the client can leave a request there. */
bool box_look(struct conn *c);
void box_leave(struct conn *c);
/* Whether a request is there, and all that comes before it has been handled. */
bool box_due(const struct conn *c);
/* One whole message: its size, or -EBADMSG. */
ssize_t box_take(struct conn *c, uint8_t buf[LANE_BYTES]);

#endif
