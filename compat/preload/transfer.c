/* SPDX-License-Identifier: MIT */
/*
 * Memory of tracees by other ways than ptrace(): as the personality shows it to their tracer.
 * What is no such memory is the kernel's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compat/preload/preload.h"

#define LEAST_ADDRESS (4u << 20) /* smaller offsets are no addresses */

static bool may_be_ours(void)
{
	return state != NULL && state->owner == OWNER_OURS && state->personality != NULL &&
	       !state_inside();
}

/* ---- process_vm_readv(), process_vm_writev() ---- */

/* Where in a list of spans a transfer is. */
struct spans {
	const struct iovec *v;
	unsigned long count;
	size_t done; /* of *v */
};

static bool piece_at(struct spans *s, uint8_t **at, size_t *size)
{
	while (s->count > 0 && s->done == s->v->iov_len) {
		s->v++;
		s->count--;
		s->done = 0;
	}
	if (s->count == 0)
		return false;
	*at = (uint8_t *)s->v->iov_base + s->done;
	if (s->v->iov_len - s->done < *size)
		*size = s->v->iov_len - s->done;
	return true;
}

/* The program's own mistake is the kernel's to tell. */
static bool is_address(const void *at)
{
	return (uintptr_t)at >= 4096;
}

static ssize_t read_spans(pid_t pid, struct spans local, struct spans remote)
{
	size_t total = 0, size;
	uint8_t *to, *from;
	ssize_t n = 0;

	for (;;) {
		size = SSIZE_MAX;
		if (!piece_at(&local, &to, &size) || !piece_at(&remote, &from, &size))
			break;
		n = is_address(to) ? personality_read(state->personality, state->pid, pid,
						      (uintptr_t)from, to, size)
				   : -EFAULT;
		if (n <= 0)
			break;
		total += (size_t)n;
		local.done += (size_t)n;
		remote.done += (size_t)n;
		if ((size_t)n < size)
			break;
	}
	return total ? (ssize_t)total : n == 0 ? 0 : n == -EIO ? -EFAULT : n;
}

PRELOAD_EXPORT ssize_t process_vm_readv(pid_t tid, const struct iovec *local, unsigned long locals,
					const struct iovec *remote, unsigned long remotes,
					unsigned long flags)
{
	ssize_t n = -ENOSYS;
	struct visit v;
	pid_t pid;

	if (may_be_ours() && flags == 0 && locals <= UIO_MAXIOV && remotes <= UIO_MAXIOV &&
	    (locals == 0 || is_address(local)) && (remotes == 0 || is_address(remote))) {
		visit_begin(&v);
		pid = personality_process(state->personality, state->pid, tid);
		if (pid > 0)
			n = read_spans(pid, (struct spans){ local, locals, 0 },
				       (struct spans){ remote, remotes, 0 });
		visit_end(&v);
		if (pid > 0)
			return raw_result(n);
	}
	return raw_result(raw_call(SYS_process_vm_readv, (uint64_t)tid, (uintptr_t)local, locals,
				   (uintptr_t)remote, remotes, flags));
}

/* ---- Files of memory ---- */

/* What an fd was found to be; good for as long as it is the same file. */
static struct {
	int fd;
	dev_t device;
	ino_t inode;
	pid_t pid;
} last;

static pid_t process_of_link(int fd)
{
	char path[64], link[64], end[8];
	ssize_t length;
	int pid, tid;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	length = readlink(path, link, sizeof link - 1);
	if (length < 0)
		return 0;
	link[length] = '\0';
	if (sscanf(link, "/proc/%d/task/%d/%7s", &pid, &tid, end) == 3 && strcmp(end, "mem") == 0)
		return pid;
	if (sscanf(link, "/proc/%d/%7s", &pid, end) == 2 && strcmp(end, "mem") == 0)
		return pid;
	return 0;
}

/* The process whose memory @fd is; 0: it is something else. */
static pid_t process_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return 0;
	if (fd != last.fd || st.st_dev != last.device || st.st_ino != last.inode) {
		last.fd = fd;
		last.device = st.st_dev;
		last.inode = st.st_ino;
		last.pid = process_of_link(fd);
	}
	return last.pid;
}

static bool is_open_for(int fd, bool writing)
{
	long flags = raw_call(SYS_fcntl, (uint64_t)fd, F_GETFL, 0, 0, 0, 0);

	if (flags < 0)
		return false;
	flags &= O_ACCMODE;
	return flags == O_RDWR || flags == (writing ? O_WRONLY : O_RDONLY);
}

/* False: the kernel is to do it. */
static bool transfer(int fd, void *buf, size_t size, uint64_t at, bool writing, ssize_t *n)
{
	struct personality *p = state->personality;
	struct visit v;
	pid_t pid;
	bool ours;

	visit_begin(&v);
	pid = process_of(fd);
	ours = pid > 0 && is_address(buf) && personality_has_tracee(p, v.caller.pid, pid) &&
	       is_open_for(fd, writing);
	if (ours)
		*n = writing ? personality_write(p, v.caller.pid, pid, at, buf, size)
			     : personality_read(p, v.caller.pid, pid, at, buf, size);
	visit_end(&v);
	if (ours && *n == -EFAULT)
		*n = -EIO;
	return ours;
}

static ssize_t read_at(int fd, void *buf, size_t size, off_t at)
{
	ssize_t n;

	if (at >= LEAST_ADDRESS && may_be_ours() &&
	    transfer(fd, buf, size, (uint64_t)at, false, &n))
		return raw_result(n);
	return raw_result(
		raw_past(SYS_pread64, (uint64_t)fd, (uintptr_t)buf, size, (uint64_t)at, 0));
}

static ssize_t write_at(int fd, const void *buf, size_t size, off_t at)
{
	ssize_t n;

	if (at >= LEAST_ADDRESS && may_be_ours() &&
	    transfer(fd, (void *)(uintptr_t)buf, size, (uint64_t)at, true, &n))
		return raw_result(n);
	return raw_result(
		raw_past(SYS_pwrite64, (uint64_t)fd, (uintptr_t)buf, size, (uint64_t)at, 0));
}

/* Under both names, and neither is what the headers make of it. */
PRELOAD_EXPORT ssize_t preload_pread(int, void *, size_t, off_t) __asm__("pread");
PRELOAD_EXPORT ssize_t preload_pread64(int, void *, size_t, off_t) __asm__("pread64");
PRELOAD_EXPORT ssize_t preload_pwrite(int, const void *, size_t, off_t) __asm__("pwrite");
PRELOAD_EXPORT ssize_t preload_pwrite64(int, const void *, size_t, off_t) __asm__("pwrite64");

ssize_t preload_pread(int fd, void *buf, size_t size, off_t at)
{
	return read_at(fd, buf, size, at);
}

ssize_t preload_pread64(int fd, void *buf, size_t size, off_t at)
{
	return read_at(fd, buf, size, at);
}

ssize_t preload_pwrite(int fd, const void *buf, size_t size, off_t at)
{
	return write_at(fd, buf, size, at);
}

ssize_t preload_pwrite64(int fd, const void *buf, size_t size, off_t at)
{
	return write_at(fd, buf, size, at);
}
