/* SPDX-License-Identifier: MIT */
/* Vectors of buffers, and messages with their name, data and control data. */
#include <string.h>
#include <sys/socket.h>

#include "cli/decode/names.h"
#include "cli/decode/show.h"
#include "cli/decode/structs.h"
#include "cli/decode/text.h"

/* A walk over gathered bytes. */
struct gathered {
	const uint8_t *p;
	uint64_t left;	 /* captured */
	uint64_t filled; /* stored by the call */
};

static void show_iovec(struct decode *d, const uint8_t *vec, struct gathered *g)
{
	uint64_t base = 0, length = 0, used, shown;

	memcpy(&base, vec, d->word);
	memcpy(&length, vec + d->word, d->word);
	used = length < g->filled ? length : g->filled;
	shown = used < g->left ? used : g->left;
	out_str(d->out, "{iov_base=");
	if (!base || (used && !shown))
		show_pointer(d->out, base);
	else
		text_quote(d->out, g->p, shown, d->style->string_limit, shown < used);
	out_str(d->out, ", iov_len=");
	out_u64(d->out, length);
	out_char(d->out, '}');
	g->filled -= g->filled == UINT64_MAX ? 0 : used;
	g->left -= shown;
	g->p = g->p ? g->p + shown : g->p;
}

void message_show_iovecs(struct decode *d, const struct cotrace_captured *vec,
			 const struct cotrace_captured *gathered, uint64_t count, bool filled)
{
	struct gathered g = { .filled = UINT64_MAX };

	if (gathered) {
		g.p = show_bytes(d, gathered);
		g.left = gathered->size;
	}
	if (filled && d->exit)
		g.filled = d->ev->syscall.result > 0 ? (uint64_t)d->ev->syscall.result : 0;
	out_char(d->out, '[');
	for (uint64_t i = 0; i < count; i++) {
		if (i)
			out_mem(d->out, ", ", 2);
		if (!vec || (i + 1) * 2 * d->word > vec->size) {
			out_mem(d->out, "...", 3);
			break;
		}
		show_iovec(d, show_bytes(d, vec) + i * 2 * d->word, &g);
	}
	out_char(d->out, ']');
}

static uint64_t load(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static void show_control_data(struct decode *d, int level, int type, const uint8_t *p, size_t size)
{
	static const struct type fd = { SHOW_FD, B_INT, 0 };
	static const struct type ucred = { SHOW_STRUCT, B_U8, STRUCT_ucred };

	if (level == SOL_SOCKET && type == SCM_RIGHTS)
		show_array(d, &fd, p, size / sizeof(int), false);
	else if (level == SOL_SOCKET && type == SCM_CREDENTIALS)
		show_memory(d, &ucred, p, size);
	else
		text_quote_hex(d->out, p,
			       size < d->style->string_limit ? size : d->style->string_limit,
			       size > d->style->string_limit);
}

static void show_control_head(struct decode *d, uint64_t length, int level, int type)
{
	out_str(d->out, "{cmsg_len=");
	out_u64(d->out, length);
	out_str(d->out, ", cmsg_level=");
	show_enum(d->out, NAMES_socket_level, (uint64_t)level);
	out_str(d->out, ", cmsg_type=");
	if (level == SOL_SOCKET)
		show_enum(d->out, NAMES_scm, (uint64_t)type);
	else
		socket_show_option(d->out, (uint64_t)level, (uint64_t)type);
}

/* Each is length, level, type and data, aligned to the word size. */
static void show_control(struct decode *d, const uint8_t *p, size_t size)
{
	const size_t head = d->word + 8;
	bool first = true;

	out_char(d->out, '[');
	while (size >= head) {
		uint64_t length = load(p, d->word), step;
		int level = (int)load(p + d->word, 4), type = (int)load(p + d->word + 4, 4);

		if (length < head)
			break;
		if (!first)
			out_mem(d->out, ", ", 2);
		first = false;
		show_control_head(d, length, level, type);
		out_str(d->out, ", cmsg_data=");
		show_control_data(d, level, type, p + head, (length < size ? length : size) - head);
		out_char(d->out, '}');
		step = (length + d->word - 1) & ~(uint64_t)(d->word - 1);
		if (step >= size)
			break;
		p += step;
		size -= step;
	}
	out_char(d->out, ']');
}

static void show_name(struct decode *d, unsigned reg, uint64_t pointer)
{
	const struct cotrace_captured *c = show_member_captured(d, reg, COTRACE_CAPTURE_MEMBER, 0);

	if (pointer && c && c->size)
		socket_show_address(d, show_bytes(d, c), c->size);
	else
		show_pointer(d->out, pointer);
}

void message_show(struct decode *d, unsigned reg, bool filled)
{
	const struct cotrace_captured *c = show_captured(d, reg, COTRACE_CAPTURE_BYTES);
	const struct cotrace_captured *vec =
		show_member_captured(d, reg, COTRACE_CAPTURE_MEMBER, 2);
	const struct cotrace_captured *data =
		show_member_captured(d, reg, COTRACE_CAPTURE_MEMBER_IOVEC, 2);
	const struct cotrace_captured *control =
		show_member_captured(d, reg, COTRACE_CAPTURE_MEMBER, 4);
	const unsigned word = d->word;
	const uint8_t *p = show_bytes(d, c);

	if (c->size < 6 * word + 4) {
		show_pointer(d->out, d->args[reg]);
		return;
	}
	out_str(d->out, "{msg_name=");
	show_name(d, reg, load(p, word));
	out_str(d->out, ", msg_namelen=");
	out_u64(d->out, load(p + word, 4));
	out_str(d->out, ", msg_iov=");
	message_show_iovecs(d, vec, data, load(p + 3 * word, word), filled);
	out_str(d->out, ", msg_iovlen=");
	out_u64(d->out, load(p + 3 * word, word));
	if (load(p + 5 * word, word) && control) {
		out_str(d->out, ", msg_control=");
		show_control(d, show_bytes(d, control), control->size);
	}
	out_str(d->out, ", msg_controllen=");
	out_u64(d->out, load(p + 5 * word, word));
	out_str(d->out, ", msg_flags=");
	show_flags(d->out, NAMES_msg_flags, load(p + 6 * word, 4), 4);
	out_char(d->out, '}');
}
