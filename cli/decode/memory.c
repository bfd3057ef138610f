/* SPDX-License-Identifier: MIT */
/* Structures, arrays, and where what was captured lies. */
#include <string.h>

#include "cli/decode/show.h"
#include "cli/decode/structs.h"
#include "cli/decode/text.h"

static void show_chars(struct decode *d, const uint8_t *p, size_t size)
{
	text_quote(d->out, p, strnlen((const char *)p, size), d->style->string_limit, false);
}

static void show_member(struct decode *d, const struct member *m, const uint8_t *p, size_t left)
{
	size_t size = type_size(&m->type, d->word);

	out_str(d->out, m->name);
	out_char(d->out, '=');
	if (m->array && m->type.show == SHOW_CHARS)
		show_chars(d, p, m->array < left ? m->array : left);
	else if (m->array)
		show_array(d, &m->type, p, m->array < left / size ? m->array : left / size, false);
	else
		show_memory(d, &m->type, p, left);
}

/* @device: what a file mode in the structure says. */
static bool hides(const struct decode *d, const struct member *m, const uint8_t *structure,
		  size_t at, bool device)
{
	uint32_t first;

	switch (m->mode) {
	case MEMBER_PAD:
		return true;
	case MEMBER_VERBOSE:
		return !d->style->verbose;
	case MEMBER_WHEN:
		memcpy(&first, structure, sizeof first);
		return !(first & m->when);
	case MEMBER_DEVICE:
		return !device && !d->style->verbose;
	case MEMBER_NO_DEVICE:
		return device && !d->style->verbose;
	case MEMBER_NONZERO:
		return !type_load(&m->type, d->word, structure + at);
	default:
		return false;
	}
}

static void show_struct(struct decode *d, unsigned id, const uint8_t *p, size_t size)
{
	const struct layout *l = struct_layout(id, d->word);
	bool first = true, more = false, device = false;

	out_char(d->out, '{');
	for (unsigned i = 0; l->members[i].mode; i++) {
		const struct member *m = &l->members[i];
		size_t at = l->offset[i], need = type_size(&m->type, d->word);

		/* A shorter structure, of an older program, ends here. */
		if (at + need > size)
			break;
		if (m->type.show == SHOW_FMODE)
			device = file_is_device(type_load(&m->type, d->word, p + at));
		if (hides(d, m, p, at, device)) {
			more |= m->mode == MEMBER_VERBOSE;
			continue;
		}
		if (!first)
			out_mem(d->out, ", ", 2);
		first = false;
		show_member(d, m, p + at, size - at);
	}
	if (more)
		out_str(d->out, first ? "..." : ", ...");
	out_char(d->out, '}');
}

void show_memory(struct decode *d, const struct type *type, const uint8_t *p, size_t size)
{
	switch (type->show) {
	case SHOW_STRUCT:
		show_struct(d, type->ref, p, size);
		break;
	case SHOW_CHARS:
		show_chars(d, p, size);
		break;
	case SHOW_FDSET:
		poll_show_fdset(d, p, size);
		break;
	case SHOW_CPUSET:
		process_show_cpuset(d, p, size);
		break;
	case SHOW_SOCKADDR:
		socket_show_address(d, p, size);
		break;
	case SHOW_SIGACTION:
		signal_show_action(d, p, size);
		break;
	case SHOW_SIGINFO:
		signal_show_info(d, p, size);
		break;
	case SHOW_MSGBUF:
		ipc_show_message(d, p, size);
		break;
	case SHOW_EPOLL_DATA:
		poll_show_epoll_data(d, p, size);
		break;
	case SHOW_DIRENTS:
		file_show_dirents(d, p, size, false, type->ref);
		break;
	case SHOW_VALUE:
		socket_show_value(d, p, size);
		break;
	case SHOW_WAIT_STATUS:
		if (size >= 4)
			process_show_wait_status(d->out, (uint32_t)type_load(type, 4, p));
		break;
	default:
		if (size >= type_size(type, d->word))
			show_value(d, type, type_load(type, d->word, p));
	}
}

void show_array(struct decode *d, const struct type *type, const uint8_t *p, size_t count,
		bool more)
{
	size_t size = type_size(type, d->word);

	out_char(d->out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			out_mem(d->out, ", ", 2);
		if (i >= d->style->string_limit && !d->style->verbose) {
			more = true;
			count = 0;
			break;
		}
		show_memory(d, type, p + i * size, size);
	}
	if (more)
		out_str(d->out, count ? ", ..." : "...");
	out_char(d->out, ']');
}

const struct cotrace_captured *show_member_captured(const struct decode *d, unsigned reg,
						    unsigned kind, unsigned word)
{
	for (unsigned i = 0; i < d->ev->captured_count; i++) {
		const struct cotrace_captured *c = &d->ev->captured[i];

		if (c->arg == reg && c->slot < d->syscall->slot_count &&
		    d->syscall->slots[c->slot].kind == kind &&
		    d->syscall->slots[c->slot].count_arg == word)
			return c;
	}
	return NULL;
}

const struct cotrace_captured *show_captured(const struct decode *d, unsigned reg, unsigned kind)
{
	for (unsigned i = 0; i < d->ev->captured_count; i++) {
		const struct cotrace_captured *c = &d->ev->captured[i];

		if (c->arg == reg && c->slot < d->syscall->slot_count &&
		    d->syscall->slots[c->slot].kind == kind)
			return c;
	}
	return NULL;
}
