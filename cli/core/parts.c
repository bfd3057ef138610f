/* SPDX-License-Identifier: MIT */
/* Which memory goes into a core: by the kernel's rules, see core(5). */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/core/core.h"

enum {
	FILTER_ANON_PRIVATE = 1u << 0,
	FILTER_ANON_SHARED = 1u << 1,
	FILTER_MAPPED_PRIVATE = 1u << 2,
	FILTER_MAPPED_SHARED = 1u << 3,
	FILTER_ELF_HEADERS = 1u << 4,
	FILTER_HUGE_PRIVATE = 1u << 5,
	FILTER_HUGE_SHARED = 1u << 6,
	FILTER_DEFAULT =
		FILTER_ANON_PRIVATE | FILTER_ANON_SHARED | FILTER_ELF_HEADERS | FILTER_HUGE_PRIVATE
};

unsigned core_filter_of(pid_t tid)
{
	ssize_t size;
	char *text = maps_slurp(tid, "coredump_filter", &size);
	unsigned filter = text && size > 0 ? (unsigned)strtoul(text, NULL, 16) : FILTER_DEFAULT;

	free(text);
	return filter;
}

static bool is_deleted(const struct mapping *m)
{
	const char *mark = " (deleted)";
	size_t n = strlen(m->name), k = strlen(mark);

	return n >= k && !strcmp(m->name + n - k, mark);
}

static bool starts_like_elf(struct core *c, const struct mapping *m)
{
	char magic[SELFMAG];

	return cotrace_read_memory(c->snapshot.session, c->snapshot.pid, m->start, magic,
				   sizeof magic) == SELFMAG &&
	       !memcmp(magic, ELFMAG, SELFMAG);
}

/* The rest of the kernel's rules, for private memory. */
static uint64_t private_bytes(struct core *c, const struct mapping *m, unsigned filter)
{
	uint64_t all = m->end - m->start;

	if ((!m->inode || (m->flags & MAPPING_OWN_PAGES)) && (filter & FILTER_ANON_PRIVATE))
		return all;
	if (!m->inode)
		return 0;
	if (filter & FILTER_MAPPED_PRIVATE)
		return all;
	if ((filter & FILTER_ELF_HEADERS) && m->offset == 0 && m->read && starts_like_elf(c, m))
		return (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

static uint64_t bytes_of(struct core *c, const struct mapping *m, unsigned filter, bool every)
{
	uint64_t all = m->end - m->start;

	/* The kernel's own pages in user space: code, and data that changes by itself. */
	if (m->name[0] == '[' && !strcmp(m->name, "[vdso]"))
		return all;
	if (!strncmp(m->name, "[vvar", 5) || !strcmp(m->name, "[vsyscall]"))
		return 0;
	if (m->flags & (MAPPING_DONT_DUMP | MAPPING_DEVICE))
		return 0;
	if (every)
		return m->read ? all : 0;
	if (m->flags & MAPPING_HUGE)
		return filter & (m->shared ? FILTER_HUGE_SHARED : FILTER_HUGE_PRIVATE) ? all : 0;
	if (m->shared)
		return filter & (is_deleted(m) ? FILTER_ANON_SHARED : FILTER_MAPPED_SHARED) ? all
											    : 0;
	return private_bytes(c, m, filter);
}

int core_choose(struct core *c, unsigned filter, bool all)
{
	c->parts = calloc(c->maps.count + 1, sizeof *c->parts);
	if (!c->parts)
		return -ENOMEM;
	for (size_t i = 0; i < c->maps.count; i++) {
		const struct mapping *m = &c->maps.v[i];

		/* What lies beyond a 32-bit core's addresses cannot be in it. */
		if (c->arch->word == 4 && m->end > UINT32_MAX)
			continue;
		c->parts[c->part_count].mapping = m;
		c->parts[c->part_count++].bytes = bytes_of(c, m, filter, all);
	}
	return 0;
}
