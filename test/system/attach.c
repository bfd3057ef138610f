/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <poll.h>

#include "test/system/system.h"

TEST(attach_covers_every_task_and_stops_none)
{
	struct cotrace_task_info v[32];
	struct cotrace *s;
	struct target t;

	TARGET_START(&t, "many", "10");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_tasks(s, v, 32), 11);
	CHECK_EQ(proc_tasks_traced_by(t.pid, cotrace_engine_pid(s)), 11);
	CHECK_EQ(proc_stopped_tasks(t.pid), 0);
	for (int i = 0; i < 11; i++) {
		CHECK_EQ(v[i].pid, t.pid);
		CHECK_EQ(v[i].state, COTRACE_TASK_RUNNING);
		CHECK_EQ(v[i].holds, 0);
		CHECK(v[i].task != 0);
	}
	take_none(s, 50);
	cotrace_close(s);
	check_untouched(t.pid);
	target_go(&t);
	target_expect(&t, "woke 10");
	target_ends_well(&t, 5000);
}

static void note_tid(pid_t tid, void *arg)
{
	*(pid_t *)arg = tid;
}

TEST(a_task_that_is_not_the_leader_names_its_process)
{
	struct cotrace *s;
	struct target t;
	pid_t tid = 0;

	TARGET_START(&t, "many", "3");
	target_expect(&t, "ready");
	proc_each_task(t.pid, note_tid, &tid);
	CHECK(tid != t.pid);
	s = attached(tid, NULL);
	CHECK_EQ(cotrace_tasks(s, NULL, 0), 4);
	cotrace_close(s);
	target_kill(&t);
}

TEST(the_list_is_cut_at_what_fits_and_the_count_is_whole)
{
	struct cotrace_task_info v[2];
	struct cotrace *s;
	struct target t;

	TARGET_START(&t, "many", "5");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_tasks(s, v, 2), 6);
	cotrace_close(s);
	target_kill(&t);
}

