/* SPDX-License-Identifier: MIT */
#include "cli/decode/arg.h"

#include <string.h>

#include "cli/decode/show.h"
#include "cli/decode/structs.h"
#include "cli/decode/text.h"

static void show_address(struct decode *d, unsigned reg)
{
	show_pointer(d->out, d->word == 4 ? (uint32_t)d->args[reg] : d->args[reg]);
}

/* The piece of an argument, or NULL when there is nothing that could be shown. */
static const struct cotrace_captured *piece(struct decode *d, unsigned reg, unsigned kind,
					    size_t least)
{
	const struct cotrace_captured *c = show_captured(d, reg, kind);

	if (!d->args[reg] || !c || c->size < least)
		return NULL;
	return c;
}

static unsigned extent_kind(const struct arg *a)
{
	switch (a->extent) {
	case EXTENT_ARG:
		return COTRACE_CAPTURE_COUNTED;
	case EXTENT_RESULT:
		return COTRACE_CAPTURE_RESULT;
	case EXTENT_AT:
		return COTRACE_CAPTURE_LENGTH_AT;
	default:
		return COTRACE_CAPTURE_BYTES;
	}
}

/* How many elements the program spoke of. */
static uint64_t extent_count(const struct decode *d, const struct arg *a)
{
	switch (a->extent) {
	case EXTENT_ARG:
		return d->word == 4 ? (uint32_t)d->args[a->count] : d->args[a->count];
	case EXTENT_RESULT:
		return d->ev->syscall.result > 0 ? (uint64_t)d->ev->syscall.result : 0;
	case EXTENT_FIXED:
		return a->count;
	default:
		return 1;
	}
}

/* Scalars are shown in brackets, as arrays of one. */
static void show_pointed(struct decode *d, const struct type *type, const uint8_t *p, size_t size)
{
	bool scalar = type->show < SHOW_MEMORY_ONLY || type->show == SHOW_WAIT_STATUS;

	scalar = scalar && type->show != SHOW_SIGSET;
	if (scalar)
		out_char(d->out, '[');
	show_memory(d, type, p, size);
	if (scalar)
		out_char(d->out, ']');
}

/* An older program's structure may end before ours: what was readable is shown. */
static size_t least_size(const struct decode *d, const struct type *type)
{
	return type->show == SHOW_STRUCT ? 1 : type_size(type, d->word);
}

static void show_pointer_arg(struct decode *d, const struct arg *a, unsigned reg)
{
	const struct cotrace_captured *c =
		piece(d, reg, COTRACE_CAPTURE_BYTES, least_size(d, &a->type));

	/* A wait that found nobody has filled nothing. */
	if (a->type.show == SHOW_WAIT_STATUS && !d->ev->syscall.result)
		c = NULL;
	if (c)
		show_pointed(d, &a->type, show_bytes(d, c), c->size);
	else
		show_address(d, reg);
}

static void show_array_arg(struct decode *d, const struct arg *a, unsigned reg)
{
	const struct cotrace_captured *c = piece(d, reg, extent_kind(a), 0);
	size_t size = type_size(&a->type, d->word);
	uint64_t count = extent_count(d, a);

	if (!d->args[reg] || (count && (!c || c->size < size))) {
		show_address(d, reg);
		return;
	}
	if (!c || !count) {
		out_mem(d->out, "[]", 2);
		return;
	}
	show_array(d, &a->type, show_bytes(d, c), c->size / size < count ? c->size / size : count,
		   c->size / size < count);
}

static void show_string_arg(struct decode *d, const struct arg *a, unsigned reg)
{
	const struct cotrace_captured *c = piece(d, reg, COTRACE_CAPTURE_STRING, 0);

	if (!c || (!c->size && c->flags & COTRACE_CAPTURED_FAULT)) {
		show_address(d, reg);
		return;
	}
	text_quote(d->out, show_bytes(d, c), c->size,
		   a->form == FORM_PATH ? SIZE_MAX : d->style->string_limit,
		   c->flags & (COTRACE_CAPTURED_MORE | COTRACE_CAPTURED_FAULT));
}

static void show_bytes_arg(struct decode *d, const struct arg *a, unsigned reg)
{
	const struct cotrace_captured *c = piece(d, reg, extent_kind(a), 0);
	uint64_t count = extent_count(d, a);
	size_t size = c ? c->size : 0;

	if (!d->args[reg] || (count && !size && d->style->string_limit)) {
		show_address(d, reg);
		return;
	}
	if (size > d->style->string_limit)
		size = d->style->string_limit;
	if (a->form == FORM_HEXBYTES)
		text_quote_hex(d->out, c ? show_bytes(d, c) : NULL, size, size < count);
	else
		text_quote(d->out, c ? show_bytes(d, c) : NULL, size, size, size < count);
}

/* As execve()'s argv: strings one after another. */
static void show_strings_arg(struct decode *d, unsigned reg)
{
	const struct cotrace_captured *c = piece(d, reg, COTRACE_CAPTURE_STRINGS, 0);
	const uint8_t *p, *end;
	unsigned count = 0;

	if (!c || (!c->size && c->flags & COTRACE_CAPTURED_FAULT)) {
		show_address(d, reg);
		return;
	}
	p = show_bytes(d, c);
	end = p + c->size;
	out_char(d->out, '[');
	while (p < end) {
		size_t n = strnlen((const char *)p, (size_t)(end - p));
		bool cut = p + n == end && c->flags;

		if (count)
			out_mem(d->out, ", ", 2);
		if (count++ >= d->style->string_limit && !d->style->verbose) {
			out_mem(d->out, "...", 3);
			break;
		}
		text_quote(d->out, p, n, d->style->string_limit, cut);
		p += n + 1;
	}
	out_str(d->out, p >= end && c->flags & COTRACE_CAPTURED_MORE ? ", ...]" : "]");
}

