/* SPDX-License-Identifier: MIT */
/*
 * Without memory: a play of two sessions, one a policy, and a target that forks, clones and
 * execs is given again and again, and each time another allocation of the engine fails.
 * Whatever comes of it: no task stays stopped for nobody, none runs past the policy while
 * that lives, and the engine asks nothing of the kernel that makes no sense.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/session.h"
#include "test/engine/stage.h"

#define CHILD 111
#define THREAD 112

/* The linker leads the calls of all objects here (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_engine_turn(struct engine *e, uint64_t deadline);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_engine_turn(struct engine *e, uint64_t deadline);

static bool armed, failed;
static unsigned until_failure;
static unsigned in_a_row; /* so many fail, one after the other */

static bool fails(void)
{
	if (!armed || in_a_row == 0)
		return false;
	if (until_failure > 0) {
		until_failure--;
		return false;
	}
	in_a_row--;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void __wrap_engine_turn(struct engine *e, uint64_t deadline)
{
	armed = true;
	__real_engine_turn(e, deadline);
	armed = false;
}

/* ---- The play ---- */

struct play {
	struct stage *st;
	struct client *policy, *other;
};

static void send_attach(struct client *c, uint32_t flags)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	client_begin(c, WIRE_ATTACH, 0);
	wire_put_attach(&c->writer,
			&(struct wire_attach){ .pid = PID, .scope = COTRACE_TREE, .flags = flags });
	client_send(c, fd);
	close(fd);
	settle(c->stage);
}

static void send_subscribe(struct client *c, unsigned kind, unsigned mode)
{
	client_begin(c, WIRE_SUBSCRIBE, 0);
	wire_put_subscribe(&c->writer, &(struct wire_subscribe){ kind, mode });
	client_send(c, -1);
	settle(c->stage);
}

static void send_calls(struct client *c, unsigned mode)
{
	struct wire_syscalls all = { .phases = COTRACE_ENTRY, .mode = mode };

	for (size_t i = 0; i < sizeof all.bits / sizeof *all.bits; i++)
		all.bits[i] = UINT64_MAX;
	client_begin(c, WIRE_SYSCALLS, 0);
	wire_put_syscalls(&c->writer, &all);
	client_send(c, -1);
	settle(c->stage);
}

static bool lives(const struct client *c)
{
	const struct session *s = session_by_id(c->stage->engine, c->session);

	return s != NULL && s->main != NULL && !s->main->dead && !s->ended && s->attached;
}

/* All stops that are offered are passed. */
static void pass_all(struct client *c)
{
	struct seen ev;

	while (c->fd >= 0 && !c->hung_up && (ev = next_event(c)).kind != 0) {
		if (ev.fd >= 0)
			close(ev.fd);
		if (ev.flags & COTRACE_EV_STOP)
			answer(c, &ev, COTRACE_PASS, 0);
	}
}

static void go_on(struct play *p)
{
	settle(p->st);
	pass_all(p->policy);
	pass_all(p->other);
	pass_time(p->st, 2 * CLOCK_SECOND); /* orphans are taken in */
	pass_all(p->policy);
	pass_all(p->other);
}

static bool is_killed(struct stage *st, pid_t tid)
{
	const struct fake_task *t = fake_task(st->kernel, tid);

	return t == NULL || fake_count(st->kernel, FAKE_SIGNAL, t->pid) > 0;
}

/* @tid makes a call: the policy is asked, or it is denied, or the task is not to run at all. */
static void call(struct play *p, pid_t tid, int64_t nr)
{
	struct stage *st = p->st;
	struct fake_task *t = fake_task(st->kernel, tid);
	bool guarded = lives(p->policy), asked = false;
	unsigned denied = fake_count(st->kernel, FAKE_SYSCALL_DENY, tid);
	struct seen ev;

	if (t == NULL || t->stands || is_killed(st, tid))
		return;
	if (!t->attached || t->how != BACKEND_SYSCALLS) { /* nobody sees its calls */
		assert_false(guarded);
		return;
	}
	fake_push_entry(st->kernel, tid, nr, 0);
	settle(st);
	while (!p->policy->hung_up && (ev = next_event(p->policy)).kind != 0) {
		asked |= ev.kind == COTRACE_EVENT_SYSCALL_ENTRY && ev.head.tid == tid;
		if (ev.flags & COTRACE_EV_STOP)
			answer(p->policy, &ev, COTRACE_PASS, 0);
	}
	go_on(p);
	if (guarded && lives(p->policy) && runs(st, tid))
		assert_true(asked || fake_count(st->kernel, FAKE_SYSCALL_DENY, tid) > denied);
	t = fake_task(st->kernel, tid);
	if (t != NULL && t->attached && !t->stands) {
		fake_push_exit(st->kernel, tid, nr, 0);
		go_on(p);
	}
}