/* 12: any number of sessions; the second joins the first one's engine. */
TEST(a_second_session_joins_the_engine_of_the_first)
{
	struct cotrace *a, *b;
	struct target t;

	puppet_start(&t);
	a = attached(t.pid, NULL);
	b = attached(t.pid, OPTIONS(.flags = COTRACE_NO_ENGINE_START));
	CHECK_EQ(cotrace_engine_pid(a), cotrace_engine_pid(b));
	CHECK(cotrace_id(a) != cotrace_id(b));
	cotrace_close(a);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	CHECK(is_traced_by(t.pid, cotrace_engine_pid(b)));
	cotrace_close(b);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(without_an_engine_no_engine_start_fails)
{
	struct cotrace *s = (void *)1;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(cotrace_attach(&s, t.pid, OPTIONS(.flags = COTRACE_NO_ENGINE_START)), -ENOENT);
	CHECK(s == NULL);
	puppet_end(&t);
}

TEST(the_engine_leaves_when_its_last_session_closes)
{
	struct cotrace *s;
	struct target t;
	pid_t engine;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	engine = cotrace_engine_pid(s);
	CHECK_EQ(kill(engine, 0), 0);
	cotrace_close(s);
	CHECK_SOON(proc_state(engine) == 0 || proc_state(engine) == 'Z', 2000);
	puppet_end(&t);
}

/* As the library starts one, but whoever is first takes his time. */
static int start_engine(pid_t *engine)
{
	int ends[2];

	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
	*engine = (pid_t)CHECK_SYS(fork());
	if (*engine == 0) {
		if (dup2(ends[1], 3) < 0 || (ends[1] == 3 && fcntl(3, F_SETFD, 0) < 0))
			_exit(126);
		execl(getenv("COTRACE_ENGINE"), "cotrace-engine", "--session-fd", "3", NULL);
		_exit(127);
	}
	close(ends[1]);
	return ends[0];
}

TEST(others_who_look_at_a_new_engine_do_not_end_it)
{
	/* HELLO: size, type, cookie, versions. */
	static const uint32_t hello[] = { 24, 1, 1, 0, 1, 1 };
	char reply[64];
	pid_t engine;
	int first = start_engine(&engine), status;

	for (int i = 0; i < 5; i++) {
		struct cotrace *s;

		if (WAIT_FOR(cotrace_open_engine(&s, engine) == 0, 2000))
			cotrace_close(s);
	}
	CHECK_EQ(send(first, hello, sizeof hello, MSG_NOSIGNAL), sizeof hello);
	CHECK_OP(recv(first, reply, sizeof reply, 0), >, 0);
	close(first);
	CHECK_EQ(waitpid(engine, &status, 0), engine);
	CHECK_EQ(status, 0);
}

/* 67: by which task access was judged is gone by the time that the engine looks. */
TEST(a_process_whose_tasks_do_not_last_can_be_attached_to)
{
	struct cotrace *s;
	struct target t;
	char ms[16];

	snprintf(ms, sizeof ms, "%u", test_ms(5));
	TARGET_START(&t, "relay", ms);
	target_expect(&t, "ready");
	CHECK_SOON(proc_state(t.pid) == 'Z', 2000);
	for (unsigned i = 0; i < test_rounds(40, 1000); i++) {
		s = attached(t.pid, NULL);
		cotrace_close(s);
	}
	target_go(&t);
	target_expect(&t, "ended");
	target_ends_well(&t, 5000);
}

static void check_reason(pid_t pid, int error, enum cotrace_reason reason, int detail)
{
	struct cotrace_explanation e = { .size = sizeof e };
	struct cotrace *s = (void *)1;

	CHECK_EQ(cotrace_attach(&s, pid, NULL), error);
	CHECK(s == NULL);
	CHECK_EQ(cotrace_explain(pid, &e), 0);
	if (e.reason != reason)
		FAIL("reason %u, not %u: %s", e.reason, reason, e.sentence);
	if (detail)
		CHECK_EQ(e.detail, detail);
	CHECK(strlen(e.sentence) > 20 && strlen(e.sentence) < sizeof e.sentence);
}

/* 13 */
TEST(a_process_that_does_not_exist_is_told_as_such)
{
	check_reason(4194303, -ESRCH, COTRACE_REASON_NO_PROCESS, 0);
}

TEST(a_zombie_is_told_as_such)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_SOON(proc_state(pid) == 'Z', 2000);
	check_reason(pid, -ESRCH, COTRACE_REASON_ZOMBIE, 0);
	waitpid(pid, NULL, 0);
}

TEST(a_kernel_thread_is_told_as_such)
{
	if (proc_status_number(2, "PPid") != 0 || proc_status_number(2, "Kthread") != 1)
		test_skip("pid 2 is no kernel thread here");
	check_reason(2, -EPERM, COTRACE_REASON_KERNEL_THREAD, 0);
}

TEST(ones_own_process_is_told_as_such)
{
	struct cotrace_explanation e = { .size = sizeof e };
	struct cotrace *s = NULL;

	CHECK_OP(cotrace_attach(&s, getpid(), NULL), <, 0);
	CHECK_EQ(cotrace_explain(getpid(), &e), 0);
	CHECK_EQ(e.reason, COTRACE_REASON_SELF);
}

TEST(a_foreign_tracer_is_named)
{
	struct target t;

	puppet_start(&t);
	CHECK_EQ(ptrace(PTRACE_SEIZE, t.pid, 0, 0), 0);
	check_reason(t.pid, -EBUSY, COTRACE_REASON_FOREIGN_TRACER, getpid());
	target_kill(&t);
}

TEST(nothing_is_in_the_way_of_an_ordinary_process)
{
	struct cotrace_explanation e = { .size = sizeof e };
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(cotrace_explain(t.pid, &e), 0);
	CHECK_EQ(e.reason, COTRACE_REASON_NONE);
	CHECK_EQ(e.engine_pid, 0);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_explain(t.pid, &e), 0);
	CHECK_EQ(e.reason, COTRACE_REASON_NONE);
	CHECK_EQ(e.engine_pid, cotrace_engine_pid(s));
	cotrace_close(s);
	puppet_end(&t);
}

