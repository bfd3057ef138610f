/* SPDX-License-Identifier: MIT */
/* Bytes between the caller and the target: reads go straight, writes through the engine. */
#include <errno.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/session.h"

#define BIG_READ (64u * 1024) /* from here on process_vm_readv is faster */

/* Between two looks at the engine's table of what it has planted. */
#define PIECE (1024u * 1024)
#define BUSY_PIECE 4096u	 /* while it changes often */
#define BUSY_NS (100 * CLOCK_MS) /* for each piece; then what is there has to do */
#define TABLES_MAX 16		 /* that may outgrow each other during one read */

/*
 * The quick way for much. It reads whatever program @pid runs by then, so it counts only
 * if the address space that was meant is still there afterwards.
 */
static ssize_t read_big(const struct memory *memory, pid_t pid, uint64_t addr, void *buf,
			size_t size)
{
	struct iovec local = { buf, size }, remote = { (void *)(uintptr_t)addr, size };
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	if (n <= 0)
		return -EAGAIN;
	return memory_alive(memory) ? n : 0;
}

/* 0 when the address space is gone; -EFAULT when there is nothing at @addr. */
static ssize_t read_piece(const struct memory *memory, pid_t pid, uint64_t addr, void *buf,
			  size_t size)
{
	ssize_t n;

	/*
	 * pread() takes no such offset. The file position would, but other sessions share it.
	 * Nothing lies there but the kernel's own page, the same for all programs.
	 */
	if (addr > INT64_MAX) {
		n = read_big(memory, pid, addr, buf, size);
		return n == -EAGAIN ? -EFAULT : n;
	}
	n = pread(memory->fd, buf, size, (off_t)addr);
	if (n < 0)
		n = -errno;
	return n == -EIO || n == -EINVAL || n == -EOVERFLOW ? -EFAULT : n;
}

static ssize_t read_all(const struct memory *memory, pid_t pid, uint64_t addr, uint8_t *buf,
			size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = -EAGAIN;

		if (size - done >= BIG_READ && !memory->borrowed)
			n = read_big(memory, pid, addr + done, buf + done, size - done);
		if (n == -EAGAIN)
			n = read_piece(memory, pid, addr + done, buf + done, size - done);
		if (n == 0)
			return 0;
		if (n == -EINTR)
			continue;
		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Whether to read once more what changed meanwhile: not for ever. */
static bool has_time(uint64_t *until)
{
	if (*until == 0)
		*until = clock_now_ns() + BUSY_NS;
	return clock_now_ns() < *until;
}

/* Without what the engine has planted. -EAGAIN: there is another table by now. */
static ssize_t read_hidden(struct memory *memory, pid_t pid, uint64_t addr, uint8_t *buf,
			   size_t size)
{
	struct sites_view *sites = &memory->sites;
	size_t done = 0, piece = PIECE;
	uint64_t until = 0;

	while (done < size) {
		size_t want = size - done < piece ? size - done : piece;
		uint32_t seq = sites_read_begin(sites);
		ssize_t n;

		if (sites_replaced(sites))
			return -EAGAIN;
		n = read_all(memory, pid, addr + done, buf + done, want);
		if (n > 0)
			sites_hide(sites->table, sites->size, addr + done, buf + done, (size_t)n);
		if (sites_read_retry(sites, seq) && has_time(&until)) {
			piece = BUSY_PIECE;
			continue;
		}
		until = 0;
		if (n <= 0)
			return n < 0 && done ? (ssize_t)done : n;
		done += (size_t)n;
		if ((size_t)n < want)
			break;
	}
	return (ssize_t)done;
}

/* @again: the memory is to be looked up once more. */
static ssize_t find_and_read(struct cotrace *s, pid_t pid, uint64_t addr, void *buf, size_t size,
			     bool *again)
{
	struct memory *memory;
	bool unsure;
	ssize_t n = memory_find(s, pid, &memory, &unsure);

	*again = false;
	if (n == 0 && size > 0) {
		if (memory->sites.table == NULL)
			n = read_all(memory, pid, addr, buf, size);
		else
			n = read_hidden(memory, pid, addr, buf, size);
		*again = n == -EAGAIN;
		if (!*again && (n == 0 || !memory_current(s, pid, memory)))
			n = memory_report_exec(s, pid, memory->generation, unsure);
	}
	memory_put(memory);
	return n;
}

ssize_t cotrace_read_memory(struct cotrace *s, pid_t pid, uint64_t addr, void *buf, size_t size)
{
	int saved = errno, tries = 0;
	bool again;
	ssize_t n;

	if (pid <= 0)
		return -ESRCH;
	if (size > SSIZE_MAX)
		size = SSIZE_MAX;
	if (addr > 0 && size > UINT64_MAX - addr)
		size = (size_t)(UINT64_MAX - addr) + 1; /* where all addresses end */
	do
		n = find_and_read(s, pid, addr, buf, size, &again);
	while (again && ++tries < TABLES_MAX);
	errno = saved;
	return n;
}

static ssize_t write_piece(struct cotrace *s, const struct wire_memory_write *where,
			   const void *bytes, size_t size)
{
	struct wire_r_memory_write reply = { 0 };
	struct call c;
	int r = call_begin(&c, s, WIRE_MEMORY_WRITE);

	if (r < 0)
		return r;
	wire_put_memory_write(&c.out, where);
	wire_put_bytes(&c.out, bytes, size);
	r = call_run(&c, -1, CLOCK_NEVER);
	if (r == 0 && (!wire_get_r_memory_write(&c.in, &reply) || reply.written > size))
		r = -EPROTO;
	call_end(&c);
	return r < 0 ? r : (ssize_t)reply.written;
}

ssize_t cotrace_write_memory(struct cotrace *s, pid_t pid, uint64_t addr, const void *buf,
			     size_t size)
{
	struct wire_memory_write where = { .pid = pid };
	const uint8_t *bytes = buf;
	int saved = errno;
	size_t done = 0;
	bool unsure;
	ssize_t n;

	if (pid <= 0)
		return -ESRCH;
	n = memory_generation(s, pid, &where.generation, &unsure);
	while (n >= 0 && done < size && done < SSIZE_MAX - WIRE_WRITE_MAX) {
		size_t piece = size - done < WIRE_WRITE_MAX ? size - done : WIRE_WRITE_MAX;

		where.addr = addr + done;
		n = write_piece(s, &where, bytes + done, piece);
		if (n > 0)
			done += (size_t)n;
		if (n < (ssize_t)piece)
			break;
	}
	if (n == -ESTALE && where.generation != 0)
		n = memory_report_exec(s, pid, where.generation, unsure);
	errno = saved;
	return done && n != -ESTALE ? (ssize_t)done : n;
}
