/* SPDX-License-Identifier: MIT */
#include "cli/program.h"

#include <cotrace.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"

int program_pids(pid_t *pids, unsigned *count, unsigned max, const char *list)
{
	char *copy = strdup(list), *rest = copy, *item;
	int status = copy ? 0 : complain(EXIT_FAILURE, "out of memory");

	while (!status && copy && (item = strsep(&rest, ", \t\n"))) {
		long pid = parse_number(item);

		if (!*item)
			continue;
		if (pid < 0 || pid > INT32_MAX)
			status = complain(EXIT_USAGE, "-p takes a process id, not '%s'", item);
		else if (*count == max)
			status = complain(EXIT_USAGE,
					  "more than %u -p options; attach to a parent with "
					  "-f instead",
					  max);
		else
			pids[(*count)++] = (pid_t)pid;
	}
	free(copy);
	return status;
}

static int bad_engine(void)
{
	const char *path = getenv("COTRACE_ENGINE");

	return complain(EXIT_FAILURE,
			"%s does not answer as an engine of this version of cotrace; %s",
			path ? path : "what is installed as cotrace-engine",
			path ? "unset COTRACE_ENGINE" : "install cotrace anew");
}

/* A few of our own, and 32 for an engine. */
static int few_files(void)
{
	struct rlimit files = { 0 };

	getrlimit(RLIMIT_NOFILE, &files);
	return complain(EXIT_FAILURE,
			"no more files can be opened; tracing needs a limit of open files (ulimit "
			"-Hn) of 32 and more, it is %lu",
			(unsigned long)files.rlim_max);
}

int program_not_attached(pid_t pid, int error)
{
	struct cotrace_explanation e = { .size = sizeof e };

	if (cotrace_explain(pid, &e) == 0 && e.reason != COTRACE_REASON_NONE && e.sentence[0])
		return complain(EXIT_FAILURE, "%s", e.sentence);
	if (error == -EPROTO)
		return bad_engine();
	if (error == -EMFILE)
		return few_files();
	if (error == -ETIMEDOUT && e.engine_pid)
		return complain_of_silence(e.engine_pid);
	if (error == -ESHUTDOWN)
		return complain(
			EXIT_FAILURE,
			"the engine of process %d has ended; it runs on untraced: try again",
			(int)pid);
	return complain(EXIT_FAILURE, "process %d cannot be attached to: %s", (int)pid,
			strerror(-error));
}

/* Whether @path can be run: 0, or a negative errno. */
static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -EACCES;
	return 0;
}

static int find(const char *name, char **path)
{
	const char *dirs = getenv("PATH");
	int error = -ENOENT;
	char *copy, *rest, *dir;

	if (strchr(name, '/')) {
		error = runnable(name);
		*path = error ? NULL : strdup(name);
		return error || *path ? error : -ENOMEM;
	}
	rest = copy = strdup(dirs ? dirs : "/bin:/usr/bin");
	while (copy && (dir = strsep(&rest, ":"))) {
		int r = asprintf(path, "%s/%s", *dir ? dir : ".", name) < 0 ? -ENOMEM
									    : runnable(*path);

		if (!r) {
			free(copy);
			return 0;
		}
		if (r == -EACCES)
			error = r;
		free(*path);
	}
	free(copy);
	*path = NULL;
	return error;
}

static int not_run(const char *name, int error)
{
	if (error == -ENOENT || error == -ENOTDIR)
		return complain(EXIT_NOT_FOUND, "%s: there is no such command", name);
	if (error == -EACCES)
		return complain(EXIT_NOT_EXECUTABLE, "%s: is not an executable file", name);
	if (error == -ENOEXEC)
		return complain(EXIT_NOT_EXECUTABLE,
				"%s: is neither a program nor a script with a #! line", name);
	return complain(EXIT_FAILURE, "%s cannot be started under trace: %s", name,
			strerror(-error));
}

int program_find(const char *name, char **path)
{
	int r = find(name, path);

	return r ? not_run(name, r) : 0;
}

/* What keeps us from tracing even a child of ours; false if nothing is known. */
static bool why_no_child(struct cotrace_explanation *e)
{
	pid_t child = fork();
	int r;

	if (child < 0)
		return false;
	if (child == 0) {
		pause();
		_exit(0);
	}
	r = cotrace_explain(child, e);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (r)
		return false;
	return e->reason == COTRACE_REASON_NO_ENGINE || e->reason == COTRACE_REASON_SECCOMP ||
	       e->reason == COTRACE_REASON_FOREIGN_TRACER ||
	       (e->reason == COTRACE_REASON_YAMA && e->detail > 1);
}

int program_not_spawned(const char *name, const char *path, int error)
{
	struct cotrace_explanation e = { .size = sizeof e };

	if (error == -EPROTO)
		return bad_engine();
	if (error == -EMFILE)
		return few_files();
	if (error == -EACCES)
		return complain(EXIT_NOT_EXECUTABLE,
				"%s can be executed but not read, so it cannot be traced; root may "
				"trace it",
				path);
	if ((error == -ENOENT || error == -EPERM || error == -EBUSY) && why_no_child(&e))
		return complain(EXIT_FAILURE, "%s", e.sentence);
	if (error == -ENOENT)
		return complain(EXIT_NOT_FOUND, "%s: its interpreter is not there", path);
	return not_run(name, error);
}

int program_die_of(int signo)
{
	const struct rlimit none = { 0, 0 };
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	signal(signo, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signo);
	return 128 + signo;
}

int program_status(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	if (WIFSIGNALED(status))
		return program_die_of(WTERMSIG(status));
	return WEXITSTATUS(status);
}

int program_signals_open(bool has_command)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (has_command) {
		signal(SIGINT, SIG_IGN);
		signal(SIGQUIT, SIG_IGN);
	} else {
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGQUIT);
	}
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int program_signals_take(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

bool program_session_over(const struct cotrace_event *ev, struct cotrace *s, pid_t pid)
{
	if (ev->kind == COTRACE_EVENT_ENGINE_GONE)
		complain(0, "the engine (pid %d) has ended; process %d runs on untraced",
			 (int)cotrace_engine_pid(s), (int)pid);
	else if (ev->end.reason == COTRACE_END_BY_USER)
		complain(0,
			 "the session on process %d was ended by 'cotrace end'; "
			 "it runs on untraced",
			 (int)pid);
	else if (ev->end.reason == COTRACE_END_PRIVILEGE_GAINED)
		complain(0,
			 "process %d has run a program that gained privilege or may not be "
			 "read, and can no longer be traced; attach again as root",
			 (int)pid);
	else if (ev->end.reason == COTRACE_END_PROTOCOL)
		complain(0,
			 "the engine has ended the session on process %d: library and engine "
			 "do not understand each other",
			 (int)pid);
	return ev->kind == COTRACE_EVENT_ENGINE_GONE ||
	       ev->end.reason == COTRACE_END_PRIVILEGE_GAINED ||
	       ev->end.reason == COTRACE_END_PROTOCOL;
}
