/* SPDX-License-Identifier: MIT */
/* poll, select and epoll. */
#include <string.h>

#include "cli/decode/show.h"
#include "cli/decode/structs.h"

static uint16_t at16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* " ([{fd=5, revents=POLLIN}])" */
void poll_show_result(struct decode *d, uint64_t ready)
{
	const struct cotrace_captured *c = show_captured(d, 0, COTRACE_CAPTURE_COUNTED);
	const struct type type = { SHOW_STRUCT, B_U8, STRUCT_pollfd_result };
	const uint8_t *p;
	bool first = true;

	if (!ready) {
		out_str(d->out, " (Timeout)");
		return;
	}
	if (!c)
		return;
	p = show_bytes(d, c);
	out_str(d->out, " ([");
	for (uint32_t at = 0; at + 8 <= c->size; at += 8) {
		if (!at16(p + at + 6))
			continue;
		if (!first)
			out_mem(d->out, ", ", 2);
		first = false;
		show_memory(d, &type, p + at, 8);
	}
	out_str(d->out, c->flags & COTRACE_CAPTURED_MORE ? ", ...])" : "])");
}

static bool has_bit(const uint8_t *p, size_t i)
{
	return p[i / 8] >> i % 8 & 1;
}

/* The set has as many bits as the call's first argument says. */
void poll_show_fdset(struct decode *d, const uint8_t *p, size_t size)
{
	size_t bits = (uint32_t)d->args[0];
	bool first = true;

	if (bits > 8 * size)
		bits = 8 * size;
	out_char(d->out, '[');
	for (size_t i = 0; i < bits; i++) {
		if (!has_bit(p, i))
			continue;
		if (!first)
			out_char(d->out, ' ');
		first = false;
		show_fd(d, (int64_t)i);
	}
	out_char(d->out, ']');
}

static bool any_bit(const uint8_t *p, size_t size, size_t bits)
{
	for (size_t i = 0; i < bits && i < 8 * size; i++)
		if (has_bit(p, i))
			return true;
	return false;
}

/* " (in [3], out [4])" */
void poll_show_select_result(struct decode *d, uint64_t ready)
{
	static const char *const what[] = { "", "in ", "out ", "except " };
	bool first = true;

	if (!ready) {
		out_str(d->out, " (Timeout)");
		return;
	}
	for (unsigned i = 1; i <= 3; i++) {
		const struct cotrace_captured *c = show_captured(d, i, COTRACE_CAPTURE_BYTES);

		if (!c || !any_bit(show_bytes(d, c), c->size, (uint32_t)d->args[0]))
			continue;
		out_str(d->out, first ? " (" : ", ");
		out_str(d->out, what[i]);
		poll_show_fdset(d, show_bytes(d, c), c->size);
		first = false;
	}
	if (!first)
		out_char(d->out, ')');
}

/* A union: both readings that are in use. */
void poll_show_epoll_data(struct decode *d, const uint8_t *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size < sizeof v ? size : sizeof v);
	out_str(d->out, "{u32=");
	out_u64(d->out, (uint32_t)v);
	out_str(d->out, ", u64=");
	out_u64(d->out, v);
	out_char(d->out, '}');
}
