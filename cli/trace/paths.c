/* SPDX-License-Identifier: MIT */
/*
 * Paths of file descriptors, for -y. Notes come after the fact, so a path is read from
 * /proc as soon as a call has made the fd, kept until a call closes it, and replaced by
 * the name that the program gave when the fd is another file by then.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/decode/text.h"
#include "cli/trace/tracer.h"

struct fd_path {
	int32_t fd;
	char *path;
};

struct process {
	int32_t pid;
	struct fd_path *v;
	unsigned count, capacity;
	struct process *next;
};

#define BUCKETS 256

struct paths {
	bool keep, keep_cwd;
	struct process *buckets[BUCKETS];
};

struct paths *paths_new(bool keep_fds, bool keep_cwd)
{
	struct paths *p = calloc(1, sizeof *p);

	if (p)
		*p = (struct paths){ .keep = keep_fds, .keep_cwd = keep_cwd };
	return p;
}

static struct process **find(struct paths *p, int32_t pid)
{
	struct process **at = &p->buckets[(uint32_t)pid % BUCKETS];

	while (*at && (*at)->pid != pid)
		at = &(*at)->next;
	return at;
}

static struct process *get(struct paths *p, int32_t pid)
{
	struct process **at = find(p, pid);

	if (!*at) {
		*at = calloc(1, sizeof **at);
		if (*at)
			(*at)->pid = pid;
	}
	return *at;
}

static void process_free(struct process *process)
{
	for (unsigned i = 0; i < process->count; i++)
		free(process->v[i].path);
	free(process->v);
	free(process);
}

void paths_forget(struct paths *p, int32_t pid)
{
	struct process **at = find(p, pid), *gone = *at;

	if (!gone)
		return;
	*at = gone->next;
	process_free(gone);
}

void paths_free(struct paths *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (p->buckets[i])
			paths_forget(p, p->buckets[i]->pid);
	free(p);
}

static char *read_path(int32_t pid, int32_t fd)
{
	char link[64], path[4096];
	ssize_t n;

	if (fd == AT_FDCWD)
		snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
	else
		snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)pid, (int)fd);
	n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return NULL;
	path[n] = '\0';
	return strdup(path);
}

static struct fd_path *lookup(struct process *process, int32_t fd)
{
	for (unsigned i = 0; i < process->count; i++)
		if (process->v[i].fd == fd)
			return &process->v[i];
	return NULL;
}

static void drop(struct paths *p, int32_t pid, int32_t fd)
{
	struct process *process = *find(p, pid);
	struct fd_path *had = process ? lookup(process, fd) : NULL;

	if (!had)
		return;
	free(had->path);
	*had = process->v[--process->count];
}

/* Takes @path. */
static void keep(struct paths *p, int32_t pid, int32_t fd, char *path)
{
	struct process *process = get(p, pid);

	drop(p, pid, fd);
	if (!process || !path) {
		free(path);
		return;
	}
	if (process->count == process->capacity) {
		unsigned capacity = process->capacity ? 2 * process->capacity : 8;
		struct fd_path *v = realloc(process->v, capacity * sizeof *v);

		if (!v) {
			free(path);
			return;
		}
		process->v = v;
		process->capacity = capacity;
	}
	process->v[process->count++] = (struct fd_path){ fd, path };
}

static const char *path_of(struct paths *p, int32_t pid, int32_t fd)
{
	struct process *process = get(p, pid);
	struct fd_path *had = process ? lookup(process, fd) : NULL;

	if (!had || !(fd == AT_FDCWD ? p->keep_cwd : p->keep)) {
		char *path = read_path(pid, fd);

		/* What was is better than nothing when the process is gone already. */
		if (path)
			keep(p, pid, fd, path);
		had = process ? lookup(process, fd) : NULL;
	}
	return had ? had->path : NULL;
}

void paths_show(void *context, struct out *out, int32_t pid, int32_t fd)
{
	const char *path = path_of(context, pid, fd);

	if (!path)
		return;
	out_char(out, '<');
	text_escape(out, (const uint8_t *)path, strlen(path));
	out_char(out, '>');
}

