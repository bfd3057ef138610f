/* SPDX-License-Identifier: MIT */
#include "wire/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

_Static_assert(sizeof(struct mailbox) <= 4096, "one page");

static int new_page(void)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = fd_memory("cotrace-mailbox", sizeof(struct mailbox)), error;

	/* A page that the client could take away would end the engine. */
	if (fd < 0 || fcntl(fd, F_ADD_SEALS, seals) == 0)
		return fd;
	error = -errno;
	fd_close(fd);
	return error;
}

static int map(struct mailbox **out, int fd)
{
	void *at = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	*out = NULL;
	if (at == MAP_FAILED)
		return -errno;
	madvise(at, sizeof **out, MADV_DONTFORK);
	*out = at;
	return 0;
}

int mailbox_create(struct mailbox **out, int *fd)
{
	int r;

	*out = NULL;
	*fd = new_page();
	if (*fd < 0)
		return *fd;
	r = map(out, *fd);
	if (r < 0) {
		*fd = fd_close(*fd);
		return r;
	}
	(*out)->magic = MAILBOX_MAGIC;
	(*out)->version = MAILBOX_VERSION;
	return 0;
}

int mailbox_map(struct mailbox **out, int fd)
{
	struct stat file;
	int r;

	*out = NULL;
	if (fd < 0 || fstat(fd, &file) < 0 || file.st_size < (off_t)sizeof **out)
		return -EPROTO;
	r = map(out, fd);
	if (r == 0 && ((*out)->magic != MAILBOX_MAGIC || (*out)->version != MAILBOX_VERSION)) {
		*out = mailbox_unmap(*out);
		return -EPROTO;
	}
	return r;
}

struct mailbox *mailbox_unmap(struct mailbox *box)
{
	if (box != NULL)
		munmap(box, sizeof *box);
	return NULL;
}

static uint32_t state_of(const struct lane *l)
{
	return atomic_load_explicit(&l->state, memory_order_acquire);
}

void lane_look(struct lane *l, uint64_t seen)
{
	uint32_t expected = LANE_IDLE;

	if (state_of(l) != LANE_IDLE)
		return;
	atomic_store_explicit(&l->rung, 0, memory_order_relaxed);
	atomic_store_explicit(&l->seen, seen, memory_order_relaxed);
	atomic_compare_exchange_strong(&l->state, &expected, LANE_LOOKING);
}

bool lane_leave(struct lane *l)
{
	uint32_t expected = LANE_LOOKING;

	return atomic_compare_exchange_strong(&l->state, &expected, LANE_IDLE) ||
	       expected != LANE_FULL;
}

bool lane_is_quiet(const struct lane *l)
{
	return state_of(l) == LANE_LOOKING && !atomic_load_explicit(&l->rung, memory_order_relaxed);
}

bool lane_is_full(const struct lane *l)
{
	return state_of(l) == LANE_FULL;
}

ssize_t lane_take(struct lane *l, uint8_t buf[LANE_BYTES])
{
	uint32_t size;

	if (!lane_is_full(l))
		return 0;
	size = atomic_load_explicit(&l->size, memory_order_relaxed);
	if (size > 0 && size <= LANE_BYTES)
		memcpy(buf, l->bytes, size);
	atomic_store_explicit(&l->state, LANE_IDLE, memory_order_release);
	return size > 0 && size <= LANE_BYTES ? (ssize_t)size : -EBADMSG;
}

bool lane_is_looked_at(const struct lane *l)
{
	return state_of(l) == LANE_LOOKING;
}

bool lane_post(struct lane *l, uint64_t after, const void *bytes, size_t size)
{
	uint32_t expected = LANE_LOOKING;

	if (size == 0 || size > LANE_BYTES || !lane_is_looked_at(l))
		return false;
	/* Nobody reads it before it is full. */
	memcpy(l->bytes, bytes, size);
	atomic_store_explicit(&l->size, (uint32_t)size, memory_order_relaxed);
	atomic_store_explicit(&l->after, after, memory_order_relaxed);
	return atomic_compare_exchange_strong(&l->state, &expected, LANE_FULL);
}

void lane_ring(struct lane *l)
{
	atomic_store_explicit(&l->rung, 1, memory_order_relaxed);
}
