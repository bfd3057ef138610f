/* SPDX-License-Identifier: MIT */
#include "test/fuzz/kernel.h"

#include <signal.h>
#include <string.h>

#include "engine/task.h"

#define TASKS_MAX 24 /* more show nothing new */

static struct kernel_task *facts(struct kernel *k, const struct fake_task *t)
{
	struct kernel_task *kt = &k->tasks[t - k->fake->tasks];

	if (kt->tid != t->tid) /* a new task, or one that exec gave another tid */
		*kt = (struct kernel_task){ .tid = t->tid, .in_call = kt->in_call };
	return kt;
}

void kernel_init(struct kernel *k, struct fake *f)
{
	*k = (struct kernel){ .fake = f, .last_tid = KERNEL_PID + 10 };
	fake_add(f, KERNEL_PID, KERNEL_PID);
	fake_add(f, KERNEL_PID, KERNEL_PID + 1);
	fake_add(f, KERNEL_PID + 2, KERNEL_PID + 2);
	f->exec_clears = true;
	f->dispositions[SIGUSR1] = BACKEND_SIG_HANDLED;
	f->dispositions[SIGUSR2] = BACKEND_SIG_IGNORED;
}

static bool has_event(const struct fake *f, pid_t tid)
{
	for (size_t i = 0; i < f->event_count; i++) {
		const struct backend_event *ev = &f->events[(f->event_head + i) % FAKE_EVENTS];

		if (ev->tid == tid || (ev->kind == BACKEND_EXEC && ev->exec.former_tid == tid))
			return true;
	}
	return false;
}

static unsigned others(struct kernel *k, const struct fake_task *t)
{
	unsigned n = 0;

	for (int i = 0; i < k->fake->top; i++) {
		const struct fake_task *o = &k->fake->tasks[i];

		n += o->tid && o != t && o->pid == t->pid && !facts(k, o)->zombie;
	}
	return n;
}

static unsigned population(const struct kernel *k)
{
	unsigned n = 0;

	for (int i = 0; i < k->fake->top; i++)
		n += k->fake->tasks[i].tid != 0;
	return n;
}

/* A zombie leader is reaped after the last of its others. */
static void reap_leader(struct kernel *k, pid_t pid, int status)
{
	struct fake_task *leader = fake_task(k->fake, pid);

	if (leader != NULL && leader->attached && facts(k, leader)->zombie &&
	    others(k, leader) == 0)
		fake_push_dead(k->fake, pid, status);
}

static void die(struct kernel *k, struct fake_task *t, int status)
{
	pid_t pid = t->pid;

	facts(k, t)->zombie = true;
	t->exited = true;
	if (!t->attached) {
		t->tid = 0;
		return;
	}
	if (t->tid == t->pid) {
		reap_leader(k, pid, status);
		return;
	}
	fake_push_dead(k->fake, t->tid, status);
	reap_leader(k, pid, status);
}

static void kill_process(struct kernel *k, pid_t pid, struct input *in)
{
	bool stops = input_byte(in) & 1;

	for (int i = 0; i < k->fake->top; i++) {
		struct fake_task *t = &k->fake->tasks[i];

		if (t->tid == 0 || t->pid != pid || facts(k, t)->zombie ||
		    has_event(k->fake, t->tid))
			continue;
		if (stops && t->attached && (t->extra_stops & BACKEND_EXTRA_EXITING) &&
		    !facts(k, t)->exiting) {
			facts(k, t)->exiting = true;
			fake_push_exiting(k->fake, t->tid, SIGKILL, BACKEND_EXIT_OTHER);
		} else {
			die(k, t, SIGKILL);
		}
	}
}

static void fork_event(struct kernel *k, struct fake_task *t)
{
	struct kernel_task *kt = facts(k, t);
	struct backend_event ev = { .kind = kt->fork_kind, .tid = t->tid };

	/* The child may have died already. */
	ev.child.tid = kt->child;
	fake_push(k->fake, &ev);
	kt->awaited = kt->fork_kind == BACKEND_VFORK ? kt->child : 0;
	kt->child = 0;
	kt->in_call = true; /* its exit comes next */
}

