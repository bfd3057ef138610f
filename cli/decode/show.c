/* SPDX-License-Identifier: MIT */
#include "cli/decode/show.h"

#include <fcntl.h>

#include "cli/decode/names.h"
#include "cli/decode/structs.h"

void show_pointer(struct out *out, uint64_t v)
{
	if (v)
		out_hex(out, v);
	else
		out_mem(out, "NULL", 4);
}

/* The number, and in a comment the family that it should belong to. */
static void show_unknown(struct out *out, uint64_t v, const char *what)
{
	out_hex(out, v);
	if (!*what)
		return;
	out_str(out, " /* ");
	out_str(out, what);
	out_str(out, " */");
}

void show_flags(struct out *out, unsigned set, uint64_t v, unsigned width)
{
	const struct names *names = names_get(set);
	bool first = true;

	if (width < 8)
		v &= (1ull << 8 * width) - 1;
	for (unsigned i = 0; i < names->count; i++) {
		const struct name *n = &names->v[i];

		if ((v & n->mask) != (n->value & n->mask) || (!n->value && v && n->mask == ~0ull))
			continue;
		if (!first)
			out_char(out, '|');
		out_str(out, n->name);
		first = false;
		v &= ~n->mask;
	}
	if (first && !v)
		out_char(out, '0');
	else if (first)
		show_unknown(out, v, names->unknown);
	else if (v) {
		out_char(out, '|');
		out_hex(out, v);
	}
}

/* Requests that have no name, by the fields they are made of. */
static void show_ioctl(struct out *out, uint64_t v)
{
	static const char *const direction[] = { "_IOC_NONE", "_IOC_WRITE", "_IOC_READ",
						 "_IOC_READ|_IOC_WRITE" };

	out_str(out, "_IOC(");
	out_str(out, direction[v >> 30 & 3]);
	out_str(out, ", ");
	out_hex(out, v >> 8 & 0xff);
	out_str(out, ", ");
	out_hex(out, v & 0xff);
	out_str(out, ", ");
	out_hex(out, v >> 16 & 0x3fff);
	out_char(out, ')');
}

void show_enum(struct out *out, unsigned set, uint64_t v)
{
	const char *name = names_find(set, v);

	/* Tables hold 32-bit values of either sign. */
	if (!name)
		name = names_find(set, (uint32_t)v);
	if (!name)
		name = names_find(set, (uint64_t)(int32_t)v);
	if (name)
		out_str(out, name);
	else if (set == NAMES_ioctl)
		show_ioctl(out, v);
	else
		show_unknown(out, v, names_get(set)->unknown);
}

void show_fd(struct decode *d, int64_t fd)
{
	out_i64(d->out, fd);
	if (d->style->fd_path && fd >= 0)
		d->style->fd_path(d->style->ctx, d->out, d->ev->pid, (int32_t)fd);
}

static void show_dirfd(struct decode *d, int64_t fd)
{
	if (fd != AT_FDCWD)
		show_fd(d, fd);
	else {
		out_str(d->out, "AT_FDCWD");
		if (d->style->fd_path)
			d->style->fd_path(d->style->ctx, d->out, d->ev->pid, AT_FDCWD);
	}
}

static void show_rlim(struct out *out, uint64_t v, unsigned size)
{
	if (v == (size == 4 ? UINT32_MAX : UINT64_MAX))
		out_str(out, size == 4 ? "RLIM_INFINITY" : "RLIM64_INFINITY");
	else if (v > 1024 && v % 1024 == 0) {
		out_u64(out, v / 1024);
		out_str(out, "*1024");
	} else
		out_u64(out, v);
}

static bool is_signed(const struct type *type)
{
	return type->base == B_INT || type->base == B_LONG || type->base == B_S64 ||
	       type->base == B_S16 || type->base == B_S8;
}

static void show_number(struct decode *d, const struct type *type, uint64_t v)
{
	if (is_signed(type))
		out_i64(d->out, (int64_t)v);
	else
		out_u64(d->out, v);
}

static void show_octal(struct out *out, uint64_t v)
{
	out_char(out, '0');
	out_digits(out, v, 8, 2);
}

static void show_id(struct out *out, uint64_t v)
{
	if ((uint32_t)v == UINT32_MAX)
		out_mem(out, "-1", 2);
	else
		out_u64(out, v);
}

void show_hex(struct out *out, uint64_t v)
{
	if (v)
		out_hex(out, v);
	else
		out_char(out, '0');
}

/* Kinds that one noun knows about. */
static void show_special(struct decode *d, const struct type *type, uint64_t v)
{
	struct out *out = d->out;

	switch (type->show) {
	case SHOW_FMODE:
		file_show_mode(out, v);
		break;
	case SHOW_DEV:
		file_show_dev(out, v);
		break;
	case SHOW_SIGNAL:
		decode_signal_name(out, (int64_t)v);
		break;
	case SHOW_SIGSET:
		signal_show_set(out, v);
		break;
	case SHOW_CLONE:
		process_show_clone(out, v);
		break;
	case SHOW_SOCKTYPE:
		socket_show_type(out, v);
		break;
	case SHOW_PROTOCOL:
		socket_show_protocol(out, d->args[type->ref], v);
		break;
	case SHOW_SOCKOPT:
		socket_show_option(out, d->args[type->ref], v);
		break;
	case SHOW_RLIM:
		show_rlim(out, v, (unsigned)type_size(type, d->word));
		break;
	case SHOW_IPC_MODE:
		ipc_show_mode(out, type->ref, v);
		break;
	case SHOW_KEY:
		ipc_show_key(out, v);
		break;
	default:
		show_number(d, type, v);
	}
}

void show_value(struct decode *d, const struct type *type, uint64_t v)
{
	v = type_narrow(type, d->word, v);
	switch (type->show) {
	case SHOW_DEC:
		show_number(d, type, v);
		break;
	case SHOW_HEX:
		show_hex(d->out, v);
		break;
	case SHOW_OCT:
		show_octal(d->out, v);
		break;
	case SHOW_PTR:
		show_pointer(d->out, v);
		break;
	case SHOW_FLAGS:
		show_flags(d->out, type->ref, v, (unsigned)type_size(type, d->word));
		break;
	case SHOW_ENUM:
		show_enum(d->out, type->ref, v);
		break;
	case SHOW_FD:
		show_fd(d, (int64_t)v);
		break;
	case SHOW_DIRFD:
		show_dirfd(d, (int64_t)v);
		break;
	case SHOW_ID:
		show_id(d->out, v);
		break;
	default:
		show_special(d, type, v);
	}
}
