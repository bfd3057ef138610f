/* SPDX-License-Identifier: MIT */
/* Opening sessions: attach, spawn, and what they subscribe to. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/program.h"
#include "cli/trace/progress.h"
#include "cli/trace/tracer.h"

/* A tracer only watches: nothing it does can change a target. */
static const struct cotrace_options *session_options(const struct tracer *tr,
						     enum cotrace_role role)
{
	static struct cotrace_options options = { .size = sizeof options };

	options.role = role;
	options.scope = tr->options.common.follow ? COTRACE_TREE : COTRACE_PROCESS;
	return &options;
}

static int capture_arch(struct cotrace *s, uint32_t arch, const struct cotrace_syscall_set *set)
{
	struct cotrace_captures v[SYSCALL_MAX];
	size_t n = 0;

	for (int nr = 0; nr < SYSCALL_MAX; nr++) {
		const struct syscall *call = table_get(arch, nr);

		if (call && call->slot_count && cotrace_syscall_set_has(set, nr))
			v[n++] = (struct cotrace_captures){ arch, nr, call->slots,
							    call->slot_count };
	}
	return cotrace_capture_all(s, v, n);
}

static int subscribe_events(struct tracer *tr, struct cotrace *s)
{
	static const struct {
		enum cotrace_event_kind kind;
		bool json; /* only there */
	} kinds[] = {
		{ COTRACE_EVENT_TASK_START, false }, { COTRACE_EVENT_TASK_EXIT, false },
		{ COTRACE_EVENT_EXEC, false },	     { COTRACE_EVENT_PROCESS_EXIT, false },
		{ COTRACE_EVENT_JOB_STOP, false },   { COTRACE_EVENT_JOB_CONTINUE, true },
		{ COTRACE_EVENT_FORK, true },	     { COTRACE_EVENT_VFORK, true },
		{ COTRACE_EVENT_VFORK_DONE, true },  { COTRACE_EVENT_CLONE, true },
	};
	int r = 0;

	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0] && !r; i++)
		if (!kinds[i].json || tr->options.common.json)
			r = cotrace_subscribe(s, kinds[i].kind, COTRACE_NOTE);
	if (!r && tr->options.filter.signals)
		r = cotrace_subscribe_signals(s, tr->options.filter.signals, COTRACE_NOTE);
	return r;
}

static int subscribe_calls(struct tracer *tr, struct cotrace *s)
{
	const struct filter *f = &tr->options.filter;
	const unsigned phases = COTRACE_ENTRY | COTRACE_EXIT;
	int r;

	if (f->all)
		return cotrace_subscribe_syscalls(s, COTRACE_ARCH_ANY, phases, NULL, COTRACE_NOTE);
	r = cotrace_subscribe_syscalls(s, COTRACE_ARCH_X86_64, phases, &f->x86_64, COTRACE_NOTE);
	if (!r && cotrace_has_feature(COTRACE_FEATURE_I386))
		r = cotrace_subscribe_syscalls(s, COTRACE_ARCH_I386, phases, &f->i386,
					       COTRACE_NOTE);
	return r;
}

static int capture_calls(struct tracer *tr, struct cotrace *s, uint32_t arch)
{
	const struct filter *f = &tr->options.filter;
	bool i386 = arch == COTRACE_ARCH_I386;

	if (tr->options.summary_only || (i386 && !cotrace_has_feature(COTRACE_FEATURE_I386)))
		return 0;
	return capture_arch(s, arch, i386 ? &f->i386 : &f->x86_64);
}

/*
 * There are hundreds of calls: what the target is not made of now, but might exec, can
 * follow in subscribe_rest() while it runs.
 */
static int subscribe(struct tracer *tr, struct cotrace *s, uint32_t arch)
{
	int r = subscribe_events(tr, s);

	if (!r)
		r = capture_calls(tr, s, arch);
	return r ? r : subscribe_calls(tr, s);
}

static int subscribe_rest(struct tracer *tr, struct cotrace *s, uint32_t arch)
{
	return capture_calls(tr, s,
			     arch == COTRACE_ARCH_I386 ? COTRACE_ARCH_X86_64 : COTRACE_ARCH_I386);
}

/* Of the program in a file; for a script that of its interpreter, most likely. */
static uint32_t arch_of_file(const char *path)
{
	unsigned char head[20] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head);

	if (fd >= 0)
		close(fd);
	return n == sizeof head && !memcmp(head, "\177ELF", 4) && head[18] == 3 /* EM_386 */
		       ? COTRACE_ARCH_I386
		       : COTRACE_ARCH_X86_64;
}

