/* SPDX-License-Identifier: MIT */
/* Values of expressions as text. */
#include "cli/break/breaker.h"
#include "cli/decode/text.h"

bool value_get(struct breaker *b, const struct hit *hit, unsigned i, uint64_t *value)
{
	if (hit->placement->formats[i] == FORMAT_LOST)
		return false;
	for (uint32_t n = 0; n < hit->ev->captured_count; n++) {
		const struct cotrace_captured *c = &hit->ev->captured[n];

		if (c->slot != i || c->size != sizeof *value || c->flags & COTRACE_CAPTURED_FAULT)
			continue;
		memcpy(value, b->data + c->offset, sizeof *value);
		return true;
	}
	return false;
}

ssize_t value_string(struct breaker *b, const struct hit *hit, uint64_t addr, char *buf, bool *more)
{
	size_t limit = b->options.string_limit, got = 0;

	/* In pieces that do not reach into the next page, which may not be there. */
	while (got <= limit) {
		size_t piece = 256 - ((addr + got) & 255);
		ssize_t n;

		if (piece > limit + 1 - got)
			piece = limit + 1 - got;
		n = cotrace_read_memory(hit->field->session, hit->ev->pid, addr + got, buf + got,
					piece);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++, got++)
			if (!buf[got]) {
				*more = false;
				return (ssize_t)got;
			}
	}
	if (!got)
		return -1;
	*more = got > limit;
	return (ssize_t)(got > limit ? limit : got);
}

static void show_string(struct breaker *b, const struct hit *hit, uint64_t addr, struct out *out)
{
	char buf[COTRACE_CAPTURE_BYTES_MAX];
	bool more = false;
	ssize_t n;

	if (!addr) {
		out_str(out, "NULL");
		return;
	}
	n = value_string(b, hit, addr, buf, &more);
	if (n < 0) {
		out_hex(out, addr);
		out_str(out, " (not readable)");
	} else
		text_quote(out, (const uint8_t *)buf, (size_t)n, b->options.string_limit, more);
}

static void show_char(struct out *out, uint64_t value)
{
	uint8_t c = (uint8_t)value;

	out_char(out, '\'');
	if (c == '\'')
		out_str(out, "\\'");
	else
		text_escape(out, &c, 1);
	out_char(out, '\'');
}

/* What nobody has said how to show: small numbers are counts, large ones addresses. */
static void show_any(struct out *out, uint64_t value)
{
	int64_t v = (int64_t)value;

	if (v >= INT32_MIN && v <= UINT32_MAX)
		out_i64(out, v);
	else
		out_hex(out, value);
}

bool value_result(const struct placement *p, uint64_t *value, char *format)
{
	static const char formats[] = { [VARIABLE_SIGNED] = 'd',
					[VARIABLE_UNSIGNED] = 'u',
					[VARIABLE_POINTER] = 'p',
					[VARIABLE_STRING] = 's' };
	const struct result *r = &p->result;
	unsigned unused = r->bytes < 8 ? 64 - 8 * r->bytes : 0;

	*format = 0;
	if (r->kind == RESULT_UNKNOWN)
		return true;
	if (r->kind != RESULT_NUMBER || !r->bytes || r->bytes > p->image->word)
		return false;
	*format = formats[r->format];
	if (r->format == VARIABLE_SIGNED)
		*value = (uint64_t)((int64_t)(*value << unused) >> unused);
	else
		*value = *value << unused >> unused;
	return true;
}

void value_format(struct breaker *b, const struct hit *hit, uint64_t value, char format,
		  struct out *out)
{
	switch (format) {
	case 'd':
		out_i64(out, (int64_t)value);
		break;
	case 'u':
		out_u64(out, value);
		break;
	case 'o':
		out_char(out, '0');
		if (value)
			out_format(out, "%llo", (unsigned long long)value);
		break;
	case 'c':
		show_char(out, value);
		break;
	case 's':
		show_string(b, hit, value, out);
		break;
	case 'x':
	case 'p':
		out_hex(out, value);
		break;
	default:
		show_any(out, value);
	}
}

void value_show(struct breaker *b, const struct hit *hit, unsigned i, struct out *out)
{
	char format = hit->placement->formats[i];
	uint64_t value;

	if (value_get(b, hit, i, &value))
		value_format(b, hit, value, format, out);
	else
		out_str(out, format == FORMAT_LOST ? "(optimized out)" : "(not readable)");
}
