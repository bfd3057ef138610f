/* SPDX-License-Identifier: MIT */
#include "cli/stamp.h"

#include <string.h>

#define NS_PER_SECOND 1000000000ull

static int64_t realtime_offset(void)
{
	struct timespec real, mono;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return (real.tv_sec - mono.tv_sec) * 1000000000ll + (real.tv_nsec - mono.tv_nsec);
}

void stamp_init(struct stamp *s, enum time_format format)
{
	*s = (struct stamp){ .format = format, .realtime_offset_ns = realtime_offset() };
}

uint64_t stamp_real(const struct stamp *s, uint64_t monotonic_ns)
{
	return monotonic_ns + (uint64_t)s->realtime_offset_ns;
}

/* The time of day changes only once a second. */
static void show_clock(struct stamp *s, struct out *out, uint64_t ns)
{
	time_t second = (time_t)(ns / NS_PER_SECOND);
	struct tm tm;

	if (second != s->second || !*s->text) {
		localtime_r(&second, &tm);
		strftime(s->text, sizeof s->text, "%H:%M:%S", &tm);
		s->second = second;
	}
	out_str(out, s->text);
}

static void show_micro(struct out *out, uint64_t ns)
{
	out_char(out, '.');
	out_u64_width(out, ns % NS_PER_SECOND / 1000, 6, '0');
}

void stamp_seconds(struct out *out, uint64_t ns)
{
	out_u64(out, ns / NS_PER_SECOND);
	show_micro(out, ns);
}

void stamp_show(struct stamp *s, struct out *out, uint64_t monotonic_ns)
{
	uint64_t ns = stamp_real(s, monotonic_ns), since;

	switch (s->format) {
	case TIME_NONE:
		return;
	case TIME_SECONDS:
	case TIME_MICRO:
		show_clock(s, out, ns);
		if (s->format == TIME_MICRO)
			show_micro(out, ns);
		break;
	case TIME_EPOCH:
		stamp_seconds(out, ns);
		break;
	case TIME_RELATIVE:
		since = s->last_ns && monotonic_ns > s->last_ns ? monotonic_ns - s->last_ns : 0;
		out_u64_width(out, since / NS_PER_SECOND, 6, ' ');
		show_micro(out, since);
		s->last_ns = monotonic_ns;
		break;
	}
	out_char(out, ' ');
}
