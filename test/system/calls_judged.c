/* SPDX-License-Identifier: MIT */
/* Calls into a target among several sessions (R2, R9), and the end of somebody in the middle. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/inject.h"

/* A call made by another thread of the test. */
struct order {
	struct cotrace *s;
	uint64_t task;
	int64_t nr, result;
	int r;
	pthread_t thread;
};

static void *make_in_thread(void *arg)
{
	struct order *o = arg;

	o->r = cotrace_syscall(o->s, o->task, o->nr, ARGS(0), &o->result, test_ns(1000));
	return NULL;
}

static void start_order(struct order *o, struct cotrace *s, uint64_t task, int64_t nr)
{
	*o = (struct order){ .s = s, .task = task, .nr = nr };
	CHECK_EQ(pthread_create(&o->thread, NULL, make_in_thread, o), 0);
}

/* ---- R2: what a call passes. ---- */

struct judge {
	struct cotrace *s;
	unsigned entries, exits;
	struct cotrace_event last;
	struct cotrace_verdict entry; /* for the path of which it captured "secret" */
	atomic_bool over;
	pthread_t thread;
};

static void *judge(void *arg)
{
	static const char secret[] = "/etc/passwd";
	struct judge *j = arg;
	char data[8192];

	while (!atomic_load(&j->over)) {
		struct cotrace_event ev = EVENT_NULL;
		int r = cotrace_next_data(j->s, &ev, data, sizeof data, 10000000);

		if (r <= 0)
			continue;
		j->last = ev;
		if (ev.kind == COTRACE_EVENT_SYSCALL_EXIT)
			j->exits++;
		if (ev.kind != COTRACE_EVENT_SYSCALL_ENTRY) {
			cotrace_answer(j->s, &ev, NULL);
			continue;
		}
		j->entries++;
		if (ev.captured_count && ev.captured[0].size == strlen(secret) &&
		    memcmp(data + ev.captured[0].offset, secret, strlen(secret)) == 0)
			cotrace_answer(j->s, &ev, &j->entry);
		else
			cotrace_answer(j->s, &ev, NULL);
	}
	return NULL;
}

static void judge_start(struct judge *j, pid_t pid, unsigned flags, long nr)
{
	static const struct cotrace_capture path = { .kind = COTRACE_CAPTURE_STRING,
						     .phase = COTRACE_ENTRY };

	memset(j, 0, sizeof *j);
	j->s = attached(pid, OPTIONS(.flags = flags));
	j->entry = *VERDICT(.action = COTRACE_DENY, .result = -EACCES);
	CHECK_EQ(cotrace_capture(j->s, 0, SYS_access, &path, 1), 0);
	subscribe_call(j->s, nr, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	CHECK_EQ(pthread_create(&j->thread, NULL, judge, j), 0);
}

static void judge_stop(struct judge *j)
{
	atomic_store(&j->over, true);
	pthread_join(j->thread, NULL);
	cotrace_close(j->s);
}

static uint64_t put_text(struct cotrace *s, const struct cotrace_event *ev, const char *text)
{
	uint64_t at = (uint64_t)called(s, ev->task, SYS_mmap,
				       ARGS(0, 4096, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0));

	CHECK_EQ(cotrace_write_memory(s, ev->pid, at, text, strlen(text) + 1),
		 (ssize_t)strlen(text) + 1);
	return at;
}

TEST(a_policy_judges_calls_into_the_task)
{
	struct cotrace_event ev;
	struct judge policy;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev);
	struct image was;
	uint64_t at;

	at = put_text(s, &ev, "/etc/passwd");
	judge_start(&policy, t.pid, COTRACE_POLICY, SYS_access);
	take_image(s, &ev, &was);
	CHECK_EQ(called(s, ev.task, SYS_access, ARGS(at, R_OK)), -EACCES);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_write_memory(s, t.pid, at, "/etc/group", 11), 11);
	CHECK_EQ(called(s, ev.task, SYS_access, ARGS(at, R_OK)), 0);
	check_image(s, &ev, &was);
	judge_stop(&policy);
	CHECK_EQ(policy.entries, 2);
	CHECK_EQ(policy.exits, 2);
	CHECK_EQ(policy.last.syscall.result, 0);
	finish_calls(s, &t);
}

