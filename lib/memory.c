/* SPDX-License-Identifier: MIT */
#include "lib/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/session.h"

#define FIRST_GENERATION 1u	 /* of a new process, whatever its parent's is */
#define ASK_MAX 8		 /* execs that may come between two questions */
#define OPEN_MAX_PER_SESSION 128 /* of the host's fds; more are opened again when needed */

/*
 * What is known about a process.
 * overtaken: an exec has happened of which the client shall learn by its event first.
 * unsure:    that event may never come.
 */
struct record {
	struct memory *memory;
	pid_t pid;
	bool overtaken, unsure;
};

void memory_put(struct memory *m)
{
	if (m == NULL || atomic_fetch_sub(&m->users, 1) != 1)
		return;
	fd_close(m->fd);
	sites_view_deinit(&m->sites);
	free(m);
}

static struct memory *memory_get(struct memory *m)
{
	atomic_fetch_add(&m->users, 1);
	return m;
}

/* Owns @fd from here on, even on failure. */
static struct memory *memory_new(int fd, uint64_t generation)
{
	struct memory *m = calloc(1, sizeof *m);

	if (m == NULL) {
		fd_close(fd);
		return NULL;
	}
	atomic_init(&m->users, 1);
	m->fd = fd;
	m->generation = generation;
	return m;
}

void memories_init(struct memories *m)
{
	pthread_mutex_init(&m->lock, NULL);
	m->by_pid = MAP_NULL;
	m->open = 0;
}

static void record_free(struct record *r)
{
	if (r != NULL)
		memory_put(r->memory);
	free(r);
}

void memories_deinit(struct memories *m)
{
	size_t at = 0;
	struct record *r;

	while ((r = map_walk(&m->by_pid, &at)) != NULL)
		record_free(r);
	map_deinit(&m->by_pid);
	pthread_mutex_destroy(&m->lock);
}

/* Finds or makes; the lock is held. NULL without memory. */
static struct record *record_of(struct memories *m, pid_t pid)
{
	struct record *r = map_get(&m->by_pid, (uint64_t)pid);

	if (r != NULL)
		return r;
	r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	r->pid = pid;
	if (map_put(&m->by_pid, (uint64_t)pid, r) < 0) {
		free(r);
		return NULL;
	}
	return r;
}

static bool is_open(const struct memory *m)
{
	return m != NULL && m->fd >= 0;
}

/* Gives @r another memory, whose reference it takes over; the lock is held. */
static void record_set(struct memories *m, struct record *r, struct memory *fresh)
{
	m->open += (unsigned)is_open(fresh) - (unsigned)is_open(r->memory);
	memory_put(r->memory);
	r->memory = fresh;
}

/* Closes one fd that can be had again, and keeps what is known. The lock is held. */
static void make_room(struct memories *m)
{
	size_t at = 0;
	struct record *r;

	while (m->open >= OPEN_MAX_PER_SESSION && (r = map_walk(&m->by_pid, &at)) != NULL) {
		struct memory *shut;

		if (!is_open(r->memory) || r->memory->generation == 0)
			continue;
		shut = memory_new(-1, r->memory->generation);
		if (shut != NULL)
			record_set(m, r, shut);
	}
}

/* Takes over the caller's reference; NULL forgets the process. */
static void replace(struct memories *m, pid_t pid, struct memory *fresh, bool overtaken)
{
	struct record *r;

	pthread_mutex_lock(&m->lock);
	if (fresh == NULL) {
		r = map_take(&m->by_pid, (uint64_t)pid);
		if (r != NULL)
			record_set(m, r, NULL);
		record_free(r);
	} else if ((r = record_of(m, pid)) != NULL) {
		if (is_open(fresh))
			make_room(m);
		record_set(m, r, fresh);
		r->overtaken = overtaken;
		r->unsure = false;
	} else {
		memory_put(fresh);
	}
	pthread_mutex_unlock(&m->lock);
}

/* Does @pid run in its parent's memory? Then its mem fd outlives its exec. */
static bool is_borrowed(pid_t pid)
{
	long parent = fd_status_number(pid, "PPid");

	if (parent <= 0)
		return false;
	return syscall(SYS_kcmp, pid, (pid_t)parent, KCMP_VM, 0, 0) == 0;
}

void memories_add(struct memories *m, pid_t pid, int fd)
{
	struct memory *fresh = memory_new(fd, 0);

	if (fresh == NULL)
		return;
	fresh->borrowed = is_borrowed(pid);
	replace(m, pid, fresh, false);
}

