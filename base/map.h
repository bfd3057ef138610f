/* SPDX-License-Identifier: MIT */
/* Hash map from 64-bit keys to pointers; open addressing. Key 0 is not allowed. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key;
	void *value;
};

struct map {
	struct map_slot *slots;
	size_t capacity, count;
};

#define MAP_NULL ((struct map){ 0 })

void map_deinit(struct map *m);
void *map_get(const struct map *m, uint64_t key);
/* Adds or replaces. Returns 0, or -ENOMEM when it cannot add. */
int map_put(struct map *m, uint64_t key, void *value);
/* Returns what was there, or NULL. */
void *map_take(struct map *m, uint64_t key);
/*
 * Walks the map: *at starts at 0; returns the next value, or NULL at the end. Nothing
 * may be added or taken meanwhile.
 */
void *map_walk(const struct map *m, size_t *at);

#endif
