/* SPDX-License-Identifier: MIT */
/*
 * The engine's planted breakpoints in one address space, shared with its sessions: whoever
 * reads that memory by itself puts back what lies beneath them. The table is a memfd that
 * can neither shrink nor be written by those who get it (SITES in cotrace-protocol(7)).
 *
 * The engine changes memory only between sites_begin() and sites_end(). A record is there
 * before its bytes are planted and until they are taken out, and at every instant all
 * records are whole and in order: whoever finds the engine dead in the middle of a change
 * can go by what is there.
 */
#ifndef WIRE_SITES_H
#define WIRE_SITES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SITES_MAGIC 0x74697363u
#define SITES_VERSION 1u
#define SITE_BYTES_MAX 7u

/* Eight bytes of content: the length, then the bytes that lie beneath. */
struct sites_record {
	_Atomic uint64_t addr;
	_Atomic uint64_t content;
};

struct sites_table {
	uint32_t magic, version;
	_Atomic uint32_t sequence; /* odd: a change is under way */
	_Atomic uint32_t replaced; /* not 0: outgrown, ask for the new table */
	_Atomic uint64_t end;	   /* behind the last record */
	_Atomic uint64_t begin;	   /* the first one; all before it are 0 */
	uint64_t reserved[4];
	struct sites_record records[]; /* by ascending addr */
};

struct site {
	uint64_t addr;
	uint8_t length; /* 0: none */
	uint8_t bytes[SITE_BYTES_MAX];
};

/* ---- For readers, who trust nothing in it. ---- */

struct sites_view {
	const struct sites_table *table; /* NULL: nothing is hidden */
	size_t size;			 /* mapped bytes */
	_Atomic uint32_t stuck;		 /* sequence of a change that will not end; 0: none */
};

/* Maps the table; @fd is borrowed. 0, -EPROTO when it is none, or as mmap(2). */
int sites_view_init(struct sites_view *v, int fd);
void sites_view_deinit(struct sites_view *v);

/*
 *	do {
 *		seq = sites_read_begin(v);
 *		read the memory, then sites_hide() it
 *	} while (sites_read_retry(v, seq));
 *
 * begin waits for a change under way to end; after 100 ms its author counts as dead.
 */
uint32_t sites_read_begin(struct sites_view *v);
bool sites_read_retry(const struct sites_view *v, uint32_t seq);
bool sites_replaced(const struct sites_view *v);

/* Puts what lies beneath into @size bytes that were read at @at. */
void sites_hide(const struct sites_table *t, size_t mapped_size, uint64_t at, void *buf,
		size_t size);
/* The record number @index, from 0 on; false behind the last. */
bool sites_get(const struct sites_table *t, size_t mapped_size, size_t index, struct site *out);

/* ---- For the engine, the only writer. ---- */

struct sites {
	struct sites_table *table;
	size_t size; /* mapped bytes */
	int fd;	     /* to be lent to sessions */
	unsigned updating;
};

#define SITES_NULL       \
	{                \
		.fd = -1 \
	}

/*
 * For at least @capacity records, in whatever order they come. Pages of it that hold none take
 * up no memory: it can be generous.
 */
int sites_create(struct sites *s, size_t capacity);
void sites_destroy(struct sites *s);
size_t sites_count(const struct sites *s);
/* The index of the first record at or above @addr, for sites_get(). */
size_t sites_find(const struct sites *s, uint64_t addr);
/* These nest. The memory itself is to be changed in between. */
void sites_begin(struct sites *s);
void sites_end(struct sites *s);
/*
 * Adds, before planting, or changes what lies beneath. A full table is replaced by a larger
 * one with another fd. 0; -EINVAL; as memfd_create(2) and mmap(2).
 */
int sites_insert(struct sites *s, uint64_t addr, const void *bytes, size_t length);
/* After the bytes have been put back. 0; -ENOENT. */
int sites_remove(struct sites *s, uint64_t addr);

#endif
