/* SPDX-License-Identifier: MIT */
/* Clients that do the engine no good: the others do not notice. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/raw.h"

TEST(garbage_on_the_socket_ends_that_client_only, .timeout_s = 120)
{
	static uint8_t m[66000];
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	srand(7);
	for (unsigned i = 0; i < test_rounds(1000, 50000); i++) {
		int fd = raw_connect(cotrace_engine_pid(s));
		size_t size =
			i % 10 == 0 ? sizeof m - (size_t)(rand() % 1000) : (size_t)(rand() % 200);

		CHECK(fd >= 0);
		/* Random; or a proper start and then random; with and without proper lengths. */
		if (i % 3)
			send(fd, m, put_hello(m), MSG_NOSIGNAL);
		for (int k = 0; k < 5; k++) {
			for (size_t b = 0; b < size && b < 300; b++)
				m[b] = (uint8_t)rand();
			if (size >= 16 && i % 2) {
				put32(m, (uint32_t)size);
				put16(m + 4, (uint16_t)(rand() % 40));
				put16(m + 6, (uint16_t)(rand() % 3));
			}
			send(fd, m, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		raw_swallow(fd);
		close(fd);
		if (i % 100 == 0)
			check_alive(s, &t);
	}
	check_alive(s, &t);
	cotrace_close(s);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(requests_before_hello_and_attach_change_nothing)
{
	struct cotrace *s;
	struct target t;
	uint8_t m[256];

	puppet_start(&t);
	s = attached(t.pid, NULL);
	for (unsigned type = 0; type < 70; type++) {
		int fd = raw_connect(cotrace_engine_pid(s));

		memset(m, 0, sizeof m);
		put32(m, 200);
		put16(m + 4, (uint16_t)type);
		send(fd, m, 200, MSG_NOSIGNAL);
		send(fd, m, put_hello(m), MSG_NOSIGNAL);
		memset(m, 0, sizeof m);
		put32(m, 40);
		put16(m + 4, (uint16_t)type);
		send(fd, m, 40, MSG_NOSIGNAL);
		test_sleep_ms(1);
		raw_swallow(fd);
		close(fd);
	}
	check_alive(s, &t);
	cotrace_close(s);
	puppet_end(&t);
}

static unsigned open_fds(pid_t pid)
{
	unsigned count = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	CHECK(dir != NULL);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

TEST(fds_that_a_client_sends_are_not_kept)
{
	char control[CMSG_SPACE(sizeof(int) * 100)] = { 0 };
	uint8_t m[64];
	struct iovec iov = { m, 24 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct cotrace *s;
	struct target t;
	unsigned before;
	int fds[100];

	puppet_start(&t);
	s = attached(t.pid, NULL);
	before = open_fds(cotrace_engine_pid(s));
	for (int i = 0; i < 100; i++)
		fds[i] = STDIN_FILENO;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(c), fds, sizeof fds);
	for (int i = 0; i < 30; i++) {
		int fd = raw_connect(cotrace_engine_pid(s));

		put_hello(m);
		sendmsg(fd, &msg, MSG_NOSIGNAL);
		sendmsg(fd, &msg, MSG_NOSIGNAL);
		test_sleep_ms(1);
		raw_swallow(fd);
		close(fd);
	}
	CHECK_SOON(open_fds(cotrace_engine_pid(s)) <= before + 2, 2000);
	check_alive(s, &t);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(a_thousand_connections_do_not_harm_the_first_session, .timeout_s = 120)
{
	struct rlimit limit;
	struct cotrace *s;
	struct target t;
	static int fds[1000];
	int got = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	puppet_start(&t);
	s = attached(t.pid, NULL);
	for (int i = 0; i < 1000; i++) {
		uint8_t m[24];

		fds[i] = -1;
		for (int k = 0; k < 50 && fds[i] < 0; k++) {
			fds[i] = raw_connect(cotrace_engine_pid(s));
			if (fds[i] < 0 && errno != EAGAIN)
				break;
			if (fds[i] < 0)
				test_sleep_ms(1);
		}
		if (fds[i] < 0)
			continue;
		got++;
		send(fds[i], m, put_hello(m), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (i % 100 == 0)
			check_alive(s, &t);
	}
	test_note("%d of 1000 connections", got);
	check_alive(s, &t);
	for (int i = 0; i < 1000; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	check_alive(s, &t);
	cotrace_close(s);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(a_thousand_sessions_on_one_target, .timeout_s = 120)
{
	enum { COUNT = 1000 };
	static struct cotrace *s[COUNT];
	struct rlimit limit;
	struct target t;
	int n = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	puppet_start(&t);
	for (; n < COUNT; n++) {
		int r = cotrace_attach(&s[n], t.pid, NULL);

		if (r < 0) {
			/* A limit is allowed; breaking is not. */
			test_note("session %d: %s", n, test_errno_name(r));
			break;
		}
	}
	CHECK_OP(n, >=, 100);
	for (int i = 0; i < n; i += 10)
		subscribe_call(s[i], SYS_getpid, COTRACE_ENTRY, COTRACE_NOTE);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	for (int i = 0; i < n; i += 10) {
		struct cotrace_event ev;

		take_kind(s[i], &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	}
	for (int i = 0; i < n; i++)
		cotrace_close(s[i]);
	check_untouched(t.pid);
	puppet_end(&t);
}

/* Never reads its socket, but keeps asking. */
TEST(a_client_that_asks_and_never_reads_does_not_harm_the_others)
{
	struct cotrace *s;
	struct target t;
	uint8_t m[64];
	int fd;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	fd = raw_connect(cotrace_engine_pid(s));
	CHECK(fd >= 0);
	send(fd, m, put_hello(m), MSG_NOSIGNAL);
	for (int i = 0; i < 200000; i++) {
		memset(m, 0, 24);
		put32(m, 24);
		put16(m + 4, 20); /* SESSIONS */
		if (send(fd, m, 24, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
			break;
	}
	check_alive(s, &t);
	close(fd);
	check_alive(s, &t);
	cotrace_close(s);
	puppet_end(&t);
}

/* Fills datagrams with requests that are much work and have no answer. */
static void flood(struct cotrace *s, pid_t parent)
{
	static uint8_t m[64 * 1024];
	size_t size = 0;

	for (; size + 28 <= sizeof m; size += 28) {
		put32(m + size, 28);
		put16(m + size + 4, 9); /* RESUME */
		put16(m + size + 6, 1); /* NO_REPLY */
		put32(m + size + 24, COTRACE_ALL);
	}
	while (getppid() == parent)
		if (send(cotrace_fd(s), m, size, MSG_NOSIGNAL) < 0)
			_exit(1);
	_exit(0);
}

/* Of several rounds, the one that other programs on the machine have delayed least. */
static uint64_t least_round(struct cotrace *s, struct target *t)
{
	struct cotrace_event ev;
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 30; i++) {
		uint64_t begun = test_now_ns(), took;

		puppet_tell(t, "pid");
		take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
		CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
		CHECK_EQ(puppet_answer(t), t->pid);
		CHECK_EQ(cotrace_tasks(s, NULL, 0), 1002);
		took = test_now_ns() - begun;
		least = took < least ? took : least;
	}
	return least;
}

TEST(a_client_that_floods_the_engine_delays_the_others_little, .timeout_s = 120)
{
	uint64_t calm, flooded;
	struct cotrace *s, *other;
	struct target t, many;
	pid_t child;

	puppet_start(&t);
	TARGET_START(&many, "many", "1000");
	target_expect(&many, "ready");
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	CHECK_EQ(cotrace_add(s, many.pid), 0); /* so that one engine has both */
	other = attached(many.pid, NULL);
	subscribe_call(s, SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	calm = least_round(s, &t);
	child = (pid_t)CHECK_SYS(fork());
	if (child == 0)
		flood(other, getppid());
	test_sleep_ms(50);
	flooded = least_round(s, &t);
	test_note("%.2f ms, without the flood %.2f", (double)flooded / 1e6, (double)calm / 1e6);
	CHECK_OP(flooded, <, 15 * calm); /* a hundred times where a datagram is done in one go */
	CHECK_EQ(waitpid(child, NULL, WNOHANG), 0); /* it was at it all the time */
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	cotrace_close(other);
	cotrace_close(s);
	puppet_end(&t);
	target_go(&many);
	target_expect(&many, "woke 1000");
	target_ends_well(&many, 5000);
}
