/* SPDX-License-Identifier: MIT */
#include "lib/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/launch.h"
#include "lib/proc.h"
#include "lib/session.h"

#define SESSION_FD 3
#define FDS_MIN 32 /* with fewer an engine can do nothing */
#define HIGH_FD 10 /* above all numbers that are given a meaning here */

const char *engine_path(void)
{
	const char *path = secure_getenv("COTRACE_ENGINE");

	return path != NULL && *path != '\0' ? path : COTRACE_ENGINE_PATH;
}

static socklen_t address_of(struct sockaddr_un *a, pid_t pid)
{
	int n;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "cotrace-engine/%d", pid);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* Anybody can listen under any name: what counts is who does. */
static int check_peer(int fd, pid_t pid)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	if (peer.pid != pid)
		return -ENOENT;
	/* An engine serves its own user and root, and nobody else. */
	if (peer.uid != geteuid() && geteuid() != 0)
		return -EPERM;
	return 0;
}

int engine_connect(pid_t pid)
{
	struct sockaddr_un address;
	socklen_t size = address_of(&address, pid);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, size) < 0)
		r = errno == ECONNREFUSED && !proc_is_engine(pid) ? -ENOENT : -EAGAIN;
	else
		r = check_peer(fd, pid);
	if (r < 0)
		fd = fd_close(fd);
	return r < 0 ? r : fd;
}

struct start {
	const char *path;
	char *const *argv;
	char **envp;
	int sock;
	bool keep_stdio;
	volatile int error; /* of exec */
};

/* As many as the caller may have: one with few of its own must not cripple the engine. */
static int raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno
	       : files.rlim_max < FDS_MIN	    ? -EMFILE
						    : 0;
}

/* Only numbers 0 to 3 are left open, each with its meaning. */
static int arrange_fds(const struct start *s)
{
	int r = raise_limit(), sock, null;

	if (r < 0)
		return r;
	sock = fcntl(s->sock, F_DUPFD, HIGH_FD);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (sock < 0 || null < 0)
		return -errno;
	null = fcntl(null, F_DUPFD, HIGH_FD);
	for (int fd = 0; fd < SESSION_FD; fd++)
		if (!s->keep_stdio || fcntl(fd, F_GETFD) < 0)
			dup2(null, fd);
	if (dup2(sock, SESSION_FD) < 0)
		return -errno;
	if (close_range(SESSION_FD + 1, ~0u, 0) < 0)
		for (int fd = SESSION_FD + 1; fd < 65536; fd++)
			close(fd);
	return 0;
}

static int exec_engine(void *argument, const sigset_t *mask)
{
	struct start *s = argument;
	sigset_t none;
	int r = arrange_fds(s);

	(void)mask;
	setpgid(0, 0);
	launch_reset_signals(0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (r == 0) {
		execve(s->path, s->argv, s->envp);
		r = -errno;
	}
	s->error = r;
	return 127;
}

/* What is preloaded into the host has no business in the engine. */
static char **engine_environment(void)
{
	static const char *const dropped[] = { "LD_PRELOAD=", "LD_AUDIT=" };
	size_t n = 0, kept = 0;
	char **envp;

	while (environ != NULL && environ[n] != NULL)
		n++;
	envp = calloc(n + 1, sizeof *envp);
	for (size_t i = 0; envp != NULL && i < n; i++)
		if (strncmp(environ[i], dropped[0], strlen(dropped[0])) != 0 &&
		    strncmp(environ[i], dropped[1], strlen(dropped[1])) != 0)
			envp[kept++] = environ[i];
	return envp;
}

int engine_start(void)
{
	static char *const argv[] = { (char *)"cotrace-engine", (char *)"--session-fd", (char *)"3",
				      NULL };
	struct start s = {
		.path = engine_path(),
		.argv = argv,
		.envp = engine_environment(),
		.keep_stdio = secure_getenv("COTRACE_DEBUG") != NULL,
	};
	int ends[2], r;

	if (s.envp == NULL)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		r = -errno;
		free(s.envp);
		return r;
	}
	s.sock = ends[1];
	r = launch_orphan(exec_engine, &s);
	if (r == 0 && s.error < 0)
		r = s.error == -EACCES || s.error == -ENOTDIR ? -ENOENT : s.error;
	fd_close(ends[1]);
	free(s.envp);
	if (r < 0)
		fd_close(ends[0]);
	return r < 0 ? r : ends[0];
}

/* One line of /proc/net/unix: its last field is the name. 0 if it is no engine's. */
static pid_t engine_of_line(const char *line)
{
	static const char name[] = " @cotrace-engine/";
	const char *at = strstr(line, name);
	pid_t pid = at != NULL ? (pid_t)strtol(at + strlen(name), NULL, 10) : 0;

	return proc_is_engine(pid) ? pid : 0;
}

struct found {
	pid_t *v;
	size_t count;
};

/* An engine's accepted connections bear the name of the socket that listens, too. */
static int found_add(struct found *f, pid_t pid)
{
	pid_t *bigger;

	for (size_t i = 0; i < f->count; i++)
		if (f->v[i] == pid)
			return 0;
	bigger = realloc(f->v, (f->count + 1) * sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	f->v = bigger;
	f->v[f->count++] = pid;
	return 0;
}

static int find_engines(struct found *found)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	if (f == NULL)
		return -errno;
	while (r == 0 && getline(&line, &room, f) > 0) {
		pid_t pid = engine_of_line(line);

		if (pid > 0)
			r = found_add(found, pid);
	}
	free(line);
	fclose(f);
	return r;
}

int cotrace_engines(pid_t *v, size_t max)
{
	struct found found = { 0 };
	int saved = errno, r = find_engines(&found);

	if (max > found.count)
		max = found.count;
	if (r == 0 && max > 0)
		memcpy(v, found.v, max * sizeof *v);
	free(found.v);
	errno = saved;
	return r < 0 ? r : (int)found.count;
}
