/* SPDX-License-Identifier: MIT */
/* A core file: headers, notes, and memory from the target straight into the file. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/core/core.h"

#define CHUNK (1024u * 1024)
#define SHOW_NS 200000000u

/* The file as it will be: known before the first byte is written, so that a pipe will do. */
struct plan {
	size_t headers; /* program headers: one for the notes, one for each part */
	uint64_t sections_at, notes_at, data_at;
	uint64_t page;
	bool many; /* more headers than fit the field for their number */
};

/* The length is a multiple of 4, for the notes that follow. */
static const char section_names[20] = "\0note0\0.shstrtab";
enum { NOTE_NAME = 1, NAMES_NAME = 7, SECTIONS = 3 };

struct writer {
	struct core *core;
	struct core_file *file;
	struct core_pages pages;
	uint8_t *chunk;
	uint64_t total, done; /* bytes of memory, holes included */
	struct timespec shown;
	bool show, has_shown, target_failed;
};

static bool is_wide(const struct core *c)
{
	return c->arch->word == 8;
}

static struct plan make_plan(const struct core *c)
{
	struct plan p = { .headers = c->part_count + 1, .page = (uint64_t)sysconf(_SC_PAGESIZE) };
	bool wide = is_wide(c);

	p.many = p.headers >= PN_XNUM;
	p.sections_at = (wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)) +
			p.headers * (wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
	p.notes_at = p.sections_at;
	if (p.many)
		p.notes_at += SECTIONS * (wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)) +
			      sizeof section_names;
	p.data_at = (p.notes_at + c->notes.len + p.page - 1) / p.page * p.page;
	return p;
}

