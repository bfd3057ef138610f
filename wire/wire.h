/* SPDX-License-Identifier: MIT */
/* The wire protocol: structures, pure encoding and decoding. Made from messages.def. */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/messages.def"

#define WIRE_VERSION_MIN 1u
#define WIRE_VERSION 2u

#define WIRE_HEADER_SIZE 16u
#define WIRE_DATAGRAM_MAX 65536u   /* no datagram is longer, either way */
#define WIRE_WRITE_MAX 32768u	   /* data in one MEMORY_WRITE */
#define WIRE_REQUEST_NO_REPLY 0x1u /* header flag: tell only a refusal, as an event */
#define WIRE_REPLY(request) (64u + (request))
#define WIRE_EVENT(kind) (128u + (kind))

typedef uint8_t wire_u8;
typedef uint16_t wire_u16;
typedef uint32_t wire_u32;
typedef uint64_t wire_u64;
typedef int32_t wire_i32;
typedef int64_t wire_i64;

struct wire_header {
	uint32_t size; /* of the message, header included */
	uint16_t type;
	uint16_t flags;	 /* requests: WIRE_REQUEST_*; events: COTRACE_EV_* */
	uint64_t cookie; /* replies repeat the request's; events: sequence number */
};

/* The message numbers of requests and replies. */
enum wire_type {
#define MESSAGE(NAME, name, number, tail, fields) WIRE_##NAME = number,
	WIRE_REQUESTS(MESSAGE) WIRE_REPLIES(MESSAGE)
#undef MESSAGE
};

/* struct wire_attach, struct wire_r_attach, struct wire_e_signal, ... */
#define F(type, name) wire_##type name;
#define A(type, name, n) wire_##type name[n];
#define MESSAGE(NAME, name, number, tail, fields) \
	struct wire_##name {                      \
		fields                            \
	};
WIRE_REQUESTS(MESSAGE)
WIRE_REPLIES(MESSAGE)
WIRE_RECORDS(MESSAGE)
#undef MESSAGE
#undef A
#undef F

/* Where encoding stands. When it does not fit, `overflow` is set and nothing more is stored. */
struct wire_writer {
	uint8_t *buf;
	size_t size, used;
	size_t start; /* of the message under way */
	bool overflow;
};

/* Where decoding stands. When bytes are missing, `underflow` is set and zeros come out. */
struct wire_reader {
	const uint8_t *buf;
	size_t size, used;
	bool underflow;
};

void wire_writer_init(struct wire_writer *w, void *buf, size_t size);
void wire_begin(struct wire_writer *w, unsigned type, unsigned flags, uint64_t cookie);
void wire_put_bytes(struct wire_writer *w, const void *data, size_t size);
/* Completes the message. On overflow takes it back; returns whether it is in. */
bool wire_finish(struct wire_writer *w);

/*
 * Takes the next message of a datagram: its header, and a reader over what follows.
 * Returns 1; 0 at the end; -EBADMSG if what is there is no message.
 */
int wire_next(struct wire_reader *datagram, struct wire_header *header, struct wire_reader *body);
void wire_reader_init(struct wire_reader *r, const void *buf, size_t size);
size_t wire_left(const struct wire_reader *r);
/* Borrows the next `size` bytes; NULL (and underflow) when there are fewer. */
const void *wire_get_bytes(struct wire_reader *r, size_t size);

/*
 * wire_put_NAME() appends the fixed part, wire_get_NAME() takes it; get returns false
 * when bytes are missing. wire_NAME_size is the fixed part's length.
 */
#define MESSAGE(NAME, name, number, tail, fields)                                 \
	void wire_put_##name(struct wire_writer *w, const struct wire_##name *m); \
	bool wire_get_##name(struct wire_reader *r, struct wire_##name *m);
WIRE_REQUESTS(MESSAGE)
WIRE_REPLIES(MESSAGE)
WIRE_RECORDS(MESSAGE)
#undef MESSAGE

/* The fixed size of a request's body, and whether a tail may follow; -1: no such request. */
int wire_request_fixed_size(unsigned type, bool *tail);
/* "ATTACH"; NULL for an unknown number. */
const char *wire_request_name(unsigned type);

#endif
