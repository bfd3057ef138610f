/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

ssize_t fd_read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 0;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	while (used < size - 1 && (n = read(fd, buf + used, size - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		n = -errno;
	fd_close(fd);
	buf[used] = '\0';
	return n < 0 ? n : (ssize_t)used;
}

long fd_status_number(pid_t pid, const char *field)
{
	char path[64], text[4096], *at = text;
	size_t length = strlen(field);
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	n = fd_read_file(path, text, sizeof text);
	if (n < 0)
		return n;
	while (at != NULL && *at != '\0') {
		if (strncmp(at, field, length) == 0 && at[length] == ':')
			return strtol(at + length + 1, NULL, 10);
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return -ENODATA;
}

ssize_t fd_read_stat(pid_t pid, pid_t task, char *buf, size_t size)
{
	char path[64], *end;
	ssize_t n;

	if (task)
		snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)task);
	else
		snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	n = fd_read_file(path, buf, size);
	if (n < 0)
		return n;
	end = strrchr(buf, ')');
	if (end == NULL || end[1] != ' ' || end[2] == '\0')
		return -ENODATA;
	n -= end + 2 - buf;
	memmove(buf, end + 2, (size_t)n + 1);
	return n;
}

int fd_memory(const char *name, size_t size)
{
	int fd = -1, error;

#ifdef MFD_NOEXEC_SEAL
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | (unsigned)MFD_NOEXEC_SEAL);
#endif
	if (fd < 0)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0)
		return fd;
	error = -errno;
	fd_close(fd);
	return error;
}
