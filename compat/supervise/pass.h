/* SPDX-License-Identifier: MIT */
/* Messages between processes of our own, with at most one fd each. */
#ifndef COMPAT_SUPERVISE_PASS_H
#define COMPAT_SUPERVISE_PASS_H

#include <stddef.h>

/* @fd may be -1. Never blocks. 0 or -errno. */
int pass_send(int socket, const void *message, size_t size, int fd);
/*
 * *fd: what came with it, or -1. @flags: of recvmsg(). 0; -EPIPE: the other end is closed, or
 * it was no such message; else -errno.
 */
int pass_receive(int socket, void *message, size_t size, int *fd, int flags);

#endif
