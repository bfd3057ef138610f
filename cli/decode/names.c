/* SPDX-License-Identifier: MIT */
#include "cli/decode/names.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define N(n) { (uint64_t)(int64_t)(n), (uint64_t)(int64_t)(n), #n },
#define NV(n, v) { (uint64_t)(int64_t)(v), (uint64_t)(int64_t)(v), #n },
#define NM(n, v, m) { v, m, #n },
#define SET(id, unknown, ...) static const struct name names_##id[] = { __VA_ARGS__ };
#include "cli/decode/names.def"
#undef SET

static const struct names sets[NAMES_COUNT] = {
#define SET(id, unknown, ...) \
	[NAMES_##id] = { unknown, names_##id, sizeof names_##id / sizeof names_##id[0] },
#include "cli/decode/names.def"
#undef SET
};

/* Per set, an open-addressed table of 1 + index, made when first asked for. */
static struct {
	uint16_t *slots;
	unsigned mask;
} tables[NAMES_COUNT];

const struct names *names_get(unsigned id)
{
	return &sets[id];
}

static unsigned hash(uint64_t v)
{
	return (unsigned)((v * 0x9e3779b97f4a7c15ull) >> 40);
}

static int make_table(unsigned id)
{
	const struct names *set = &sets[id];
	unsigned size = 4;

	while (size < 2 * set->count)
		size *= 2;
	tables[id].slots = calloc(size, sizeof *tables[id].slots);
	if (!tables[id].slots)
		return -1;
	tables[id].mask = size - 1;
	for (unsigned i = 0; i < set->count; i++) {
		unsigned at = hash(set->v[i].value) & (size - 1);

		while (tables[id].slots[at] &&
		       set->v[tables[id].slots[at] - 1].value != set->v[i].value)
			at = (at + 1) & (size - 1);
		if (!tables[id].slots[at])
			tables[id].slots[at] = (uint16_t)(i + 1);
	}
	return 0;
}

const char *names_find(unsigned id, uint64_t value)
{
	const struct name *v = sets[id].v;

	if (!tables[id].slots && make_table(id) < 0)
		return NULL;
	for (unsigned at = hash(value);; at++) {
		unsigned i = tables[id].slots[at & tables[id].mask];

		if (!i)
			return NULL;
		if (v[i - 1].value == value)
			return v[i - 1].name;
	}
}
