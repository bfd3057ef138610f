/* SPDX-License-Identifier: MIT */
/*
 * A page that an engine and a client share: a datagram for who is just looking there need not
 * go through the socket (MAILBOX in cotrace-protocol(7)). One lane for each direction.
 *
 *	reader	lane_look(), look again and again, lane_leave(); lane_take() when it is full
 *	writer	lane_post() when somebody looks; else, or when it fails, the socket
 *
 * Order: the engine posts an event when the client has seen all before it; a request says what
 * it comes after.
 */
#ifndef WIRE_MAILBOX_H
#define WIRE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAILBOX_MAGIC 0x786f626du
#define MAILBOX_VERSION 1u
#define LANE_BYTES 1024u

enum lane_state { LANE_IDLE, LANE_LOOKING, LANE_FULL };

struct lane {
	_Atomic uint32_t state; /* enum lane_state */
	_Atomic uint32_t rung;	/* since lane_look(): there is something in the socket */
	_Atomic uint64_t seen;	/* events: sequence number of the last one that the reader has */
	_Atomic uint64_t after; /* requests: comes after so many datagrams by the socket */
	_Atomic uint32_t size;
	uint32_t reserved[9];
	uint8_t bytes[LANE_BYTES];
};

struct mailbox {
	uint32_t magic, version;
	uint32_t reserved[14];
	struct lane events, requests;
};

/* For the engine. *fd: to be given to the client, owned by the caller. 0 or -errno. */
int mailbox_create(struct mailbox **out, int *fd);
/* For the client; @fd is borrowed. 0, -EPROTO when it is none, or as mmap(2). */
int mailbox_map(struct mailbox **out, int fd);
/* Returns NULL. */
struct mailbox *mailbox_unmap(struct mailbox *box);

/* ---- The reader ---- */

/* Unless somebody looks already, or it is full. */
void lane_look(struct lane *l, uint64_t seen);
/* False: it is full, as before. */
bool lane_leave(struct lane *l);
/* Whether it is still as lane_look() left it. Costs next to nothing. */
bool lane_is_quiet(const struct lane *l);
bool lane_is_full(const struct lane *l);
/* What is in it, if it is full: its size; 0; -EBADMSG when that is not possible. */
ssize_t lane_take(struct lane *l, uint8_t buf[LANE_BYTES]);

/* ---- The writer ---- */

bool lane_is_looked_at(const struct lane *l);
/* False: nobody looks there any more. */
bool lane_post(struct lane *l, uint64_t after, const void *bytes, size_t size);
/* Something has been sent by the socket. */
void lane_ring(struct lane *l);

#endif
