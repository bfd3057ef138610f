/* SPDX-License-Identifier: MIT */
/* What a close does; handing a session on. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/system.h"

TEST(the_target_runs_on_by_default)
{
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	cotrace_close(s);
	check_untouched(t.pid);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	puppet_end(&t);
}

TEST(kill_on_close_kills_the_whole_target)
{
	struct cotrace *s;
	struct target t;
	pid_t child;

	puppet_start(&t);
	child = (pid_t)puppet_ask(&t, "child");
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE, .close_action = COTRACE_CLOSE_KILL));
	cotrace_close(s);
	CHECK_EQ(target_wait(&t, 2000), SIGKILL);
	CHECK_SOON(proc_state(child) == 0 || proc_state(child) == 'Z', 2000);
}

TEST(stop_on_close_leaves_the_target_job_stopped)
{
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_set_close_action(s, COTRACE_CLOSE_STOP), 0);
	cotrace_close(s);
	CHECK_SOON(proc_state(t.pid) == 'T', 2000);
	CHECK_SOON(is_traced_by(t.pid, 0), 2000);
	kill(t.pid, SIGCONT);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	puppet_end(&t);
}

TEST(the_close_action_can_be_taken_back)
{
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.close_action = COTRACE_CLOSE_KILL));
	CHECK_EQ(cotrace_set_close_action(s, COTRACE_CLOSE_RUN), 0);
	CHECK_EQ(cotrace_set_close_action(s, (enum cotrace_close_action)9), -EINVAL);
	cotrace_close(s);
	test_sleep_ms(30);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	puppet_end(&t);
}

/* The engine, not the library, sees the end of a client. */
TEST(a_killed_clients_close_action_is_carried_out)
{
	struct target t;
	pid_t client;
	int ready[2];
	char c;

	puppet_start(&t);
	CHECK_SYS(pipe(ready));
	client = fork();
	if (client == 0) {
		attached(t.pid, OPTIONS(.close_action = COTRACE_CLOSE_KILL));
		c = 1;
		CHECK_EQ(write(ready[1], &c, 1), 1);
		pause();
	}
	CHECK_EQ(read(ready[0], &c, 1), 1);
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
	CHECK_EQ(target_wait(&t, 2000), SIGKILL);
	close(ready[0]), close(ready[1]);
}

/* 16, 49: killed at any kind of stop, nothing is lost. */
TEST(a_client_killed_at_a_stop_loses_nothing)
{
	struct target t;

	puppet_start(&t);
	puppet_ask(&t, "handle %d", SIGUSR1);
	for (int kind = 0; kind < 6; kind++) {
		static const char *const orders[] = {
			"pid", "pid", "raise 10", "fork 1", "vfork 1", "thread-open /etc/passwd"
		};
		int ready[2];
		pid_t client;
		long r;
		char c;

		CHECK_SYS(pipe(ready));
		client = fork();
		if (client == 0) {
			struct cotrace *s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));

			if (kind < 2)
				subscribe_call(s, SYS_getpid, kind ? COTRACE_EXIT : COTRACE_ENTRY,
					       COTRACE_STOP);
			if (kind == 2)
				cotrace_subscribe_signals(s, ~SIGNAL_BIT(SIGKILL), COTRACE_STOP);
			subscribe(s, COTRACE_EVENT_FORK, COTRACE_STOP);
			subscribe(s, COTRACE_EVENT_VFORK, COTRACE_STOP);
			subscribe(s, COTRACE_EVENT_CLONE, COTRACE_STOP);
			CHECK_EQ(write(ready[1], "x", 1), 1);
			pause();
		}
		CHECK_EQ(read(ready[0], &c, 1), 1);
		puppet_tell(&t, "%s", orders[kind]);
		CHECK(!puppet_answers(&t, 50));
		kill(client, SIGKILL);
		waitpid(client, NULL, 0);
		r = puppet_answer(&t);
		CHECK_EQ(r, kind < 2 ? t.pid : kind == 3 || kind == 4 ? 1 : 0);
		check_untouched(t.pid);
		close(ready[0]), close(ready[1]);
	}
	CHECK_EQ(puppet_ask(&t, "count 10"), 1);
	puppet_end(&t);
}

