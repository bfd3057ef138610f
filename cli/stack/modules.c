/* SPDX-License-Identifier: MIT */
/* The files that are mapped into a process, opened as that process sees them. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/stack/stack.h"

#define COMPARED 1024 /* bytes: the headers, and often the build id */

/* A file may have been replaced since it was mapped. */
static bool is_mapped(const struct stack *k, int fd, uint64_t base)
{
	uint8_t file[COMPARED], memory[COMPARED];
	ssize_t n = pread(fd, file, sizeof file, 0);

	return n >= (ssize_t)sizeof(Elf32_Ehdr) &&
	       cotrace_read_memory(k->snapshot.session, k->snapshot.pid, base, memory, (size_t)n) ==
		       n &&
	       !memcmp(file, memory, (size_t)n);
}

static int open_if_mapped(const struct stack *k, const char *path, uint64_t base)
{
	struct stat st;
	int fd;

	/* A device could hang, or do something. */
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !is_mapped(k, fd, base)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/*
 * By its name as the process sees it, as we do (that of a process in a chroot), or, for whoever
 * may do so, by its mapping, which leads to deleted files too.
 */
static int open_file(const struct stack *k, const char *name, uint64_t base, char **path)
{
	const struct mapping *m = maps_find(&k->maps, base);
	int tid = (int)k->snapshot.tid, fd = -1;

	for (int way = 0; way < 3 && fd < 0; way++) {
		int n = way == 0   ? asprintf(path, "/proc/%d/root%s", tid, name)
			: way == 1 ? asprintf(path, "%s", name)
				   : asprintf(path, "/proc/%d/map_files/%llx-%llx", tid,
					      m ? (unsigned long long)m->start : 0,
					      m ? (unsigned long long)m->end : 0);

		if (n < 0)
			break;
		fd = open_if_mapped(k, *path, base);
		if (fd < 0)
			free(*path);
	}
	return fd;
}

static int find_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	const struct stack *k = *user;
	char *path = NULL, *gone;
	int fd = -1;

	if (*name == '/') {
		fd = open_file(k, name, base, &path);
		if (fd >= 0) {
			*file_name = path;
			return fd;
		}
		/* The image in memory, which has no more than what is loaded. */
		if (asprintf(&gone, "%s (deleted)", name) < 0)
			return -1;
		fd = dwfl_linux_proc_find_elf(module, user, gone, base, file_name, elf);
		free(gone);
		return fd;
	}
	return dwfl_linux_proc_find_elf(module, user, name, base, file_name, elf);
}

const Dwfl_Callbacks stack_callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
};

static bool report(struct stack *k, const char *name, uint64_t start, uint64_t end)
{
	Dwfl_Module *module = dwfl_report_module(k->dwfl, name, start, end);
	void **user;

	if (!module)
		return false;
	dwfl_module_info(module, &user, NULL, NULL, NULL, NULL, NULL, NULL);
	*user = k;
	return true;
}

static bool same_file(const struct mapping *a, const struct mapping *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor && !strcmp(a->name, b->name);
}

bool stack_report_modules(struct stack *k)
{
	const struct mapping *first = NULL;
	char vdso[40];
	uint64_t end = 0;
	bool good = true;

	snprintf(vdso, sizeof vdso, "[vdso: %d]", (int)k->snapshot.tid);
	for (size_t i = 0; i < k->maps.count && good; i++) {
		const struct mapping *m = &k->maps.v[i];

		if (!strcmp(m->name, "[vdso]"))
			good = report(k, vdso, m->start, m->end);
		if (m->name[0] != '/' || !m->inode)
			continue;
		if (first && !same_file(first, m)) {
			good = good && report(k, first->name, first->start, end);
			first = NULL;
		}
		first = first ? first : m;
		end = m->end;
	}
	if (first && good)
		good = report(k, first->name, first->start, end);
	return dwfl_report_end(k->dwfl, NULL, NULL) == 0 && good;
}
