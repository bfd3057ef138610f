/* SPDX-License-Identifier: MIT */
#include "test/system/raw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

socklen_t raw_address(struct sockaddr_un *address, pid_t engine)
{
	int n;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "cotrace-engine/%d",
		     (int)engine);
	return (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n);
}

int raw_connect(pid_t engine)
{
	struct sockaddr_un address;
	socklen_t size = raw_address(&address, engine);
	int fd = (int)CHECK_SYS(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	if (connect(fd, (struct sockaddr *)&address, size) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

void raw_swallow(int fd)
{
	static uint8_t buf[70000];

	while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
}

void put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof v);
}

void put16(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, sizeof v);
}

size_t put_hello(uint8_t *m)
{
	memset(m, 0, 24);
	put32(m, 24);
	put16(m + 4, 1);
	m[8] = 1;
	put32(m + 16, 1);
	put32(m + 20, 1);
	return 24;
}

void check_alive(struct cotrace *s, struct target *t)
{
	CHECK_EQ(cotrace_tasks(s, NULL, 0), 1);
	CHECK_EQ(puppet_ask(t, "pid"), t->pid);
}
