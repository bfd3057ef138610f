/* SPDX-License-Identifier: MIT */
/* The time that a line begins with. */
#ifndef CLI_STAMP_H
#define CLI_STAMP_H

#include <time.h>

#include "cli/out.h"

enum time_format {
	TIME_NONE,
	TIME_SECONDS, /* 11:20:03 */
	TIME_MICRO,   /* 11:20:03.123456 */
	TIME_EPOCH,   /* 1790000000.123456 */
	TIME_RELATIVE /* since the line before */
};

struct stamp {
	enum time_format format;
	int64_t realtime_offset_ns;
	uint64_t last_ns; /* of the line before */
	time_t second;	  /* cache of the last second formatted */
	char text[16];
};

void stamp_init(struct stamp *s, enum time_format format);
/* The time of day, in nanoseconds since the epoch. */
uint64_t stamp_real(const struct stamp *s, uint64_t monotonic_ns);
/* With a blank behind it; nothing with TIME_NONE. */
void stamp_show(struct stamp *s, struct out *out, uint64_t monotonic_ns);
/* With six decimals. */
void stamp_seconds(struct out *out, uint64_t ns);

#endif
