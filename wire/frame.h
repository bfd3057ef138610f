/* SPDX-License-Identifier: MIT */
/* One datagram on a SOCK_SEQPACKET socket, with at most one fd. */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Sends without blocking and without SIGPIPE. @fd is borrowed; -1: none.
 * Returns 0; -EAGAIN; -EPIPE and the like when the peer is gone.
 */
int frame_send(int sock, const void *buf, size_t size, int fd);
/*
 * Receives without blocking. *fd becomes the caller's, or -1; with @flags MSG_PEEK no fd
 * is taken. Returns the length; 0 at the end of the connection; -EAGAIN;
 * -EMSGSIZE when the datagram is longer than @size (it is gone then).
 */
ssize_t frame_receive(int sock, void *buf, size_t size, int *fd, int flags);

#endif
