/* SPDX-License-Identifier: MIT */
#include "cli/decode/text.h"

static bool plain(uint8_t c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static void escape_one(struct out *out, uint8_t c, bool digit_follows)
{
	static const char letters[] = "\"\"\\\\\nn\tt\rr\vv\ff";

	for (const char *l = letters; *l; l += 2)
		if ((uint8_t)*l == c) {
			out_char(out, '\\');
			out_char(out, l[1]);
			return;
		}
	out_char(out, '\\');
	out_digits(out, c, 8, digit_follows ? 3 : 1);
}

void text_escape(struct out *out, const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t start = i;

		while (i < n && plain(p[i]))
			i++;
		out_mem(out, p + start, i - start);
		if (i < n) {
			escape_one(out, p[i], i + 1 < n && p[i + 1] >= '0' && p[i + 1] <= '9');
			i++;
		}
	}
}

void text_quote(struct out *out, const uint8_t *p, size_t n, size_t limit, bool more)
{
	if (n > limit) {
		n = limit;
		more = true;
	}
	out_char(out, '"');
	text_escape(out, p, n);
	out_char(out, '"');
	if (more)
		out_mem(out, "...", 3);
}

void text_quote_hex(struct out *out, const uint8_t *p, size_t n, bool more)
{
	out_char(out, '"');
	for (size_t i = 0; i < n; i++) {
		out_mem(out, "\\x", 2);
		out_digits(out, p[i], 16, 2);
	}
	out_char(out, '"');
	if (more)
		out_mem(out, "...", 3);
}
