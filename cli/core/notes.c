/* SPDX-License-Identifier: MIT */
/* The notes of a core: what there is besides memory. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/core/core.h"

static void align(struct out *o, size_t to)
{
	while (o->len % to)
		out_char(o, '\0');
}

void core_note_begin(struct core *c, const char *owner, uint32_t type, size_t size)
{
	Elf32_Nhdr head = { (Elf32_Word)strlen(owner) + 1, (Elf32_Word)size, type };

	out_mem(&c->notes, &head, sizeof head);
	out_mem(&c->notes, owner, head.n_namesz);
	align(&c->notes, 4);
}

void core_note_end(struct core *c)
{
	align(&c->notes, 4);
}

void core_put_word(struct core *c, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	if (c->arch->word == 8)
		out_mem(&c->notes, &v, sizeof v);
	else
		out_mem(&c->notes, &low, sizeof low);
}

static void put_auxv(struct core *c)
{
	ssize_t size;
	char *auxv = maps_slurp(c->snapshot.tid, "auxv", &size);

	if (auxv && size > 0) {
		core_note_begin(c, "CORE", NT_AUXV, (size_t)size);
		out_mem(&c->notes, auxv, (size_t)size);
		core_note_end(c);
	}
	free(auxv);
}

static bool has_file(const struct core_part *p)
{
	return p->mapping->inode != 0;
}

static void put_files(struct core *c)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	size_t count = 0, names = 0;

	for (size_t i = 0; i < c->part_count; i++)
		if (has_file(&c->parts[i])) {
			count++;
			names += strlen(c->parts[i].mapping->name) + 1;
		}
	core_note_begin(c, "CORE", NT_FILE, (2 + 3 * count) * c->arch->word + names);
	core_put_word(c, count);
	core_put_word(c, page);
	for (size_t i = 0; i < c->part_count; i++)
		if (has_file(&c->parts[i])) {
			core_put_word(c, c->parts[i].mapping->start);
			core_put_word(c, c->parts[i].mapping->end);
			core_put_word(c, c->parts[i].mapping->offset / page);
		}
	for (size_t i = 0; i < c->part_count; i++)
		if (has_file(&c->parts[i])) {
			const char *name = c->parts[i].mapping->name;

			out_mem(&c->notes, name, strlen(name) + 1);
		}
	core_note_end(c);
}

/* The task with a signal goes first: readers take it for the one that matters. */
static void order(struct core_task *tasks, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (tasks[i].has_signal) {
			struct core_task chosen = tasks[i];

			if (tasks[0].has_signal)
				return;
			memmove(&tasks[1], &tasks[0], i * sizeof *tasks);
			tasks[0] = chosen;
			return;
		}
}

static int put_tasks(struct core *c, const struct core_task *tasks, size_t count)
{
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		int r = core_put_task(c, &tasks[i]);

		if (r == -EBUSY) {
			c->left_out++;
			continue;
		}
		if (r < 0)
			return r;
		if (first) {
			core_put_process(c);
			put_auxv(c);
			put_files(c);
		}
		first = false;
	}
	return first ? -EBUSY : c->notes.error;
}

int core_take_notes(struct core *c)
{
	struct core_task *tasks = calloc(c->snapshot.count, sizeof *tasks);
	size_t count = 0;
	int r;

	if (!tasks)
		return -ENOMEM;
	for (size_t i = 0; i < c->snapshot.count; i++) {
		struct core_task *t = &tasks[count];

		if (c->snapshot.tasks[i].state == COTRACE_TASK_EXITED)
			continue;
		t->info = &c->snapshot.tasks[i];
		t->has_signal =
			cotrace_siginfo_read(c->snapshot.session, t->info->task, &t->siginfo,
					     sizeof t->siginfo) == sizeof t->siginfo;
		count++;
	}
	order(tasks, count);
	r = put_tasks(c, tasks, count);
	free(tasks);
	return r;
}
