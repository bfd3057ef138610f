/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "cli/trace/tracer.h"

static size_t slot_of(const struct tasks *t, uint64_t id)
{
	size_t i = (id * 0x9e3779b97f4a7c15ull >> 32) & (t->capacity - 1);

	while (t->slots[i] && t->slots[i]->id != id)
		i = (i + 1) & (t->capacity - 1);
	return i;
}

struct task *tasks_get(struct tasks *t, uint64_t id)
{
	struct task *task;

	if (t->last && t->last->id == id)
		return t->last;
	if (!t->count)
		return NULL;
	task = t->slots[slot_of(t, id)];
	if (task)
		t->last = task;
	return task;
}

static bool grow(struct tasks *t)
{
	struct tasks bigger = { .capacity = t->capacity ? 2 * t->capacity : 16 };

	bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < t->capacity; i++)
		if (t->slots[i])
			bigger.slots[slot_of(&bigger, t->slots[i]->id)] = t->slots[i];
	free(t->slots);
	t->slots = bigger.slots;
	t->capacity = bigger.capacity;
	return true;
}

struct task *tasks_add(struct tasks *t, uint64_t id)
{
	struct task *task = tasks_get(t, id);

	if (task)
		return task;
	if (2 * (t->count + 1) > t->capacity && !grow(t))
		return NULL;
	task = calloc(1, sizeof *task);
	if (!task)
		return NULL;
	task->id = id;
	task->restarted_nr = -1;
	task->call.kept.fd = -1;
	task->name.fd = -1;
	t->slots[slot_of(t, id)] = task;
	t->count++;
	t->last = task;
	return task;
}

static void task_free(struct task *task)
{
	decode_call_deinit(&task->call);
	out_deinit(&task->name);
	free(task);
}

void tasks_remove(struct tasks *t, uint64_t id)
{
	struct task *task = tasks_get(t, id);
	size_t hole;

	if (!task)
		return;
	hole = slot_of(t, id);
	t->slots[hole] = NULL;
	t->count--;
	t->last = NULL;
	/* Those behind the hole may have to move up into it. */
	for (size_t i = (hole + 1) & (t->capacity - 1); t->slots[i];
	     i = (i + 1) & (t->capacity - 1)) {
		struct task *moved = t->slots[i];

		t->slots[i] = NULL;
		t->slots[slot_of(t, moved->id)] = moved;
	}
	task_free(task);
}

void tasks_deinit(struct tasks *t)
{
	for (size_t i = 0; i < t->capacity; i++)
		if (t->slots[i])
			task_free(t->slots[i]);
	free(t->slots);
	*t = (struct tasks){ 0 };
}