/* 28, R10: in both directions, the one that comes second. */
TEST(two_tracers_that_could_stop_each_other_are_refused)
{
	int there[2], back[2];
	struct cotrace *s = NULL;
	char c;
	pid_t other;

	CHECK_SYS(pipe(there));
	CHECK_SYS(pipe(back));
	other = fork();
	if (other == 0) {
		int r = cotrace_attach(&s, getppid(), NULL);

		c = (char)(r == 0 ? 0 : 1);
		CHECK_EQ(write(back[1], &c, 1), 1);
		CHECK_EQ(read(there[0], &c, 1), 1);
		cotrace_close(s);
		_exit(0);
	}
	CHECK_EQ(read(back[0], &c, 1), 1);
	CHECK_EQ(c, 0);
	CHECK_EQ(cotrace_attach(&s, other, NULL), -EDEADLK);
	CHECK_EQ(write(there[1], &c, 1), 1);
	waitpid(other, NULL, 0);
	close(there[0]), close(there[1]), close(back[0]), close(back[1]);
	/* LeakSanitizer cannot look at the end of what is traced. */
	check_untouched(getpid());
}

TEST(bad_arguments_are_refused)
{
	struct cotrace_options o = { .size = sizeof o + 8 };
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(cotrace_attach(&s, t.pid, &o), -EINVAL);
	CHECK_EQ(cotrace_attach(&s, t.pid, OPTIONS(.flags = 0x80000000)), -EINVAL);
	CHECK_EQ(cotrace_attach(&s, t.pid, OPTIONS(.role = 9)), -EINVAL);
	CHECK_EQ(cotrace_attach(&s, t.pid, OPTIONS(.scope = 9)), -EINVAL);
	CHECK_EQ(cotrace_attach(&s, t.pid, OPTIONS(.close_action = 9)), -EINVAL);
	CHECK_OP(cotrace_attach(&s, -5, NULL), <, 0);
	CHECK_OP(cotrace_attach(&s, 0, NULL), <, 0);
	cotrace_close(NULL);
	puppet_end(&t);
}

TEST(a_tree_session_covers_descendants_that_exist_and_those_to_come)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	pid_t child;

	puppet_start(&t);
	child = (pid_t)puppet_ask(&t, "child");
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	CHECK(is_traced_by(child, cotrace_engine_pid(s)));
	task_of(s, child);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	CHECK_EQ(puppet_ask(&t, "fork 3"), 3);
	take_kind(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(ev.exit.code, 3);
	CHECK(ev.pid != t.pid && ev.pid != child);
	cotrace_close(s);
	check_untouched(child);
	puppet_end(&t);
}

TEST(a_process_session_does_not_cover_children)
{
	struct cotrace *s;
	struct target t;
	pid_t child;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	child = (pid_t)puppet_ask(&t, "child");
	/* The kernel attaches the engine to it; the engine lets it go at once. */
	check_untouched(child);
	CHECK_EQ(puppet_ask(&t, "fork 3"), 3);
	CHECK_EQ(cotrace_tasks(s, NULL, 0), 1);
	take_none(s, 50);
	cotrace_close(s);
	check_untouched(child);
	puppet_end(&t);
}