TEST(an_older_session_replaces_what_a_call_asks_and_gets)
{
	struct cotrace_event ev;
	struct cotrace *s, *young;
	struct judge older;
	struct target t;
	uint64_t at;

	puppet_start(&t);
	CHECK_SOON(proc_blocked_in(t.pid) == SYS_read, 5000);
	judge_start(&older, t.pid, 0, SYS_access);
	older.entry = *VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getpid);
	s = attached(t.pid, NULL);
	young = attached(t.pid, NULL);
	subscribe_call(young, SYS_access, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	at = put_text(s, &ev, "/etc/passwd");
	CHECK_EQ(called(s, ev.task, SYS_access, ARGS(at, R_OK)), t.pid);
	take_none(s, 10);
	take_none(young, 10);
	/* At the entry of the program's own call, for which offers are open. */
	subscribe_call(young, SYS_getppid, COTRACE_ENTRY, COTRACE_STOP);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	puppet_tell(&t, "raw %d", SYS_getppid);
	take_kind(young, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	CHECK_EQ(called(s, ev.task, SYS_access, ARGS(at, R_OK)), t.pid);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK_EQ(cotrace_answer(young, &ev, VERDICT(.action = COTRACE_DENY, .result = -EXDEV)), 0);
	CHECK_EQ(puppet_answer(&t), -EXDEV);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	cotrace_close(young);
	cotrace_close(s);
	judge_stop(&older);
	puppet_end(&t);
}

/* A policy that does not answer: the call times out, and was not made. */
TEST(a_call_that_is_not_judged_in_time_is_not_made)
{
	struct cotrace_event ev, seen;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev), *policy;
	uint64_t at = put_text(s, &ev, "x");
	struct image was;
	int64_t result;

	policy = attached(t.pid, OPTIONS(.flags = COTRACE_POLICY));
	subscribe_call(policy, SYS_munmap, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	take_image(s, &ev, &was);
	CHECK_EQ(cotrace_syscall(s, ev.task, SYS_munmap, ARGS(at, 4096), &result, test_ns(50)),
		 -ETIMEDOUT);
	check_image(s, &ev, &was);
	CHECK_EQ(cotrace_read_memory(s, t.pid, at, &result, 1), 1);
	take_kind(policy, &seen, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(seen.syscall.nr, SYS_munmap);
	CHECK_EQ(seen.syscall.args[0], at);
	CHECK_EQ(cotrace_answer(policy, &seen, NULL), 0);
	take_kind(policy, &seen, COTRACE_EVENT_SYSCALL_EXIT);
	cotrace_close(policy);
	finish_calls(s, &t);
}

/* One that goes away without an answer counts as passed (R1). */
TEST(a_session_that_closes_in_the_middle_of_judging_is_not_waited_for)
{
	struct cotrace_event ev, seen;
	struct target t;
	struct cotrace *s, *older;
	struct order order;

	puppet_start(&t);
	older = attached(t.pid, NULL);
	s = attached(t.pid, NULL);
	subscribe_call(older, SYS_getppid, COTRACE_ENTRY, COTRACE_STOP);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	start_order(&order, s, ev.task, SYS_getppid);
	take_kind(older, &seen, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(seen.tid, t.pid);
	cotrace_close(older);
	pthread_join(order.thread, NULL);
	CHECK_EQ(order.r, 0);
	CHECK_EQ(order.result, getpid());
	finish_calls(s, &t);
}

/* ---- The end of somebody in the middle of a call. ---- */

TEST(a_task_that_is_killed_in_a_call_answers)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev);
	struct order o;

	start_order(&o, s, ev.task, SYS_pause);
	CHECK_SOON(proc_blocked_in(t.pid) == SYS_pause, 5000);
	CHECK_SYS(kill(t.pid, SIGKILL));
	pthread_join(o.thread, NULL);
	CHECK_OP(o.r, <, 0);
	CHECK(o.r == -ESRCH || o.r == -ESHUTDOWN);
	target_wait(&t, 2000);
	cotrace_close(s);
}

TEST(another_call_into_the_same_task_has_to_wait)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev);
	struct order o;
	int64_t result;
	uint64_t value = ev.pc + 1;

	start_order(&o, s, ev.task, SYS_pause);
	CHECK_SOON(proc_blocked_in(t.pid) == SYS_pause, 5000);
	CHECK_EQ(cotrace_syscall(s, ev.task, SYS_getpid, ARGS(0), &result, -1), -EBUSY);
	CHECK_EQ(cotrace_regset_write(s, ev.task, 1, &value, 8), -EBUSY);
	/* Who wants to see registers waits, and sees those of the program. */
	CHECK_EQ(cotrace_register_read(s, ev.task, "rip", &value, 8), 8);
	CHECK_EQ(value, ev.pc);
	pthread_join(o.thread, NULL);
	CHECK_EQ(o.r, -ETIMEDOUT);
	/* The hold is given up in a call: the task runs on only after it. */
	start_order(&o, s, ev.task, SYS_pause);
	CHECK_SOON(proc_blocked_in(t.pid) == SYS_pause, 5000);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	pthread_join(o.thread, NULL);
	CHECK_EQ(o.r, -ETIMEDOUT);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	cotrace_close(s);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(a_session_that_closes_in_a_call_leaves_the_task_as_it_was)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s, *other;
	pid_t child;
	int status;

	puppet_start(&t);
	CHECK_SOON(proc_blocked_in(t.pid) == SYS_read, 5000);
	for (int i = 0; i < 2; i++) {
		/* With the last session the engine leaves as well. */
		other = i ? NULL : attached(t.pid, NULL);
		child = fork();
		if (child == 0) {
			int64_t result;

			s = attached(t.pid, NULL);
			cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000));
			take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
			cotrace_syscall(s, ev.task, SYS_pause, ARGS(0), &result, -1);
			_exit(1);
		}
		CHECK_SOON(proc_blocked_in(t.pid) == SYS_pause, 5000);
		CHECK_SYS(kill(child, SIGKILL));
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_SOON(proc_blocked_in(t.pid) == SYS_read, 5000);
		CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
		cotrace_close(other);
		check_untouched(t.pid);
	}
	puppet_end(&t);
}

