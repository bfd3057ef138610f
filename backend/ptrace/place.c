/* SPDX-License-Identifier: MIT */
/*
 * Where a task wakes that is resumed. Left alone, the scheduler sends it to an idle CPU,
 * since the engine keeps its own busy, and back again at the next stop: two wake-ups across
 * CPUs for every stop, each ten times as long as a local one on a virtual machine.
 *
 * So when one task stops again and again, and slowly so, the engine stays on one CPU and narrows the task's
 * affinity to it while it wakes it, and only then. It is not narrowed for a call that reads
 * or hands on the mask; between calls it cannot be read. What remains: somebody else may see
 * the narrow mask for some microseconds, and it stays when the engine is killed in them.
 * So only resumes that end at the next system call are placed. After PTRACE_CONT, from a
 * breakpoint say, the task may have read its mask, or handed it to a child for good, before
 * the engine has widened it: 3,411 of 20,000 calls behind a breakpoint saw it when that was tried.
 * Tasks whose affinity somebody has restricted are not touched; to one that has a single CPU
 * the engine moves.
 *
 * COTRACE_PLACEMENT=off in the engine's environment turns it off.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/ptrace/internal.h"
#include "base/clock.h"

#define STREAK 16	 /* stops of one task in a row: it may be worth it */
#define TRIAL 64	 /* stops that are left alone to see how long they take ... */
#define TERM 16384	 /* ... before so many are placed, or not */
#define SLOW_NS 10000ull /* a stop with a sleeping CPU's wake-up in it takes longer */

void place_init(struct ptrace_backend *b)
{
	const char *wish = secure_getenv("COTRACE_PLACEMENT");

	b->place.cpu = -1;
	b->place.online = (int)sysconf(_SC_NPROCESSORS_ONLN);
	b->place.enabled = (wish == NULL || strcmp(wish, "off") != 0) && b->place.online > 1 &&
			   b->place.online <= CPU_SETSIZE &&
			   sched_getaffinity(0, sizeof b->place.own, &b->place.own) == 0 &&
			   CPU_COUNT(&b->place.own) > 1;
}

static void pin_engine(struct ptrace_place *place, int cpu)
{
	cpu_set_t set;

	if (place->cpu == cpu)
		return;
	place->cpu = -1;
	if (cpu < 0) {
		sched_setaffinity(0, sizeof place->own, &place->own);
		return;
	}
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (CPU_ISSET(cpu, &place->own) && sched_setaffinity(0, sizeof set, &set) == 0)
		place->cpu = cpu;
}

/* While other work keeps the CPUs awake, wake-ups are cheap and placing costs more. */
static void try_alone(struct ptrace_place *place)
{
	pin_engine(place, -1);
	place->worth = false;
	place->left = TRIAL;
	place->since = clock_now_ns();
}

static void decide(struct ptrace_place *place)
{
	if (place->since == 0) {
		try_alone(place);
		return;
	}
	place->worth = clock_now_ns() - place->since > TRIAL * SLOW_NS;
	place->left = TERM;
	place->since = 0;
}

void place_stopped(struct ptrace_backend *b, pid_t tid)
{
	struct ptrace_place *place = &b->place;

	if (!place->enabled)
		return;
	if (tid != place->last) {
		place->last = tid;
		place->streak = 0;
		pin_engine(place, -1);
		return;
	}
	if (place->streak < STREAK) {
		if (++place->streak == STREAK)
			try_alone(place);
		return;
	}
	if (--place->left == 0)
		decide(place);
}

static int only_cpu(const cpu_set_t *set)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set))
			return cpu;
	return -1;
}

/* /proc/PID/status shows the mask. Files of /proc are regular ones without a size. */
static bool reads_proc(const struct ptrace_task *t)
{
	struct statx file;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)t->tid, (int)t->entry.arg);
	return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &file) < 0 ||
	       (S_ISREG(file.stx_mode) && file.stx_size == 0);
}

static bool may_show_mask(const struct ptrace_task *t)
{
	enum regs_affinity use;

	if (t == NULL || !t->entry.at)
		return t == NULL;
	use = regs_affinity_use(t->entry.arch, t->entry.nr);
	return use == REGS_AFFINITY_USED || (use == REGS_AFFINITY_READS_FILE && reads_proc(t));
}

bool place_before_wake(struct ptrace_backend *b, pid_t tid)
{
	struct ptrace_place *place = &b->place;
	const struct ptrace_task *t = ptrace_task(b, tid);
	cpu_set_t set;
	int count;

	if (!place->enabled || !place->worth || place->streak < STREAK || tid != place->last ||
	    may_show_mask(t) || sched_getaffinity(tid, sizeof set, &set) < 0)
		return false;
	count = CPU_COUNT(&set);
	if (count == 1)
		pin_engine(place, only_cpu(&set));
	if (count != place->online)
		return false;
	if (place->cpu < 0)
		pin_engine(place, sched_getcpu());
	if (place->cpu < 0)
		return false;
	CPU_ZERO(&set);
	CPU_SET(place->cpu, &set);
	return sched_setaffinity(tid, sizeof set, &set) == 0;
}

void place_after_wake(struct ptrace_backend *b, pid_t tid)
{
	cpu_set_t set;

	/* Whoever else has set it meanwhile shall have his way. */
	if (sched_getaffinity(tid, sizeof set, &set) < 0 || CPU_COUNT(&set) != 1 ||
	    !CPU_ISSET(b->place.cpu, &set))
		return;
	/* All bits, not the CPUs of today: a cpuset that grows later counts as before. */
	memset(&set, 0xff, sizeof set);
	sched_setaffinity(tid, sizeof set, &set);
}

void place_companion(struct backend *base, pid_t pid)
{
	struct ptrace_place *place = &ptrace_backend(base)->place;

	place->companion = pid;
	place->companion_cpu = -1;
}

/* Where the engine sleeps it will be woken to die, and wakes its companion then. */
void place_before_sleep(struct ptrace_backend *b)
{
	struct ptrace_place *place = &b->place;
	int cpu = place->companion > 0 ? sched_getcpu() : -1;
	cpu_set_t set;

	if (cpu == place->companion_cpu || cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(place->companion, sizeof set, &set) == 0)
		place->companion_cpu = cpu;
}
