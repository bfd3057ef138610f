/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/attach.h"
#include "lib/cycle.h"
#include "lib/engine.h"
#include "lib/explain.h"
#include "lib/proc.h"
#include "lib/session.h"

#define ATTACH_NS (5 * (int64_t)CLOCK_SECOND) /* engines that come and go settle by then */
#define RETRY_NS (long)CLOCK_MS

struct attempt {
	pid_t process;
	int memory; /* the proof of access */
	const struct cotrace_options *options;
	uint64_t deadline;
	pid_t beside; /* an engine to go to when there is none yet, or 0 */
};

/* Engine @tracer of @process, or a new one. The fd; -EAGAIN: things are changing. */
static int reach_engine(const struct attempt *a, bool *started)
{
	pid_t tracer = proc_tracer(a->process);
	int fd;

	*started = false;
	if (tracer < 0)
		return tracer;
	if (tracer > 0) {
		fd = engine_connect(tracer);
		if (fd == -ENOENT)
			return proc_tracer(a->process) == tracer ? -EBUSY : -EAGAIN;
		return fd;
	}
	if (a->beside > 0) {
		fd = engine_connect(a->beside);
		if (fd >= 0)
			return fd;
	}
	if (a->options->flags & COTRACE_NO_ENGINE_START)
		return -ENOENT;
	*started = true;
	return engine_start();
}

/* The first ATTACH of a connection; nothing but its reply can come yet. */
static int send_attach(struct cotrace *s, const struct attempt *a)
{
	const struct cotrace_options *o = a->options;
	struct wire_attach m;
	struct wire_writer w;
	uint8_t buf[128];
	struct exchange e = {
		.sock = s->fd,
		.out = &w,
		.out_fd = a->memory,
		.type = WIRE_ATTACH,
		.cookie = session_cookie(s),
		.buf = s->intake.buf,
		/* Seizing thousands of tasks takes its time; a dead engine is noticed anyway. */
		.deadline = CLOCK_NEVER,
	};
	int r;

	attach_request(&m, a->process, o, false);
	wire_writer_init(&w, buf, sizeof buf);
	wire_begin(&w, WIRE_ATTACH, 0, e.cookie);
	wire_put_attach(&w, &m);
	wire_finish(&w);
	r = exchange_run(&e);
	if (r < 0)
		return r;
	fd_close(e.in_fd);
	return exchange_error(&e.in);
}

void attach_request(struct wire_attach *m, pid_t process, const struct cotrace_options *o,
		    bool spawning)
{
	*m = (struct wire_attach){
		.pid = process,
		.role = o->role,
		.scope = o->scope,
		.flags = o->flags,
		.close_action = o->close_action,
		.spawning = spawning,
		.queue_deadline_ns = o->queue_deadline_ns,
	};
}

int attach_open(struct cotrace **out, int fd, uint64_t deadline)
{
	int r = session_new(out, fd);

	if (r < 0) {
		fd_close(fd);
		return r;
	}
	r = session_hello(*out, deadline);
	if (r < 0) {
		cotrace_close(*out);
		*out = NULL;
	}
	return r;
}

/* The kernel refused the engine: is there another engine by now? */
static int explain_refusal(const struct attempt *a, const struct cotrace *s, int error)
{
	pid_t tracer;

	if (error != -EPERM && error != -EBUSY)
		return error;
	tracer = proc_tracer(a->process);
	return tracer > 0 && tracer != s->engine_pid ? -EAGAIN : error;
}

static int open_proof(const struct cotrace_options *o, pid_t process)
{
	return proc_open_memory(process, o->role == COTRACE_OBSERVER ? O_RDONLY : O_RDWR);
}

/* An exec can overtake the proof, and the task that it was had by can exit. */
static int attach_with_proof(struct cotrace *s, struct attempt *a)
{
	int r;

	while ((r = send_attach(s, a)) == -ESTALE && clock_now_ns() < a->deadline) {
		fd_close(a->memory);
		a->memory = open_proof(a->options, a->process);
		if (a->memory < 0)
			return a->memory;
	}
	return r == -ESTALE ? -EACCES : r;
}

static int try_once(struct cotrace **out, struct attempt *a)
{
	bool started;
	int fd = reach_engine(a, &started), r;

	if (fd < 0)
		return fd;
	r = attach_open(out, fd, a->deadline);
	if (r < 0) /* an engine that is just leaving hangs up; a new one must not */
		return r == -ESHUTDOWN ? (started ? -EPROTO : -EAGAIN) : r;
	r = attach_with_proof(*out, a);
	if (r == 0)
		return 0;
	r = r == -ESHUTDOWN ? -EAGAIN : explain_refusal(a, *out, r);
	cotrace_close(*out);
	*out = NULL;
	return r;
}

/* Races between engines are few and short, but there is no bound on their number. */
static int attach_process(struct cotrace **out, struct attempt *a)
{
	struct timespec pause = { 0, RETRY_NS };
	int r;

	while ((r = try_once(out, a)) == -EAGAIN && clock_now_ns() < a->deadline) {
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 16 * RETRY_NS)
			pause.tv_nsec *= 2;
	}
	return r == -EAGAIN ? -EBUSY : r;
}

static int request_add(struct cotrace *s, pid_t process, int memory)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_ADD);

	if (r < 0)
		return r;
	wire_put_add(&c.out, &(struct wire_add){ process });
	r = call_run(&c, memory, CLOCK_NEVER);
	call_end(&c);
	return r;
}