static uint32_t arch_of_process(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	return arch_of_file(path);
}

static void learn_tasks(struct target *target)
{
	int n = cotrace_tasks(target->session, NULL, 0);
	struct cotrace_task_info *v = n > 0 ? calloc((size_t)n, sizeof *v) : NULL;

	if (!v)
		return;
	n = cotrace_tasks(target->session, v, (size_t)n) < n ? 0 : n;
	for (int i = 0; i < n; i++) {
		struct task *task = tasks_add(&target->tasks, v[i].task);

		if (task) {
			task->tid = v[i].tid;
			task->pid = v[i].pid;
			task->announced = true;
		}
	}
	free(v);
}

/* Another session of ours already covers it. */
static bool is_covered(struct tracer *tr, pid_t pid)
{
	for (unsigned t = 0; t < tr->target_count; t++)
		for (size_t i = 0; i < tr->targets[t].tasks.capacity; i++) {
			const struct task *task = tr->targets[t].tasks.slots[i];

			if (task && task->pid == pid)
				return true;
		}
	return false;
}

static int attach(struct tracer *tr, pid_t pid)
{
	struct target *target = &tr->targets[tr->target_count];
	uint32_t arch = arch_of_process(pid);
	int r;

	if (is_covered(tr, pid))
		return 0;
	progress_begin(pid);
	r = cotrace_attach(&target->session, pid, session_options(tr, COTRACE_OBSERVER));
	if (!r)
		r = subscribe(tr, target->session, arch);
	if (!r)
		r = subscribe_rest(tr, target->session, arch);
	progress_end();
	if (r) {
		cotrace_close(target->session);
		target->session = NULL;
		return program_not_attached(pid, r);
	}
	target->pid = pid;
	tr->target_count++;
	tr->live++;
	learn_tasks(target);
	if (tr->paths)
		paths_learn(tr->paths, pid);
	if (target->tasks.count > 1 || tr->target_count > 1)
		tr->several = true;
	event_announce(tr, pid, "attached");
	return 0;
}

static int refused(int error)
{
	return complain(EXIT_FAILURE, "the engine refused a subscription: %s", strerror(-error));
}

static int spawn(struct tracer *tr)
{
	struct target *target = &tr->targets[tr->target_count];
	char **argv = tr->options.common.command, *path = NULL;
	uint32_t arch;
	int r = program_find(argv[0], &path);

	tr->program = path;
	if (r)
		return r;
	r = cotrace_spawn(&target->session, &tr->child, path, argv,
			  session_options(tr, COTRACE_CONTROLLER));
	if (r)
		return program_not_spawned(argv[0], path, r);
	target->pid = tr->child;
	tr->target_count++;
	tr->live++;
	tr->several = tr->target_count > 1;
	arch = arch_of_file(path);
	r = subscribe(tr, target->session, arch);
	if (r)
		return refused(r);
	learn_tasks(target);
	if (tr->paths)
		paths_learn(tr->paths, tr->child);
	start_show(tr, target);
	cotrace_resume(target->session, 0);
	r = cotrace_attenuate(target->session);
	if (!r)
		r = subscribe_rest(tr, target->session, arch);
	return r == -ESHUTDOWN ? 0 : r ? refused(r) : 0;
}

int sessions_open(struct tracer *tr)
{
	int status = 0;

	tr->targets = calloc(tr->options.common.pid_count + 1u, sizeof *tr->targets);
	if (!tr->targets)
		return complain(EXIT_FAILURE, "out of memory");
	for (unsigned i = 0; i < tr->options.common.pid_count; i++) {
		int failed = attach(tr, tr->options.common.pids[i]);

		status = failed ? failed : status;
	}
	/* One of several that is gone by now is no reason to leave the others. */
	if (tr->live)
		status = 0;
	if (!status && tr->options.common.command)
		status = spawn(tr);
	return status;
}

void sessions_close(struct tracer *tr)
{
	for (unsigned i = 0; i < tr->target_count; i++) {
		struct target *target = &tr->targets[i];

		if (!target->over && target->pid != tr->child)
			event_announce(tr, target->pid, "detached");
		cotrace_close(target->session);
		tasks_deinit(&target->tasks);
	}
	free(tr->targets);
	tr->targets = NULL;
	tr->target_count = 0;
}