/* The address, and in a comment how many strings there are. */
static void show_env_arg(struct decode *d, unsigned reg)
{
	const struct cotrace_captured *c = piece(d, reg, COTRACE_CAPTURE_BYTES, d->word);
	uint64_t v;
	size_t n;

	if (d->style->verbose) {
		show_strings_arg(d, reg);
		return;
	}
	show_address(d, reg);
	if (!c)
		return;
	for (n = 0; (n + 1) * d->word <= c->size; n++) {
		v = 0;
		memcpy(&v, show_bytes(d, c) + n * d->word, d->word);
		if (!v)
			break;
	}
	out_str(d->out, " /* ");
	out_u64(d->out, n);
	out_str(d->out, (n + 1) * d->word > c->size ? "+ vars */"
			: n == 1		    ? " var */"
						    : " vars */");
}

/* The gathered bytes follow one another in the second piece. */
static void show_iovec_arg(struct decode *d, const struct arg *a, unsigned reg)
{
	const struct cotrace_captured *c = piece(d, reg, COTRACE_CAPTURE_COUNTED, 0);
	const struct cotrace_captured *gathered = show_captured(d, reg, COTRACE_CAPTURE_IOVEC);
	uint64_t count = extent_count(d, a);

	if (!d->args[reg] || (count && (!c || c->size < 2 * d->word)))
		show_address(d, reg);
	else
		message_show_iovecs(d, c, gathered, count, a->dir == DIR_OUT);
}

static void show_sized_arg(struct decode *d, const struct arg *a, unsigned reg)
{
	const struct cotrace_captured *c = piece(d, reg, extent_kind(a), 0);

	if (!c || (!c->size && a->type.show != SHOW_DIRENTS))
		show_address(d, reg);
	else if (a->type.show == SHOW_DIRENTS)
		file_show_dirents(d, show_bytes(d, c), c->size, c->flags & COTRACE_CAPTURED_MORE,
				  a->type.ref);
	else
		show_memory(d, &a->type, show_bytes(d, c), c->size);
}

static void show_pair(struct decode *d, unsigned reg)
{
	uint64_t v = (uint32_t)d->args[reg];

	if (reg + 1 < ARGS_MAX)
		v |= d->args[reg + 1] << 32;
	out_i64(d->out, (int64_t)v);
}

void arg_show(struct decode *d, const struct arg *a, unsigned reg)
{
	/* Mostly the kernel has filled nothing after an error. */
	if (a->dir & DIR_OUT && !(a->dir & DIR_IN) && d->exit &&
	    d->failed != !!(a->dir & DIR_FAILED)) {
		show_address(d, reg);
		return;
	}
	switch (a->form) {
	case FORM_VALUE:
		show_value(d, &a->type, d->args[reg]);
		break;
	case FORM_PAIR:
		show_pair(d, reg);
		break;
	case FORM_POINTER:
		show_pointer_arg(d, a, reg);
		break;
	case FORM_ARRAY:
		show_array_arg(d, a, reg);
		break;
	case FORM_STRING:
	case FORM_PATH:
		show_string_arg(d, a, reg);
		break;
	case FORM_BYTES:
	case FORM_HEXBYTES:
		show_bytes_arg(d, a, reg);
		break;
	case FORM_STRINGS:
		show_strings_arg(d, reg);
		break;
	case FORM_ENV:
		show_env_arg(d, reg);
		break;
	case FORM_IOVEC:
		show_iovec_arg(d, a, reg);
		break;
	case FORM_SIZED:
		show_sized_arg(d, a, reg);
		break;
	case FORM_MESSAGE:
		if (piece(d, reg, COTRACE_CAPTURE_BYTES, 1))
			message_show(d, reg, a->dir == DIR_OUT);
		else
			show_address(d, reg);
		break;
	}
}

void arg_show_before(struct decode *d, const struct arg *a, unsigned reg)
{
	const struct cotrace_captured *c;

	if (!(a->dir & DIR_OUT)) {
		arg_show(d, a, reg);
		return;
	}
	/* Only the bare number: the exit shows both. */
	c = piece(d, reg, COTRACE_CAPTURE_BYTES, least_size(d, &a->type));
	if (c && a->form == FORM_POINTER)
		show_memory(d, &a->type, show_bytes(d, c), c->size);
}

void arg_show_changed(struct decode *d, const struct arg *a, unsigned reg, const char *before,
		      size_t before_size)
{
	const struct cotrace_captured *c =
		piece(d, reg, COTRACE_CAPTURE_BYTES, least_size(d, &a->type));
	/* A length is one number that changes, an offset was one and is another. */
	const char *arrow = type_size(&a->type, d->word) == 8 ? "] => [" : " => ";
	size_t start;

	if (!before_size || a->form != FORM_POINTER || a->type.show == SHOW_STRUCT) {
		arg_show(d, a, reg);
		return;
	}
	out_char(d->out, '[');
	out_mem(d->out, before, before_size);
	start = out_position(d->out);
	if (c && !d->failed) {
		out_str(d->out, arrow);
		show_memory(d, &a->type, show_bytes(d, c), c->size);
		/* Said once when it has not changed. */
		if (out_position(d->out) - start == before_size + strlen(arrow) &&
		    d->out->len >= before_size &&
		    !memcmp(d->out->buf + d->out->len - before_size, before, before_size))
			d->out->len -= before_size + strlen(arrow);
	}
	out_char(d->out, ']');
}