TEST(engines_can_be_listed_and_looked_at)
{
	struct cotrace_session_info info[4];
	struct cotrace *s, *look;
	struct target t;
	pid_t pids[64];
	bool found = false;
	int n;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	n = cotrace_engines(pids, 64);
	CHECK_OP(n, >=, 1);
	for (int i = 0; i < n && i < 64; i++)
		found |= pids[i] == cotrace_engine_pid(s);
	CHECK(found);
	CHECK_EQ(cotrace_open_engine(&look, t.pid), 0);
	CHECK_EQ(cotrace_engine_pid(look), cotrace_engine_pid(s));
	n = cotrace_sessions(look, info, 4);
	CHECK_EQ(n, 2);
	for (int i = 0; i < n; i++) {
		if (info[i].session != cotrace_id(s))
			continue;
		CHECK_EQ(info[i].owner_pid, getpid());
		CHECK_EQ(info[i].owner_uid, getuid());
		CHECK_EQ(info[i].root_pid, t.pid);
		CHECK_EQ(info[i].scope, COTRACE_TREE);
		CHECK_EQ(info[i].tasks, 1);
		CHECK_EQ(info[i].processes, 1);
		CHECK_EQ(info[i].holds, 0);
		CHECK(strncmp(info[i].owner_command, "system-attach", 13) == 0);
	}
	cotrace_close(look);
	CHECK_EQ(cotrace_open_engine(&look, cotrace_engine_pid(s)), 0);
	cotrace_close(look);
	CHECK_EQ(cotrace_open_engine(&look, getpid()), -ENOENT);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(the_fd_is_readable_exactly_as_long_as_an_event_can_be_taken)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	struct pollfd p;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	p = (struct pollfd){ .fd = cotrace_fd(s), .events = POLLIN };
	CHECK_EQ(poll(&p, 1, 20), 0);
	subscribe_call(s, SYS_getpid, COTRACE_ENTRY, COTRACE_NOTE);
	CHECK_EQ(poll(&p, 1, 20), 0);
	/* Two notes come in one datagram; after the first the fd must still be readable. */
	puppet_ask(&t, "pid");
	puppet_ask(&t, "pid");
	CHECK_EQ(poll(&p, 1, 2000), 1);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(poll(&p, 1, 2000), 1);
	/* A round trip must not hide an event that arrives before its reply. */
	puppet_ask(&t, "pid");
	CHECK_EQ(cotrace_tasks(s, NULL, 0), 1);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(poll(&p, 1, 2000), 1);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(poll(&p, 1, 20), 0);
	puppet_tell(&t, "exit 0");
	take_kind(s, &ev, COTRACE_EVENT_SESSION_END);
	CHECK_EQ(ev.end.reason, COTRACE_END_TARGET_GONE);
	CHECK_EQ(poll(&p, 1, 2000), 1);
	CHECK(p.revents & POLLHUP);
	CHECK_EQ(cotrace_next(s, &ev, 0), -ESHUTDOWN);
	cotrace_close(s);
	target_ends_well(&t, 2000);
}

TEST(names_version_and_features)
{
	CHECK_EQ(cotrace_version(), 100);
	CHECK_STR(cotrace_event_name(COTRACE_EVENT_SYSCALL_ENTRY), "syscall-entry");
	for (int kind = 1; kind <= COTRACE_EVENT_MAX; kind++)
		CHECK(cotrace_event_name(kind) != NULL);
	CHECK(cotrace_event_name(99) == NULL);
	CHECK_STR(cotrace_arch_name(COTRACE_ARCH_X86_64), "x86_64");
	CHECK_EQ(cotrace_has_feature(COTRACE_FEATURE_SYSCALL_INFO), 1);
	CHECK_EQ(cotrace_has_feature(COTRACE_FEATURE_BREAKPOINTS), 1);
	CHECK_EQ(cotrace_has_feature(COTRACE_FEATURE_WATCHPOINTS), 1);
	CHECK_EQ(cotrace_has_feature(999), 0);
}

/* The same user's process, seen from a user namespace of one's own. */
TEST(another_user_namespace_is_named)
{
	struct cotrace_explanation e = { .size = sizeof e };
	char name[64] = "";
	struct target t;
	pid_t child;
	int status;

	puppet_start(&t);
	child = (pid_t)CHECK_SYS(fork());
	if (child == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(77);
		CHECK_OP(readlink("/proc/self/ns/user", name, sizeof name - 1), >, 0);
		CHECK_EQ(cotrace_explain(t.pid, &e), 0);
		CHECK_EQ(e.reason, COTRACE_REASON_CAPABILITY);
		CHECK(strstr(e.sentence, "user namespace") != NULL);
		CHECK(strstr(e.sentence, name) != NULL);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	puppet_end(&t);
	if (status == 77 << 8)
		test_skip("user namespaces are not to be had");
	CHECK_EQ(status, 0);
}
