/* SPDX-License-Identifier: MIT */
/*
 * Hands a session to another program: `pass_fd PID` attaches, starts a receiver, sends it
 * the session fd over a Unix socket and ends; the receiver goes on with the same session,
 * with all that is subscribed.
 */
#include <cotrace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_fd(int sock, int fd)
{
	union control control = { 0 };
	struct iovec iov = { (char[]){ 'x' }, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

static int receive_fd(int sock)
{
	union control control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof control };
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg) != NULL)
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
	return fd;
}

/* Prints what there is; with a timeout of 0 until nothing is left. */
static void print_events(struct cotrace *s, int64_t timeout_ns)
{
	struct cotrace_event ev = { .size = sizeof ev };

	while (cotrace_next(s, &ev, timeout_ns) == 1)
		if (ev.kind == COTRACE_EVENT_SYSCALL_ENTRY)
			printf("%d prints: %d: system call %lld\n", (int)getpid(), ev.tid,
			       (long long)ev.syscall.nr);
}

static int receiver(void)
{
	struct cotrace *s;
	int r = cotrace_from_fd(&s, receive_fd(STDIN_FILENO));

	if (r < 0) {
		fprintf(stderr, "pass_fd: %s\n", strerror(-r));
		return 1;
	}
	print_events(s, -1);
	cotrace_close(s);
	return 0;
}

/* Another program: it has nothing but the one socket, as its standard input. */
static int start_receiver(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	if (fork() == 0) {
		dup2(ends[1], STDIN_FILENO);
		execl("/proc/self/exe", "pass_fd", "--receive", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	return ends[0];
}

int main(int argc, char **argv)
{
	struct cotrace *s;
	int sock, r;

	setlinebuf(stdout); /* a line is to be seen when its event has come */
	if (argc > 1 && strcmp(argv[1], "--receive") == 0)
		return receiver();
	if (argc != 2) {
		fprintf(stderr, "Usage: pass_fd PID\n");
		return 2;
	}
	r = cotrace_attach(&s, atoi(argv[1]), NULL);
	if (r < 0) {
		fprintf(stderr, "pass_fd: %s: %s; `cotrace why %s` says more\n", argv[1],
			strerror(-r), argv[1]);
		return 1;
	}
	sock = start_receiver();
	cotrace_subscribe_syscalls(s, COTRACE_ARCH_ANY, COTRACE_ENTRY, NULL, COTRACE_NOTE);
	sleep(1);
	/* All events that are there must be taken first: a batch is not handed over in part. */
	print_events(s, 0);
	r = send_fd(sock, cotrace_fd(s));
	cotrace_close(s);
	return r < 0;
}
