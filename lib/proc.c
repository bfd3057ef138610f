/* SPDX-License-Identifier: MIT */
#include "lib/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define ENGINE_COMM "cotrace-engine"
#define LISTINGS_MAX 100

static long no_process(long r)
{
	return r == -ENOENT || r == -ENODATA ? -ESRCH : r;
}

pid_t proc_process_of(pid_t pid)
{
	return pid <= 0 ? -ESRCH : (pid_t)no_process(fd_status_number(pid, "Tgid"));
}

/* The one-letter state of a task, or -errno. */
static int state_of(pid_t process, pid_t task)
{
	char text[512];
	ssize_t n = fd_read_stat(process, task, text, sizeof text);

	return n < 0 ? (int)n : text[0];
}

static bool has_exited(int state)
{
	return state == -ENOENT || state == -ESRCH || state == 'Z' || state == 'X' || state == 'x';
}

static pid_t number(const char *name)
{
	return isdigit((unsigned char)*name) ? (pid_t)strtol(name, NULL, 10) : 0;
}

static pid_t living_sibling(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	pid_t found = -ESRCH;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	d = opendir(path);
	if (d == NULL)
		return (pid_t)no_process(-errno);
	while (found == -ESRCH && (entry = readdir(d)) != NULL) {
		pid_t task = number(entry->d_name);
		int state = task > 0 ? state_of(pid, task) : -ESRCH;

		if (!has_exited(state))
			found = state < 0 ? state : task;
	}
	closedir(d);
	return found;
}

/* A listing under which a task dies is cut short, and then need not show one that lives. */
pid_t proc_living_task(pid_t pid)
{
	int state = state_of(pid, pid);
	pid_t found;

	if (!has_exited(state))
		return state < 0 ? state : pid;
	found = living_sibling(pid);
	for (int i = 0; i < LISTINGS_MAX && found == -ESRCH; i++) {
		if (fd_status_number(pid, "Threads") <= 1)
			break;
		sched_yield();
		found = living_sibling(pid);
	}
	return found;
}

pid_t proc_tracer(pid_t pid)
{
	long tracer = fd_status_number(pid, "TracerPid");
	pid_t task;

	if (tracer != 0)
		return (pid_t)no_process(tracer);
	/* A leader that had exited before the attach is not traced, its siblings are. */
	task = proc_living_task(pid);
	if (task <= 0 || task == pid)
		return 0;
	tracer = fd_status_number(task, "TracerPid");
	return tracer > 0 ? (pid_t)tracer : 0;
}

int proc_open_memory(pid_t pid, int flags)
{
	char path[64];
	pid_t task = proc_living_task(pid);
	int fd;

	if (task < 0)
		return task;
	if (task == pid)
		snprintf(path, sizeof path, "/proc/%d/mem", pid);
	else
		snprintf(path, sizeof path, "/proc/%d/task/%d/mem", pid, task);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? (int)no_process(-errno) : fd;
}

int proc_comm(pid_t pid, char comm[PROC_COMM_MAX])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	comm[0] = '\0';
	n = fd_read_file(path, comm, PROC_COMM_MAX);
	if (n < 0)
		return (int)n;
	comm[strcspn(comm, "\n")] = '\0';
	return 0;
}

bool proc_is_engine(pid_t pid)
{
	char comm[PROC_COMM_MAX];

	return pid > 0 && proc_comm(pid, comm) == 0 && strcmp(comm, ENGINE_COMM) == 0;
}

/* The parent of @pid, read from the one line of stat, which is quicker than status. */
static pid_t parent_of(pid_t pid)
{
	char text[512];
	ssize_t n = fd_read_stat(pid, 0, text, sizeof text);

	return n < 0 ? (pid_t)n : (pid_t)strtol(text + 1, NULL, 10);
}

bool proc_descends(pid_t pid, pid_t ancestor)
{
	while (pid > 0 && pid != ancestor)
		pid = parent_of(pid);
	return pid == ancestor;
}

struct kin {
	pid_t pid, parent;
};

struct census {
	struct kin *v;
	size_t count, room;
};

static int census_add(struct census *c, pid_t pid)
{
	if (c->count == c->room) {
		size_t room = c->room ? c->room * 2 : 256;
		struct kin *bigger = realloc(c->v, room * sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		c->v = bigger;
		c->room = room;
	}
	c->v[c->count++] = (struct kin){ pid, parent_of(pid) };
	return 0;
}

static int take_census(struct census *c)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (d == NULL)
		return -errno;
	while (r == 0 && (entry = readdir(d)) != NULL) {
		pid_t pid = number(entry->d_name);

		if (pid > 0)
			r = census_add(c, pid);
	}
	closedir(d);
	return r;
}

/* Generation by generation; who has been taken has no parent any more. */
static void gather(struct proc_family *out, struct census *c, pid_t root)
{
	size_t next = 0;
	pid_t parent = root;

	do {
		for (size_t i = 0; i < c->count; i++)
			if (c->v[i].parent == parent) {
				out->pids[out->count++] = c->v[i].pid;
				c->v[i].parent = -1;
			}
		parent = next < out->count ? out->pids[next] : 0;
	} while (next++ < out->count);
}

int proc_descendants(struct proc_family *out, pid_t pid)
{
	struct census c = { 0 };
	int r = take_census(&c);

	*out = (struct proc_family){ 0 };
	if (r == 0 && c.count > 0) {
		out->pids = calloc(c.count, sizeof *out->pids);
		r = out->pids != NULL ? 0 : -ENOMEM;
	}
	if (r == 0 && c.count > 0)
		gather(out, &c, pid);
	free(c.v);
	return r;
}
