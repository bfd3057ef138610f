/* SPDX-License-Identifier: MIT */
/*
 * Memory of the library's own: it is called in signal handlers, where that of the program may
 * be in the middle of something. One thread at a time, as everything in a visit.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compat/preload/preload.h"

#define LEAST 32u
#define REFILL (256u * 1024)
#define MARK 0x70616568u /* tells what was allocated here */
#define MAPPED 0xffffu	 /* in place of a class: too large for one */

struct block {
	uint32_t mark, class;
	size_t size; /* of the whole */
};

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while ((size_t)LEAST << class < size)
		class ++;
	return class;
}

static void *map(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static struct block *carve(struct heap *h, size_t size)
{
	struct block *b;

	if ((size_t)(h->end - h->at) < size) {
		char *at = map(size > REFILL ? size : REFILL);

		if (at == NULL)
			return NULL;
		h->at = at;
		h->end = at + (size > REFILL ? size : REFILL);
	}
	b = (struct block *)(void *)h->at;
	h->at += size;
	return b;
}

static struct block *take(size_t size)
{
	struct heap *h = &state->heap;
	unsigned class = class_of(size);
	struct block *b;

	if (class >= HEAP_CLASSES) {
		b = map(size);
		if (b != NULL)
			*b = (struct block){ MARK, MAPPED, size };
		return b;
	}
	b = h->free[class];
	if (b != NULL)
		memcpy(&h->free[class], b + 1, sizeof h->free[class]);
	else
		b = carve(h, (size_t)LEAST << class);
	if (b != NULL)
		*b = (struct block){ MARK, class, (size_t)LEAST << class };
	return b;
}

static void *allocate(size_t size)
{
	struct block *b = size < SIZE_MAX / 4 ? take(size + sizeof *b) : NULL;

	return b != NULL ? b + 1 : NULL;
}

void *malloc(size_t size)
{
	return allocate(size);
}

void free(void *at)
{
	struct block *b = (struct block *)at - 1;

	/* What the C library has allocated itself is left to it: that happens once in a run. */
	if (at == NULL || b->mark != MARK)
		return;
	if (b->class == MAPPED) {
		munmap(b, b->size);
		return;
	}
	b->mark = 0;
	memcpy(at, &state->heap.free[b->class], sizeof(void *));
	state->heap.free[b->class] = b;
}

void *calloc(size_t count, size_t size)
{
	void *at = size != 0 && count > SIZE_MAX / 4 / size ? NULL : allocate(count * size);

	return at != NULL ? memset(at, 0, count * size) : NULL;
}

void *realloc(void *at, size_t size)
{
	size_t old = at != NULL ? ((struct block *)at - 1)->size - sizeof(struct block) : 0;
	void *fresh = allocate(size);

	if (fresh == NULL || at == NULL)
		return fresh;
	memcpy(fresh, at, old < size ? old : size);
	free(at);
	return fresh;
}
