/* SPDX-License-Identifier: MIT */
#include "compat/supervise/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

bool kid_matches(const struct kid *k, const struct wait_query *q)
{
	bool clone = k->exit_signal != SIGCHLD;

	if (q->idtype == P_PID && k->pid != q->id)
		return false;
	if (q->idtype == P_PGID && k->group != q->id)
		return false;
	return q->options & __WALL || clone == !!(q->options & __WCLONE);
}

bool kid_reports(const struct kid *k, const struct wait_query *q)
{
	if (k->state == 'Z')
		return q->options & WEXITED;
	if (k->state == 'T' && q->options & WSTOPPED)
		return true;
	/* Nothing outside the kernel tells who has continued. */
	return k->state != 'T' && q->options & WCONTINUED;
}

int kid_read(struct kid *k, pid_t pid)
{
	char text[1024], *at = text;
	ssize_t n = fd_read_stat(pid, 0, text, sizeof text);

	if (n < 0)
		return (int)n;
	k->pid = pid;
	if (sscanf(text, "%c %*d %d", &k->state, &k->group) != 2)
		return -EINVAL;
	/* Field 38; the state is field 3. */
	for (int field = 3; field < 38 && at; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EINVAL;
	k->exit_signal = atoi(at + 1);
	return 0;
}

static void visit(const struct children_visit *v, pid_t pid)
{
	struct kid k;

	if (!v->skip(pid, v->arg) && kid_read(&k, pid) == 0 && kid_matches(&k, v->query))
		v->each(&k, v->arg);
}

/* Numbers, each with a blank behind it; a read may end anywhere. */
static void visit_thread(const struct children_visit *v, pid_t pid, pid_t tid)
{
	char path[64], text[4096];
	pid_t child = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, text, sizeof text)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] != ' ') {
				child = child * 10 + (text[i] - '0');
				continue;
			}
			visit(v, child);
			child = 0;
		}
	}
	fd_close(fd);
}

bool children_of_many(pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	/* A directory has a link for each of its directories, and two for itself. */
	return stat(path, &st) == 0 && st.st_nlink > 3;
}

void children_each(const struct caller *c, const struct children_visit *v)
{
	struct dirent *entry;
	char path[32];
	DIR *tasks;

	if (v->query->options & __WNOTHREAD || !children_of_many(c->pid)) {
		visit_thread(v, c->pid, c->tid);
		return;
	}
	snprintf(path, sizeof path, "/proc/%d/task", (int)c->pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			visit_thread(v, c->pid, atoi(entry->d_name));
	if (tasks)
		closedir(tasks);
}