void memories_unsure(struct memories *m, bool lost)
{
	size_t at = 0;
	struct record *r;

	pthread_mutex_lock(&m->lock);
	while ((r = map_walk(&m->by_pid, &at)) != NULL) {
		r->unsure = lost || !is_open(r->memory) || !memory_alive(r->memory);
		r->overtaken = false;
	}
	pthread_mutex_unlock(&m->lock);
}

/* The client now knows that @pid runs this program; the number suffices until it reads. */
static void note_program(struct memories *m, pid_t pid, uint64_t generation)
{
	struct memory *fresh = memory_new(-1, generation);

	if (fresh != NULL)
		replace(m, pid, fresh, false);
}

void memories_note(struct cotrace *s, const struct cotrace_event *ev)
{
	switch (ev->kind) {
	case COTRACE_EVENT_EXEC:
		atomic_store(&s->exec_subscribed, true);
		note_program(&s->memories, ev->pid, ev->exec.generation);
		break;
	case COTRACE_EVENT_FORK:
	case COTRACE_EVENT_VFORK:
		note_program(&s->memories, ev->child.pid, FIRST_GENERATION);
		break;
	case COTRACE_EVENT_PROCESS_EXIT:
		replace(&s->memories, ev->pid, NULL, false);
		break;
	case COTRACE_EVENT_LOST:
		memories_unsure(&s->memories, true);
		break;
	default:
		break;
	}
}

static int ask_engine(struct cotrace *s, pid_t pid, int *fd, uint64_t *generation)
{
	struct wire_r_memory reply;
	struct call c;
	int r = call_begin(&c, s, WIRE_MEMORY);

	if (r < 0)
		return r;
	wire_put_memory(&c.out, &(struct wire_memory){ pid });
	r = call_run(&c, -1, CLOCK_NEVER);
	if (r == 0 && (!wire_get_r_memory(&c.in, &reply) || c.fd < 0))
		r = -EPROTO;
	if (r == 0) {
		*generation = reply.generation;
		*fd = c.fd;
		c.fd = -1;
	}
	call_end(&c);
	return r;
}

/*
 * The table of what is planted in the address space of @pid, and the number of its program.
 * No table, and number 0, from an engine that plants nothing.
 */
static int ask_sites(struct cotrace *s, pid_t pid, struct sites_view *sites, uint64_t *generation)
{
	struct wire_r_sites reply;
	struct call c;
	int r = call_begin(&c, s, WIRE_SITES);

	*sites = (struct sites_view){ 0 };
	*generation = 0;
	if (r < 0)
		return r == -ENOSYS ? 0 : r;
	wire_put_sites(&c.out, &(struct wire_sites){ pid });
	r = call_run(&c, -1, CLOCK_NEVER);
	if (r == 0 && (!wire_get_r_sites(&c.in, &reply) || c.fd < 0))
		r = -EPROTO;
	if (r == 0)
		r = sites_view_init(sites, c.fd);
	if (r == 0)
		*generation = reply.generation;
	call_end(&c);
	return r == -ENOSYS || r == -ENOENT ? 0 : r;
}

/* What the record says now; a reference in *out, NULL when nothing is known. */
static int look_up(struct memories *m, pid_t pid, struct memory **out, bool *unsure)
{
	struct record *r;
	int error = 0;

	*out = NULL;
	*unsure = true;
	pthread_mutex_lock(&m->lock);
	r = map_get(&m->by_pid, (uint64_t)pid);
	if (r != NULL && r->overtaken) {
		error = -ESTALE;
	} else if (r != NULL) {
		*out = memory_get(r->memory);
		*unsure = r->unsure;
	}
	pthread_mutex_unlock(&m->lock);
	return error;
}

/*
 * The address space that the client believes in, that of program @known, is gone. Whoever
 * has subscribed to EXEC waits for that event; anybody else is told once.
 */
int memory_report_exec(struct cotrace *s, pid_t pid, uint64_t known, bool unsure)
{
	uint64_t generation = 0;
	struct memory *fresh;
	int fd = -1, r = ask_engine(s, pid, &fd, &generation);

	if (r < 0) {
		if (r == -ESRCH)
			replace(&s->memories, pid, NULL, false);
		return r;
	}
	/* A number that has not grown means another process with the same pid. */
	if (atomic_load(&s->exec_subscribed) && !unsure && generation > known)
		fd = fd_close(fd);
	fresh = memory_new(fd, generation);
	if (fresh == NULL)
		return -ENOMEM;
	replace(&s->memories, pid, fresh, fd < 0);
	return -ESTALE;
}