/* Tries one process that existed before the attach. 1: it is newly covered. */
static int add_one(struct cotrace *s, const struct attempt *a, pid_t process)
{
	/* What our engine traces already was most likely born to a covered process. */
	bool ours = proc_tracer(process) == s->engine_pid;
	int memory, r;

	if (proc_is_engine(process) || cycle_check(process) < 0)
		return 0;
	do {
		memory = open_proof(a->options, process);
		if (memory < 0)
			return 0;
		r = request_add(s, process, memory);
		fd_close(memory);
	} while (r == -ESTALE && clock_now_ns() < a->deadline);
	if (r == -ESHUTDOWN)
		return r;
	/* Else it is another tracer's, has ended, or is not ours to trace. */
	return r == 0 && !ours;
}

/* One pass: how many processes it has added that were not covered before, or -errno. */
static int add_family(struct cotrace *s, const struct attempt *a, struct map *tried)
{
	struct proc_family family;
	int r = proc_descendants(&family, a->process), added = 0;

	for (size_t i = 0; r >= 0 && i < family.count; i++) {
		uint64_t key = (uint64_t)family.pids[i];

		if (map_get(tried, key) != NULL)
			continue;
		r = map_put(tried, key, tried);
		if (r == 0)
			r = add_one(s, a, family.pids[i]);
		added += r > 0;
	}
	free(family.pids);
	return r < 0 ? r : added;
}

/* Children made by covered processes are covered from birth; the others are looked for. */
static int add_descendants(struct cotrace *s, const struct attempt *a)
{
	struct map tried = MAP_NULL;
	int r;

	do
		r = add_family(s, a, &tried);
	while (r > 0);
	map_deinit(&tried);
	return r;
}

/* The session exists; what is left may still end it. */
static int complete(struct cotrace *s, const struct attempt *a)
{
	/* Again: the other one may have attached to us meanwhile. */
	int r = cycle_check(a->process);

	if (r == 0 && a->options->scope == COTRACE_TREE)
		r = add_descendants(s, a);
	return r;
}

static int attach(struct cotrace **out, pid_t pid, const struct cotrace_options *options,
		  pid_t beside)
{
	struct cotrace_options checked;
	struct attempt a = { .options = &checked,
			     .deadline = clock_deadline(ATTACH_NS),
			     .beside = beside };
	int r = session_options(&checked, options);

	if (r < 0)
		return r;
	a.process = proc_process_of(pid);
	if (a.process < 0)
		return a.process;
	r = cycle_check(a.process);
	if (r < 0)
		return r;
	a.memory = open_proof(&checked, a.process);
	if (a.memory < 0)
		return explain_error(a.process, a.memory);
	r = attach_process(out, &a);
	if (r < 0 && a.memory < 0)
		return explain_error(a.process, a.memory);
	if (r == 0)
		r = complete(*out, &a);
	if (r == 0) {
		memories_add(&(*out)->memories, a.process, a.memory);
		return 0;
	}
	fd_close(a.memory);
	cotrace_close(*out);
	*out = NULL;
	return r;
}

int cotrace_attach(struct cotrace **out, pid_t pid, const struct cotrace_options *options)
{
	int saved = errno, r;

	*out = NULL;
	r = attach(out, pid, options, 0);
	errno = saved;
	return r;
}

int cotrace_attach_beside(struct cotrace **out, struct cotrace *other, pid_t pid,
			  const struct cotrace_options *options)
{
	int saved = errno, r;

	*out = NULL;
	r = attach(out, pid, options, other->engine_pid);
	errno = saved;
	return r;
}

/* Why the engine could not take @process in. */
static int add_error(const struct cotrace *s, pid_t process, int error)
{
	pid_t tracer = proc_tracer(process);

	if (error == -ESHUTDOWN || error == -ESRCH || tracer <= 0 || tracer == s->engine_pid)
		return error;
	return proc_is_engine(tracer) ? -EXDEV : -EBUSY;
}

static int add(struct cotrace *s, pid_t pid)
{
	pid_t process = proc_process_of(pid);
	int r, memory;

	if (process < 0)
		return process;
	r = cycle_check(process);
	if (r < 0)
		return r;
	do { /* an exec can overtake the proof */
		memory = proc_open_memory(process, s->role == COTRACE_OBSERVER ? O_RDONLY : O_RDWR);
		if (memory < 0)
			return explain_error(process, memory);
		r = request_add(s, process, memory);
		fd_close(memory);
	} while (r == -ESTALE);
	if (r == -EEXIST)
		return 0;
	return r < 0 ? add_error(s, process, r) : 0;
}

int cotrace_add(struct cotrace *s, pid_t pid)
{
	int saved = errno, r = add(s, pid);

	errno = saved;
	return r;
}

static int open_engine(struct cotrace **out, pid_t pid)
{
	pid_t engine = proc_is_engine(pid) ? pid : proc_tracer(pid);
	int fd = engine > 0 ? engine_connect(engine) : -ENOENT;

	if (fd < 0)
		return fd == -EAGAIN ? -ENOENT : fd;
	return attach_open(out, fd, clock_deadline(ATTACH_NS));
}

int cotrace_open_engine(struct cotrace **out, pid_t pid)
{
	int saved = errno, r;

	*out = NULL;
	r = open_engine(out, pid);
	errno = saved;
	return r == -ESHUTDOWN ? -ENOENT : r;
}
