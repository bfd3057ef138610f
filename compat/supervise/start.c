/* SPDX-License-Identifier: MIT */
/* From a program that is about to exec a tool to one that is supervised. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "compat/run.h"
#include "compat/supervise/pass.h"
#include "compat/supervise/supervise.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* What the supervisor says: that it is ready, and then that it serves. */
struct greeting {
	int result;
	pid_t pid;
	bool sync_wake_up;
};

static int receive_listener(int socket)
{
	char byte;
	int fd, r = pass_receive(socket, &byte, sizeof byte, &fd, 0);

	return r < 0 ? r : fd < 0 ? -EPIPE : fd;
}

/* ---- The supervisor ---- */

/* Belongs to nobody: no terminal's signal, no directory; as many files as it may have. */
static void settle(int socket)
{
	struct rlimit files;
	char *engine = getenv("COTRACE_ENGINE");
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setpgid(0, 0);
	prctl(PR_SET_NAME, "cotrace-run");
	for (int n = 1; n <= SIGRTMAX; n++)
		signal(n, n == SIGABRT || n == SIGSEGV || n == SIGBUS || n == SIGILL ||
					  n == SIGFPE || n == SIGTRAP || n == SIGCHLD
				  ? SIG_DFL
				  : SIG_IGN);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (null >= 0 && (fd != STDERR_FILENO || !log_enabled))
			dup2(null, fd);
	dup2(socket, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0u, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	engine = engine ? realpath(engine, NULL) : NULL;
	if (engine)
		setenv("COTRACE_ENGINE", engine, 1);
	free(engine);
	if (chdir("/") < 0)
		log_debug("chdir: %s", strerror(errno));
}

/* Older kernels do without: then both run at once, and each wakes the other up. */
static bool set_sync_wake_up(int listener)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) ==
	       0;
}

static void greet(int socket, int result, bool sync)
{
	struct greeting g = { result, getpid(), sync };

	if (send(socket, &g, sizeof g, MSG_NOSIGNAL) < 0)
		log_debug("nobody hears us");
}

static void supervise(int socket)
{
	struct supervisor s;
	sigset_t none;
	int listener, r;

	log_init();
	settle(socket);
	socket = STDERR_FILENO + 1;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	r = supervisor_open(&s);
	greet(socket, r, false);
	listener = r < 0 ? r : receive_listener(socket);
	if (listener < 0)
		_exit(1);
	r = supervisor_serve(&s, listener);
	greet(socket, r, r == 0 && set_sync_wake_up(listener));
	close(socket);
	if (r == 0)
		supervisor_run(&s);
	_exit(r < 0);
}

/* ---- The one that will be the tool ---- */

/* It is nobody's child, and no wait of the tool will ever find it: not even that it began. */
static int start_orphan(int socket)
{
	pid_t middle = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
	int status = 0;

	if (middle < 0)
		return -errno;
	if (middle == 0) {
		pid_t pid = fork();

		if (pid == 0)
			supervise(socket);
		_exit(pid < 0 ? errno : 0);
	}
	while (waitpid(middle, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int hear(int socket, struct greeting *g)
{
	return recv(socket, g, sizeof *g, 0) == sizeof *g ? g->result : -EPIPE;
}

static int install(struct run *r, int socket, struct greeting *g)
{
	int listener = filter_install(&r->no_new_privs), e;

	if (listener == -EBUSY)
		r->problem = "another program listens to the system calls of this one, and the "
			     "kernel allows one only";
	else if (listener < 0)
		r->problem = "system calls cannot be intercepted";
	if (listener < 0)
		return listener;
	r->problem = "the supervisor does not serve";
	e = pass_send(socket, "", 1, listener);
	if (e == 0)
		e = hear(socket, g);
	close(listener);
	return e;
}

/* Our own, of a cotrace run further out: one is enough for all. */
static bool has_outer(struct run *r)
{
	long pid = syscall(SYS_ptrace, (long)CALLS_WHO_SUPERVISES, 0L, 0L, 0L);

	r->outer = pid > 0;
	r->supervisor = pid > 0 ? (pid_t)pid : 0;
	return r->outer;
}

int run_supervised(struct run *r)
{
	struct greeting g = { 0 };
	int sockets[2], e;

	*r = (struct run){ 0 };
	if (has_outer(r))
		return 0;
	r->problem = "the supervisor cannot be started";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	e = start_orphan(sockets[1]);
	close(sockets[1]);
	if (e == 0)
		e = hear(sockets[0], &g);
	if (e == 0)
		e = install(r, sockets[0], &g);
	close(sockets[0]);
	r->supervisor = g.pid;
	r->sync_wake_up = g.sync_wake_up;
	return e;
}
