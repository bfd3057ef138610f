/* SPDX-License-Identifier: MIT */
#include "cli/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int out_init(struct out *o, int fd, size_t cap)
{
	*o = OUT_NULL;
	o->buf = malloc(cap);
	if (!o->buf)
		return -ENOMEM;
	o->cap = cap;
	o->fd = fd;
	return 0;
}

void out_deinit(struct out *o)
{
	free(o->buf);
	*o = OUT_NULL;
}

int out_flush(struct out *o)
{
	size_t done = 0;

	while (done < o->len && !o->error) {
		ssize_t n = write(o->fd, o->buf + done, o->len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			o->error = -errno;
	}
	o->flushed += o->len;
	o->len = 0;
	return o->error;
}

static bool grow(struct out *o, size_t n)
{
	size_t cap = o->cap ? o->cap : 256;
	char *p;

	while (cap - o->len < n)
		cap *= 2;
	p = realloc(o->buf, cap);
	if (!p) {
		o->error = -ENOMEM;
		return false;
	}
	o->buf = p;
	o->cap = cap;
	return true;
}

bool out_make_room(struct out *o, size_t n)
{
	if (o->cap - o->len >= n)
		return true;
	if (o->fd >= 0)
		out_flush(o);
	return o->cap - o->len >= n || grow(o, n);
}

void out_u64(struct out *o, uint64_t v)
{
	char digits[20];
	int at = sizeof digits;

	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	out_mem(o, digits + at, sizeof digits - (size_t)at);
}

void out_i64(struct out *o, int64_t v)
{
	if (v < 0)
		out_char(o, '-');
	out_u64(o, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void out_u64_width(struct out *o, uint64_t v, int width, char fill)
{
	uint64_t limit = 10;

	for (int i = 1; i < width; i++, limit *= 10)
		if (v < limit) {
			for (; i < width; i++)
				out_char(o, fill);
			break;
		}
	out_u64(o, v);
}

void out_digits(struct out *o, uint64_t v, unsigned base, int width)
{
	unsigned shift = base == 16 ? 4 : 3;
	char digits[24];
	int at = sizeof digits;

	do {
		digits[--at] = "0123456789abcdef"[v & (base - 1)];
		width--;
	} while ((v >>= shift) || (width > 0 && at > 0));
	out_mem(o, digits + at, sizeof digits - (size_t)at);
}

void out_hex(struct out *o, uint64_t v)
{
	out_mem(o, "0x", 2);
	out_digits(o, v, 16, 1);
}

void out_format(struct out *o, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0 || !out_room(o, (size_t)n + 1))
		return;
	va_start(args, format);
	vsnprintf(o->buf + o->len, (size_t)n + 1, format, args);
	va_end(args);
	o->len += (size_t)n;
}

void out_pad(struct out *o, size_t column)
{
	size_t at = out_position(o) - o->line_start - o->invisible;

	for (; at < column; at++)
		out_char(o, ' ');
}
