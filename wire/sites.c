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

static size_t count_of(const struct sites_table *t, size_t mapped_size)
{
	uint64_t n = atomic_load_explicit(&t->count, memory_order_acquire);
	size_t max = capacity_of(mapped_size);

	return n < max ? (size_t)n : max;
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
	if (index >= count_of(t, mapped_size))
		return false;
	*out = record_get(&t->records[index]);
	return true;
}

/* The first record at or above @addr. */
static size_t lower_bound(const struct sites_table *t, size_t count, uint64_t addr)
{
	size_t low = 0;

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
	size_t count = count_of(t, mapped_size);
	uint8_t *bytes = buf;

	if (count == 0 || size == 0)
		return;
	for (size_t i = lower_bound(t, count, at < SITE_BYTES_MAX ? 0 : at - SITE_BYTES_MAX + 1);
	     i < count; i++) {
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

/* Where programs in memfds are frowned upon, it must say that it is none. */
static int new_memfd(size_t size)
{
	int fd = -1, error;

#ifdef MFD_NOEXEC_SEAL
	fd = memfd_create("cotrace-sites",
			  MFD_CLOEXEC | MFD_ALLOW_SEALING | (unsigned)MFD_NOEXEC_SEAL);
#endif
	if (fd < 0)
		fd = memfd_create("cotrace-sites", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0)
		return fd;
	error = -errno;
	fd_close(fd);
	return error;
}

int sites_create(struct sites *s, size_t capacity)
{
	void *at;
	int r;

	*s = (struct sites)SITES_NULL;
	s->size = sizeof *s->table + capacity * sizeof *s->table->records;
	r = new_memfd(s->size);
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
	return s->table ? atomic_load_explicit(&s->table->count, memory_order_relaxed) : 0;
}

size_t sites_find(const struct sites *s, uint64_t addr)
{
	return s->table ? lower_bound(s->table, sites_count(s), addr) : 0;
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

static int grow(struct sites *s)
{
	size_t count = atomic_load(&s->table->count);
	struct sites larger;
	int r = sites_create(&larger, count > 0 ? 2 * count : 1);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		record_copy(&larger.table->records[i], &s->table->records[i]);
	atomic_store(&larger.table->count, count);
	atomic_store(&larger.table->sequence, 1);
	larger.updating = s->updating;
	atomic_store(&s->table->replaced, 1);
	atomic_fetch_add(&s->table->sequence, 1);
	sites_destroy(s);
	*s = larger;
	return 0;
}

/* From the far end on, so that no record is missing meanwhile. */
static int make_room(struct sites *s, size_t index, size_t count)
{
	int r = count == capacity_of(s->size) ? grow(s) : 0;
	struct sites_record *records = s->table->records;

	if (r < 0)
		return r;
	for (size_t i = count; i > index; i--) {
		record_copy(&records[i], &records[i - 1]);
		if (i == count)
			atomic_store(&s->table->count, count + 1);
	}
	return 0;
}

int sites_insert(struct sites *s, uint64_t addr, const void *bytes, size_t length)
{
	size_t count = atomic_load(&s->table->count), i;
	uint64_t content;
	int r = 0;

	if (length < 1 || length > SITE_BYTES_MAX || addr > UINT64_MAX - (length - 1))
		return -EINVAL;
	content = content_of(bytes, length);
	sites_begin(s);
	i = lower_bound(s->table, count, addr);
	if (i < count && atomic_load(&s->table->records[i].addr) == addr) {
		atomic_store(&s->table->records[i].content, content);
	} else {
		r = make_room(s, i, count);
		if (r == 0) {
			record_put(&s->table->records[i], addr, content);
			atomic_store(&s->table->count, count + 1);
		}
	}
	sites_end(s);
	return r;
}

int sites_remove(struct sites *s, uint64_t addr)
{
	size_t count = atomic_load(&s->table->count);
	size_t i = lower_bound(s->table, count, addr);
	struct sites_record *records = s->table->records;

	if (i == count || atomic_load(&records[i].addr) != addr)
		return -ENOENT;
	sites_begin(s);
	for (; i + 1 < count; i++)
		record_copy(&records[i], &records[i + 1]);
	atomic_store(&s->table->count, count - 1);
	sites_end(s);
	return 0;
}
