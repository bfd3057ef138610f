/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/ptrace/internal.h"
#include "base/fd.h"

int mem_open(struct backend *base, pid_t tid, bool writable)
{
	char path[40];
	int fd;

	(void)base;
	snprintf(path, sizeof path, "/proc/%d/mem", (int)tid);
	fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

#define PAGE 4096u /* the smallest there is: pieces that do not cross it are all or nothing */

ssize_t mem_read(struct backend *base, pid_t tid, uint64_t at, void *buf, size_t size)
{
	struct iovec local = { buf, size }, remote[18];
	size_t pieces = 0;
	ssize_t n;

	(void)base;
	/* One piece a page: the kernel then stores what there is before a hole. */
	for (uint64_t from = at, left = size; left > 0 && pieces < 18;) {
		size_t piece = PAGE - (size_t)(from % PAGE);

		if (piece > left)
			piece = left;
		remote[pieces++] = (struct iovec){ (void *)(uintptr_t)from, piece };
		from += piece;
		left -= piece;
	}
	n = process_vm_readv(tid, &local, 1, remote, pieces, 0);
	return n < 0 ? -errno : n;
}

ssize_t mem_store(struct backend *base, pid_t tid, uint64_t at, const void *buf, size_t size)
{
	struct iovec local = { (void *)buf, size }, remote = { (void *)(uintptr_t)at, size };
	ssize_t n = process_vm_writev(tid, &local, 1, &remote, 1, 0);

	(void)base;
	return n < 0 ? -errno : n;
}

/* The descriptor of linux/rseq.h as far as it matters here. */
struct sequence {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

#define RSEQ_CS_OFFSET 8 /* of struct rseq: the address of the descriptor */

/*
 * A task that stopped within its sequence is sent to the abort address when it runs, but only
 * if it is still there: it must not be sent elsewhere.
 */
bool mem_in_sequence(struct backend *base, pid_t tid, uint64_t pc)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	struct ptrace_rseq_configuration config;
	struct sequence sequence;
	uint64_t at = 0;

	if (t != NULL && t->rseq == 0 &&
	    ptrace_call(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof config, (uintptr_t)&config) > 0)
		t->rseq = config.rseq_abi_pointer;
	if (t == NULL || t->rseq == 0)
		return false;
	if (mem_read(base, tid, t->rseq + RSEQ_CS_OFFSET, &at, sizeof at) != (ssize_t)sizeof at ||
	    at == 0 ||
	    mem_read(base, tid, at, &sequence, sizeof sequence) != (ssize_t)sizeof sequence)
		return false;
	return pc - sequence.start < sequence.length;
}

/* Pages that cannot be written through the file are reached a word at a time, if at all. */
static ssize_t poke(pid_t tid, uint64_t at, const unsigned char *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		uint64_t from = (at + done) & ~(uint64_t)(sizeof(long) - 1);
		size_t skip = (size_t)(at + done - from);
		size_t n = sizeof(long) - skip < size - done ? sizeof(long) - skip : size - done;
		long word;

		if (ptrace_call(PTRACE_PEEKDATA, tid, (uintptr_t)from, (uintptr_t)&word) < 0)
			break;
		memcpy((char *)&word + skip, buf + done, n);
		if (ptrace_call(PTRACE_POKEDATA, tid, (uintptr_t)from, (uintptr_t)word) < 0)
			break;
		done += n;
	}
	return done || size == 0 ? (ssize_t)done : -EFAULT;
}

int mem_restore(struct backend *base, int fd, uint64_t at, const uint8_t *trap,
		const uint8_t *original, size_t size)
{
	uint8_t now[16];
	ssize_t n;

	(void)base;
	if (size > sizeof now)
		return -EINVAL;
	n = pread(fd, now, size, (off_t)at);
	if (n == (ssize_t)size && memcmp(now, trap, size) == 0)
		n = pwrite(fd, original, size, (off_t)at);
	return n == 0 ? -ESTALE : n < 0 ? -errno : 0;
}

ssize_t mem_write(struct backend *base, pid_t tid, int fd, uint64_t at, const void *buf,
		  size_t size)
{
	int own = fd < 0 ? mem_open(base, tid, true) : -1;
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		fd = own;
	if (fd < 0)
		return fd;
	while (done < size) {
		n = pwrite(fd, (const char *)buf + done, size - done, (off_t)(at + done));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	fd_close(own);
	if (done == 0 && size > 0) /* 0: that program is gone */
		return n == 0 ? -ESTALE : poke(tid, at, buf, size);
	return (ssize_t)done;
}
