/* SPDX-License-Identifier: MIT */
/* A large text buffer: written to its fd in big chunks, or growing when it has none. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct out {
	char *buf;
	size_t len, cap;
	size_t flushed;	   /* bytes written before buf[0] */
	size_t line_start; /* position of the current line's first byte, flushed ones counted */
	size_t invisible;  /* bytes of colour codes in the current line */
	int fd;		   /* -1: keep all */
	int error;	   /* first write error, negative */
};

#define OUT_NULL ((struct out){ .fd = -1 })

/* @cap bytes at first. Returns 0 or -ENOMEM. */
int out_init(struct out *o, int fd, size_t cap);
void out_deinit(struct out *o);
/* Writes all that is there. Returns 0 or the first error ever seen. */
int out_flush(struct out *o);
/* Makes room for @n bytes by flushing or growing; false when there is none. */
bool out_make_room(struct out *o, size_t n);
void out_i64(struct out *o, int64_t v);
void out_u64(struct out *o, uint64_t v);
/* "0x1f" */
void out_hex(struct out *o, uint64_t v);
/* Digits in @base 8 or 16, at least @width of them. */
void out_digits(struct out *o, uint64_t v, unsigned base, int width);
/* Decimal with at least @width digits. */
void out_u64_width(struct out *o, uint64_t v, int width, char fill);
void out_format(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds spaces up to column @column of the line. */
void out_pad(struct out *o, size_t column);

static inline bool out_room(struct out *o, size_t n)
{
	return __builtin_expect(o->cap - o->len >= n, 1) || out_make_room(o, n);
}

static inline void out_char(struct out *o, char c)
{
	if (out_room(o, 1))
		o->buf[o->len++] = c;
}

static inline void out_mem(struct out *o, const void *p, size_t n)
{
	if (n && out_room(o, n)) {
		memcpy(o->buf + o->len, p, n);
		o->len += n;
	}
}

static inline void out_str(struct out *o, const char *s)
{
	out_mem(o, s, strlen(s));
}

static inline size_t out_position(const struct out *o)
{
	return o->flushed + o->len;
}

static inline void out_newline(struct out *o)
{
	out_char(o, '\n');
	o->line_start = out_position(o);
	o->invisible = 0;
}

/* A colour code takes no room on the line. */
static inline void out_colour(struct out *o, const char *code)
{
	out_str(o, code);
	o->invisible += strlen(code);
}

#endif