/* The child stops at its start before its parent's event is reported, or some time after. */
static void begin_fork(struct kernel *k, struct fake_task *t, struct input *in)
{
	static const enum backend_kind kinds[] = { BACKEND_FORK, BACKEND_VFORK, BACKEND_CLONE };
	struct kernel_task *kt = facts(k, t);
	struct fake_task *child;
	unsigned bits;

	if (population(k) >= TASKS_MAX)
		return;
	kt->fork_kind = kinds[input_below(in, 3)];
	bits = input_byte(in);
	kt->child = ++k->last_tid;
	child = fake_add(k->fake, kt->fork_kind == BACKEND_CLONE ? t->pid : kt->child, kt->child);
	child->attached = true;
	child->parent = t->pid;
	if (kt->fork_kind == BACKEND_VFORK || (bits & 2)) /* CLONE_VM without CLONE_THREAD */
		child->memory = t->memory;
	else if (fake_memory(k->fake, child->pid) && fake_memory(k->fake, t->pid))
		memcpy(fake_memory(k->fake, child->pid), fake_memory(k->fake, t->pid), FAKE_MEMORY);
	facts(k, child)->newborn = true;
	if (bits & 1)
		fork_event(k, t);
}

/* The others die, the leader among them without a word; the caller takes its place. */
static void exec(struct kernel *k, struct fake_task *t)
{
	pid_t former = t->tid, pid = t->pid;

	for (int i = 0; i < k->fake->top; i++) {
		struct fake_task *o = &k->fake->tasks[i];

		if (o->tid && o != t && o->pid == pid && has_event(k->fake, o->tid))
			return;
	}
	for (int i = 0; i < k->fake->top; i++) {
		struct fake_task *o = &k->fake->tasks[i];

		if (o->tid == 0 || o == t || o->pid != pid || facts(k, o)->zombie)
			continue;
		facts(k, o)->zombie = true;
		if (o->tid != pid)
			fake_push_dead(k->fake, o->tid, 0);
	}
	facts(k, t)->in_call = false;
	fake_push_exec(k->fake, pid, former);
}

static void call_event(struct kernel *k, struct fake_task *t, struct input *in)
{
	struct kernel_task *kt = facts(k, t);
	struct backend_event ev = { .tid = t->tid };
	unsigned bits = input_byte(in);

	if (t->how != BACKEND_SYSCALLS)
		return;
	if (!kt->in_call && !(bits & 0x80)) {
		ev.kind = BACKEND_SYSCALL_ENTRY;
		if (!(bits & 1)) { /* else the same once more */
			kt->call = (struct backend_syscall){ .arch = 1 + (bits >> 5 & 1) };
			kt->call.nr = input_below(in, 8);
			for (int i = 0; i < 6; i++)
				kt->call.args[i] = FAKE_MEMORY_AT + 16u * input_byte(in);
		}
		kt->call.restart = bits & 2;
		kt->filtered = false;
	} else if (kt->in_call && !kt->filtered && (bits & 0xc0) == 0x40 &&
		   (t->extra_stops & BACKEND_EXTRA_SECCOMP)) {
		ev.kind = BACKEND_SECCOMP;
		kt->filtered = true;
	} else {
		ev.kind = BACKEND_SYSCALL_EXIT;
		kt->call.result = (int8_t)input_byte(in);
		kt->call.is_error = kt->call.result < 0;
		kt->call.interrupted = bits & 4;
		t->signal_waits = bits & 8;
	}
	t->can_put_back = bits & 16;
	kt->in_call = ev.kind != BACKEND_SYSCALL_EXIT;
	ev.syscall = kt->call;
	fake_push(k->fake, &ev);
}

/* Runs into the trap at one of the places, if there is one. */
static void come_by(struct kernel *k, struct fake_task *t, struct input *in)
{
	const uint8_t *memory = fake_memory(k->fake, t->pid);
	unsigned place = input_below(in, KERNEL_PLACES);

	if (memory != NULL && memory[2 * place] == KERNEL_TRAP)
		fake_push_trap(k->fake, t->tid, BACKEND_TRAP_CODE, KERNEL_PLACE(place) + 1);
}

/* Accesses what is watched, or comes by what is. */
static void touch(struct kernel *k, struct fake_task *t, struct input *in)
{
	unsigned which = input_below(in, FAKE_DEBUG);
	const struct backend_debug *d = &t->debug[which];

	if (d->kind == BACKEND_DEBUG_NONE)
		return;
	if (t->kernel[which].kind != BACKEND_DEBUG_NONE && input_below(in, 2)) {
		t->kernel_hits |= 1u << which;
		if (input_below(in, 2))
			fake_push_trap(k->fake, t->tid, BACKEND_TRAP_KERNEL, KERNEL_PLACE(which));
		else
			fake_push_kind(k->fake, t->tid, BACKEND_KERNEL_HIT);
		return;
	}
	t->debug_hits |= 1u << which;
	fake_push_trap(k->fake, t->tid,
		       t->how == BACKEND_STEP ? BACKEND_TRAP_STEP : BACKEND_TRAP_DEBUG,
		       d->kind == BACKEND_DEBUG_EXECUTE ? d->addr : KERNEL_PLACE(which));
}

