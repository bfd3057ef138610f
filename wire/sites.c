/* SPDX-License-Identifier: MIT */
#include "wire/sites.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define STUCK_NS (100 * CLOCK_MS)

_Static_assert(sizeof(struct sites_table) == 64, "the layout is part of the protocol");
_Static_assert(sizeof(struct sites_record) == 16, "so is that of a record");

static size_t capacity_of(size_t mapped_size)
{
	return (mapped_size - sizeof(struct sites_table)) / sizeof(struct sites_record);
}

/* ---- Readers ---- */

int sites_view_init(struct sites_view *v, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *at;

	*v = (struct sites_view){ 0 };
	/* A file that could shrink would kill its readers. */
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 ||
	    st.st_size < (off_t)sizeof(struct sites_table))
		return -EPROTO;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	v->table = at;
	v->size = (size_t)st.st_size;
	if (v->table->magic == SITES_MAGIC && v->table->version == SITES_VERSION)
		return 0;
	sites_view_deinit(v);
	return -EPROTO;
}

void sites_view_deinit(struct sites_view *v)
{
	if (v->table != NULL)
		munmap((void *)(uintptr_t)v->table, v->size);
	v->table = NULL;
}

uint32_t sites_read_begin(struct sites_view *v)
{
	uint32_t first = atomic_load_explicit(&v->table->sequence, memory_order_acquire);
	uint32_t seq = first;
	uint64_t until;

	if (!(seq & 1) || seq == atomic_load_explicit(&v->stuck, memory_order_relaxed))
		return seq;
	until = clock_now_ns() + STUCK_NS;
	while ((seq & 1) && clock_now_ns() < until) {
		sched_yield();
		seq = atomic_load_explicit(&v->table->sequence, memory_order_acquire);
	}
	if (seq == first)
		atomic_store_explicit(&v->stuck, seq, memory_order_relaxed);
	return seq;
}

bool sites_read_retry(const struct sites_view *v, uint32_t seq)
{
	/* Not before what was read in between: those loads are acquiring ones. */
	return atomic_load_explicit(&v->table->sequence, memory_order_acquire) != seq;
}

bool sites_replaced(const struct sites_view *v)
{
	return atomic_load_explicit(&v->table->replaced, memory_order_acquire) != 0;
}

/* Where the records are: from *begin on. */
static size_t count_of(const struct sites_table *t, size_t mapped_size, size_t *begin)
{
	uint64_t end = atomic_load_explicit(&t->end, memory_order_acquire);
	uint64_t from = atomic_load_explicit(&t->begin, memory_order_acquire);
	size_t max = capacity_of(mapped_size);

	if (end > max)
		end = max;
	*begin = from < end ? (size_t)from : (size_t)end;
	return (size_t)end - *begin;
}

static struct site record_get(const struct sites_record *record)
{
	struct site site = { 0 };
	uint8_t content[sizeof record->content];
	uint64_t word;

	site.addr = atomic_load_explicit(&record->addr, memory_order_acquire);
	word = atomic_load_explicit(&record->content, memory_order_acquire);
	memcpy(content, &word, sizeof content);
	site.length = content[0] <= SITE_BYTES_MAX ? content[0] : 0;
	memcpy(site.bytes, content + 1, sizeof site.bytes);
	return site;
}

bool sites_get(const struct sites_table *t, size_t mapped_size, size_t index, struct site *out)
{
	size_t begin;

	if (index >= count_of(t, mapped_size, &begin))
		return false;
	*out = record_get(&t->records[begin + index]);
	return true;
}

