/* SPDX-License-Identifier: MIT */
/* The engine's own life: killed, without fds, without its address. Rows 16, 17. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/raw.h"

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
	static const char *const argv[] = { "threads", "4", "4000", "wait", NULL };
	char expected[128], text[128];
	struct target t;

	target_start(&t, argv);
	target_go(&t);
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
		target_go(&t);
		for (int k = rand() % 200; k > 0 && cotrace_next(s, &ev, 1000000) == 1; k--)
			;
		kill(cotrace_engine_pid(s), SIGKILL);
		target_output(&t, text, sizeof text);
		CHECK_STR(text, expected);
		target_ends_well(&t, 10000);
		cotrace_close(s);
	}
}

/* Opens connections until there is room for no more, and keeps them. */
static unsigned crowd(pid_t engine, int *fds, unsigned max)
{
	unsigned n = 0, open = 0;
	uint8_t m[24];

	for (; n < max; n++) {
		fds[n] = raw_connect(engine);
		if (fds[n] < 0)
			break;
		send(fds[n], m, put_hello(m), MSG_NOSIGNAL);
	}
	/* Each is answered or refused. */
	for (unsigned i = 0; i < n; i++)
		open += recv(fds[i], m, sizeof m, MSG_PEEK) > 0;
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
		struct sockaddr_un address;
		socklen_t size = raw_address(&address, from + i);

		fds[i] = (int)CHECK_SYS(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
		/* An engine of somebody else's may be there. */
		if (bind(fds[i], (struct sockaddr *)&address, size) == 0)
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
	struct sockaddr_un address;
	struct cotrace *s = NULL;
	struct target t;
	socklen_t size;
	int fd = (int)CHECK_SYS(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	/* The name that the next engine might take is occupied by us. */
	puppet_start(&t);
	size = raw_address(&address, t.pid);
	CHECK_SYS(bind(fd, (struct sockaddr *)&address, size));
	CHECK_SYS(listen(fd, 5));
	CHECK_OP(cotrace_open_engine(&s, t.pid), <, 0);
	close(fd);
	puppet_end(&t);
}
