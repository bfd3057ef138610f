/* SPDX-License-Identifier: MIT */
/* How tasks become tracees: PTRACE_TRACEME, ATTACH, SEIZE, and birth. */
#include <errno.h>
#include <linux/ptrace.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "compat/internal.h"

/* ---- What the sessions listen to ---- */

static int subscribe_if(struct covered *c, enum cotrace_event_kind kind, uint32_t options,
			uint32_t before, uint32_t now)
{
	if (!(before & options) == !(now & options))
		return 0;
	return cotrace_subscribe(c->s, kind, now & options ? COTRACE_STOP : COTRACE_OFF);
}

static uint32_t options_of_all(const struct covered *c)
{
	uint32_t options = 0;

	list_for_each (&c->tracer->tracees, node, after) {
		const struct tracee *t = list_entry(node, struct tracee, in_tracer);

		if (t->covered == c && t->state != TRACEE_DEAD)
			options |= t->options;
	}
	return options;
}

int attach_follow_options(struct covered *c)
{
	uint32_t now = options_of_all(c), before = c->options;
	enum cotrace_mode end = now & PTRACE_O_TRACEEXIT ? COTRACE_STOP : COTRACE_NOTE;
	int r;

	if (now == before || c->s == NULL)
		return 0;
	r = subscribe_if(c, COTRACE_EVENT_CLONE, PTRACE_O_TRACECLONE, before, now);
	if (r == 0)
		r = subscribe_if(c, COTRACE_EVENT_TASK_START, PTRACE_O_TRACECLONE, before, now);
	if (r == 0)
		r = subscribe_if(c, COTRACE_EVENT_VFORK_DONE, PTRACE_O_TRACEVFORKDONE, before, now);
	if (r == 0)
		r = subscribe_if(c, COTRACE_EVENT_SECCOMP, PTRACE_O_TRACESECCOMP, before, now);
	if (r == 0 && (now ^ before) & PTRACE_O_TRACEEXIT)
		r = cotrace_subscribe(c->s, COTRACE_EVENT_TASK_EXIT, end);
	if (r == 0 && (now ^ before) & PTRACE_O_EXITKILL && c->tracer->p->in_tracer)
		r = cotrace_set_close_action(c->s, now & PTRACE_O_EXITKILL ? COTRACE_CLOSE_KILL
									   : COTRACE_CLOSE_RUN);
	if (r == 0)
		c->options = now;
	return r;
}

static int subscribe(struct cotrace *s)
{
	static const struct {
		enum cotrace_event_kind kind;
		enum cotrace_mode mode;
	} always[] = {
		{ COTRACE_EVENT_EXEC, COTRACE_STOP },
		{ COTRACE_EVENT_FORK,
		  COTRACE_STOP }, /* the program may ask for it: birth_event() */
		{ COTRACE_EVENT_VFORK, COTRACE_STOP },
		{ COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE },
		{ COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE },
		{ COTRACE_EVENT_JOB_STOP, COTRACE_STOP },
		{ COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE },
	};
	int r = cotrace_subscribe_signals(s, ~0ull, COTRACE_STOP);

	for (size_t i = 0; r == 0 && i < sizeof always / sizeof always[0]; i++)
		r = cotrace_subscribe(s, always[i].kind, always[i].mode);
	return r;
}

/* ---- Covering ---- */

static int open_session(struct cotrace **out, struct personality *p, pid_t pid)
{
	struct cotrace_options options = { .size = sizeof options,
					   .flags = COTRACE_CHILD_FDS | COTRACE_CHILD_INHERITS };
	int r = p->anchor ? cotrace_attach_beside(out, p->anchor, pid, &options)
			  : cotrace_attach(out, pid, &options);

	if (r == 0)
		r = subscribe(*out);
	if (r < 0) {
		cotrace_close(*out);
		*out = NULL;
	}
	return r;
}

