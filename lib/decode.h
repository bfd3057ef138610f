/* SPDX-License-Identifier: MIT */
/* From the wire's event messages to struct cotrace_event. Pure. */
#ifndef LIB_DECODE_H
#define LIB_DECODE_H

#include "lib/public.h"
#include "wire/wire.h"

/* Where captured bytes go. */
struct decode_sink {
	uint8_t *data;
	size_t size, used;
};

/* A child's fd comes beside the datagram: child.fd is -1 without one, else 0 for now. */
#define DECODE_FD_COMES 0

/* Missing bytes count as zero. With @sink NULL captured memory is skipped. */
void decode_event(const struct wire_header *h, struct wire_reader *r, struct cotrace_event *ev,
		  struct decode_sink *sink);

#endif