/* Takes over the two, even on failure. */
static int memory_open(struct memory **out, int fd, uint64_t generation, struct sites_view *sites)
{
	*out = memory_new(fd, generation);
	if (*out == NULL) {
		sites_view_deinit(sites);
		return -ENOMEM;
	}
	(*out)->sites_known = true;
	(*out)->sites.table = sites->table;
	(*out)->sites.size = sites->size;
	return 0;
}

/* Memory and table of the program that @pid runs now: of one and the same. */
static int ask_both(struct cotrace *s, pid_t pid, struct memory **out)
{
	for (int tries = 0; tries < ASK_MAX; tries++) {
		uint64_t generation = 0, of_sites = 0;
		struct sites_view sites;
		int fd = -1, r = ask_engine(s, pid, &fd, &generation);

		if (r < 0)
			return r;
		r = ask_sites(s, pid, &sites, &of_sites);
		if (r == 0 && (sites.table == NULL || of_sites == generation))
			return memory_open(out, fd, generation, &sites);
		fd_close(fd);
		sites_view_deinit(&sites);
		if (r < 0)
			return r;
	}
	return -ESTALE;
}

/* The same memory with the table that counts now. */
static int ask_again(struct cotrace *s, pid_t pid, const struct memory *seen, struct memory **out)
{
	struct sites_view sites;
	uint64_t generation;
	int fd, r = ask_sites(s, pid, &sites, &generation);

	if (r < 0)
		return r;
	/* The number is that of our own fd, if its program has not ended since. */
	if (sites.table == NULL || (seen->generation == 0 && !memory_alive(seen)))
		generation = seen->generation;
	fd = fcntl(seen->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
		sites_view_deinit(&sites);
		return r;
	}
	return memory_open(out, fd, generation, &sites);
}

/* Whether it can be read without asking the engine. */
static bool is_ready(const struct memory *m)
{
	if (!is_open(m) || m->borrowed || !m->sites_known)
		return false;
	return m->sites.table == NULL || !sites_replaced(&m->sites);
}

/* A fresh memory in place of the one that was @seen, or NULL, before. */
static int renew(struct cotrace *s, pid_t pid, const struct memory *seen, struct memory **out,
		 bool unsure)
{
	uint64_t known = seen != NULL ? seen->generation : 0;
	bool keep = is_open(seen) && !seen->borrowed;
	int r = keep ? ask_again(s, pid, seen, out) : ask_both(s, pid, out);

	if (*out == NULL)
		return r < 0 ? r : -ENOMEM;
	if (known != 0 && (*out)->generation != known) {
		memory_put(*out);
		*out = NULL;
		return memory_report_exec(s, pid, known, unsure);
	}
	(*out)->borrowed = !keep && is_borrowed(pid);
	replace(&s->memories, pid, memory_get(*out), false);
	return 0;
}

int memory_find(struct cotrace *s, pid_t pid, struct memory **out, bool *unsure)
{
	struct memory *seen;
	int r = look_up(&s->memories, pid, &seen, unsure);

	*out = seen;
	if (r < 0 || is_ready(seen))
		return r;
	*out = NULL;
	r = renew(s, pid, seen, out, *unsure);
	memory_put(seen);
	return r;
}

bool memory_alive(const struct memory *memory)
{
	uint8_t byte;

	/* With nothing mapped at zero the answer is an error, not an end of file. */
	return pread(memory->fd, &byte, 1, 0) != 0;
}

/* A vfork child's fd reads its parent's memory after its exec: was it still the child's? */
bool memory_current(struct cotrace *s, pid_t pid, const struct memory *memory)
{
	uint64_t generation = 0;
	int fd = -1;

	if (!memory->borrowed)
		return true;
	if (ask_engine(s, pid, &fd, &generation) < 0)
		return false;
	fd_close(fd);
	return generation == memory->generation;
}

/* The number of the program that the client believes in; asked for at the first write. */
int memory_generation(struct cotrace *s, pid_t pid, uint64_t *out, bool *unsure)
{
	struct memory *memory = NULL, *fresh;
	int fd = -1, r = memory_find(s, pid, &memory, unsure);

	if (r < 0)
		return r;
	*out = memory->generation; /* NOLINT(clang-analyzer-unix.Malloc) */
	if (*out == 0)
		r = ask_engine(s, pid, &fd, out);
	if (r == 0 && memory->generation == 0) {
		/* The number is that of our own fd, if its program has not ended since. */
		if (!memory_alive(memory)) {
			fd_close(fd);
			r = memory_report_exec(s, pid, 0, *unsure);
		} else if ((fresh = memory_new(fd, *out)) != NULL) {
			replace(&s->memories, pid, fresh, false);
		}
	}
	memory_put(memory);
	return r;
}
