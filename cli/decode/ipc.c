/* SPDX-License-Identifier: MIT */
/* System V IPC. */
#include <string.h>

#include "cli/decode/show.h"
#include "cli/decode/text.h"

/* IPC_CREAT|0600 */
void ipc_show_mode(struct out *out, unsigned set, uint64_t v)
{
	uint64_t flags = v & ~0777ull & UINT32_MAX;

	if (flags) {
		show_flags(out, set, flags, 4);
		out_char(out, '|');
	}
	out_char(out, '0');
	out_digits(out, v & 0777, 8, 2);
}

void ipc_show_key(struct out *out, uint64_t v)
{
	if (v)
		out_hex(out, (uint32_t)v);
	else
		out_str(out, "IPC_PRIVATE");
}

/* A type, then as many bytes as the call says, or has returned. */
void ipc_show_message(struct decode *d, const uint8_t *p, size_t size)
{
	uint64_t length = d->exit ? (uint64_t)d->ev->syscall.result : d->args[2];
	size_t there;
	int64_t type = 0;

	if (size < d->word)
		return;
	memcpy(&type, p, d->word);
	there = size - d->word < length ? size - d->word : (size_t)length;
	out_str(d->out, "{mtype=");
	out_i64(d->out, d->word == 4 ? (int32_t)type : type);
	out_str(d->out, ", mtext=");
	text_quote(d->out, p + d->word, there, d->style->string_limit, there < length);
	out_char(d->out, '}');
}
