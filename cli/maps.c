/* SPDX-License-Identifier: MIT */
#include "cli/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SIZE (64u * 1024)

/* Reads to the end; *text may move. Returns the length or a negative errno. */
static ssize_t read_whole(int fd, char **text)
{
	size_t cap = FIRST_SIZE, len = 0;
	char *buf = malloc(cap);

	while (buf) {
		ssize_t n = read(fd, buf + len, cap - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = errno;

			buf[len] = '\0';
			*text = buf;
			return n < 0 ? -error : (ssize_t)len;
		}
		len += (size_t)n;
		if (cap - len < FIRST_SIZE / 2) {
			char *more = realloc(buf, cap *= 2);

			if (!more)
				free(buf);
			buf = more;
		}
	}
	*text = NULL;
	return -ENOMEM;
}

char *maps_slurp(pid_t tid, const char *name, ssize_t *size)
{
	char path[64], *text = NULL;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		*size = -errno;
		return NULL;
	}
	*size = read_whole(fd, &text);
	close(fd);
	if (*size >= 0)
		return text;
	free(text);
	return NULL;
}

/* The kernel writes line feeds and backslashes of a name as \ooo. */
static void unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from; from++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 3;
		} else
			*to++ = *from;
	}
	*to = '\0';
}

static bool parse_mapping(struct mapping *m, char *line)
{
	unsigned long long start, end, offset, inode;
	char access[5];
	int name = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, access, &offset,
		   &m->dev_major, &m->dev_minor, &inode, &name) < 7 ||
	    !name)
		return false;
	m->start = start;
	m->end = end;
	m->offset = offset;
	m->inode = inode;
	m->read = access[0] == 'r';
	m->write = access[1] == 'w';
	m->exec = access[2] == 'x';
	m->shared = access[3] == 's';
	m->flags = 0;
	m->name = line + name;
	unescape(line + name);
	return true;
}

static unsigned vm_flags(const char *words)
{
	static const struct {
		char word[4];
		unsigned flag;
	} known[] = { { " dd", MAPPING_DONT_DUMP },
		      { " io", MAPPING_DEVICE },
		      { " ht", MAPPING_HUGE } };
	unsigned flags = 0;

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strstr(words, known[i].word))
			flags |= known[i].flag;
	return flags;
}

/* A line of smaps below that of its mapping. */
static void add_detail(struct mapping *m, const char *line)
{
	if (!strncmp(line, "VmFlags:", 8))
		m->flags |= vm_flags(line + 8);
	else if (!m->shared && (!strncmp(line, "Anonymous:", 10) || !strncmp(line, "Swap:", 5)) &&
		 strtoull(strchr(line, ':') + 1, NULL, 10))
		m->flags |= MAPPING_OWN_PAGES;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

int maps_read(struct maps *m, pid_t tid, bool details)
{
	ssize_t size;
	char *rest, *line;

	*m = (struct maps){ 0 };
	m->text = maps_slurp(tid, details ? "smaps" : "maps", &size);
	if (!m->text)
		return (int)size;
	m->v = calloc(count_lines(m->text), sizeof *m->v);
	rest = m->text;
	while (m->v && (line = strsep(&rest, "\n"))) {
		/* Keys begin with capitals, addresses are in lower case. */
		if (*line >= 'A' && *line <= 'Z') {
			if (m->count)
				add_detail(&m->v[m->count - 1], line);
		} else if (parse_mapping(&m->v[m->count], line))
			m->count++;
	}
	if (m->v)
		return 0;
	maps_free(m);
	return -ENOMEM;
}

void maps_free(struct maps *m)
{
	free(m->text);
	free(m->v);
	*m = (struct maps){ 0 };
}

const struct mapping *maps_find(const struct maps *m, uint64_t addr)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addr >= m->v[mid].end)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->count && addr >= m->v[low].start ? &m->v[low] : NULL;
}
