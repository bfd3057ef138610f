/* SPDX-License-Identifier: MIT */
/* Who is who, what came first, what was the cause. Numbers are rows of the conformance list. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

/* 29 */
TEST(task_ids_are_never_used_twice)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint64_t last;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	last = task_of(s, t.pid);
	subscribe(s, COTRACE_EVENT_TASK_START, COTRACE_NOTE);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(puppet_ask(&t, "fork 1"), 1);
		take_kind(s, &ev, COTRACE_EVENT_TASK_START);
		CHECK_OP(ev.task, >, last);
		last = ev.task;
		CHECK_EQ(puppet_ask(&t, "thread-open /etc/passwd"), 0);
		take_kind(s, &ev, COTRACE_EVENT_TASK_START);
		CHECK_OP(ev.task, >, last);
		last = ev.task;
	}
	cotrace_close(s);
	puppet_end(&t);
}

/* 54: the start of a task comes before its signals, however early they were sent. */
TEST(a_tasks_start_comes_before_its_signals)
{
	struct cotrace_event ev, start, sig;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	puppet_ask(&t, "handle %d", SIGUSR1);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_CLONE, COTRACE_STOP);
	subscribe(s, COTRACE_EVENT_TASK_START, COTRACE_NOTE);
	CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(SIGUSR1), COTRACE_NOTE), 0);
	for (int i = 0; i < 20; i++) {
		puppet_tell(&t, "thread");
		take_kind(s, &ev, COTRACE_EVENT_CLONE);
		CHECK_SYS(syscall(SYS_tgkill, t.pid, ev.child.tid, SIGUSR1));
		cotrace_answer(s, &ev, NULL);
		take_kind(s, &start, COTRACE_EVENT_TASK_START);
		CHECK_EQ(start.task, ev.child.task);
		take_kind(s, &sig, COTRACE_EVENT_SIGNAL);
		CHECK_EQ(sig.task, ev.child.task);
		CHECK_OP(puppet_answer(&t), >, 0);
	}
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 20);
	puppet_ask(&t, "thread-end");
	cotrace_close(s);
	puppet_end(&t);
}

/* 37, 38, 65: a SIGTRAP of the program's own is a signal and nothing else is one. */
TEST(a_sigtrap_is_a_signal_and_no_other_event_is)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	puppet_ask(&t, "handle %d", SIGTRAP);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, ~SIGNAL_BIT(SIGKILL), COTRACE_STOP), 0);
	subscribe_call(s, SYS_getpid, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	subscribe(s, COTRACE_EVENT_EXEC, COTRACE_STOP);
	kill(t.pid, SIGTRAP);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.signal.signo, SIGTRAP);
	CHECK_EQ(ev.signal.code, SI_USER);
	cotrace_answer(s, &ev, NULL);
	puppet_tell(&t, "pid");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s, &ev, NULL);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	cotrace_answer(s, &ev, NULL);
	puppet_answer(&t);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGTRAP), 1);
	puppet_tell(&t, "exec %s", target_path("puppet"));
	take_kind(s, &ev, COTRACE_EVENT_EXEC);
	cotrace_answer(s, &ev, NULL);
	target_expect(&t, "ready");
	/* No extra SIGTRAP follows an exec. */
	take_none(s, 30);
	cotrace_close(s);
	puppet_end(&t);
}

/* 84: the program's own seccomp filter sits behind all sessions, on every kernel since 4.8. */
TEST(a_seccomp_filter_judges_what_the_sessions_have_left)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "forbid %d %d", SYS_getgid, EXDEV), 0);
	s = attached(t.pid, NULL);
	subscribe_call(s, SYS_getgid, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	CHECK_EQ(puppet_ask(&t, "raw %d", SYS_getgid), -EXDEV);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.nr, SYS_getgid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.result, -EXDEV);
	subscribe_call(s, SYS_getuid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "raw %d", SYS_getuid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getgid));
	CHECK_EQ(puppet_answer(&t), -EXDEV);
	/* And a denial works in a program with a filter. */
	puppet_tell(&t, "raw %d", SYS_getuid);
	do
		take(s, &ev);
	while (!(ev.flags & COTRACE_EV_STOP));
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY, .result = -ENODEV));
	CHECK_EQ(puppet_answer(&t), -ENODEV);
	cotrace_close(s);
	puppet_end(&t);
}
