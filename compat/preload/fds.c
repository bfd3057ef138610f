/* SPDX-License-Identifier: MIT */
/*
 * The library's fds have high numbers, so that those of the program are what they would be
 * without it, and the program cannot close them, not even when it closes all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat/preload/preload.h"

bool fd_is_ours(int fd)
{
	return state != NULL && fd >= 0 && fd < FDS_MAX && state->ours[fd / 64] >> fd % 64 & 1;
}

static void set_ours(int fd, bool ours)
{
	uint64_t bit = 1ull << fd % 64;

	if (fd < 0 || fd >= FDS_MAX)
		return;
	state->ours[fd / 64] = ours ? state->ours[fd / 64] | bit : state->ours[fd / 64] & ~bit;
}

static int dup_high(int fd)
{
	struct rlimit files;
	long r;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	if (files.rlim_cur > FDS_MAX)
		files.rlim_cur = FDS_MAX;
	r = raw_call(SYS_fcntl, (uint64_t)fd, F_DUPFD_CLOEXEC, files.rlim_cur / 4 * 3, 0, 0, 0);
	return r < 0 ? -1 : (int)r;
}

/* Where there is no room it stays what it is. */
int fd_hide(int fd)
{
	int high = fd < 0 ? -1 : dup_high(fd);

	if (high >= 0) {
		raw_call(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
		fd = high;
	}
	set_ours(fd, true);
	return fd;
}

void fds_close_all(void)
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		if (state->ours[fd / 64] == 0)
			fd |= 63;
		else if (fd_is_ours(fd))
			close(fd);
}

/* ---- What the library calls: hidden, so that the program's calls go where they did ---- */

int socket(int domain, int type, int protocol)
{
	return fd_hide((int)raw_result(raw_call(SYS_socket, (uint64_t)domain, (uint64_t)type,
						(uint64_t)protocol, 0, 0, 0)));
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
	long r = raw_result(raw_call(SYS_socketpair, (uint64_t)domain, (uint64_t)type,
				     (uint64_t)protocol, (uintptr_t)fds, 0, 0));

	for (int i = 0; i < 2 && r == 0; i++)
		fds[i] = fd_hide(fds[i]);
	return (int)r;
}

int epoll_create1(int flags)
{
	return fd_hide(
		(int)raw_result(raw_call(SYS_epoll_create1, (uint64_t)flags, 0, 0, 0, 0, 0)));
}

static bool is_memory(const char *path)
{
	size_t n = strlen(path);

	return n > 4 && strcmp(path + n - 4, "/mem") == 0;
}

/* For the program, too. What is read and closed at once may have any number. */
PRELOAD_EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list list;
	long r;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(list, flags);
		mode = va_arg(list, mode_t);
		va_end(list);
	}
	if (!state_inside())
		return shown_open(AT_FDCWD, path, flags, mode);
	r = raw_result(raw_call(SYS_openat, (uint64_t)AT_FDCWD, (uintptr_t)path, (uint64_t)flags,
				mode, 0, 0));
	return is_memory(path) ? fd_hide((int)r) : (int)r;
}

int fcntl(int fd, int command, ...)
{
	uint64_t argument;
	va_list list;
	long r;

	va_start(list, command);
	argument = va_arg(list, uint64_t);
	va_end(list);
	r = raw_result(raw_call(SYS_fcntl, (uint64_t)fd, (uint64_t)command, argument, 0, 0, 0));
	return command == F_DUPFD_CLOEXEC ? fd_hide((int)r) : (int)r;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	ssize_t n = raw_result(
		raw_call(SYS_recvmsg, (uint64_t)fd, (uintptr_t)m, (uint64_t)flags, 0, 0, 0));

	if (n < 0 || m->msg_controllen == 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		int *fds = (int *)(void *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
			fds[i] = fd_hide(fds[i]);
	}
	return n;
}

/* ---- What the program calls, and the library too ---- */

PRELOAD_EXPORT int close(int fd)
{
	if (fd_is_ours(fd)) {
		if (!state_inside())
			return (int)raw_result(-EBADF);
		set_ours(fd, false);
	}
	return (int)raw_result(raw_call(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0));
}

static long close_some(unsigned first, unsigned last, unsigned flags)
{
	return raw_call(SYS_close_range, first, last, flags, 0, 0, 0);
}

/* All of them but ours. */
static long close_others(unsigned first, unsigned last, unsigned flags)
{
	unsigned from = first;
	long r = 0;

	for (unsigned fd = first; fd <= last && fd < FDS_MAX && r == 0; fd++) {
		if (!fd_is_ours((int)fd))
			continue;
		if (from < fd)
			r = close_some(from, fd - 1, flags);
		from = fd + 1;
	}
	return r == 0 && from <= last ? close_some(from, last, flags) : r;
}

PRELOAD_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	bool all = state == NULL || state->owner != OWNER_OURS || state_inside() || first > last;

	return (int)raw_result(all ? close_some(first, last, (unsigned)flags)
				   : close_others(first, last, (unsigned)flags));
}

PRELOAD_EXPORT void closefrom(int first)
{
	close_range(first < 0 ? 0 : (unsigned)first, ~0u, 0);
}

PRELOAD_EXPORT int dup2(int fd, int to)
{
	if (fd_is_ours(to) && !state_inside())
		return (int)raw_result(-EBADF);
	return (int)raw_result(raw_call(SYS_dup2, (uint64_t)fd, (uint64_t)to, 0, 0, 0, 0));
}

PRELOAD_EXPORT int dup3(int fd, int to, int flags)
{
	if (fd_is_ours(to) && !state_inside())
		return (int)raw_result(-EBADF);
	return (int)raw_result(
		raw_call(SYS_dup3, (uint64_t)fd, (uint64_t)to, (uint64_t)flags, 0, 0, 0));
}
