/* SPDX-License-Identifier: MIT */
/*
 * What a program starts. A tool's children are what it traces: they do not have the library, and
 * make no system call here that the tool would see. Everything else has it, so that it gets to
 * where it is needed. Nothing here changes anything: the caller may be a vfork child.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat/preload/preload.h"
#include "compat/preload/program.h"

#define VARIABLE "LD_PRELOAD="

static bool wants_library(const char *path)
{
	const char *why;

	return state != NULL && !program_is_tool && program_look(path, &why) != PROGRAM_ALONE;
}

static size_t length_of(char *const v[])
{
	size_t n = 0;

	while (v != NULL && v[n] != NULL)
		n++;
	return n;
}

static const char *preloaded_already(char *const envp[])
{
	for (; envp != NULL && *envp != NULL; envp++)
		if (strncmp(*envp, VARIABLE, sizeof VARIABLE - 1) == 0)
			return *envp + sizeof VARIABLE - 1;
	return NULL;
}

/* Bytes for the variable and the array, on the caller's stack. */
static size_t room_for(char *const envp[])
{
	const char *others = preloaded_already(envp);

	return (length_of(envp) + 2) * sizeof(char *) + sizeof VARIABLE + strlen(library_path) +
	       (others != NULL ? strlen(others) : 0) + 2;
}

static char *const *with_library(void *room, char *const envp[])
{
	const char *others = preloaded_already(envp);
	size_t n = length_of(envp), kept = 0;
	char **v = room, *variable = (char *)(v + n + 2);

	stpcpy(stpcpy(variable, VARIABLE), library_path);
	if (others != NULL)
		strcat(strcat(variable, ":"), others);
	v[kept++] = variable;
	for (size_t i = 0; i < n; i++)
		if (strncmp(envp[i], VARIABLE, sizeof VARIABLE - 1) != 0)
			v[kept++] = envp[i];
	v[kept] = NULL;
	return v;
}

/* With a signal on its way that the new program does not know, it would end. */
static void before_exec(void)
{
	struct visit v;

	if (state == NULL || !state->async || !state_is_of_caller())
		return;
	visit_begin(&v);
	child_signal_off();
	state->handles_sigchld = false;
	raw_mask(v.mask);
}

PRELOAD_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	if (wants_library(path))
		envp = with_library(alloca(room_for(envp)), envp);
	before_exec();
	return (int)raw_result(
		raw_call(SYS_execve, (uintptr_t)path, (uintptr_t)argv, (uintptr_t)envp, 0, 0, 0));
}

PRELOAD_EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

/* As the shell would find it; the C library does the rest. */
static const char *find(const char *file, char path[PATH_MAX])
{
	const char *at = getenv("PATH");
	size_t length = strlen(file);

	if (strchr(file, '/') != NULL || at == NULL)
		return file;
	while (*at != '\0') {
		size_t n = strcspn(at, ":");

		if (n > 0 && n + length + 2 < PATH_MAX) {
			memcpy(path, at, n);
			path[n] = '/';
			memcpy(path + n + 1, file, length + 1);
			if (access(path, X_OK) == 0)
				return path;
		}
		at += n + (at[n] == ':');
	}
	return file;
}

PRELOAD_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	int (*next)(const char *, char *const[], char *const[]);
	char path[PATH_MAX];

	*(void **)&next = dlsym(RTLD_NEXT, "execvpe");
	if (wants_library(find(file, path)))
		envp = with_library(alloca(room_for(envp)), envp);
	before_exec();
	return next(file, argv, envp);
}

PRELOAD_EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

/* ---- Arguments one by one ---- */

static size_t count_arguments(va_list list)
{
	size_t n = 1;

	while (va_arg(list, char *) != NULL)
		n++;
	return n + 1;
}

static char *const *fill(char **argv, const char *first, va_list list)
{
	size_t n = 0;

	argv[n++] = (char *)(uintptr_t)first;
	while (argv[n - 1] != NULL)
		argv[n++] = va_arg(list, char *);
	return argv;
}

#define ARGUMENTS(argv, first, list)                                                          \
	do {                                                                                  \
		char **room_;                                                                 \
		va_start(list, first);                                                        \
		room_ = alloca((first != NULL ? count_arguments(list) : 1) * sizeof(char *)); \
		va_end(list);                                                                 \
		va_start(list, first);                                                        \
		argv = fill(room_, first, list);                                              \
	} while (0)

PRELOAD_EXPORT int execl(const char *path, const char *first, ...)
{
	char *const *argv;
	va_list list;

	ARGUMENTS(argv, first, list);
	va_end(list);
	return execve(path, argv, environ);
}

PRELOAD_EXPORT int execlp(const char *file, const char *first, ...)
{
	char *const *argv;
	va_list list;

	ARGUMENTS(argv, first, list);
	va_end(list);
	return execvpe(file, argv, environ);
}

PRELOAD_EXPORT int execle(const char *path, const char *first, ...)
{
	char *const *argv, *const *envp;
	va_list list;

	ARGUMENTS(argv, first, list);
	envp = va_arg(list, char *const *);
	va_end(list);
	return execve(path, argv, envp);
}

/* ---- posix_spawn() ---- */

typedef int spawn_function(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attributes, char *const argv[],
			   char *const envp[]);

static int spawn(const char *name, bool searches, pid_t *pid, const char *path,
		 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
		 char *const argv[], char *const envp[])
{
	spawn_function *next;
	char found[PATH_MAX];

	*(void **)&next = dlsym(RTLD_NEXT, name);
	if (wants_library(searches ? find(path, found) : path))
		envp = with_library(alloca(room_for(envp)), envp);
	return next(pid, path, actions, attributes, argv, envp);
}

PRELOAD_EXPORT int posix_spawn(pid_t *pid, const char *path,
			       const posix_spawn_file_actions_t *actions,
			       const posix_spawnattr_t *attributes, char *const argv[],
			       char *const envp[])
{
	return spawn("posix_spawn", false, pid, path, actions, attributes, argv, envp);
}

PRELOAD_EXPORT int posix_spawnp(pid_t *pid, const char *file,
				const posix_spawn_file_actions_t *actions,
				const posix_spawnattr_t *attributes, char *const argv[],
				char *const envp[])
{
	return spawn("posix_spawnp", true, pid, file, actions, attributes, argv, envp);
}

/* ---- fork() ---- */

/* A child has copies of our fds, which would keep sessions alive when its parent is gone. */
PRELOAD_EXPORT pid_t fork(void)
{
	pid_t (*next)(void);
	uint64_t *ours;
	pid_t pid;

	*(void **)&next = dlsym(RTLD_NEXT, "fork");
	if (state == NULL || state->owner != OWNER_OURS)
		return next();
	ours = alloca(sizeof state->ours);
	memcpy(ours, state->ours, sizeof state->ours);
	pid = next();
	for (int fd = 0; fd < FDS_MAX && pid == 0; fd++) {
		if (ours[fd / 64] == 0)
			fd |= 63;
		else if (ours[fd / 64] >> fd % 64 & 1)
			raw_call(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	}
	return pid;
}