static void give(struct play *p)
{
	struct stage *st = p->st;

	send_attach(p->policy, COTRACE_POLICY);
	pass_time(st, 2 * CLOCK_SECOND);
	if (!lives(p->policy)) /* all or nothing */
		assert_false(fake_task(st->kernel, PID)->attached);
	send_calls(p->policy, COTRACE_STOP);
	send_attach(p->other, 0);
	send_subscribe(p->other, COTRACE_EVENT_FORK, COTRACE_STOP);
	send_subscribe(p->other, COTRACE_EVENT_CLONE, COTRACE_NOTE);
	send_subscribe(p->other, COTRACE_EVENT_TASK_START, COTRACE_NOTE);
	send_subscribe(p->other, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	go_on(p);
	call(p, PID, 1);
	if (!lives(p->policy)) /* it has never begun */
		return;
	if (fake_task(st->kernel, PID)->attached && !fake_task(st->kernel, PID)->stands) {
		fake_push_child(st->kernel, PID, BACKEND_FORK, CHILD);
		fake_push_kind(st->kernel, CHILD, BACKEND_INTERRUPTED);
		go_on(p);
		call(p, CHILD, 2);
	}
	if (fake_task(st->kernel, PID)->attached && !fake_task(st->kernel, PID)->stands) {
		fake_add(st->kernel, PID, THREAD)->attached = true; /* it stops first */
		fake_push_kind(st->kernel, THREAD, BACKEND_INTERRUPTED);
		fake_push_child(st->kernel, PID, BACKEND_CLONE, THREAD);
		go_on(p);
		call(p, THREAD, 3);
		call(p, PID, 4);
	}
	client_begin(p->other, WIRE_STOP, 0);
	wire_put_stop(&p->other->writer, &(struct wire_stop){ 0, COTRACE_ALL, 0 });
	client_send(p->other, -1);
	go_on(p);
	client_begin(p->other, WIRE_RESUME, 0);
	wire_put_resume(&p->other->writer, &(struct wire_resume){ 0, COTRACE_ALL });
	client_send(p->other, -1);
	go_on(p);
}

/* Returns whether there was an allocation to fail. */
static bool give_without(unsigned at, unsigned how_many)
{
	struct play p;
	void *state;

	stage_setup(&state);
	p.st = state;
	p.policy = client_new(p.st);
	p.other = client_new(p.st);
	p.st->kernel->answers = true;
	failed = false;
	until_failure = at;
	in_a_row = how_many;
	give(&p);
	in_a_row = 0;
	/* All is over: nothing is left standing. */
	client_close(p.policy);
	client_close(p.other);
	pass_time(p.st, 5 * CLOCK_SECOND);
	for (int i = 0; i < p.st->kernel->top; i++) {
		const struct fake_task *t = &p.st->kernel->tasks[i];

		if (t->tid != 0 && t->stands)
			print_error("allocation %u: %d still stands\n", at, (int)t->tid);
		assert_false(t->tid != 0 && t->stands);
		assert_false(t->tid != 0 && t->attached && !is_killed(p.st, t->tid));
	}
	if (p.st->kernel->illegal)
		print_error("allocation %u: %s\n", at, p.st->kernel->complaint);
	assert_int_equal(p.st->kernel->illegal, 0);
	stage_teardown(&state);
	return failed;
}

static void any_allocation_may_fail(void **state)
{
	unsigned at = 0;

	(void)state;
	while (give_without(at, 1))
		at++;
	print_message("%u allocations\n", at);
	assert_in_range(at, 20, 1000);
}

static void memory_may_be_short_for_a_while(void **state)
{
	(void)state;
	for (unsigned how_many = 2; how_many <= 16; how_many *= 2)
		for (unsigned at = 0; give_without(at, how_many); at++)
			;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_allocation_may_fail),
		cmocka_unit_test(memory_may_be_short_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
