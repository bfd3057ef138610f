/* SPDX-License-Identifier: MIT */
#include "test/runner/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t proc_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 0;

	text[0] = '\0';
	if (fd < 0)
		return -1;
	while (used + 1 < size && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd);
	return n < 0 ? -1 : (ssize_t)used;
}

long proc_status_number(pid_t pid, const char *field)
{
	char path[64], text[4096], wanted[64], *at;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	snprintf(wanted, sizeof wanted, "\n%s:", field);
	if (proc_read(path, text, sizeof text) < 0)
		return -1;
	at = strstr(text, wanted);
	return at ? strtol(at + strlen(wanted), NULL, 10) : -1;
}

char proc_state(pid_t tid)
{
	char path[64], text[512], *at;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
	if (proc_read(path, text, sizeof text) <= 0)
		return 0;
	at = strrchr(text, ')');
	return at && at[1] ? at[2] : 0;
}

long proc_blocked_in(pid_t tid)
{
	char path[64], text[256];

	snprintf(path, sizeof path, "/proc/%d/syscall", (int)tid);
	if (proc_read(path, text, sizeof text) <= 0)
		return -2;
	return text[0] >= '0' && text[0] <= '9' ? strtol(text, NULL, 10) : -1;
}

unsigned proc_each_task(pid_t pid, void (*each)(pid_t tid, void *arg), void *arg)
{
	char path[64];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (each)
			each(atoi(entry->d_name), arg);
	}
	if (dir)
		closedir(dir);
	return count;
}

struct child_walk {
	pid_t pid;
	void (*each)(pid_t pid, void *arg);
	void *arg;
	unsigned count;
};

static void children_of_task(pid_t tid, void *arg)
{
	struct child_walk *walk = arg;
	static const size_t size = 1 << 18;
	char path[80], *text = malloc(size), *at = text, *end;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)walk->pid, (int)tid);
	if (text && proc_read(path, text, size) > 0) {
		for (long pid; (pid = strtol(at, &end, 10)) > 0; at = end) {
			walk->count++;
			if (walk->each)
				walk->each((pid_t)pid, walk->arg);
		}
	}
	free(text);
}

unsigned proc_each_child(pid_t pid, void (*each)(pid_t pid, void *arg), void *arg)
{
	struct child_walk walk = { pid, each, arg, 0 };

	proc_each_task(pid, children_of_task, &walk);
	return walk.count;
}

static void descend(pid_t pid, void *arg)
{
	struct child_walk *walk = arg;

	walk->count++;
	if (walk->each)
		walk->each(pid, walk->arg);
	proc_each_child(pid, descend, walk);
}

unsigned proc_each_descendant(pid_t pid, void (*each)(pid_t pid, void *arg), void *arg)
{
	struct child_walk walk = { pid, each, arg, 0 };

	proc_each_child(pid, descend, &walk);
	return walk.count;
}

static void count_stopped(pid_t tid, void *arg)
{
	char state = proc_state(tid);

	*(unsigned *)arg += state == 'T' || state == 't';
}

unsigned proc_stopped_tasks(pid_t pid)
{
	unsigned count = 0;

	proc_each_task(pid, count_stopped, &count);
	return count;
}

struct tracer_count {
	pid_t tracer;
	unsigned count;
};

static void count_traced(pid_t tid, void *arg)
{
	struct tracer_count *c = arg;

	c->count += proc_status_number(tid, "TracerPid") == c->tracer;
}

unsigned proc_tasks_traced_by(pid_t pid, pid_t tracer)
{
	struct tracer_count c = { tracer, 0 };

	proc_each_task(pid, count_traced, &c);
	return c.count;
}

struct text {
	char *at;
	size_t left;
};

static void append_task(pid_t tid, void *arg)
{
	struct text *t = arg;
	char state = proc_state(tid);
	int n = snprintf(t->at, t->left, " %d=%c(%ld)", (int)tid, state ? state : '?',
			 proc_blocked_in(tid));

	if (n > 0 && (size_t)n < t->left) {
		t->at += n;
		t->left -= (size_t)n;
	}
}

void proc_describe(pid_t pid, char *text, size_t size)
{
	char path[64], comm[64];
	struct text t;
	int n;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	proc_read(path, comm, sizeof comm);
	comm[strcspn(comm, "\n")] = '\0';
	n = snprintf(text, size, "%d %s, traced by %ld:", (int)pid, comm,
		     proc_status_number(pid, "TracerPid"));
	t = (struct text){ text + n, size - (size_t)n };
	proc_each_task(pid, append_task, &t);
}