/* The fields have the same names in both classes. */
#define FILL_EHDR(e, CLASS, BITS)                                                   \
	do {                                                                        \
		memcpy((e).e_ident, ELFMAG, SELFMAG);                               \
		(e).e_ident[EI_CLASS] = CLASS;                                      \
		(e).e_ident[EI_DATA] = ELFDATA2LSB;                                 \
		(e).e_ident[EI_VERSION] = EV_CURRENT;                               \
		(e).e_type = ET_CORE;                                               \
		(e).e_machine = c->arch->machine;                                   \
		(e).e_version = EV_CURRENT;                                         \
		(e).e_ehsize = sizeof(Elf##BITS##_Ehdr);                            \
		(e).e_phoff = sizeof(Elf##BITS##_Ehdr);                             \
		(e).e_phentsize = sizeof(Elf##BITS##_Phdr);                         \
		(e).e_phnum = p->many ? PN_XNUM : (uint16_t)p->headers;             \
		(e).e_shoff = p->many ? (Elf##BITS##_Off)p->sections_at : 0;        \
		(e).e_shentsize = p->many ? (uint16_t)sizeof(Elf##BITS##_Shdr) : 0; \
		(e).e_shnum = p->many ? SECTIONS : 0;                               \
		(e).e_shstrndx = p->many ? SECTIONS - 1 : 0;                        \
	} while (0)

static void put_ehdr(struct out *o, const struct core *c, const struct plan *p)
{
	if (is_wide(c)) {
		Elf64_Ehdr e = { 0 };

		FILL_EHDR(e, ELFCLASS64, 64);
		out_mem(o, &e, sizeof e);
	} else {
		Elf32_Ehdr e = { 0 };

		FILL_EHDR(e, ELFCLASS32, 32);
		out_mem(o, &e, sizeof e);
	}
}

static void put_phdr(struct out *o, const struct core *c, const Elf64_Phdr *h)
{
	Elf32_Phdr narrow = { .p_type = h->p_type,
			      .p_offset = (Elf32_Off)h->p_offset,
			      .p_vaddr = (Elf32_Addr)h->p_vaddr,
			      .p_filesz = (Elf32_Word)h->p_filesz,
			      .p_memsz = (Elf32_Word)h->p_memsz,
			      .p_flags = h->p_flags,
			      .p_align = (Elf32_Word)h->p_align };

	if (is_wide(c))
		out_mem(o, h, sizeof *h);
	else
		out_mem(o, &narrow, sizeof narrow);
}

static void put_shdr(struct out *o, const struct core *c, const Elf64_Shdr *h)
{
	Elf32_Shdr narrow = { .sh_name = h->sh_name,
			      .sh_type = h->sh_type,
			      .sh_offset = (Elf32_Off)h->sh_offset,
			      .sh_size = (Elf32_Word)h->sh_size,
			      .sh_info = h->sh_info,
			      .sh_addralign = (Elf32_Word)h->sh_addralign };

	if (is_wide(c))
		out_mem(o, h, sizeof *h);
	else
		out_mem(o, &narrow, sizeof narrow);
}

/*
 * Section 0 counts more program headers than fit the header's field. Some readers then look
 * for the notes among the sections.
 */
static void put_sections(struct out *o, const struct core *c, const struct plan *p)
{
	if (!p->many)
		return;
	put_shdr(o, c, &(Elf64_Shdr){ .sh_info = (Elf64_Word)p->headers });
	put_shdr(o, c,
		 &(Elf64_Shdr){ .sh_name = NOTE_NAME,
				.sh_type = SHT_NOTE,
				.sh_offset = p->notes_at,
				.sh_size = c->notes.len,
				.sh_addralign = 4 });
	put_shdr(o, c,
		 &(Elf64_Shdr){ .sh_name = NAMES_NAME,
				.sh_type = SHT_STRTAB,
				.sh_offset = p->notes_at - sizeof section_names,
				.sh_size = sizeof section_names,
				.sh_addralign = 1 });
	out_mem(o, section_names, sizeof section_names);
}

static void put_phdrs(struct out *o, const struct core *c, const struct plan *p, uint64_t *end)
{
	uint64_t at = p->data_at;

	put_phdr(o, c,
		 &(Elf64_Phdr){ .p_type = PT_NOTE,
				.p_offset = p->notes_at,
				.p_filesz = c->notes.len,
				.p_align = 4 });
	for (size_t i = 0; i < c->part_count; i++) {
		const struct mapping *m = c->parts[i].mapping;

		put_phdr(o, c,
			 &(Elf64_Phdr){ .p_type = PT_LOAD,
					.p_flags = (m->read ? PF_R : 0u) | (m->write ? PF_W : 0u) |
						   (m->exec ? PF_X : 0u),
					.p_offset = at,
					.p_vaddr = m->start,
					.p_filesz = c->parts[i].bytes,
					.p_memsz = m->end - m->start,
					.p_align = p->page });
		at += c->parts[i].bytes;
	}
	*end = at;
}

static int put_headers(struct writer *w)
{
	const struct core *c = w->core;
	struct plan p = make_plan(c);
	struct out head = OUT_NULL;
	uint64_t end;
	int r;

	put_ehdr(&head, c, &p);
	put_phdrs(&head, c, &p, &end);
	put_sections(&head, c, &p);
	r = head.error;
	if (!r && !is_wide(c) && end > UINT32_MAX)
		r = -EFBIG;
	w->total = end - p.data_at;
	if (!r)
		r = core_file_put(w->file, head.buf, head.len);
	if (!r)
		r = core_file_put(w->file, c->notes.buf, c->notes.len);
	core_file_skip(w->file, p.data_at - p.notes_at - c->notes.len);
	out_deinit(&head);
	return r;
}

static void show(struct writer *w)
{
	struct timespec now;

	if (!w->show)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - w->shown.tv_sec) * 1000000000ll + now.tv_nsec - w->shown.tv_nsec <
	    SHOW_NS)
		return;
	w->shown = now;
	w->has_shown = true;
	fprintf(stderr, "\rcotrace: %.0f of %.0f MiB\033[K", (double)w->done / CHUNK,
		(double)w->total / CHUNK);
	fflush(stderr);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

/* Pages of zeros become holes. */
static int put_pages(struct writer *w, const uint8_t *p, size_t n)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t from = 0, at;
	int r = 0;

	for (at = 0; at < n && !r; at += page) {
		if (!is_zero(p + at, n - at < page ? n - at : page))
			continue;
		if (at > from)
			r = core_file_put(w->file, p + from, at - from);
		w->core->stored += at - from;
		core_file_skip(w->file, n - at < page ? n - at : page);
		from = at + page;
	}
	if (!r && n > from) {
		r = core_file_put(w->file, p + from, n - from);
		w->core->stored += n - from;
	}
	return r;
}

/* One piece of up to CHUNK. Returns how much it was, or a negative errno. */
static ssize_t copy_piece(struct writer *w, uint64_t at, uint64_t end)
{
	const struct snapshot *s = &w->core->snapshot;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), want = end - at < CHUNK ? end - at : CHUNK;
	ssize_t n = cotrace_read_memory(s->session, s->pid, at, w->chunk, want);
	int r;

	if (n == -EFAULT) {
		/* A page that is not there, such as one beyond its file's end. */
		w->core->unreadable += page;
		core_file_skip(w->file, page);
		return (ssize_t)page;
	}
	if (n < 0) {
		w->target_failed = true;
		return n;
	}
	n = n / (ssize_t)page * (ssize_t)page;
	r = put_pages(w, w->chunk, (size_t)n);
	return r ? r : n;
}

static int copy_range(struct writer *w, uint64_t at, uint64_t end)
{
	while (at < end) {
		ssize_t n = copy_piece(w, at, end);

		if (n < 0)
			return (int)n;
		at += (uint64_t)n;
		w->done += (uint64_t)n;
		show(w);
	}
	return 0;
}

static void skip(struct writer *w, uint64_t n)
{
	w->done += n;
	core_file_skip(w->file, n);
}

/* Shared memory, files and the kernel's pages have content before they are touched. */
static bool is_zero_at_first(const struct mapping *m)
{
	return !m->inode && !m->shared &&
	       (!*m->name || !strcmp(m->name, "[heap]") || !strcmp(m->name, "[stack]") ||
		!strncmp(m->name, "[anon:", 6));
}

static int copy_part(struct writer *w, const struct core_part *p)
{
	const struct mapping *m = p->mapping;
	uint64_t at = m->start, end = m->start + p->bytes, from, to = 0;
	int r = 0, fd = core_pages_file(&w->pages, m);

	if (fd < 0 && !is_zero_at_first(m))
		return copy_range(w, at, end);
	while (!r && at < end) {
		from = at;
		if (!(fd < 0 ? core_pages_next(&w->pages, &from, end, &to)
			     : core_pages_next_data(fd, m, &from, end, &to)))
			from = to = end;
		skip(w, from - at);
		r = copy_range(w, from, to);
		at = to;
	}
	if (fd >= 0)
		close(fd);
	return r;
}

int core_write(struct core *c, struct core_file *f, bool *target_failed)
{
	struct writer w = { .core = c, .file = f, .show = isatty(STDERR_FILENO) };
	int r;

	w.chunk = malloc(CHUNK);
	core_pages_open(&w.pages, c->snapshot.tid);
	clock_gettime(CLOCK_MONOTONIC, &w.shown);
	r = w.chunk ? put_headers(&w) : -ENOMEM;
	for (size_t i = 0; !r && i < c->part_count; i++)
		r = copy_part(&w, &c->parts[i]);
	if (w.has_shown)
		fputs("\r\033[K", stderr);
	core_pages_close(&w.pages);
	free(w.chunk);
	*target_failed = w.target_failed;
	return r;
}
