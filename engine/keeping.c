/* SPDX-License-Identifier: MIT */
#include "engine/keeping.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "arch/code.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "engine/keeper.h"
#include "wire/sites.h"

#define CHILDREN_MAX 65536
#define BUSY_NS (5 * CLOCK_MS) /* who is in fork() has come out of it by then */
#define BUSY_PAUSE_NS 200000

struct kept {
	struct list node;
	uint64_t id;
	pid_t pid;
	int mem;
	struct sites_view view;
};

struct armed {
	struct list node;
	pid_t pid;
};

void keeping_init(struct keeping *k)
{
	list_init(&k->spaces);
	list_init(&k->armed);
	k->heard = false;
}

static void drop(struct kept *s)
{
	list_remove(&s->node);
	fd_close(s->mem);
	sites_view_deinit(&s->view);
	free(s);
}

static void forget(struct keeping *k, uint64_t id)
{
	list_for_each (&k->spaces, node, after) {
		struct kept *s = list_entry(node, struct kept, node);

		if (s->id == id)
			drop(s);
	}
}

/* Consumes the fds. */
static void watch(struct keeping *k, const struct keeper_message *m, int mem, int table)
{
	struct kept *s = calloc(1, sizeof *s);
	int r = s ? sites_view_init(&s->view, table) : -ENOMEM;

	fd_close(table);
	forget(k, m->space);
	if (r < 0) {
		log_debug("a space cannot be kept: %d", r);
		fd_close(mem);
		free(s);
		return;
	}
	s->id = m->space;
	s->pid = m->pid;
	s->mem = mem;
	list_append(&k->spaces, &s->node);
}

static void arm(struct keeping *k, pid_t pid)
{
	struct armed *a = calloc(1, sizeof *a);

	if (a == NULL)
		return;
	a->pid = pid;
	list_append(&k->armed, &a->node);
}

static void disarmed(struct keeping *k, pid_t pid)
{
	list_for_each (&k->armed, node, after) {
		struct armed *a = list_entry(node, struct armed, node);

		if (a->pid != pid)
			continue;
		list_remove(&a->node);
		free(a);
	}
}

pid_t keeping_next_armed(struct keeping *k)
{
	pid_t pid = 0;

	if (!list_empty(&k->armed)) {
		pid = list_entry(k->armed.next, struct armed, node)->pid;
		disarmed(k, pid);
	}
	return pid;
}

/* Consumes the fds. */
static void obey(struct keeping *k, const struct keeper_message *m, int fds[2], unsigned count)
{
	k->heard = true;
	if (m->kind == KEEPER_WATCH && count == 2) {
		watch(k, m, fds[0], fds[1]);
		return;
	}
	fd_close(fds[0]);
	fd_close(fds[1]);
	if (m->kind == KEEPER_FORGET)
		forget(k, m->space);
	else if (m->kind == KEEPER_ARMED)
		arm(k, m->pid);
	else if (m->kind == KEEPER_GONE)
		disarmed(k, m->pid);
}

static unsigned take_fds(struct msghdr *msg, int fds[2])
{
	unsigned count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	}
	return count;
}

int keeping_take(struct keeping *k, int fd)
{
	for (;;) {
		struct keeper_message m = { 0 };
		char control[CMSG_SPACE(2 * sizeof(int))];
		struct iovec iov = { &m, sizeof m };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof control };
		int fds[2] = { -1, -1 };
		ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 1;
		if (n <= 0)
			return 0;
		obey(k, &m, fds, take_fds(&msg, fds));
	}
}

static bool is_trap(const uint8_t *bytes, size_t length)
{
	for (unsigned id = 1; id < ENGINE_ARCHS; id++) {
		const struct arch_code *code = arch_code_by_id(id);

		if (code != NULL && code->trap_size == length &&
		    memcmp(bytes, code->trap, length) == 0)
			return true;
	}
	return false;
}

/* And not something else that the program has there by now. */
static bool is_planted(int mem, const struct site *site)
{
	uint8_t now[SITE_BYTES_MAX];

	return site->length > 0 &&
	       pread(mem, now, site->length, (off_t)site->addr) == site->length &&
	       is_trap(now, site->length) && memcmp(now, site->bytes, site->length) != 0;
}

