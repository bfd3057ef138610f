/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/symbols/symbols.h"

bool modules_have(const struct modules *m, const struct module *module)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->v[i].image == module->image && m->v[i].bias == module->bias)
			return true;
	return false;
}

/* Takes the image over. */
static int add(struct modules *m, struct image *image, uint64_t bias)
{
	struct module module = { image, bias }, *v;

	if (modules_have(m, &module)) {
		image_release(image);
		return 0;
	}
	v = realloc(m->v, (m->count + 1) * sizeof *v);
	if (!v) {
		image_release(image);
		return -ENOMEM;
	}
	m->v = v;
	m->v[m->count++] = module;
	return 0;
}

static int take_mapping(struct modules *m, struct cotrace *s, pid_t pid, const struct mapping *map)
{
	struct image *image;
	uint64_t bias;

	if (!map->exec || (!map->inode && strcmp(map->name, "[vdso]") != 0))
		return 0;
	image = image_open(s, pid, map);
	if (!image)
		return 0;
	if (!image_bias(image, map->start, map->offset, &bias)) {
		image_release(image);
		return 0;
	}
	return add(m, image, bias);
}

int modules_read(struct modules *m, struct cotrace *s, pid_t pid)
{
	struct maps maps;
	int r = maps_read(&maps, pid, false);

	*m = (struct modules){ 0 };
	if (r)
		return r;
	for (size_t i = 0; i < maps.count && !r; i++)
		r = take_mapping(m, s, pid, &maps.v[i]);
	maps_free(&maps);
	if (r)
		modules_free(m);
	return r;
}

void modules_free(struct modules *m)
{
	for (size_t i = 0; i < m->count; i++)
		image_release(m->v[i].image);
	free(m->v);
	*m = (struct modules){ 0 };
}

int modules_copy(struct modules *to, const struct modules *from)
{
	int r = 0;

	*to = (struct modules){ 0 };
	for (size_t i = 0; i < from->count && !r; i++)
		r = add(to, image_hold(from->v[i].image), from->v[i].bias);
	if (r)
		modules_free(to);
	return r;
}

const struct module *modules_program(const struct modules *m, pid_t pid)
{
	char path[32], exe[4096];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof exe - 1);
	if (n < 0)
		return NULL;
	exe[n] = '\0';
	for (size_t i = 0; i < m->count; i++)
		if (!strcmp(m->v[i].image->path, exe))
			return &m->v[i];
	return NULL;
}
