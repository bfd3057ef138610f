/* SPDX-License-Identifier: MIT */
/*
 * Memory that was never touched is zero. Reading it would have the kernel map pages for it, so
 * it is found by /proc/PID/pagemap: with a search where the kernel knows one (6.7), else entry
 * by entry.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/core/core.h"

/* Of younger kernel headers than ours may be: <linux/fs.h>. */
struct search {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct region {
	uint64_t start, end, categories;
};
#define SEARCH _IOWR('f', 16, struct search)
#define IS_PRESENT (1u << 3)
#define IS_SWAPPED (1u << 4)
#define IS_ZERO_PAGE (1u << 5)

#define ENTRIES 8192u
#define ENTRY_CONTENT (3ull << 62) /* present or swapped */

void core_pages_open(struct core_pages *p, pid_t tid)
{
	char path[40];

	*p = (struct core_pages){ .tid = tid };
	snprintf(path, sizeof path, "/proc/%d/pagemap", (int)tid);
	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	p->entries = malloc(ENTRIES * sizeof *p->entries);
}

void core_pages_close(struct core_pages *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->entries);
}

/* 1 found, 0 none, negative: it cannot be told. */
static int search(struct core_pages *p, uint64_t *from, uint64_t end, uint64_t *to)
{
	struct region found;
	struct search s = { .size = sizeof s,
			    .start = *from,
			    .end = end,
			    .vec = (uintptr_t)&found,
			    .vec_len = 1,
			    .category_inverted = IS_ZERO_PAGE,
			    .category_mask = IS_ZERO_PAGE,
			    .category_anyof_mask = IS_PRESENT | IS_SWAPPED,
			    .return_mask = IS_PRESENT };
	int n = ioctl(p->fd, SEARCH, &s);

	if (n > 0) {
		*from = found.start;
		*to = found.end;
	}
	return n;
}

/* As search(), looking at up to ENTRIES pages; without a find *from is where it ended. */
static int look(struct core_pages *p, uint64_t *from, uint64_t end, uint64_t *to)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t want = (end - *from) / page;
	ssize_t n, i = 0, k;

	want = want < ENTRIES ? want : ENTRIES;
	n = pread(p->fd, p->entries, want * sizeof *p->entries,
		  (off_t)(*from / page * sizeof *p->entries));
	n /= (ssize_t)sizeof *p->entries;
	if (n <= 0)
		return -EIO;
	while (i < n && !(p->entries[i] & ENTRY_CONTENT))
		i++;
	for (k = i; k < n && (p->entries[k] & ENTRY_CONTENT);)
		k++;
	*to = *from + (uint64_t)k * page;
	*from += (uint64_t)i * page;
	return k > i;
}

bool core_pages_next(struct core_pages *p, uint64_t *from, uint64_t end, uint64_t *to)
{
	int r = 0;

	if (p->fd >= 0 && !p->slow) {
		r = search(p, from, end, to);
		if (r >= 0)
			return r > 0;
		p->slow = true;
	}
	while (p->fd >= 0 && p->entries && *from < end) {
		r = look(p, from, end, to);
		if (r != 0)
			break;
	}
	if (*from >= end)
		return false;
	if (r <= 0)
		*to = end; /* nothing is known: all is read */
	return true;
}

int core_pages_file(const struct core_pages *p, const struct mapping *m)
{
	char path[80];
	struct stat st;

	if (!m->shared || !m->inode)
		return -1;
	snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", (int)p->tid,
		 (unsigned long long)m->start, (unsigned long long)m->end);
	/* Opening a device could have effects. */
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool core_pages_next_data(int fd, const struct mapping *m, uint64_t *from, uint64_t end,
			  uint64_t *to)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t shift = m->start - m->offset;
	off_t data = lseek(fd, (off_t)(*from - shift), SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO)
		return false;
	hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
	*to = hole < 0 ? end : ((uint64_t)hole + page - 1) / page * page + shift;
	*to = *to < end ? *to : end;
	if (data >= 0)
		*from = (uint64_t)data / page * page + shift;
	return *from < end;
}
