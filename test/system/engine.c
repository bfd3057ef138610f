/* SPDX-License-Identifier: MIT */
/* The engine's own life: killed, attacked, left alone. Item 8; rows 16, 17. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/system.h"

TEST(when_the_engine_is_killed_the_target_runs_on_and_the_session_says_so)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	TARGET_START(&t, "many", "20");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	kill(cotrace_engine_pid(s), SIGKILL);
	skip_to(s, &ev, COTRACE_EVENT_ENGINE_GONE);
	CHECK_EQ(cotrace_next(s, &ev, 0), -ESHUTDOWN);
	CHECK_EQ(cotrace_tasks(s, NULL, 0), -ESHUTDOWN);
	check_untouched(t.pid);
	cotrace_close(s);
	/* A new engine can start over. */
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_tasks(s, NULL, 0), 21);
	cotrace_close(s);
	target_go(&t);
	target_expect(&t, "woke 20");
	target_ends_well(&t, 5000);
}

TEST(an_engine_killed_at_any_moment_leaves_the_checksum_right, .timeout_s = 120)
{
	static const char *const argv[] = { "threads", "4", "4000", NULL };
	char expected[128], text[128];
	struct target t;

	target_start(&t, argv);
	target_output(&t, expected, sizeof expected);
	target_ends_well(&t, 10000);
	for (unsigned i = 0; i < test_rounds(15, 500); i++) {
		struct cotrace_event ev = EVENT_NULL;
		struct cotrace *s;

		target_start(&t, argv);
		s = attached(t.pid, NULL);
		/* Notes alone: at a system call's entry stop the kernel runs the call as it is. */
		cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY | COTRACE_EXIT, NULL, COTRACE_NOTE);
		cotrace_subscribe(s, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
		cotrace_subscribe(s, COTRACE_EVENT_CLONE, COTRACE_NOTE);
		for (int k = rand() % 200; k > 0 && cotrace_next(s, &ev, 1000000) == 1; k--)
			;
		kill(cotrace_engine_pid(s), SIGKILL);
		target_output(&t, text, sizeof text);
		CHECK_STR(text, expected);
		target_ends_well(&t, 10000);
		cotrace_close(s);
	}
}

/* ---- Raw sockets ---- */

static int connect_raw(pid_t engine)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = (int)CHECK_SYS(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	int n = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "cotrace-engine/%d",
			 (int)engine);

	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n)) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* The name of the socket is the protocol's business; find it in /proc/net/unix. */
static bool engine_has_raw_socket(pid_t engine)
{
	int fd = connect_raw(engine);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void check_alive(struct cotrace *s, struct target *t)
{
	CHECK_EQ(cotrace_tasks(s, NULL, 0), 1);
	CHECK_EQ(puppet_ask(t, "pid"), t->pid);
}

static void put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof v);
}

static void put16(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, sizeof v);
}

static size_t hello(uint8_t *m)
{
	memset(m, 0, 24);
	put32(m, 24);
	put16(m + 4, 1);
	m[8] = 1;
	put32(m + 16, 1);
	put32(m + 20, 1);
	return 24;
}

static void swallow(int fd)
{
	static uint8_t buf[70000];

	while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
}

