/* SPDX-License-Identifier: MIT */
/* Clients without the library: an engine's socket, and messages put together by hand. */
#ifndef TEST_SYSTEM_RAW_H
#define TEST_SYSTEM_RAW_H

#include <sys/socket.h>
#include <sys/un.h>

#include "test/system/system.h"

/* Where an engine with this pid listens. Returns the length. */
socklen_t raw_address(struct sockaddr_un *address, pid_t engine);
/* An fd, or -1 and errno. */
int raw_connect(pid_t engine);
/* Reads away what has come. */
void raw_swallow(int fd);

void put32(uint8_t *at, uint32_t v);
void put16(uint8_t *at, uint16_t v);
/* The first message. Returns its size, 24 bytes. */
size_t put_hello(uint8_t *m);

/* The session works, and so does its puppet. */
void check_alive(struct cotrace *s, struct target *t);

#endif