static bool has_trap(struct kernel *k, pid_t pid)
{
	const uint8_t *memory = fake_memory(k->fake, pid);

	for (unsigned place = 0; memory != NULL && place < KERNEL_PLACES; place++)
		if (memory[2 * place] == KERNEL_TRAP)
			return true;
	return false;
}

void kernel_check_clean(struct kernel *k)
{
	for (int i = 0; i < k->fake->top; i++) {
		const struct fake_task *t = &k->fake->tasks[i];

		FUZZ_CHECK(t->tid == 0 || !has_trap(k, t->pid));
	}
}

/* A session covers somebody else in that memory. */
static bool is_in_covered_memory(struct kernel *k, struct engine *e, const struct fake_task *t)
{
	for (int i = 0; i < k->fake->top; i++) {
		const struct fake_task *o = &k->fake->tasks[i];
		const struct process *p = o->tid ? process_by_pid(e, o->pid) : NULL;

		if (p != NULL && !list_empty(&p->covers) && o->memory == t->memory)
			return true;
	}
	return false;
}

static bool is_alone(struct kernel *k, const struct fake_task *t)
{
	return t->tid != 0 && !t->attached && !facts(k, t)->zombie;
}

void kernel_excuse_let_go(struct kernel *k, struct engine *e)
{
	for (int i = 0; i < k->fake->top; i++) {
		const struct fake_task *t = &k->fake->tasks[i];

		if (is_alone(k, t) && !is_in_covered_memory(k, e, t))
			facts(k, t)->unknown = true;
	}
}

void kernel_check_alone(struct kernel *k)
{
	for (int i = 0; i < k->fake->top; i++) {
		const struct fake_task *t = &k->fake->tasks[i];

		if (is_alone(k, t))
			FUZZ_CHECK(facts(k, t)->unknown || !has_trap(k, t->pid));
	}
}

void kernel_excuse(struct kernel *k)
{
	for (int i = 0; i < k->fake->top; i++)
		if (k->fake->tasks[i].tid)
			facts(k, &k->fake->tasks[i])->unknown = true;
}

/* vfork() returns when the child has other memory. One that nobody traces calls exec now. */
static void act_in_vfork(struct kernel *k, struct fake_task *t, unsigned what, struct input *in)
{
	struct kernel_task *kt = facts(k, t);
	const struct fake_task *child = fake_task(k->fake, kt->awaited);

	if (child != NULL && !facts(k, child)->zombie && child->memory == t->memory) {
		if (what == 13)
			kill_process(k, t->pid, in);
		else if (!child->attached)
			fake_leave_memory(k->fake, child->pid);
		return;
	}
	kt->awaited = 0;
	kt->in_call = true;
	fake_push_kind(k->fake, t->tid, BACKEND_VFORK_DONE);
}

/* One that makes a call for the engine does nothing else, but can be killed. */
static void act_in_call(struct kernel *k, struct fake_task *t, unsigned what, struct input *in)
{
	if (what == 13)
		kill_process(k, t->pid, in);
	else if (what == 12)
		die(k, t, SIGKILL);
	else if (t->how == BACKEND_SYSCALLS && !(t->interrupted && what >= 14))
		call_event(k, t, in);
	else
		fake_push_kind(k->fake, t->tid, BACKEND_INTERRUPTED);
}

static void act_in_job_stop(struct kernel *k, struct fake_task *t, unsigned what)
{
	if (t->interrupted && what < 8) {
		fake_push_kind(k->fake, t->tid, BACKEND_JOB_STOP);
		t->interrupted = false;
	} else {
		facts(k, t)->job_stopped = false;
		fake_push_kind(k->fake, t->tid, BACKEND_INTERRUPTED);
	}
}

/* What it is in the middle of comes first. Returns whether there was something. */
static bool go_on(struct kernel *k, struct fake_task *t, unsigned what, struct input *in)
{
	struct kernel_task *kt = facts(k, t);

	if (kt->newborn) {
		kt->newborn = false;
		fake_push_kind(k->fake, t->tid, BACKEND_INTERRUPTED);
	} else if (kt->child) {
		fork_event(k, t);
	} else if (kt->exiting) {
		die(k, t, SIGKILL);
	} else if (kt->awaited) {
		act_in_vfork(k, t, what, in);
	} else if (t->called_at != BACKEND_NONE) {
		act_in_call(k, t, what, in);
	} else if (t->how == BACKEND_LISTEN && kt->job_stopped) {
		act_in_job_stop(k, t, what);
	} else {
		return false;
	}
	return true;
}