static int cover(struct covered **out, struct tracer *tracer, pid_t pid)
{
	struct cotrace *s;
	int r;

	*out = covered_by_pid(tracer, pid);
	if (*out != NULL)
		return 0;
	r = open_session(&s, tracer->p, pid);
	if (r < 0)
		return r;
	*out = covered_new(tracer, pid, s);
	if (*out == NULL) {
		cotrace_close(s);
		return -ENOMEM;
	}
	return 0;
}

static int list_tasks(struct cotrace *s, struct cotrace_task_info **out)
{
	int n = 64, max;

	*out = NULL;
	do { /* there may be more of them each time */
		max = n;
		free(*out);
		*out = calloc((size_t)max, sizeof **out);
		n = *out != NULL ? cotrace_tasks(s, *out, (size_t)max) : -ENOMEM;
	} while (n > max);
	return n;
}

int session_find_task(struct cotrace *s, pid_t tid, struct cotrace_task_info *info)
{
	struct cotrace_task_info *v;
	int n = list_tasks(s, &v), r = n < 0 ? n : -ESRCH;

	for (int i = 0; i < n; i++) {
		if (v[i].tid == tid && v[i].state != COTRACE_TASK_EXITED) {
			*info = v[i];
			r = 0;
		}
	}
	free(v);
	return r;
}

static int add_tracee(struct tracee **out, struct tracer *tracer, pid_t pid, pid_t tid,
		      struct cotrace_task_info *info)
{
	struct covered *c;
	int r = cover(&c, tracer, pid);

	if (r == 0)
		r = session_find_task(c->s, tid, info);
	if (r == 0) {
		*out = tracee_new(c, tid, info->task);
		r = *out == NULL ? -ENOMEM : 0;
	}
	if (r < 0 && c != NULL)
		covered_release(c);
	return r;
}

int attach_traceme(struct personality *p, const struct caller *c)
{
	long parent = fd_status_number(c->pid, "PPid");
	struct cotrace_task_info info;
	struct tracer *tracer;
	struct tracee *t;

	if (parent <= 0)
		return -EPERM;
	tracer = tracer_get(p, (pid_t)parent);
	if (tracer == NULL)
		return -ENOMEM;
	if (tracee_by_tid(tracer, c->tid) != NULL)
		return -EPERM;
	return add_tracee(&t, tracer, c->pid, c->tid, &info);
}

/* What the kernel would say of an attach that cotrace refuses. */
static int as_ptrace(int r)
{
	return r == -ESRCH || r == -ENOMEM || r == 0 ? r : -EPERM;
}

/* For tracers that we serve ourselves. */
static int count_covered(const struct personality *p, pid_t pid)
{
	int n = 0;

	list_for_each (&p->tracers, node, after)
		n += covered_by_pid(list_entry(node, struct tracer, in_personality), pid) != NULL;
	return n;
}

/* The engine knows who opened a session, and forgets it when its tracer closes it. */
static bool has_lent(const struct personality *p, pid_t pid)
{
	struct cotrace_session_info *v = NULL;
	int n = 0, max, opened = 0;

	do {
		max = n + 16;
		free(v);
		v = calloc((size_t)max, sizeof *v);
		n = v != NULL ? cotrace_sessions(p->anchor, v, (size_t)max) : -ENOMEM;
	} while (n > max);
	for (int i = 0; i < n; i++)
		opened += v[i].root_pid == pid && v[i].owner_pid == getpid();
	free(v);
	return opened > count_covered(p, pid);
}

int personality_lend(struct personality *p, const struct caller *c, struct cotrace **out,
		     uint64_t *task)
{
	struct cotrace_task_info info;
	int r = has_lent(p, c->pid) ? -EPERM : open_session(out, p, c->pid);

	if (r < 0)
		return as_ptrace(r);
	r = session_find_task(*out, c->tid, &info);
	if (r < 0) {
		cotrace_close(*out);
		*out = NULL;
		return as_ptrace(r);
	}
	*task = info.task;
	return 0;
}

