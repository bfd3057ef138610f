/* SPDX-License-Identifier: MIT */
/*
 * Round trips to the engine. Each uses a private socket of its own, so that any number of
 * threads can make them at once and the session fd carries nothing but events.
 */
#ifndef LIB_CHANNEL_H
#define LIB_CHANNEL_H

#include <pthread.h>

#include "base/clock.h"
#include "wire/wire.h"

struct cotrace;
struct channel;

struct channels {
	pthread_mutex_t lock;
	struct channel *free;
};

struct call {
	struct cotrace *session;
	struct channel *channel;
	struct wire_writer out;
	struct wire_reader in; /* over the body of the reply, its error included */
	uint64_t cookie;
	unsigned type;
	int fd; /* that came with the reply, or -1; call_end() closes it */
};

/* Closes the channels that are not in use. */
void channels_deinit(struct channels *c);

/*
 * Starts a request of @type; put its fields into c->out. On failure there is nothing to
 * end; -ENOSYS: the engine is too old for it.
 */
int call_begin(struct call *c, struct cotrace *s, unsigned type);
/*
 * Sends it, with @fd or -1, and waits for the reply. Returns 0 or the reply's error;
 * -ETIMEDOUT at the deadline: the reply is lost then; -ESHUTDOWN.
 */
int call_run(struct call *c, int fd, uint64_t deadline);
void call_end(struct call *c);
/* Both, for a reply that is nothing but its error. */
int call_finish(struct call *c);

struct exchange {
	int sock;
	const struct wire_writer *out; /* one whole request */
	int out_fd;		       /* borrowed, or -1 */
	unsigned type;		       /* of the request */
	uint64_t cookie;
	uint8_t *buf; /* for the reply, WIRE_DATAGRAM_MAX long; may be out's own */
	uint64_t deadline;
	struct wire_reader in; /* result: the reply's body */
	int in_fd;	       /* result, or -1 */
};

/*
 * One request and its reply on one socket; messages with another cookie are skipped.
 * Returns 0 when a reply is there, whatever it says; -ETIMEDOUT; -ESHUTDOWN; -EPROTO.
 */
int exchange_run(struct exchange *e);
/* The error that a reply starts with. */
int exchange_error(const struct wire_reader *in);
/* Sends when there is room; waits for it until @deadline. 0, -ETIMEDOUT or -ESHUTDOWN. */
int exchange_send(int sock, const struct wire_writer *out, int fd, uint64_t deadline);

#endif
