/* SPDX-License-Identifier: MIT */
#include "wire/wire.h"

#include <errno.h>
#include <string.h>

void wire_writer_init(struct wire_writer *w, void *buf, size_t size)
{
	*w = (struct wire_writer){ .buf = buf, .size = size };
}

void wire_reader_init(struct wire_reader *r, const void *buf, size_t size)
{
	*r = (struct wire_reader){ .buf = buf, .size = size };
}

size_t wire_left(const struct wire_reader *r)
{
	return r->size - r->used;
}

void wire_put_bytes(struct wire_writer *w, const void *data, size_t size)
{
	if (w->overflow || size > w->size - w->used) {
		w->overflow = true;
		return;
	}
	if (size)
		memcpy(w->buf + w->used, data, size);
	w->used += size;
}

const void *wire_get_bytes(struct wire_reader *r, size_t size)
{
	const void *at = r->buf + r->used;

	if (r->underflow || size > wire_left(r)) {
		r->underflow = true;
		return NULL;
	}
	r->used += size;
	return at;
}

/* The wire is little-endian whatever the host is. */
static inline void put_number(struct wire_writer *w, uint64_t v, size_t size)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	wire_put_bytes(w, &v, size);
#else
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	wire_put_bytes(w, bytes, size);
#endif
}

static inline uint64_t get_number(struct wire_reader *r, size_t size)
{
	const uint8_t *p = wire_get_bytes(r, size);
	uint64_t v = 0;

	if (p == NULL)
		return 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(&v, p, size);
#else
	for (size_t i = 0; i < size; i++)
		v |= (uint64_t)p[i] << (8 * i);
#endif
	return v;
}

void wire_begin(struct wire_writer *w, unsigned type, unsigned flags, uint64_t cookie)
{
	w->start = w->used;
	w->overflow = false;
	put_number(w, 0, 4);
	put_number(w, type, 2);
	put_number(w, flags, 2);
	put_number(w, cookie, 8);
}

bool wire_finish(struct wire_writer *w)
{
	size_t end = w->used;

	if (w->overflow) {
		w->used = w->start;
		w->overflow = false;
		return false;
	}
	w->used = w->start;
	put_number(w, end - w->start, 4);
	w->used = end;
	return true;
}

int wire_next(struct wire_reader *datagram, struct wire_header *header, struct wire_reader *body)
{
	size_t left = wire_left(datagram);

	if (left == 0)
		return 0;
	if (left < WIRE_HEADER_SIZE)
		return -EBADMSG;
	header->size = (uint32_t)get_number(datagram, 4);
	header->type = (uint16_t)get_number(datagram, 2);
	header->flags = (uint16_t)get_number(datagram, 2);
	header->cookie = get_number(datagram, 8);
	if (header->size < WIRE_HEADER_SIZE || header->size > left)
		return -EBADMSG;
	wire_reader_init(body, datagram->buf + datagram->used, header->size - WIRE_HEADER_SIZE);
	datagram->used += header->size - WIRE_HEADER_SIZE;
	return 1;
}

#define F(type, field) put_number(w, (uint64_t)m->field, sizeof(m->field));
#define A(type, field, n)              \
	for (size_t i = 0; i < n; i++) \
		put_number(w, (uint64_t)m->field[i], sizeof(m->field[i]));
#define MESSAGE(NAME, name, number, tail, fields)                                \
	void wire_put_##name(struct wire_writer *w, const struct wire_##name *m) \
	{                                                                        \
		fields                                                           \
	}
WIRE_REQUESTS(MESSAGE)
WIRE_REPLIES(MESSAGE)
WIRE_RECORDS(MESSAGE)
#undef MESSAGE
#undef A
#undef F

#define F(type, field) m->field = (wire_##type)get_number(r, sizeof(m->field));
#define A(type, field, n)              \
	for (size_t i = 0; i < n; i++) \
		m->field[i] = (wire_##type)get_number(r, sizeof(m->field[i]));
#define MESSAGE(NAME, name, number, tail, fields)                          \
	bool wire_get_##name(struct wire_reader *r, struct wire_##name *m) \
	{                                                                  \
		fields return !r->underflow;                               \
	}
WIRE_REQUESTS(MESSAGE)
WIRE_REPLIES(MESSAGE)
WIRE_RECORDS(MESSAGE)
#undef MESSAGE
#undef A
#undef F

int wire_request_fixed_size(unsigned type, bool *tail)
{
	switch (type) {
#define F(type, field) +(int)sizeof(wire_##type)
#define A(type, field, n) +(int)sizeof(wire_##type) * (n)
#define MESSAGE(NAME, name, number, has_tail, fields) \
	case number:                                  \
		*tail = has_tail;                     \
		return 0 fields;
		WIRE_REQUESTS(MESSAGE)
#undef MESSAGE
#undef A
#undef F
	default:
		return -1;
	}
}

const char *wire_request_name(unsigned type)
{
	switch (type) {
#define MESSAGE(NAME, name, number, tail, fields) \
	case number:                              \
		return #NAME;
		WIRE_REQUESTS(MESSAGE)
#undef MESSAGE
	default:
		return NULL;
	}
}