static void begin_exit(struct kernel *k, struct fake_task *t, struct input *in)
{
	if (!(t->extra_stops & BACKEND_EXTRA_EXITING)) {
		die(k, t, (int)input_byte(in) << 8);
		return;
	}
	facts(k, t)->exiting = true;
	fake_push_exiting(k->fake, t->tid, (int)input_byte(in) << 8,
			  (enum backend_exit_call)input_below(in, 3));
}

static void run_on(struct kernel *k, struct fake_task *t, unsigned what, struct input *in)
{
	if (!t->interrupted && what == 15)
		come_by(k, t, in);
	if (!t->interrupted && what == 14)
		touch(k, t, in);
	if (t->interrupted)
		fake_push_kind(k->fake, t->tid, BACKEND_INTERRUPTED);
	else if (facts(k, t)->in_call)
		call_event(k, t, in);
}

/* What a task under trace that runs may do. */
static void act(struct kernel *k, struct fake_task *t, struct input *in)
{
	struct kernel_task *kt = facts(k, t);
	unsigned what = input_below(in, 16);

	if (go_on(k, t, what, in))
		return;
	kt->job_stopped = false;
	if (t->how == BACKEND_STEP && what < 8) {
		fake_push_trap(k->fake, t->tid, BACKEND_TRAP_STEP,
			       KERNEL_PLACE(input_below(in, KERNEL_PLACES)));
		return;
	}
	switch (what) {
	case 0 ... 3:
		call_event(k, t, in);
		break;
	case 4:
		fake_push_signal(k->fake, t->tid, 1 + (int)input_below(in, 8));
		break;
	case 5:
		fake_push_signal(k->fake, t->tid, 10 + (int)input_below(in, 55));
		break;
	case 6:
		kt->job_stopped = true;
		fake_push_kind(k->fake, t->tid, BACKEND_JOB_STOP);
		break;
	case 7 ... 9:
		begin_fork(k, t, in);
		break;
	case 10:
		exec(k, t);
		break;
	case 11:
		fake_push_kind(k->fake, t->tid, BACKEND_SPURIOUS);
		break;
	case 12:
		begin_exit(k, t, in);
		break;
	case 13:
		kill_process(k, t->pid, in);
		break;
	default:
		run_on(k, t, what, in);
	}
}

/* One of those that can do something. */
static struct fake_task *choose(struct kernel *k, unsigned which)
{
	struct fake_task *able[FAKE_TASKS];
	unsigned n = 0;

	for (int i = 0; i < k->fake->top; i++) {
		struct fake_task *t = &k->fake->tasks[i];

		if (t->tid && t->attached && !facts(k, t)->zombie && !has_event(k->fake, t->tid))
			able[n++] = t;
	}
	return n ? able[which % n] : NULL;
}

void kernel_step(struct kernel *k, struct input *in)
{
	struct fake_task *t = choose(k, input_byte(in));

	if (t == NULL)
		return;
	if (!t->stands)
		act(k, t, in);
	else if (input_below(in, 16) == 0)
		kill_process(k, t->pid, in);
}

void kernel_report_forks(struct kernel *k)
{
	for (int i = 0; i < k->fake->top; i++) {
		struct fake_task *t = &k->fake->tasks[i];

		if (t->tid && t->attached && !t->stands && !facts(k, t)->zombie &&
		    facts(k, t)->child && !has_event(k->fake, t->tid))
			fork_event(k, t);
	}
}

bool kernel_has_attached(const struct kernel *k)
{
	for (int i = 0; i < k->fake->top; i++)
		if (k->fake->tasks[i].tid && k->fake->tasks[i].attached)
			return true;
	return false;
}

void kernel_finish(struct kernel *k)
{
	static const uint8_t heed[] = { 14 };

	for (int i = 0; i < k->fake->top; i++) {
		struct fake_task *t = &k->fake->tasks[i];
		struct input in = { heed, sizeof heed };

		if (t->tid == 0 || !t->attached || t->stands || facts(k, t)->zombie ||
		    has_event(k->fake, t->tid))
			continue;
		act(k, t, &in);
	}
}
