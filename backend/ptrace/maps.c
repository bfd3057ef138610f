/* SPDX-License-Identifier: MIT */
/* What is mapped where, as /proc/PID/maps tells. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/ptrace/internal.h"
#include "base/fd.h"

#define LOWEST 0x10000u /* vm.mmap_min_addr as distributions have it */

struct mapping {
	uint64_t from, to;
	char flags[5]; /* "r-xp" */
};

static FILE *open_maps(pid_t tid)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/maps", (int)tid);
	return fopen(path, "re");
}

static bool next_mapping(FILE *f, struct mapping *m)
{
	char line[512];
	bool begins = true;

	while (fgets(line, sizeof line, f) != NULL) {
		bool is_whole = strchr(line, '\n') != NULL, first = begins;

		begins = is_whole; /* a long path continues in the next piece */
		if (first &&
		    sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &m->from, &m->to, m->flags) == 3)
			return true;
	}
	return false;
}

/* As <linux/fs.h> has them since Linux 6.11. */
struct maps_query {
	uint64_t size, flags, addr;
	uint64_t from, to, found, page_size, offset, inode;
	uint32_t dev_major, dev_minor, name_size, build_id_size;
	uint64_t name_addr, build_id_addr;
};

#define MAPS_QUERY _IOWR('f', 17, struct maps_query)
#define MAPS_EXECUTABLE 4u
#define MAPS_SHARED 8u

/* Whether the kernel can tell without listing all; then *@may is the answer. */
static bool query_may_plant(pid_t tid, uint64_t at, bool *may)
{
	struct maps_query q = { .size = sizeof q, .addr = at };
	char path[40];
	int fd, r;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -1 : ioctl(fd, MAPS_QUERY, &q);
	*may = r == 0 && (q.found & (MAPS_EXECUTABLE | MAPS_SHARED)) == MAPS_EXECUTABLE;
	r = r < 0 ? -errno : 0;
	fd_close(fd);
	return r == 0 || r == -ENOENT;
}

static bool list_may_plant(pid_t tid, uint64_t at)
{
	FILE *f = open_maps(tid);
	struct mapping m;
	bool found = false;

	while (f != NULL && !found && next_mapping(f, &m) && m.from <= at)
		found = at < m.to && m.flags[2] == 'x' && m.flags[3] == 'p';
	if (f != NULL)
		fclose(f);
	return found;
}

bool maps_may_plant(struct backend *base, pid_t tid, uint64_t at)
{
	bool may;

	(void)base;
	return query_may_plant(tid, at, &may) ? may : list_may_plant(tid, at);
}

/* The free place between @from and @to that is nearest to @at, and so near that @best loses. */
static uint64_t nearer(uint64_t from, uint64_t to, uint64_t at, uint64_t size, uint64_t best)
{
	uint64_t place, distance, best_distance = best > at ? best - at : at - best;

	if (to < from || to - from < size)
		return best;
	place = from > at ? from : to - size;
	distance = place > at ? place - at : at - place;
	return best == 0 || distance < best_distance ? place : best;
}

uint64_t maps_gap(struct backend *base, pid_t tid, uint64_t at, uint64_t size)
{
	FILE *f = open_maps(tid);
	uint64_t end = LOWEST, best = 0;
	struct mapping m;

	(void)base;
	if (f == NULL)
		return 0;
	while (next_mapping(f, &m)) {
		best = nearer(end, m.from, at, size, best);
		end = m.to > end ? m.to : end;
	}
	fclose(f);
	return best;
}

static bool has_memory(pid_t tid)
{
	char path[40], target[1];

	snprintf(path, sizeof path, "/proc/%d/exe", (int)tid);
	return readlink(path, target, sizeof target) >= 0;
}

int maps_same_memory(struct backend *base, pid_t one, pid_t other)
{
	long r = syscall(SYS_kcmp, one, other, KCMP_VM, 0, 0);

	(void)base;
	if (r == 0 && !has_memory(one)) /* both have exited: they have the same, none */
		return -ESRCH;
	return r < 0 ? -errno : r == 0;
}
