/* SPDX-License-Identifier: MIT */
/* What clients ask for. */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include "engine/conn.h"
#include "engine/engine.h"

#define REGSET_MAX 16384 /* bytes; more than any register set has */

/* A request under way. */
struct request {
	struct conn *conn;
	struct session *session; /* NULL: before HELLO */
	const struct wire_header *header;
	struct wire_reader *body; /* after the fixed part: the tail */
	int *fd;		  /* what came with the datagram; set it to -1 to take it */
};

/* Returns false when the client breaks the protocol. */
bool request_handle(struct conn *c, const struct wire_header *header, struct wire_reader *body,
		    int *fd);
/* Tells how it went: by a reply, or, when none is wanted, by an event if it was refused. */
void request_done(struct request *rq, int error);
/* As done, but when interrupted tasks have taken note of a subscription. */
void request_done_when_effective(struct request *rq);
/* The session may change the target: 0 or -EPERM, -ENOTCONN. */
int request_may_change(const struct request *rq);
/* The session's part in @t, a task (or NULL) that it may change; -ESRCH: it has none. */
int request_part(const struct request *rq, struct task *t, struct rules_party **part);
/* A task of the session's target, or NULL. */
struct task *request_task(const struct request *rq, uint64_t id);
struct process *request_process(const struct request *rq, pid_t pid);

/* What is to be told of a task that stands: registers, and what else the kernel knows of it. */
struct reading {
	/* @error: why it cannot be told. */
	void (*reply)(const struct reading *what, struct task *t, int error);
	struct conn *conn;
	uint64_t cookie;
	uint32_t kind; /* register set; enum cotrace_state */
	uint32_t size;
	uint64_t from;
};

/* readers.c: replies, or will when a call into @t is over. @t may be NULL: -ESRCH. */
void readers_reply(struct request *rq, struct task *t, struct reading what);
/* control.c: @s may have changed memory of its target. */
void memory_changed(struct session *s);

/* The handlers, by the fixed part of their message. */
#define MESSAGE(NAME, name, number, tail, fields) \
	void request_##name(struct request *rq, const struct wire_##name *m);
WIRE_REQUESTS(MESSAGE)
#undef MESSAGE

#endif
