/* SPDX-License-Identifier: MIT */
/* Programs whose calls we answer: their memory, and what they may do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "compat/supervise/access.h"
#include "compat/supervise/supervise.h"

/* Without process_vm_*(), where a security module or a kernel does not have them. */
static int by_file(pid_t tid, uint64_t addr, void *to, const void *from, size_t size)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/mem", (int)tid);
	fd = open(path, (to ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
	if (fd < 0)
		return -EFAULT;
	n = to ? pread(fd, to, size, (off_t)addr) : pwrite(fd, from, size, (off_t)addr);
	fd_close(fd);
	return n == (ssize_t)size ? 0 : -EFAULT;
}

static bool not_allowed(int error)
{
	return error == ENOSYS || error == EPERM;
}

/* What was read counts only if the thread still waits: else it may be another one's. */
int caller_read(void *arg, const struct caller *c, uint64_t addr, void *buf, size_t size)
{
	struct supervisor *s = arg;
	struct iovec local = { buf, size }, remote = { (void *)(uintptr_t)addr, size };
	ssize_t n = process_vm_readv(c->tid, &local, 1, &remote, 1, 0);
	int r = n == (ssize_t)size ? 0 : -EFAULT;

	if (n < 0 && not_allowed(errno))
		r = by_file(c->tid, addr, buf, NULL, size);
	if (r == 0 && s->now && !notice_valid(s, s->now))
		r = -EFAULT;
	return r;
}

static bool keep(struct supervisor *s, uint64_t addr, const void *buf, size_t size)
{
	struct written *w = malloc(sizeof *w + size);

	if (!w)
		return false;
	*w = (struct written){ .addr = addr, .size = size };
	memcpy(w->bytes, buf, size);
	list_append(&s->written, &w->in_call);
	return true;
}

/*
 * Who has been taken out of a call by a signal will make it again, and be given what it then
 * asks for: else one that takes longer than the time between two signals would never end.
 */
int caller_write(void *arg, const struct caller *c, uint64_t addr, const void *buf, size_t size)
{
	struct supervisor *s = arg;
	struct iovec local = { (void *)(uintptr_t)buf, size };
	struct iovec remote = { (void *)(uintptr_t)addr, size };
	bool kept = s->keeps && keep(s, addr, buf, size);
	ssize_t n;

	if (s->now && !notice_valid(s, s->now))
		return kept ? 0 : -EFAULT;
	n = process_vm_writev(c->tid, &local, 1, &remote, 1, 0);
	if (n < 0 && not_allowed(errno))
		return by_file(c->tid, addr, NULL, buf, size);
	return n == (ssize_t)size ? 0 : -EFAULT;
}

bool caller_is_admin(void *arg, const struct caller *c)
{
	(void)arg;
	return access_is_admin(c->tid);
}
