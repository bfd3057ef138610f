/* SPDX-License-Identifier: MIT */
/* File modes, devices and directories. */
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cli/decode/names.h"
#include "cli/decode/show.h"
#include "cli/decode/text.h"

bool file_is_device(uint64_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

void file_show_mode(struct out *out, uint64_t v)
{
	static const struct {
		unsigned bit;
		const char *name;
	} bits[] = { { S_ISUID, "S_ISUID|" }, { S_ISGID, "S_ISGID|" }, { S_ISVTX, "S_ISVTX|" } };
	const char *type = names_find(NAMES_file_type, v & S_IFMT);

	if (type) {
		out_str(out, type);
		out_char(out, '|');
	} else if (v & ~07777ull) {
		out_char(out, '0');
		out_digits(out, v & ~07777ull, 8, 1);
		out_char(out, '|');
	}
	for (unsigned i = 0; i < 3; i++)
		if (v & bits[i].bit)
			out_str(out, bits[i].name);
	out_char(out, '0');
	out_digits(out, v & 0777, 8, 3);
}

void file_show_dev(struct out *out, uint64_t v)
{
	out_str(out, "makedev(");
	show_hex(out, major(v));
	out_str(out, ", ");
	show_hex(out, minor(v));
	out_char(out, ')');
}

struct dirent_view {
	uint64_t ino;
	int64_t off;
	uint16_t length;
	uint8_t type;
	const char *name;
	size_t name_size;
};

/* getdents() has the type in the record's last byte, getdents64() before the name. */
static bool read_dirent(struct dirent_view *v, const uint8_t *p, size_t left, unsigned word,
			bool wide)
{
	size_t inode = wide ? 8 : word, name_at = 2 * inode + 2 + wide;

	if (left < name_at)
		return false;
	memset(v, 0, sizeof *v);
	memcpy(&v->ino, p, inode);
	memcpy(&v->off, p + inode, inode);
	memcpy(&v->length, p + 2 * inode, 2);
	if (v->length <= name_at || v->length > left)
		return false;
	v->type = wide ? p[2 * inode + 2] : p[v->length - 1];
	v->name = (const char *)p + name_at;
	v->name_size = strnlen(v->name, v->length - name_at);
	return true;
}

static void show_dirent(struct decode *d, const struct dirent_view *v)
{
	out_str(d->out, "{d_ino=");
	out_u64(d->out, v->ino);
	out_str(d->out, ", d_off=");
	out_i64(d->out, v->off);
	out_str(d->out, ", d_reclen=");
	out_u64(d->out, v->length);
	out_str(d->out, ", d_type=");
	show_enum(d->out, NAMES_dirent_type, v->type);
	out_str(d->out, ", d_name=");
	text_quote(d->out, (const uint8_t *)v->name, v->name_size, v->name_size, false);
	out_char(d->out, '}');
}

/* Only a count, after the address, unless all is asked for. */
void file_show_dirents(struct decode *d, const uint8_t *p, size_t size, bool more, bool wide)
{
	struct dirent_view v;
	size_t count = 0;

	if (d->style->verbose)
		out_char(d->out, '[');
	while (read_dirent(&v, p, size, d->word, wide)) {
		if (d->style->verbose) {
			if (count)
				out_mem(d->out, ", ", 2);
			show_dirent(d, &v);
		}
		count++;
		p += v.length;
		size -= v.length;
	}
	if (d->style->verbose) {
		out_str(d->out, more ? ", ...]" : "]");
		return;
	}
	show_pointer(d->out, d->args[1]);
	out_str(d->out, " /* ");
	out_u64(d->out, count);
	out_str(d->out, more ? "+ entries */" : " entries */");
}