static unsigned put_all_back(const struct kept *s, int mem)
{
	struct site site;
	unsigned count = 0;

	for (size_t i = 0; sites_get(s->view.table, s->view.size, i, &site); i++)
		count += is_planted(mem, &site) &&
			 pwrite(mem, site.bytes, site.length, (off_t)site.addr) == site.length;
	return count;
}

void keeping_restore(struct keeping *k)
{
	list_for_each (&k->spaces, node, after) {
		struct kept *s = list_entry(node, struct kept, node);
		unsigned count = put_all_back(s, s->mem);

		log_debug("%u traps taken out of %d", count, (int)s->pid);
	}
}

void keeping_rehearse(const struct keeping *k)
{
	list_for_each (&k->spaces, node, after) {
		const struct kept *s = list_entry(node, struct kept, node);
		struct site site;

		if (sites_get(s->view.table, s->view.size, 0, &site))
			is_planted(s->mem, &site);
	}
}

/* The same program, so that what looks like a trap of ours is one. */
static bool same_program(pid_t one, pid_t other)
{
	struct stat a, b;
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/exe", (int)one);
	if (stat(path, &a) < 0)
		return false;
	snprintf(path, sizeof path, "/proc/%d/exe", (int)other);
	return stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void restore_child(const struct kept *s, pid_t child, pid_t engine)
{
	unsigned count = 0;
	char path[40];
	int mem;

	if (fd_status_number(child, "TracerPid") != engine || !same_program(child, s->pid))
		return;
	snprintf(path, sizeof path, "/proc/%d/mem", (int)child);
	mem = open(path, O_RDWR | O_CLOEXEC);
	if (mem >= 0)
		count = put_all_back(s, mem);
	fd_close(mem);
	log_debug("%u traps taken out of %d's child %d", count, (int)s->pid, (int)child);
}

static void restore_children_of_task(const struct kept *s, const char *tid, pid_t engine)
{
	char path[64], list[CHILDREN_MAX], *at = list, *end;

	snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)s->pid, tid);
	if (fd_read_file(path, list, sizeof list) <= 0)
		return;
	for (;;) {
		long child = strtol(at, &end, 10);

		if (end == at)
			return;
		restore_child(s, (pid_t)child, engine);
		at = end;
	}
}

/* It may be within fork(), and is to stop there for the engine: the child is not seen yet. */
static bool is_busy(const struct kept *s, const char *tid)
{
	char text[512];

	return fd_read_stat(s->pid, (pid_t)atoi(tid), text, sizeof text) > 0 &&
	       (text[0] == 'R' || text[0] == 'D');
}

static bool restore_children_of(const struct kept *s, pid_t engine)
{
	char path[40];
	DIR *tasks;
	bool busy = false;

	snprintf(path, sizeof path, "/proc/%d/task", (int)s->pid);
	tasks = opendir(path);
	if (tasks == NULL)
		return false;
	for (struct dirent *e; (e = readdir(tasks)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		busy |= is_busy(s, e->d_name); /* first, or it is missed in between */
		restore_children_of_task(s, e->d_name, engine);
	}
	closedir(tasks);
	return busy;
}

void keeping_restore_children(struct keeping *k, pid_t engine)
{
	const struct timespec pause = { 0, BUSY_PAUSE_NS };
	uint64_t until = clock_now_ns() + BUSY_NS;
	bool busy;

	do {
		busy = false;
		list_for_each (&k->spaces, node, after) {
			struct kept *s = list_entry(node, struct kept, node);
			struct site site;

			if (sites_get(s->view.table, s->view.size, 0, &site))
				busy |= restore_children_of(s, engine);
		}
		if (busy)
			nanosleep(&pause, NULL);
	} while (busy && clock_now_ns() < until);
}

void keeping_deinit(struct keeping *k)
{
	list_for_each (&k->spaces, node, after)
		drop(list_entry(node, struct kept, node));
	while (keeping_next_armed(k))
		;
}
