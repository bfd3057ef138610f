/* SPDX-License-Identifier: MIT */
#include "rules/cycle.h"

#include <errno.h>
#include <stdlib.h>

void cycle_init(struct cycle *c, pid_t tracer)
{
	*c = (struct cycle){ 0 };
	cycle_add(c, tracer);
}

void cycle_deinit(struct cycle *c)
{
	free(c->pids);
	map_deinit(&c->seen);
	*c = (struct cycle){ 0 };
}

pid_t cycle_next(struct cycle *c)
{
	return c->asked < c->count ? c->pids[c->asked++] : 0;
}

static int make_room(struct cycle *c)
{
	size_t capacity = c->capacity ? 2 * c->capacity : 16;
	pid_t *pids;

	if (c->count < c->capacity)
		return 0;
	pids = realloc(c->pids, capacity * sizeof *pids);
	if (pids == NULL)
		return -ENOMEM;
	c->pids = pids;
	c->capacity = capacity;
	return 0;
}

void cycle_add(struct cycle *c, pid_t pid)
{
	if (pid <= 0 || map_get(&c->seen, (uint64_t)pid) != NULL)
		return;
	if (make_room(c) < 0 || map_put(&c->seen, (uint64_t)pid, c) < 0)
		c->error = -ENOMEM;
	else
		c->pids[c->count++] = pid;
}

int cycle_closes(const struct cycle *c, pid_t target)
{
	if (target > 0 && map_get(&c->seen, (uint64_t)target) != NULL)
		return -EDEADLK;
	return c->error;
}
