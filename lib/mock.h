/* SPDX-License-Identifier: MIT */
/* For unit tests: a small engine that runs in a thread. */
#ifndef LIB_MOCK_H
#define LIB_MOCK_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "wire/wire.h"

#define MOCK_CONNECTIONS 32

struct mock;

/* Answers a request other than HELLO and CHANNEL with mock_begin() and mock_send(). */
typedef void mock_answer(struct mock *m, const struct wire_header *h, struct wire_reader *body);

struct mock {
	mock_answer *answer;
	void *argument;
	pthread_t thread;
	uint32_t version; /* that it speaks; 0: the newest */
	int session;	  /* its end of the session fd, also fds[0] */
	struct pollfd fds[MOCK_CONNECTIONS];
	nfds_t count;
	int to;		  /* whom the request came from */
	atomic_uint told; /* requests without a reply */
	struct wire_writer w;
	uint8_t in[WIRE_DATAGRAM_MAX], out[WIRE_DATAGRAM_MAX];
};

/* Starts it; the client's end of its session fd. */
int mock_start(struct mock *m, mock_answer *answer, void *argument);
/* After the client has closed its end. */
void mock_join(struct mock *m);
/* The writer of the reply to @h. */
struct wire_writer *mock_begin(struct mock *m, const struct wire_header *h);
/* Sends what mock_begin() began, with @fd, borrowed, or -1. */
void mock_send(struct mock *m, int fd);
/* A reply that is nothing but its error. */
void mock_done(struct mock *m, const struct wire_header *h, int error);

#endif