static int adopt(struct covered **out, struct tracer *tracer, pid_t pid, int fd)
{
	struct cotrace *s;
	int r;

	*out = covered_by_pid(tracer, pid);
	if (*out != NULL) {
		fd_close(fd);
		return 0;
	}
	r = cotrace_from_fd(&s, fd);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	*out = covered_new(tracer, pid, s);
	if (*out == NULL)
		cotrace_close(s);
	return *out == NULL ? -ENOMEM : 0;
}

int personality_borrow(struct personality *p, pid_t pid, const struct caller *c, uint64_t task,
		       int fd)
{
	struct tracer *tracer = tracer_get(p, pid);
	struct covered *covered;
	int r;

	if (tracer == NULL || tracee_by_tid(tracer, c->tid) != NULL) {
		fd_close(fd);
		return tracer == NULL ? -ENOMEM : -EPERM;
	}
	r = adopt(&covered, tracer, c->pid, fd);
	if (r == 0 && tracee_new(covered, c->tid, task) == NULL) {
		covered_release(covered);
		r = -ENOMEM;
	}
	return r;
}

char task_state(pid_t tid)
{
	char text[512];

	return fd_read_stat(tid, 0, text, sizeof text) > 0 ? text[0] : 0;
}

static bool is_zombie(pid_t tid)
{
	char state = task_state(tid);

	return state == 'Z' || state == 'X';
}

int attach_task(struct tracer *tracer, const struct caller *c, pid_t tid, bool seize,
		uint32_t options)
{
	long pid = tid > 0 ? fd_status_number(tid, "Tgid") : -ESRCH;
	struct cotrace_task_info info;
	struct tracee *t;
	int r;

	if (pid <= 0)
		return -ESRCH;
	if (pid == c->pid || is_zombie(tid) || tracee_by_tid(tracer, tid) != NULL)
		return -EPERM;
	r = as_ptrace(add_tracee(&t, tracer, (pid_t)pid, tid, &info));
	if (r < 0)
		return r;
	t->owner = c->tid;
	t->seized = seize;
	t->options = options;
	r = attach_follow_options(t->covered);
	if (info.state == COTRACE_TASK_JOB_STOPPED)
		t->covered->job_stopped = true;
	if (r == 0 && info.state == COTRACE_TASK_JOB_STOPPED)
		return resume_make_stand(t, seize ? DUE_GROUP : DUE_GROUP | DUE_SIGSTOP);
	if (r == 0 && !seize)
		return resume_make_stand(t, DUE_SIGSTOP);
	return r;
}

/* ---- Birth ---- */

struct tracee *attach_new(struct covered *c, const struct tracee *parent, pid_t tid, uint64_t task)
{
	struct tracee *t = tracee_by_tid(c->tracer, tid);

	if (t != NULL && t->task == task)
		return t;
	t = tracee_new(c, tid, task);
	if (t == NULL)
		return NULL;
	t->owner = parent->owner;
	t->seized = parent->seized;
	t->options = parent->options;
	t->due = t->seized ? DUE_INTERRUPT : DUE_BIRTH;
	return t;
}

void attach_child(const struct tracee *parent, pid_t pid, uint64_t task, int fd)
{
	struct covered *c = NULL;
	struct tracee *t = NULL;
	struct cotrace *s;

	if (fd < 0)
		return;
	if (cotrace_from_fd(&s, fd) < 0) {
		fd_close(fd);
		return;
	}
	c = covered_new(tracer_of(parent), pid, s);
	if (c != NULL)
		t = attach_new(c, parent, pid, task);
	if (t == NULL) { /* it runs on, as one whose tracer has died */
		if (c != NULL)
			covered_release(c);
		else
			cotrace_close(s);
		return;
	}
	/* It is held from its start, and STOP_DONE tells when it stands. */
	c->options = parent->covered->options;
	c->sees_entries = parent->covered->sees_entries;
	memory_inherit_traps(c, parent->covered);
	attach_follow_options(c);
}
