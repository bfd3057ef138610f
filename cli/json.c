/* SPDX-License-Identifier: MIT */
#include "cli/json.h"

#include <string.h>

#define NS_PER_SECOND 1000000000ull

void json_string(struct out *out, const char *s, size_t n)
{
	out_char(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\') {
			out_char(out, '\\');
			out_char(out, (char)c);
		} else if (c < ' ' || c > '~') {
			out_str(out, "\\u00");
			out_digits(out, c, 16, 2);
		} else
			out_char(out, (char)c);
	}
	out_char(out, '"');
}

void json_key(struct out *out, const char *name)
{
	out_str(out, ",\"");
	out_str(out, name);
	out_str(out, "\":");
}

void json_text(struct out *out, const char *name, const char *text)
{
	json_key(out, name);
	json_string(out, text, strlen(text));
}

void json_i64(struct out *out, const char *name, int64_t v)
{
	json_key(out, name);
	out_i64(out, v);
}

void json_flag(struct out *out, const char *name, bool v)
{
	if (!v)
		return;
	json_key(out, name);
	out_str(out, "true");
}

void json_seconds(struct out *out, uint64_t ns)
{
	out_u64(out, ns / NS_PER_SECOND);
	out_char(out, '.');
	out_u64_width(out, ns % NS_PER_SECOND, 9, '0');
}
