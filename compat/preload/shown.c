/* SPDX-License-Identifier: MIT */
/*
 * What the program reads of its tracees in /proc: that it is their tracer, and that they stand when
 * they do so for it. Its files of that are copies, made when they are opened.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "compat/preload/preload.h"

#define STOPPED "t (tracing stop)"
#define SLEEPING "S (sleeping)"

enum { TEXT_MAX = 8192 };

/* The task whose status or stat it is; 0: it is something else. */
static pid_t task_of(const char *path, bool *stat)
{
	char name[8] = "";
	int pid, tid;

	if (strncmp(path, "/proc/", 6) != 0)
		return 0;
	if (sscanf(path, "/proc/%d/task/%d/%7s", &pid, &tid, name) != 3) {
		if (sscanf(path, "/proc/%d/%7s", &pid, name) != 2)
			return 0;
		tid = pid;
	}
	*stat = strcmp(name, "stat") == 0;
	return *stat || strcmp(name, "status") == 0 ? tid : 0;
}

static enum personality_shown shown(pid_t tid)
{
	enum personality_shown how = SHOWN_AS_IT_IS;
	struct visit v;

	visit_begin(&v);
	state_take_tracees();
	if (state->personality != NULL)
		how = personality_shown(state->personality, v.caller.pid, tid);
	visit_end(&v);
	return how;
}

static void put_line(char *text, const char *field, const char *value)
{
	char *at = strstr(text, field), *end = at != NULL ? strchr(at, '\n') : NULL, rest[TEXT_MAX];

	if (end == NULL)
		return;
	strcpy(rest, end);
	snprintf(at + strlen(field), TEXT_MAX - (size_t)(at + strlen(field) - text), "%s%s", value,
		 rest);
}

/* Whom others trace by the same engine can be traced as well, so nobody is in the way. */
static void hide_engine(char *text)
{
	static const char field[] = "\nTracerPid:\t";
	const char *at = strstr(text, field);

	if (at != NULL && state->engine > 0 && atoi(at + strlen(field)) == state->engine)
		put_line(text, field, "0");
}

static void alter(char *text, bool stat, enum personality_shown how)
{
	char *letter = stat ? strrchr(text, ')') : strstr(text, "\nState:\t"), tracer[16];

	if (how == SHOWN_AS_IT_IS)
		hide_engine(text);
	if (letter == NULL || how == SHOWN_AS_IT_IS)
		return;
	letter += stat ? 2 : strlen("\nState:\t");
	snprintf(tracer, sizeof tracer, "%d", (int)state->pid);
	if (!stat && how == SHOWN_STOPPED)
		put_line(text, "\nState:\t", STOPPED);
	else if (!stat && *letter == 't')
		put_line(text, "\nState:\t", SLEEPING);
	else if (how == SHOWN_STOPPED || *letter == 't')
		*letter = how == SHOWN_STOPPED ? 't' : 'S';
	if (!stat)
		put_line(text, "\nTracerPid:\t", tracer);
}

static long open_plainly(int folder, const char *path, int flags, mode_t mode)
{
	return raw_call(SYS_openat, (uint64_t)folder, (uintptr_t)path, (uint64_t)flags, mode, 0, 0);
}

/* In place of @fd, and with its number. */
static void replace(int fd, int flags, bool stat, enum personality_shown how)
{
	char text[TEXT_MAX + 1];
	ssize_t n = 0, more;
	int copy;

	while (n < TEXT_MAX / 2 && (more = read(fd, text + n, (size_t)(TEXT_MAX / 2 - n))) > 0)
		n += more;
	text[n] = '\0';
	alter(text, stat, how);
	copy = fd_memory("proc", 0);
	if (copy >= 0 && write(copy, text, strlen(text)) == (ssize_t)strlen(text) &&
	    lseek(copy, 0, SEEK_SET) == 0)
		raw_call(SYS_dup3, (uint64_t)copy, (uint64_t)fd, (uint64_t)(flags & O_CLOEXEC), 0,
			 0, 0);
	else
		lseek(fd, 0, SEEK_SET);
	if (copy >= 0)
		raw_call(SYS_close, (uint64_t)copy, 0, 0, 0, 0, 0);
}

int shown_open(int folder, const char *path, int flags, mode_t mode)
{
	enum personality_shown how = SHOWN_AS_IT_IS;
	bool stat = false;
	pid_t tid = 0;
	int fd;

	if (state != NULL && state->owner == OWNER_OURS && path != NULL && !state_inside())
		tid = task_of(path, &stat);
	if (tid > 0 && state_is_of_caller())
		how = shown(tid);
	fd = (int)raw_result(open_plainly(folder, path, flags, mode));
	if (fd >= 0 && (how != SHOWN_AS_IT_IS || (tid > 0 && !stat && state->engine > 0)))
		replace(fd, flags, stat, how);
	return fd;
}

/* ---- What the program calls, under both names; open64() is in fds.c ---- */

PRELOAD_EXPORT int preload_open(const char *path, int flags, ...) __asm__("open");
PRELOAD_EXPORT int preload_openat(int folder, const char *path, int flags, ...) __asm__("openat");
PRELOAD_EXPORT int preload_openat64(int folder, const char *path, int flags,
				    ...) __asm__("openat64");
PRELOAD_EXPORT FILE *preload_fopen(const char *path, const char *mode) __asm__("fopen");
PRELOAD_EXPORT FILE *preload_fopen64(const char *path, const char *mode) __asm__("fopen64");

#define MODE_OF(flags)                                 \
	({                                             \
		mode_t mode_ = 0;                      \
		va_list list_;                         \
		if ((flags) & (O_CREAT | O_TMPFILE)) { \
			va_start(list_, flags);        \
			mode_ = va_arg(list_, mode_t); \
			va_end(list_);                 \
		}                                      \
		mode_;                                 \
	})

int preload_open(const char *path, int flags, ...)
{
	return shown_open(AT_FDCWD, path, flags, MODE_OF(flags));
}

int preload_openat(int folder, const char *path, int flags, ...)
{
	return shown_open(folder, path, flags, MODE_OF(flags));
}

int preload_openat64(int folder, const char *path, int flags, ...)
{
	return shown_open(folder, path, flags, MODE_OF(flags));
}

static FILE *open_stream(const char *path, const char *mode)
{
	static FILE *(*real)(const char *path, const char *mode);
	bool stat;
	int fd;

	if (state_inside() || path == NULL || mode == NULL || mode[0] != 'r' ||
	    strchr(mode, '+') != NULL || task_of(path, &stat) == 0) {
		if (real == NULL)
			*(void **)&real = dlsym(RTLD_NEXT, "fopen64");
		return real(path, mode);
	}
	fd = shown_open(AT_FDCWD, path, O_RDONLY | (strchr(mode, 'e') ? O_CLOEXEC : 0), 0);
	return fd < 0 ? NULL : fdopen(fd, mode);
}

FILE *preload_fopen(const char *path, const char *mode)
{
	return open_stream(path, mode);
}

FILE *preload_fopen64(const char *path, const char *mode)
{
	return open_stream(path, mode);
}
