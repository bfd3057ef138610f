/* SPDX-License-Identifier: MIT */
/*
 * Accesses that the kernel makes itself, in a system call of the task. Registers that ptrace
 * sets say nothing of them. perf has others, and who may look into the kernel gets the task a
 * SIGTRAP for them on its way back to the program. What has been hit is told by their counts,
 * at whatever stop: the signal only brings the task to one.
 *
 * Where the task blocks SIGTRAP the signal would wait, where the program could find it, and
 * would be its death after a detach. There they are quiet: the engine is sent a signal, and has
 * to interrupt the task. Which is so when they are set; who blocks it later is found out by
 * the first signal that waits (perf_trap_waits()).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/ptrace/internal.h"
#include "base/fd.h"
#include "base/log.h"

#ifndef TRAP_PERF
#define TRAP_PERF 6
#endif
#define MARK 0x6563617274636full /* says whose TRAP_PERF it is */
#define TRAP (1ull << (SIGTRAP - 1))
#define INTERNAL (1ull << (32 - 1)) /* no program blocks the signal of the C library */
#define QUEUED_MAX 8		    /* signals of a task that are looked at */

static bool same(const struct backend_debug *a, const struct backend_debug *b)
{
	return a->kind == b->kind && a->addr == b->addr && a->length == b->length;
}

/* Half of all files: sessions need some too. */
static bool is_spare(int fd)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) == 0 && (rlim_t)fd < files.rlim_cur / 2;
}

static int open_register(pid_t tid, const struct backend_debug *d, bool quiet)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof attr,
		.bp_type = d->kind == BACKEND_DEBUG_WRITE ? HW_BREAKPOINT_W : HW_BREAKPOINT_RW,
		.bp_addr = d->addr,
		.bp_len = d->length,
		.sample_period = 1,
		.exclude_user = 1,
		.remove_on_exec = 1,
		.sigtrap = !quiet,
		.sig_data = MARK,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!is_spare(fd)) {
		fd_close(fd);
		return -EMFILE;
	}
	if (fcntl(fd, F_SETSIG, WAIT_PERF_SIGNAL) == 0 && fcntl(fd, F_SETOWN, getpid()) == 0 &&
	    fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK) == 0)
		return fd;
	fd_close(fd);
	return -EBADF;
}

static void open_one(struct ptrace_backend *b, struct ptrace_task *t, unsigned i)
{
	struct ptrace_perf *p = &t->perf->registers[i];
	int fd = open_register(t->tid, &p->what, t->perf->quiet);

	log_debug("perf register %u of %d: %d%s", i, (int)t->tid, fd,
		  t->perf->quiet ? ", quiet" : "");
	p->count = 0;
	if (fd >= 0 && map_put(&b->perf, (uint64_t)fd, t) < 0) {
		fd_close(fd);
		fd = -1;
	}
	p->fd = fd < 0 ? -1 : fd;
}

/* Whether it has counted since this was last asked. */
static bool has_moved(struct ptrace_perf *p)
{
	uint64_t count, before = p->count;

	if (p->fd < 0 || read(p->fd, &count, sizeof count) != sizeof count)
		return false;
	p->count = count;
	return count != before;
}

static void close_one(struct ptrace_backend *b, struct ptrace_perf *p)
{
	if (p->fd >= 0)
		map_take(&b->perf, (uint64_t)p->fd);
	fd_close(p->fd);
	p->fd = -1;
}

void perf_forget(struct ptrace_backend *b, struct ptrace_task *t)
{
	for (unsigned i = 0; t->perf != NULL && i < BACKEND_DEBUG_MAX; i++)
		close_one(b, &t->perf->registers[i]);
	free(t->perf);
	t->perf = NULL;
}

/* Not for the moment only, as the C library does around clone(): everything. */
static bool is_blocked(uint64_t mask)
{
	return (mask & (TRAP | INTERNAL)) == TRAP;
}

static struct ptrace_perfs *perfs_new(struct backend *base, pid_t tid)
{
	struct ptrace_perfs *v = calloc(1, sizeof *v);
	uint64_t mask = 0;

	if (v == NULL)
		return NULL;
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		v->registers[i].fd = -1;
	call_mask_get(base, tid, &mask);
	v->quiet = is_blocked(mask);
	return v;
}

static bool is_any(const struct backend_debug *now)
{
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		if (now[i].kind != BACKEND_DEBUG_NONE)
			return true;
	return false;
}

