/* SPDX-License-Identifier: MIT */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

/* Closes and returns -1; a negative fd is left alone; errno is kept. */
int fd_close(int fd);
/* Reads a small file whole, such as one of /proc, and adds a zero byte. Length or -errno. */
ssize_t fd_read_file(const char *path, char *buf, size_t size);
/*
 * A decimal field of /proc/PID/status, such as "TracerPid" or "Threads".
 * Returns it, or -errno; -ENODATA when the field is absent.
 */
long fd_status_number(pid_t pid, const char *field);
/*
 * /proc/PID/stat, or with @task that of one task of it, from its third field on, the state: what
 * comes before has a name in it that may look like anything. Length or -errno.
 */
ssize_t fd_read_stat(pid_t pid, pid_t task, char *buf, size_t size);
/*
 * Memory that can be mapped by others and sealed, zeroed. Where programs in memfds are frowned
 * upon it says that it is none. An fd or -errno.
 */
int fd_memory(const char *name, size_t size);

#endif
