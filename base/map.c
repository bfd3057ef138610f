/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

static size_t slot_of(const struct map *m, uint64_t key)
{
	/* Fibonacci hashing: tids and task ids come in runs. */
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (m->capacity - 1);
}

static struct map_slot *find(const struct map *m, uint64_t key)
{
	size_t i = slot_of(m, key);

	while (m->slots[i].key != 0 && m->slots[i].key != key)
		i = (i + 1) & (m->capacity - 1);
	return &m->slots[i];
}

void map_deinit(struct map *m)
{
	free(m->slots);
	*m = MAP_NULL;
}

void *map_get(const struct map *m, uint64_t key)
{
	return m->count ? find(m, key)->value : NULL;
}

static int grow(struct map *m)
{
	struct map bigger = { .capacity = m->capacity ? m->capacity * 2 : 16 };

	bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
	if (bigger.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->capacity; i++)
		if (m->slots[i].key)
			*find(&bigger, m->slots[i].key) = m->slots[i];
	bigger.count = m->count;
	free(m->slots);
	*m = bigger;
	return 0;
}

int map_put(struct map *m, uint64_t key, void *value)
{
	struct map_slot *slot = m->count ? find(m, key) : NULL;

	if (slot != NULL && slot->key) {
		slot->value = value;
		return 0;
	}
	if (m->count * 2 >= m->capacity) {
		int r = grow(m);

		if (r < 0)
			return r;
	}
	slot = find(m, key);
	m->count++;
	*slot = (struct map_slot){ key, value };
	return 0;
}

/* Moves later entries of the run back, so that no tombstones are needed. */
static void close_gap(struct map *m, size_t gap)
{
	size_t mask = m->capacity - 1;

	for (size_t i = (gap + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
		size_t home = slot_of(m, m->slots[i].key);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		m->slots[gap] = m->slots[i];
		m->slots[i] = (struct map_slot){ 0 };
		gap = i;
	}
}

void *map_take(struct map *m, uint64_t key)
{
	struct map_slot *slot;
	void *value;

	if (m->count == 0)
		return NULL;
	slot = find(m, key);
	value = slot->value;
	if (slot->key == 0)
		return NULL;
	*slot = (struct map_slot){ 0 };
	m->count--;
	close_gap(m, (size_t)(slot - m->slots));
	return value;
}

void *map_walk(const struct map *m, size_t *at)
{
	while (*at < m->capacity) {
		const struct map_slot *slot = &m->slots[(*at)++];

		if (slot->key)
			return slot->value;
	}
	return NULL;
}
