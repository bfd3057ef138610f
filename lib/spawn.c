/* SPDX-License-Identifier: MIT */
/*
 * Starting a program under trace. The child, which shares this program's memory until its
 * exec, asks the engine to trace it; the engine then holds it where the exec ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/attach.h"
#include "lib/engine.h"
#include "lib/launch.h"
#include "lib/proc.h"
#include "lib/session.h"

#define SPAWN_NS (10 * (int64_t)CLOCK_SECOND) /* for the engine to answer */
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* All that the child needs, made beforehand: it may not allocate. */
struct spawn {
	struct cotrace *session;
	const struct cotrace_options *options;
	char **candidates; /* paths to try in turn; ended by NULL */
	char *const *argv;
	char **script_argv; /* for a file that only a shell understands; [1] is its path */
	char *const *envp;
	uint8_t *reply; /* WIRE_DATAGRAM_MAX */
	pid_t tracer;	/* whom the child was born to; 0: nobody */
	volatile int error;
};

static char *join(const char *folder, size_t length, const char *file)
{
	size_t name = strlen(file) + 1;
	char *path = malloc(length + 1 + name);

	if (path == NULL)
		return NULL;
	memcpy(path, folder, length);
	if (length > 0)
		path[length++] = '/';
	memcpy(path + length, file, name);
	return path;
}

static void free_candidates(struct spawn *s)
{
	for (char **c = s->candidates; c != NULL && *c != NULL; c++)
		free(*c);
	free(s->candidates);
}

/* As execvp(3): a name without a slash is looked for in PATH. */
static int find_candidates(struct spawn *s, const char *file)
{
	const char *path = getenv("PATH");
	size_t folders = 1, n = 0;

	if (path == NULL)
		path = DEFAULT_PATH;
	for (const char *p = path; *p != '\0'; p++)
		folders += *p == ':';
	s->candidates = calloc(folders + 1, sizeof *s->candidates);
	if (s->candidates == NULL)
		return -ENOMEM;
	if (*file == '\0')
		return -ENOENT;
	if (strchr(file, '/') != NULL)
		path = "";
	do {
		size_t length = strcspn(path, ":");

		s->candidates[n] = join(path, length, file);
		if (s->candidates[n++] == NULL)
			return -ENOMEM;
		path += length;
	} while (*path++ != '\0');
	return 0;
}

static int prepare_script(struct spawn *s)
{
	size_t n = 0;

	while (s->argv[n] != NULL)
		n++;
	s->script_argv = calloc(n + 3, sizeof *s->script_argv);
	if (s->script_argv == NULL)
		return -ENOMEM;
	s->script_argv[0] = (char *)"/bin/sh";
	for (size_t i = 1; i < n; i++)
		s->script_argv[i + 1] = s->argv[i];
	return 0;
}

/* In the child: proves to the engine that it is who it is, and waits to be traced. */
static int offer_itself(struct spawn *s)
{
	struct wire_attach m;
	struct wire_writer w;
	uint8_t buf[128];
	struct exchange e = {
		.sock = s->session->fd,
		.out = &w,
		.type = WIRE_ATTACH,
		.cookie = session_cookie(s->session),
		.buf = s->reply,
		.deadline = clock_deadline(SPAWN_NS),
	};
	int r;

	e.out_fd = proc_open_memory(getpid(), O_RDWR);
	if (e.out_fd < 0)
		return e.out_fd;
	attach_request(&m, getpid(), s->options, true);
	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_ATTACH, 0, e.cookie);
	wire_put_attach(&w, &m);
	wire_finish(&w);
	r = exchange_run(&e);
	fd_close(e.out_fd);
	if (r < 0)
		return r;
	fd_close(e.in_fd);
	return exchange_error(&e.in);
}

/* Whether the search goes on after this error, as in execvp(3). */
static bool is_absence(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -ESTALE || error == -ENODEV ||
	       error == -ETIMEDOUT || error == -EACCES;
}

