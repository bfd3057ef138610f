/* SPDX-License-Identifier: MIT */
/* Any bytes as a datagram: decoding must stay inside and be undone by encoding. */
#include <stdlib.h>
#include <string.h>

#include "test/fuzz/fuzz.h"
#include "wire/wire.h"

/* What was decoded is encoded again and must be the same bytes. */
#define MESSAGE(NAME, name, number, tail, fields)                    \
	static void again_##name(struct wire_reader *r)              \
	{                                                            \
		uint8_t buf[512];                                    \
		struct wire_writer w;                                \
		struct wire_##name m;                                \
		size_t from = r->used;                               \
                                                                     \
		if (!wire_get_##name(r, &m)) {                       \
			FUZZ_CHECK(r->underflow);                    \
			return;                                      \
		}                                                    \
		wire_writer_init(&w, buf, sizeof buf);               \
		wire_put_##name(&w, &m);                             \
		FUZZ_CHECK(!w.overflow && w.used == r->used - from); \
		FUZZ_CHECK(memcmp(buf, r->buf + from, w.used) == 0); \
	}
WIRE_REQUESTS(MESSAGE)
WIRE_REPLIES(MESSAGE)
WIRE_RECORDS(MESSAGE)
#undef MESSAGE

static void decode_request(const struct wire_header *header, struct wire_reader *body)
{
	bool tail = false;
	int fixed = wire_request_fixed_size(header->type, &tail);

	FUZZ_CHECK((fixed < 0) == (wire_request_name(header->type) == NULL));
	switch (header->type) {
#define MESSAGE(NAME, name, number, tail_allowed, fields)                                \
	case number:                                                                     \
		again_##name(body);                                                      \
		FUZZ_CHECK(fixed < 0 || body->underflow || body->used == (size_t)fixed); \
		break;
		WIRE_REQUESTS(MESSAGE)
		WIRE_REPLIES(MESSAGE)
#undef MESSAGE
	}
}

/* Records follow in whatever order the bytes say. */
static void decode_records(struct wire_reader *r)
{
	static void (*const all[])(struct wire_reader *) = {
#define MESSAGE(NAME, name, number, tail, fields) again_##name,
		WIRE_RECORDS(MESSAGE)
#undef MESSAGE
	};

	while (wire_left(r) > 1 && !r->underflow) {
		const uint8_t *which = wire_get_bytes(r, 1);

		all[*which % (sizeof all / sizeof *all)](r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader datagram, body;
	struct wire_header header;
	int r;

	wire_reader_init(&datagram, data, size);
	while ((r = wire_next(&datagram, &header, &body)) == 1) {
		FUZZ_CHECK(header.size == body.size + WIRE_HEADER_SIZE);
		FUZZ_CHECK(datagram.used <= size);
		decode_request(&header, &body);
		decode_records(&body);
		FUZZ_CHECK(body.used <= body.size);
	}
	FUZZ_CHECK(r < 0 || datagram.used == size);
	return 0;
}