unsigned perf_set(struct backend *base, pid_t tid, const struct backend_debug *now)
{
	struct ptrace_backend *b = ptrace_backend(base);
	struct ptrace_task *t = ptrace_task(b, tid);
	unsigned has = 0;

	if (t == NULL || !is_any(now)) {
		if (t != NULL)
			perf_forget(b, t);
		return 0;
	}
	if (t->perf == NULL)
		t->perf = perfs_new(base, tid);
	if (t->perf == NULL)
		return 0;
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		if (!same(&t->perf->registers[i].what, &now[i]))
			close_one(b, &t->perf->registers[i]);
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++) {
		struct ptrace_perf *p = &t->perf->registers[i];

		p->what = now[i];
		if (p->fd < 0 && p->what.kind != BACKEND_DEBUG_NONE)
			open_one(b, t, i);
		has |= p->fd >= 0 ? 1u << i : 0;
	}
	return has;
}

/* What was hit meanwhile is not lost. */
static void open_anew(struct ptrace_backend *b, struct ptrace_task *t, bool quiet)
{
	t->perf->quiet = quiet;
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++) {
		struct ptrace_perf *p = &t->perf->registers[i];

		if (p->fd < 0)
			continue;
		t->perf->hits |= has_moved(p) ? 1u << i : 0;
		close_one(b, p);
		open_one(b, t, i);
	}
}

unsigned perf_hits(struct backend *base, pid_t tid)
{
	struct ptrace_task *t = ptrace_task(ptrace_backend(base), tid);
	unsigned hits;

	if (t == NULL || t->perf == NULL)
		return 0;
	hits = t->perf->hits;
	t->perf->hits = 0;
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		hits |= has_moved(&t->perf->registers[i]) ? 1u << i : 0;
	return hits;
}

bool perf_signal(struct ptrace_backend *b, int fd, struct backend_event *ev)
{
	struct ptrace_task *t = map_get(&b->perf, (uint64_t)fd);
	uint64_t pending, blocked;
	unsigned moved = 0;

	/* One call can access the bytes many times, and each sends one. */
	if (t == NULL || t->perf->heard)
		return false;
	for (unsigned i = 0; i < BACKEND_DEBUG_MAX; i++)
		moved |= has_moved(&t->perf->registers[i]) ? 1u << i : 0;
	t->perf->hits |= moved;
	if (moved == 0)
		return false;
	t->perf->heard = true;
	if (!t->perf->quiet &&
	    (!proc_signals(t->tid, &pending, &blocked) || !(blocked & TRAP))) /* it stops itself */
		return false;
	*ev = (struct backend_event){ .kind = BACKEND_KERNEL_HIT, .tid = t->tid };
	return true;
}

bool perf_is_ours(const siginfo_t *info)
{
	unsigned long mark; /* the C library may have no name for it yet */

	memcpy(&mark, (const char *)&info->si_addr + sizeof info->si_addr, sizeof mark);
	return info->si_signo == SIGTRAP && info->si_code == TRAP_PERF && mark == MARK;
}

static bool waits_blocked(pid_t tid)
{
	siginfo_t queued[QUEUED_MAX];
	struct ptrace_peeksiginfo_args which = { .nr = QUEUED_MAX };
	long n = ptrace_call(PTRACE_PEEKSIGINFO, tid, (uintptr_t)&which, (uintptr_t)queued);

	for (long i = 0; i < n; i++)
		if (perf_is_ours(&queued[i]))
			return true;
	return false;
}

/* One of ours that is blocked is let through, and the mask put back at the stop it makes. */
static bool let_through(struct ptrace_backend *b, pid_t tid)
{
	struct ptrace_task *t = ptrace_task(b, tid);
	uint64_t mask;

	if (t == NULL || t->unmasked || !waits_blocked(tid) || call_mask_lent(&b->base, tid) ||
	    call_mask_get(&b->base, tid, &mask) < 0 ||
	    call_mask_set(&b->base, tid, mask & ~TRAP) < 0)
		return false;
	t->unmasked = true;
	t->mask = mask;
	return true;
}

bool perf_trap_waits(struct backend *base, pid_t tid)
{
	uint64_t pending, blocked;

	if (!proc_signals(tid, &pending, &blocked) || !(pending & TRAP))
		return false;
	/* That of a trap is never blocked; one that somebody has sent may be, for ever. */
	return !(blocked & TRAP) || let_through(ptrace_backend(base), tid);
}

void perf_stopped(struct ptrace_backend *b, struct ptrace_task *t)
{
	if (t->perf != NULL)
		t->perf->heard = false;
	if (!t->unmasked)
		return;
	call_mask_set(&b->base, t->tid, t->mask);
	t->unmasked = false;
	if (t->perf != NULL && !t->perf->quiet && is_blocked(t->mask))
		open_anew(b, t, true);
}

void perf_runs(struct ptrace_backend *b, struct ptrace_task *t)
{
	uint64_t mask;

	if (t->perf != NULL && t->perf->quiet && !t->unmasked &&
	    call_mask_get(&b->base, t->tid, &mask) == 0 && !(mask & TRAP))
		open_anew(b, t, false);
}
