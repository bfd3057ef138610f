/* SPDX-License-Identifier: MIT */
/* The mappings of a process, as /proc tells them. */
#ifndef CLI_MAPS_H
#define CLI_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What smaps says more. */
#define MAPPING_OWN_PAGES 0x1u /* private, with pages that are no longer the file's */
#define MAPPING_DONT_DUMP 0x2u
#define MAPPING_DEVICE 0x4u
#define MAPPING_HUGE 0x8u

struct mapping {
	uint64_t start, end, offset, inode;
	unsigned dev_major, dev_minor;
	bool read, write, exec, shared;
	unsigned flags;	  /* MAPPING_*, if details were asked for */
	const char *name; /* "" for none; lives as long as the list */
};

struct maps {
	char *text;
	struct mapping *v; /* in order of addresses */
	size_t count;
};

/* @tid: any living task of the process. Returns 0 or a negative errno. */
int maps_read(struct maps *m, pid_t tid, bool details);
void maps_free(struct maps *m);
/* The mapping that holds the address, or NULL. */
const struct mapping *maps_find(const struct maps *m, uint64_t addr);
/* A whole file of /proc/TID, with a zero byte behind; to be freed. NULL: -errno in *size. */
char *maps_slurp(pid_t tid, const char *name, ssize_t *size);

#endif