void paths_at_entry(struct paths *p, struct task *task, const struct cotrace_event *ev,
		    const uint8_t *data)
{
	const struct decode_call *c = &task->call;

	(void)p;
	task->name.len = 0;
	if (c->call->result.show != SHOW_FD)
		return;
	for (unsigned i = 0; i < ev->captured_count; i++) {
		const struct cotrace_captured *piece = &ev->captured[i];

		if (piece->arg >= ARGS_MAX || c->call->args[piece->arg].form != FORM_PATH)
			continue;
		out_mem(&task->name, data + piece->offset, piece->size);
		out_char(&task->name, '\0');
		return;
	}
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The name the program gave, with the directory it is relative to. */
static char *given_path(struct paths *p, struct task *task)
{
	const char *name = task->name.buf, *dir;
	char *path;
	int32_t dirfd = AT_FDCWD;

	if (!task->name.len || !*name)
		return NULL;
	if (*name == '/')
		return strdup(name);
	if (task->call.call->args[0].type.show == SHOW_DIRFD)
		dirfd = (int32_t)task->call.args[0];
	dir = path_of(p, task->pid, dirfd);
	if (!dir || asprintf(&path, "%s/%s", dir, name) < 0)
		return NULL;
	return path;
}

/* Where symbolic links lead, while the file is there; takes @path. */
static char *resolved(char *path)
{
	char *real = path ? realpath(path, NULL) : NULL;

	if (!real)
		return path;
	free(path);
	return real;
}

static bool named(const struct decode_call *c, const char *name)
{
	return !strcmp(c->call->name, name);
}

/* Whether the call can have made a file of that name, or the number is another's by now. */
static bool is_plausible(const struct decode_call *c, const char *found, const char *given)
{
	if (given)
		return !strcmp(last_part(found), last_part(given));
	return *found != '/' || !strncmp(found, "/memfd:", 7) || named(c, "open_by_handle_at");
}

static void note_result(struct paths *p, struct task *task, int32_t fd)
{
	char *found = read_path(task->pid, fd), *given = resolved(given_path(p, task));

	if (!found || !is_plausible(&task->call, found, given)) {
		free(found);
		found = given;
	} else
		free(given);
	keep(p, task->pid, fd, found);
}

static bool duplicates(const struct decode_call *c)
{
	return !strncmp(c->call->name, "dup", 3) || !strncmp(c->call->name, "fcntl", 5);
}

/* Of pipe() and socketpair(): the numbers are in memory. */
static void note_pair(struct paths *p, struct task *task, const struct cotrace_event *ev,
		      const uint8_t *data)
{
	for (unsigned i = 0; i < ev->captured_count; i++) {
		const struct cotrace_captured *piece = &ev->captured[i];
		const struct arg *a =
			piece->arg < ARGS_MAX ? &task->call.call->args[piece->arg] : NULL;
		int32_t fd;

		if (!a || a->form != FORM_ARRAY || a->type.show != SHOW_FD)
			continue;
		for (uint32_t at = 0; at + sizeof fd <= piece->size; at += sizeof fd) {
			memcpy(&fd, data + piece->offset + at, sizeof fd);
			keep(p, task->pid, fd, read_path(task->pid, fd));
		}
	}
}

static void copy_path(struct paths *p, int32_t pid, int32_t from, int32_t to)
{
	const char *path = path_of(p, pid, from);

	keep(p, pid, to, path ? strdup(path) : NULL);
}

static void forget_range(struct paths *p, int32_t pid, uint32_t first, uint32_t last)
{
	struct process *process = *find(p, pid);

	for (unsigned i = process ? process->count : 0; i-- > 0;)
		if (process->v[i].fd >= 0 && (uint32_t)process->v[i].fd >= first &&
		    (uint32_t)process->v[i].fd <= last)
			drop(p, pid, process->v[i].fd);
}

void paths_at_exit(struct paths *p, struct task *task, const struct cotrace_event *ev,
		   const uint8_t *data)
{
	const struct decode_call *c = &task->call;

	if (named(c, "close"))
		drop(p, task->pid, (int32_t)c->args[0]);
	if (ev->syscall.is_error)
		return;
	if (named(c, "close_range"))
		forget_range(p, task->pid, (uint32_t)c->args[0], (uint32_t)c->args[1]);
	else if (named(c, "chdir") || named(c, "fchdir"))
		drop(p, task->pid, AT_FDCWD);
	else if (c->call->result.show != SHOW_FD)
		note_pair(p, task, ev, data);
	else if (duplicates(c))
		copy_path(p, task->pid, (int32_t)c->args[0], (int32_t)ev->syscall.result);
	else
		note_result(p, task, (int32_t)ev->syscall.result);
}

void paths_learn(struct paths *p, int32_t pid)
{
	char name[40];
	struct dirent *entry;
	DIR *dir;

	keep(p, pid, AT_FDCWD, read_path(pid, AT_FDCWD));
	snprintf(name, sizeof name, "/proc/%d/fd", (int)pid);
	dir = opendir(name);
	while (dir && (entry = readdir(dir))) {
		int32_t fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.')
			keep(p, pid, fd, read_path(pid, fd));
	}
	if (dir)
		closedir(dir);
}

void paths_inherit(struct paths *p, int32_t parent, int32_t pid)
{
	struct process *from = *find(p, parent);

	for (unsigned i = 0; from && i < from->count; i++)
		keep(p, pid, from->v[i].fd, strdup(from->v[i].path));
}
