/* SPDX-License-Identifier: MIT */
/* The notes of a core: what there is besides memory. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/core/core.h"

#define GROUP 32 /* tasks whose registers are read at once */

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

static int put_group(struct core *c, const struct core_task *tasks, size_t n,
		     const struct core_sets *sets, bool *first)
{
	for (size_t i = 0; i < n; i++) {
		int r = core_put_task(c, &tasks[i], &sets->v[i * sets->count], sets->count);

		if (r == -EBUSY) {
			c->left_out++;
			continue;
		}
		if (r < 0)
			return r;
		if (*first) {
			core_put_process(c);
			put_auxv(c);
			put_files(c);
		}
		*first = false;
	}
	return 0;
}

static int put_tasks(struct core *c, const struct core_task *tasks, size_t count)
{
	struct core_sets sets;
	bool first = true;
	int r = core_sets_init(&sets, c, GROUP);

	for (size_t i = 0, n; i < count && r == 0; i += n) {
		n = count - i < GROUP ? count - i : GROUP;
		r = core_sets_read(&sets, c, &tasks[i], n);
		if (r == 0)
			r = put_group(c, &tasks[i], n, &sets, &first);
	}
	core_sets_deinit(&sets);
	return r < 0 ? r : first ? -EBUSY : c->notes.error;
}

/* The signals at which tasks stand. */
static int take_signals(struct core *c, struct core_task *tasks, size_t count)
{
	struct cotrace_regset *v = calloc(count, sizeof *v);
	int r = v ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r == 0; i++)
		v[i] = (struct cotrace_regset){ .task = tasks[i].info->task,
						.set = NT_SIGINFO,
						.buf = &tasks[i].siginfo,
						.size = sizeof tasks[i].siginfo };
	if (r == 0)
		r = cotrace_regset_read_all(c->snapshot.session, v, count);
	for (size_t i = 0; i < count && r == 0; i++)
		tasks[i].has_signal = v[i].result == sizeof tasks[i].siginfo;
	free(v);
	return r;
}

int core_take_notes(struct core *c)
{
	struct core_task *tasks = calloc(c->snapshot.count, sizeof *tasks);
	size_t count = 0;
	int r;

	if (!tasks)
		return -ENOMEM;
	for (size_t i = 0; i < c->snapshot.count; i++)
		if (c->snapshot.tasks[i].state != COTRACE_TASK_EXITED)
			tasks[count++].info = &c->snapshot.tasks[i];
	r = count ? take_signals(c, tasks, count) : 0;
	order(tasks, count);
	if (r == 0)
		r = put_tasks(c, tasks, count);
	free(tasks);
	return r;
}