static void send_fd(int sock, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	CHECK_EQ(sendmsg(sock, &m, 0), 1);
}

static int receive_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof control };
	int fd;

	CHECK_EQ(recvmsg(sock, &m, MSG_CMSG_CLOEXEC), 1);
	CHECK(CMSG_FIRSTHDR(&m) != NULL);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

/* Item 6: the first program ends, the second goes on with the session. */
TEST(a_session_passed_on_outlives_the_program_that_opened_it)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	int sockets[2], fd;
	pid_t first;

	puppet_start(&t);
	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	first = fork();
	if (first == 0) {
		s = attached(t.pid, NULL);
		subscribe_call(s, SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
		send_fd(sockets[1], cotrace_fd(s));
		_exit(0);
	}
	fd = receive_fd(sockets[0]);
	waitpid(first, NULL, 0);
	CHECK_EQ(cotrace_from_fd(&s, fd), 0);
	puppet_tell(&t, "raw %d", SYS_getpid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY, .result = 31));
	CHECK_EQ(puppet_answer(&t), 31);
	CHECK_EQ(cotrace_tasks(s, NULL, 0), 1);
	cotrace_close(s);
	check_untouched(t.pid);
	close(sockets[0]), close(sockets[1]);
	puppet_end(&t);
}

TEST(the_session_lasts_until_its_last_copy_is_closed)
{
	struct cotrace *s;
	struct target t;
	int copy;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	copy = (int)CHECK_SYS(dup(cotrace_fd(s)));
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	cotrace_close(s);
	test_sleep_ms(50);
	CHECK_EQ(proc_state(t.pid), 't');
	close(copy);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(what_is_no_session_fd_is_refused_and_left_alone)
{
	struct cotrace *s = (void *)1;
	int fds[2], sockets[2];

	CHECK_SYS(pipe(fds));
	CHECK_EQ(cotrace_from_fd(&s, fds[0]), -ENOTSOCK);
	CHECK(s == NULL);
	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	CHECK_OP(cotrace_from_fd(&s, sockets[0]), <, 0);
	close(sockets[0]), close(sockets[1]);
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets));
	CHECK_OP(cotrace_from_fd(&s, sockets[0]), <, 0);
	close(sockets[1]);
	CHECK_OP(cotrace_from_fd(&s, sockets[0]), <, 0);
	close(sockets[0]);
	close(fds[0]), close(fds[1]);
	CHECK_OP(cotrace_from_fd(&s, -1), <, 0);
}

TEST(after_the_end_every_call_fails_alike)
{
	struct cotrace_event ev = EVENT_NULL;
	struct cotrace *s;
	struct target t;
	uint64_t v;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	puppet_end(&t);
	run_to_end(s);
	CHECK_EQ(cotrace_next(s, &ev, 0), -ESHUTDOWN);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, 0), -ESHUTDOWN);
	CHECK_EQ(cotrace_tasks(s, NULL, 0), -ESHUTDOWN);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_FORK, COTRACE_NOTE), -ESHUTDOWN);
	CHECK_EQ(cotrace_register_read(s, 1, "rip", &v, 8), -ESHUTDOWN);
	CHECK_EQ(cotrace_kill(s, 0), -ESHUTDOWN);
	cotrace_close(s);
}

/* 74: what a detached process does later reaches nobody and disturbs nobody. */
TEST(attach_and_close_a_hundred_times)
{
	struct target t;

	puppet_start(&t);
	for (int i = 0; i < 100; i++) {
		struct cotrace *s = attached(t.pid, NULL);

		if (i % 3 == 0)
			subscribe_all(s, COTRACE_NOTE);
		if (i % 3 == 1)
			cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000));
		cotrace_close(s);
		CHECK_EQ(puppet_ask(&t, "fork 2"), 2);
	}
	check_untouched(t.pid);
	puppet_end(&t);
}