static int exec_first(struct spawn *s)
{
	int error = -ENOENT;

	for (char **path = s->candidates; *path != NULL; path++) {
		int r;

		execve(*path, s->argv, s->envp);
		r = -errno;
		if (r == -ENOEXEC) {
			s->script_argv[1] = *path;
			execve(s->script_argv[0], s->script_argv, s->envp);
			r = -errno;
		}
		if (!is_absence(r))
			return r;
		if (error != -EACCES)
			error = r;
	}
	return error;
}

static int child(void *argument, const sigset_t *mask)
{
	struct spawn *s = argument;
	int r;

	launch_reset_signals(1);
	/* Where Yama rules, the engine needs leave, as it is no ancestor. */
	prctl(PR_SET_PTRACER, (unsigned long)s->session->engine_pid, 0, 0, 0);
	s->tracer = proc_tracer(getpid());
	if (s->tracer != 0 && s->tracer != s->session->engine_pid)
		r = -EBUSY;
	else
		r = offer_itself(s);
	if (r == 0) {
		sigprocmask(SIG_SETMASK, mask, NULL);
		r = exec_first(s);
	}
	s->error = r;
	return 127;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Runs the program on the session's engine. Its pid, or -errno and then nothing is left. */
static pid_t run(struct spawn *s)
{
	pid_t pid = launch_child(child, s);

	if (pid > 0 && s->error < 0) {
		reap(pid);
		return s->error;
	}
	return pid;
}

/*
 * A caller that is itself traced as part of a tree has children that are traced from
 * birth: they belong to that engine, and no other can have them. So its engine it is, if
 * it has one, even if its children turn out to be free.
 */
static int open_session(struct spawn *s, pid_t tracer)
{
	int fd = tracer > 0 ? engine_connect(tracer) : -ENOENT;

	if (fd < 0)
		fd = s->options->flags & COTRACE_NO_ENGINE_START ? -ENOENT : engine_start();
	if (fd < 0)
		return fd;
	return attach_open(&s->session, fd, clock_deadline(SPAWN_NS));
}

static pid_t spawn_on(struct spawn *s, pid_t tracer)
{
	int r = open_session(s, tracer);
	pid_t pid;

	if (r < 0)
		return r == -ESHUTDOWN ? -EPROTO : r;
	s->error = 0;
	pid = run(s);
	if (pid > 0) {
		/* It is held where its exec ends; be sure that it has got there. */
		r = cotrace_stop(s->session, 0, COTRACE_ALL, SPAWN_NS);
		if (r == 0 || r == -ETIMEDOUT)
			return pid;
		/* The session ends at an exec of a file that the user may not read. */
		kill(pid, SIGKILL);
		reap(pid);
		pid = r == -ESHUTDOWN ? -EACCES : r;
	}
	cotrace_close(s->session);
	s->session = NULL;
	return pid;
}

static pid_t spawn(struct spawn *s, const char *file)
{
	int r = find_candidates(s, file);
	pid_t pid;

	if (r == 0)
		r = prepare_script(s);
	if (r < 0)
		return r;
	pid = spawn_on(s, proc_tracer(getpid()));
	/* Traced just now, or by a tracer that follows its forks. */
	if (pid == -EBUSY && proc_is_engine(s->tracer))
		pid = spawn_on(s, s->tracer);
	return pid;
}

int cotrace_spawn(struct cotrace **out, pid_t *pid, const char *file, char *const argv[],
		  const struct cotrace_options *options)
{
	struct cotrace_options checked;
	struct spawn s = { .options = &checked, .argv = argv };
	int saved = errno;
	pid_t r = session_options(&checked, options);

	*out = NULL;
	if (r == 0 && (file == NULL || argv == NULL || argv[0] == NULL))
		r = -EINVAL;
	if (r == 0) {
		s.envp = checked.envp != NULL ? checked.envp : environ;
		s.reply = malloc(WIRE_DATAGRAM_MAX);
		r = s.reply != NULL ? spawn(&s, file) : -ENOMEM;
		free_candidates(&s);
		free(s.script_argv);
		free(s.reply);
	}
	errno = saved;
	if (r < 0)
		return r;
	*out = s.session;
	if (pid != NULL)
		*pid = r;
	return 0;
}