/* Of @count records from @low on the first one at or above @addr. */
static size_t lower_bound(const struct sites_table *t, size_t low, size_t count, uint64_t addr)
{
	while (count > 0) {
		size_t half = count / 2;

		if (atomic_load_explicit(&t->records[low + half].addr, memory_order_acquire) <
		    addr) {
			low += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return low;
}

void sites_hide(const struct sites_table *t, size_t mapped_size, uint64_t at, void *buf,
		size_t size)
{
	uint64_t from = at < SITE_BYTES_MAX ? 0 : at - SITE_BYTES_MAX + 1;
	size_t begin, count = count_of(t, mapped_size, &begin);
	uint8_t *bytes = buf;

	if (count == 0 || size == 0)
		return;
	for (size_t i = lower_bound(t, begin, count, from); i < begin + count; i++) {
		struct site site = record_get(&t->records[i]);

		if (site.addr > at && site.addr - at >= size)
			break;
		for (unsigned k = 0; k < site.length; k++)
			if (site.addr + k - at < size)
				bytes[site.addr + k - at] = site.bytes[k];
	}
}

/* ---- The writer ---- */

static int seal(int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

	return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int sites_create(struct sites *s, size_t capacity)
{
	void *at;
	int r;

	*s = (struct sites)SITES_NULL;
	s->size = sizeof *s->table + 2 * capacity * sizeof *s->table->records;
	r = fd_memory("cotrace-sites", s->size);
	if (r < 0)
		return r;
	s->fd = r;
	at = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (at == MAP_FAILED) {
		r = -errno;
		sites_destroy(s);
		return r;
	}
	s->table = at;
	r = seal(s->fd);
	if (r < 0) {
		sites_destroy(s);
		return r;
	}
	s->table->magic = SITES_MAGIC;
	s->table->version = SITES_VERSION;
	/* From the middle on, as those to come may be above or below the others. */
	atomic_store(&s->table->begin, capacity);
	atomic_store(&s->table->end, capacity);
	return 0;
}

void sites_destroy(struct sites *s)
{
	if (s->table != NULL)
		munmap(s->table, s->size);
	fd_close(s->fd);
	*s = (struct sites)SITES_NULL;
}

size_t sites_count(const struct sites *s)
{
	size_t begin;

	return s->table ? count_of(s->table, s->size, &begin) : 0;
}

/* In the table. */
static size_t position_of(const struct sites *s, uint64_t addr)
{
	size_t begin, count = count_of(s->table, s->size, &begin);

	return lower_bound(s->table, begin, count, addr);
}

size_t sites_find(const struct sites *s, uint64_t addr)
{
	return s->table ? position_of(s, addr) - (size_t)atomic_load(&s->table->begin) : 0;
}

void sites_begin(struct sites *s)
{
	if (s->updating++ == 0)
		atomic_fetch_add(&s->table->sequence, 1);
	/* The target's memory is changed by the kernel, which knows nothing of this. */
	atomic_thread_fence(memory_order_seq_cst);
}

void sites_end(struct sites *s)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (--s->updating == 0)
		atomic_fetch_add(&s->table->sequence, 1);
}

/* Never shows one record's address with another's bytes. */
static void record_put(struct sites_record *record, uint64_t addr, uint64_t content)
{
	atomic_store_explicit(&record->content, 0, memory_order_release);
	atomic_store_explicit(&record->addr, addr, memory_order_release);
	atomic_store_explicit(&record->content, content, memory_order_release);
}

static void record_copy(struct sites_record *to, const struct sites_record *from)
{
	record_put(to, atomic_load(&from->addr), atomic_load(&from->content));
}

static uint64_t content_of(const void *bytes, size_t length)
{
	uint8_t content[sizeof(uint64_t)] = { (uint8_t)length };
	uint64_t word;

	memcpy(content + 1, bytes, length);
	memcpy(&word, content, sizeof word);
	return word;
}

/* Replaces the table by one with room at both ends. */
static int grow(struct sites *s)
{
	size_t begin, count = count_of(s->table, s->size, &begin);
	size_t capacity = capacity_of(s->size) / 2, at;
	struct sites larger;
	int r = sites_create(&larger, 2 * count >= capacity ? 2 * count + 1 : capacity);

	if (r < 0)
		return r;
	at = capacity_of(larger.size) / 2 - count / 2;
	for (size_t i = 0; i < count; i++)
		record_copy(&larger.table->records[at + i], &s->table->records[begin + i]);
	atomic_store(&larger.table->begin, at);
	atomic_store(&larger.table->end, at + count);
	atomic_store(&larger.table->sequence, 1);
	larger.updating = s->updating;
	atomic_store(&s->table->replaced, 1);
	atomic_fetch_add(&s->table->sequence, 1);
	sites_destroy(s);
	*s = larger;
	return 0;
}

/*
 * Both ways the outermost record is moved first, so that none is missing at any time: where
 * there is room, or another record, is one that is there twice.
 */
static void insert_from_below(struct sites_table *t, size_t at, uint64_t addr, uint64_t content)
{
	size_t begin = atomic_load(&t->begin);

	for (size_t i = begin; i < at; i++) {
		record_copy(&t->records[i - 1], &t->records[i]);
		if (i == begin)
			atomic_store(&t->begin, begin - 1);
	}
	record_put(&t->records[at - 1], addr, content);
	atomic_store(&t->begin, begin - 1);
}

static void insert_from_above(struct sites_table *t, size_t at, uint64_t addr, uint64_t content)
{
	size_t end = atomic_load(&t->end);

	for (size_t i = end; i > at; i--) {
		record_copy(&t->records[i], &t->records[i - 1]);
		if (i == end)
			atomic_store(&t->end, end + 1);
	}
	record_put(&t->records[at], addr, content);
	atomic_store(&t->end, end + 1);
}

/* From the end that is nearer, where there must be room. */
static int insert(struct sites *s, uint64_t addr, uint64_t content)
{
	size_t begin, count = count_of(s->table, s->size, &begin);
	size_t at = lower_bound(s->table, begin, count, addr);
	bool below = at - begin < begin + count - at;

	if (below ? begin == 0 : begin + count == capacity_of(s->size)) {
		int r = grow(s);

		if (r < 0)
			return r;
		at = position_of(s, addr);
	}
	if (below)
		insert_from_below(s->table, at, addr, content);
	else
		insert_from_above(s->table, at, addr, content);
	return 0;
}

/* The record at @at in the table, if it is that of @addr. */
static struct sites_record *record_of(const struct sites *s, size_t at, uint64_t addr)
{
	struct sites_record *record = &s->table->records[at];

	return at < atomic_load(&s->table->end) && atomic_load(&record->addr) == addr ? record
										      : NULL;
}

int sites_insert(struct sites *s, uint64_t addr, const void *bytes, size_t length)
{
	struct sites_record *record;
	uint64_t content;
	int r = 0;

	if (length < 1 || length > SITE_BYTES_MAX || addr > UINT64_MAX - (length - 1))
		return -EINVAL;
	content = content_of(bytes, length);
	sites_begin(s);
	record = record_of(s, position_of(s, addr), addr);
	if (record != NULL)
		atomic_store(&record->content, content);
	else
		r = insert(s, addr, content);
	sites_end(s);
	return r;
}

static void remove_from_below(struct sites_table *t, size_t at)
{
	size_t begin = atomic_load(&t->begin);

	for (size_t i = at; i > begin; i--)
		record_copy(&t->records[i], &t->records[i - 1]);
	atomic_store(&t->begin, begin + 1);
	record_put(&t->records[begin], 0, 0);
}

static void remove_from_above(struct sites_table *t, size_t at)
{
	size_t end = atomic_load(&t->end);

	for (size_t i = at; i + 1 < end; i++)
		record_copy(&t->records[i], &t->records[i + 1]);
	atomic_store(&t->end, end - 1);
}

int sites_remove(struct sites *s, uint64_t addr)
{
	size_t at = position_of(s, addr);
	size_t begin = atomic_load(&s->table->begin), end = atomic_load(&s->table->end);

	if (record_of(s, at, addr) == NULL)
		return -ENOENT;
	sites_begin(s);
	if (at - begin < end - 1 - at)
		remove_from_below(s->table, at);
	else
		remove_from_above(s->table, at);
	sites_end(s);
	return 0;
}