TEST(garbage_on_the_socket_ends_that_client_only, .timeout_s = 120)
{
	static uint8_t m[66000];
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	if (!engine_has_raw_socket(cotrace_engine_pid(s)))
		FAIL("cannot connect to the engine's socket: %s", strerror(errno));
	srand(7);
	for (unsigned i = 0; i < test_rounds(1000, 50000); i++) {
		int fd = connect_raw(cotrace_engine_pid(s));
		size_t size =
			i % 10 == 0 ? sizeof m - (size_t)(rand() % 1000) : (size_t)(rand() % 200);

		CHECK(fd >= 0);
		/* Random; or a proper start and then random; with and without proper lengths. */
		if (i % 3)
			send(fd, m, hello(m), MSG_NOSIGNAL);
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
		swallow(fd);
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
		int fd = connect_raw(cotrace_engine_pid(s));

		memset(m, 0, sizeof m);
		put32(m, 200);
		put16(m + 4, (uint16_t)type);
		send(fd, m, 200, MSG_NOSIGNAL);
		send(fd, m, hello(m), MSG_NOSIGNAL);
		memset(m, 0, sizeof m);
		put32(m, 40);
		put16(m + 4, (uint16_t)type);
		send(fd, m, 40, MSG_NOSIGNAL);
		test_sleep_ms(1);
		swallow(fd);
		close(fd);
	}
	check_alive(s, &t);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(fds_that_a_client_sends_are_not_kept)
{
	char path[64], control[CMSG_SPACE(sizeof(int) * 100)] = { 0 };
	uint8_t m[64];
	struct iovec iov = { m, 24 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct cotrace *s;
	struct target t;
	unsigned before, after;
	int fds[100];

	puppet_start(&t);
	s = attached(t.pid, NULL);
	snprintf(path, sizeof path, "ls /proc/%d/fd | wc -l", (int)cotrace_engine_pid(s));
	for (int i = 0; i < 100; i++)
		fds[i] = STDIN_FILENO;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(c), fds, sizeof fds);
	for (int round = 0; round < 2; round++) {
		FILE *out = popen(path, "re");

		CHECK_EQ(fscanf(out, "%u", round ? &after : &before), 1);
		pclose(out);
		for (int i = 0; i < 30 && round == 0; i++) {
			int fd = connect_raw(cotrace_engine_pid(s));

			hello(m);
			sendmsg(fd, &msg, MSG_NOSIGNAL);
			sendmsg(fd, &msg, MSG_NOSIGNAL);
			test_sleep_ms(1);
			swallow(fd);
			close(fd);
		}
		test_sleep_ms(20);
	}
	CHECK_OP(after, <=, before + 2);
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
			fds[i] = connect_raw(cotrace_engine_pid(s));
			if (fds[i] < 0 && errno != EAGAIN)
				break;
			if (fds[i] < 0)
				test_sleep_ms(1);
		}
		if (fds[i] < 0)
			continue;
		got++;
		send(fds[i], m, hello(m), MSG_NOSIGNAL | MSG_DONTWAIT);
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
	fd = connect_raw(cotrace_engine_pid(s));
	CHECK(fd >= 0);
	send(fd, m, hello(m), MSG_NOSIGNAL);
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

/* Opens connections until there is room for no more, and keeps them. */
static unsigned crowd(pid_t engine, int *fds, unsigned max)
{
	unsigned n = 0, open = 0;
	uint8_t m[24];

	for (; n < max; n++) {
		fds[n] = connect_raw(engine);
		if (fds[n] < 0)
			break;
		send(fds[n], m, hello(m), MSG_NOSIGNAL);
	}
	test_sleep_ms(100);
	for (unsigned i = 0; i < n; i++)
		open += recv(fds[i], m, sizeof m, MSG_DONTWAIT | MSG_PEEK) > 0;
	return open;
}

/* The engine inherits the limit; what a crowd takes of it is not what the others need. */
TEST(an_engine_without_spare_fds_serves_its_sessions_well, .timeout_s = 60)
{
	struct rlimit low = { 64, 64 };
	struct cotrace_event ev;
	uint64_t word = 0, buffer;
	struct cotrace *s;
	struct target t;
	int ask[2], tell[2], status, fds[200];
	unsigned open = 0;
	pid_t child, engine;

	CHECK_SYS(pipe2(ask, O_CLOEXEC));
	CHECK_SYS(pipe2(tell, O_CLOEXEC));
	child = (pid_t)CHECK_SYS(fork());
	if (child == 0) {
		close(ask[1]);
		if (read(ask[0], &engine, sizeof engine) == sizeof engine)
			open = crowd(engine, fds, 200);
		if (write(tell[1], &open, sizeof open) < 0)
			_exit(1);
		_exit(read(ask[0], &engine, 1) != 0);
	}
	close(ask[0]);
	CHECK_SYS(setrlimit(RLIMIT_NOFILE, &low));
	puppet_start(&t);
	puppet_ask(&t, "handle %d", SIGUSR1);
	puppet_ask(&t, "ignore %d", SIGUSR2);
	buffer = (uint64_t)puppet_ask(&t, "buffer");
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	CHECK_EQ(cotrace_subscribe_signals(s, UINT64_MAX, COTRACE_NOTE), 0);
	subscribe(s, COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	engine = cotrace_engine_pid(s);
	CHECK_EQ(write(ask[1], &engine, sizeof engine), (ssize_t)sizeof engine);
	CHECK_EQ(read(tell[0], &open, sizeof open), (ssize_t)sizeof open);
	test_note("%u of 200 connections", open);
	CHECK_OP(open, >, 20);
	CHECK_OP(open, <, 60);
	/* What a signal means to the target is read in /proc. */
	puppet_ask(&t, "kill %d", SIGUSR1);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.signal.disposition, COTRACE_SIG_HANDLED);
	puppet_ask(&t, "kill %d", SIGUSR2);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.signal.disposition, COTRACE_SIG_IGNORED);
	CHECK_EQ(cotrace_read_memory(s, t.pid, buffer, &word, sizeof word), (ssize_t)sizeof word);
	CHECK_EQ(puppet_ask(&t, "fork 7"), 7);
	take_kind(s, &ev, COTRACE_EVENT_FORK);
	skip_to(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(ev.exit.code, 7);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	close(ask[1]);
	close(tell[0]);
	close(tell[1]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	cotrace_close(s);
	puppet_end(&t);
}

static pid_t last_pid(void)
{
	pid_t pid = (pid_t)CHECK_SYS(fork());

	if (pid == 0)
		_exit(0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	return pid;
}

/* Anybody can occupy the names of engines to come. */
TEST(an_engine_whose_address_is_occupied_serves_its_first_session, .timeout_s = 60)
{
	enum { COUNT = 1000 };
	struct cotrace_explanation why = { .size = sizeof why };
	struct cotrace *s, *other = NULL;
	struct rlimit files;
	struct target t;
	int fds[COUNT];
	pid_t from;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	puppet_start(&t);
	from = last_pid();
	for (int i = 0; i < COUNT; i++) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		int n = snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
				 "cotrace-engine/%d", (int)from + i);

		fds[i] = (int)CHECK_SYS(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
		/* An engine of somebody else's may be there. */
		if (bind(fds[i], (struct sockaddr *)&address,
			 (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n)) == 0)
			listen(fds[i], 1);
	}
	s = attached(t.pid, NULL);
	CHECK_OP(cotrace_engine_pid(s) - from, <, COUNT);
	check_alive(s, &t);
	CHECK_EQ(cotrace_attach(&other, t.pid, NULL), -EBUSY);
	CHECK_EQ(cotrace_explain(t.pid, &why), 0);
	CHECK_EQ(why.reason, COTRACE_REASON_OTHER);
	CHECK(strstr(why.sentence, "occupies") != NULL);
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
	/* It gets its name as soon as it can. */
	CHECK_SOON(cotrace_attach(&other, t.pid, NULL) == 0, 5000);
	cotrace_close(other);
	check_alive(s, &t);
	cotrace_close(s);
	check_untouched(t.pid);
	puppet_end(&t);
}

/* Whoever pretends to be an engine is not believed. */
TEST(a_false_engine_is_not_believed)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct cotrace *s = NULL;
	struct target t;
	int fd = (int)CHECK_SYS(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)), n;

	/* The name that the next engine might take is occupied by us. */
	puppet_start(&t);
	n = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "cotrace-engine/%d",
		     (int)t.pid);
	CHECK_SYS(bind(fd, (struct sockaddr *)&address,
		       (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n)));
	CHECK_SYS(listen(fd, 5));
	CHECK_OP(cotrace_open_engine(&s, t.pid), <, 0);
	close(fd);
	puppet_end(&t);
}
