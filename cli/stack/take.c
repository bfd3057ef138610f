/* SPDX-License-Identifier: MIT */
#include "cli/stack/stack.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COPY_MAX (256u * 1024)
#define BELOW 512u /* of what lies beyond the top of the stack: functions may use a part */

static void take_name(struct stack_task *t)
{
	ssize_t size;
	char *text = maps_slurp(t->info->tid, "comm", &size);

	if (text && size > 0) {
		text[strcspn(text, "\n")] = '\0';
		strncpy(t->name, text, sizeof t->name - 1);
	}
	free(text);
}

/* From @sp to the end of its mapping, which is the bottom of the stack. */
static void copy_memory(struct stack *k, struct stack_task *t, uint64_t sp)
{
	const struct mapping *m = maps_find(&k->maps, sp);
	uint64_t from, end;
	ssize_t n;

	if (!m || !m->read)
		return;
	from = sp - m->start > BELOW ? (sp - BELOW) & ~7ull : m->start;
	end = m->end - from > COPY_MAX ? from + COPY_MAX : m->end;
	t->copy = malloc((size_t)(end - from));
	if (!t->copy)
		return;
	n = cotrace_read_memory(k->snapshot.session, k->snapshot.pid, from, t->copy,
				(size_t)(end - from));
	t->at = from;
	t->bytes = n > 0 ? (size_t)n : 0;
}

static void take_task(struct stack *k, struct stack_task *t, ssize_t n)
{
	uint64_t sp = 0;

	if (t->info->state == COTRACE_TASK_EXITED)
		n = -ESRCH;
	t->error = n < 0 ? (int)n : 0;
	t->register_bytes = n > 0 ? (size_t)n : 0;
	if (n > 0 && cotrace_register_extract(t->info->arch, "$sp", NT_PRSTATUS, t->registers,
					      t->register_bytes, &sp, sizeof sp) > 0)
		copy_memory(k, t, sp);
}

static int take_tasks(struct stack *k)
{
	struct cotrace_regset *v = calloc(k->count, sizeof *v);
	int r = v ? 0 : -ENOMEM;

	for (size_t i = 0; i < k->count && r == 0; i++) {
		struct stack_task *t = &k->tasks[i];

		t->stack = k;
		t->info = &k->snapshot.tasks[i];
		v[i] = (struct cotrace_regset){ .task = t->info->task,
						.set = NT_PRSTATUS,
						.buf = t->registers,
						.size = sizeof t->registers };
	}
	if (r == 0)
		r = cotrace_regset_read_all(k->snapshot.session, v, k->count);
	for (size_t i = 0; i < k->count && r == 0; i++)
		take_task(k, &k->tasks[i], v[i].result);
	free(v);
	return r;
}

int stack_take(struct stack *k, bool hold)
{
	int r = maps_read(&k->maps, k->snapshot.tid, false);

	if (r < 0)
		return r;
	k->tasks = calloc(k->snapshot.count, sizeof *k->tasks);
	if (!k->tasks)
		return -ENOMEM;
	k->count = k->snapshot.count;
	r = take_tasks(k);
	if (r < 0)
		return r;
	/* Names can be read of a process that runs. */
	if (!hold)
		snapshot_resume(&k->snapshot);
	for (size_t i = 0; i < k->count; i++)
		take_name(&k->tasks[i]);
	return 0;
}

void stack_forget(struct stack *k)
{
	for (size_t i = 0; i < k->count; i++)
		free(k->tasks[i].copy);
	free(k->tasks);
	maps_free(&k->maps);
	k->tasks = NULL;
	k->count = 0;
}