TEST(calls_are_told_as_changes)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev), *other = attached(t.pid, NULL);

	subscribe(other, COTRACE_EVENT_CHANGED, COTRACE_NOTE);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	take_kind(other, &ev, COTRACE_EVENT_CHANGED);
	CHECK_EQ(ev.changed.what, COTRACE_CHANGE_CALL);
	CHECK_EQ(ev.changed.addr, SYS_getpid);
	CHECK_EQ(ev.changed.session, cotrace_id(s));
	cotrace_close(other);
	finish_calls(s, &t);
}

/* The condition sees the registers of the call, and the outer stop those of the program. */
TEST(a_condition_on_system_calls_holds_for_calls_into_the_task)
{
	struct cotrace_syscall_set set;
	struct cotrace_expression condition;
	struct cotrace_event ev, seen;
	struct cotrace *s, *older;
	struct image was;
	struct target t;
	uint8_t *code;
	size_t size;

	CHECK_EQ(cotrace_compile(&code, &size, COTRACE_ARCH_X86_64, "$rdi == 24", NULL, 0), 0);
	condition = (struct cotrace_expression){ code, size };
	cotrace_syscall_set_clear(&set);
	cotrace_syscall_set_add(&set, SYS_access);
	puppet_start(&t);
	older = attached(t.pid, NULL);
	subscribe_call(older, SYS_access, COTRACE_ENTRY, COTRACE_NOTE);
	CHECK_EQ(cotrace_condition_syscalls(older, COTRACE_ARCH_X86_64, COTRACE_ENTRY, &set,
					    &condition),
		 0);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	take_image(s, &ev, &was);
	for (uint64_t at = 16; at < 32; at += 8)
		CHECK_EQ(called(s, ev.task, SYS_access, ARGS(at)), -EFAULT);
	check_image(s, &ev, &was);
	take_kind(older, &seen, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(seen.syscall.args[0], 24);
	take_none(older, 10);
	cotrace_close(older);
	free(code);
	finish_calls(s, &t);
}
