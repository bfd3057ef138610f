/* SPDX-License-Identifier: MIT */
/*
 * Calls into a target (gotchas 78, 79, 105): a task stopped anywhere makes a call, and is as it
 * was: registers, an interrupted call, a signal under way, its mask, a job control stop.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/inject.h"

TEST(a_task_in_a_blocked_call_makes_calls)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev);

	check_calls(s, &ev);
	finish_calls(s, &t);
}

TEST(calls_at_a_signal_leave_the_signal)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR1), 0);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(SIGUSR1), COTRACE_STOP), 0);
	for (int i = 0; i < 3; i++) {
		union sigval value = { .sival_int = 77 + i };

		CHECK_SYS(sigqueue(t.pid, SIGUSR1, value));
		take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
		check_calls(s, &ev);
		CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
		CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), i + 1);
		CHECK_EQ(puppet_ask(&t, "value %d", SIGUSR1), 77 + i);
		CHECK_EQ(puppet_ask(&t, "sender %d", SIGUSR1), getpid());
	}
	take_none(s, 20);
	finish_calls(s, &t);
}

/* The verdict comes after the call. */
TEST(a_signal_can_be_denied_and_replaced_after_a_call)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR1), 0);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR2), 0);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(SIGUSR1), COTRACE_STOP), 0);
	CHECK_SYS(kill(t.pid, SIGUSR1));
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY)), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 0);
	CHECK_SYS(kill(t.pid, SIGUSR1));
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_REPLACE, .signo = SIGUSR2)), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR2), 1);
	finish_calls(s, &t);
}

/* sigsuspend: the handler returns to the mask from before. */
TEST(a_signal_during_sigsuspend_finds_the_masks_as_they_were)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR1), 0);
	CHECK_EQ(puppet_ask(&t, "block %d", SIGUSR1), 0);
	CHECK_EQ(puppet_ask(&t, "write 1 8"), 0); /* SIGUSR2 is blocked, for a change */
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(SIGUSR1), COTRACE_STOP), 0);
	for (int i = 0; i < 3; i++) {
		puppet_tell(&t, "raw %d & 8", SYS_rt_sigsuspend);
		CHECK_SOON(proc_blocked_in(t.pid) == SYS_rt_sigsuspend, 5000);
		CHECK_SYS(kill(t.pid, SIGUSR1));
		take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
		check_calls(s, &ev);
		CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
		CHECK_EQ(puppet_answer(&t), -EINTR);
		CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), i + 1);
	}
	/* Blocked as before. */
	CHECK_EQ(puppet_ask(&t, "raise %d", SIGUSR1), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 3);
	take_none(s, 20);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(calls_at_an_entry_leave_the_call)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe_call(s, SYS_getppid, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	puppet_tell(&t, "raw %d 1 2 3 4 5 6", SYS_getppid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	check_calls(s, &ev);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.nr, SYS_getppid);
	CHECK_EQ(ev.syscall.result, getpid());
	check_calls(s, &ev);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK_EQ(puppet_answer(&t), getpid());
	finish_calls(s, &t);
}

TEST(verdicts_on_a_call_hold_after_calls_at_its_stops)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe_call(s, SYS_getppid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "raw %d", SYS_getppid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY, .result = -EDOM)), 0);
	CHECK_EQ(puppet_answer(&t), -EDOM);
	puppet_tell(&t, "raw %d", SYS_getppid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getpid)), 0);
	CHECK_EQ(puppet_answer(&t), t.pid);
	subscribe_call(s, SYS_getppid, COTRACE_ENTRY, COTRACE_OFF);
	subscribe_call(s, SYS_getppid, COTRACE_EXIT, COTRACE_STOP);
	puppet_tell(&t, "raw %d", SYS_getppid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_REPLACE, .result = 12345)), 0);
	CHECK_EQ(puppet_answer(&t), 12345);
	finish_calls(s, &t);
}

/* From within fork() and exec() the task goes on to the end of that call first. */
TEST(calls_at_a_fork_and_its_end_is_told_afterwards)
{
	struct cotrace_event ev, exit;
	struct cotrace *s;
	struct target t;
	struct image was;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_FORK, COTRACE_STOP);
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_EXIT, NULL, COTRACE_STOP), 0);
	puppet_tell(&t, "fork 7");
	skip_to(s, &ev, COTRACE_EVENT_FORK);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	take_image(s, &ev, &was);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	check_image(s, &ev, &was);
	take_none(s, 20);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	take_kind(s, &exit, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK(exit.syscall.nr == SYS_clone || exit.syscall.nr == SYS_fork);
	CHECK_EQ(exit.syscall.result, ev.child.pid);
	check_calls(s, &exit);
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_EXIT, NULL, COTRACE_OFF), 0);
	CHECK_EQ(cotrace_answer(s, &exit, NULL), 0);
	CHECK_EQ(puppet_answer(&t), 7);
	finish_calls(s, &t);
}

TEST(a_parent_in_vfork_has_to_wait)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	int64_t result;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_VFORK, COTRACE_STOP);
	subscribe(s, COTRACE_EVENT_VFORK_DONE, COTRACE_STOP);
	puppet_tell(&t, "vfork 9");
	take_kind(s, &ev, COTRACE_EVENT_VFORK);
	CHECK_EQ(cotrace_syscall(s, ev.task, SYS_getpid, ARGS(0), &result, -1), -EBUSY);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	take_kind(s, &ev, COTRACE_EVENT_VFORK_DONE);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK_EQ(puppet_answer(&t), 9);
	finish_calls(s, &t);
}

TEST(calls_before_the_first_instruction_of_a_program)
{
	static const char *const argv[] = { "puppet", NULL };
	struct cotrace_event ev = EVENT_NULL;
	struct cotrace *s;
	struct target t;

	s = spawned(&t, NULL, argv);
	ev.task = task_of(s, t.pid);
	ev.tid = ev.pid = t.pid;
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	check_calls(s, &ev);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	target_expect(&t, "ready");
	finish_calls(s, &t);
}

TEST(calls_in_a_new_thread_before_it_runs)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_TASK_START, COTRACE_STOP);
	puppet_tell(&t, "thread");
	take_kind(s, &ev, COTRACE_EVENT_TASK_START);
	CHECK_EQ(called(s, ev.task, SYS_gettid, ARGS(0)), ev.tid);
	check_calls(s, &ev);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK_EQ(puppet_answer(&t), ev.tid);
	CHECK_EQ(puppet_ask(&t, "thread-end"), 0);
	finish_calls(s, &t);
}

/* Stopped by job control before, stopped by job control afterwards: to its parent, this test. */
TEST(a_job_control_stop_stays)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	siginfo_t info;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_JOB_STOP, COTRACE_STOP);
	subscribe(s, COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE);
	CHECK_SYS(kill(t.pid, SIGSTOP));
	take_kind(s, &ev, COTRACE_EVENT_JOB_STOP);
	check_calls(s, &ev);
	CHECK_SYS(waitid(P_PID, (id_t)t.pid, &info, WSTOPPED));
	CHECK_EQ(info.si_status, SIGSTOP);
	check_calls(s, &ev);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	test_sleep_ms(20);
	puppet_tell(&t, "pid");
	CHECK(!puppet_answers(&t, 50));
	info.si_pid = 0;
	CHECK_SYS(waitid(P_PID, (id_t)t.pid, &info, WSTOPPED | WCONTINUED | WNOHANG));
	CHECK_EQ(info.si_pid, 0);
	take_none(s, 20);
	/* Held and stopped by job control once more. */
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	check_calls(s, &ev);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK(!puppet_answers(&t, 50));
	CHECK_SYS(kill(t.pid, SIGCONT));
	take_kind(s, &ev, COTRACE_EVENT_JOB_CONTINUE);
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish_calls(s, &t);
}

static void check_sigtrap(const char *how)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR1), 0);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGTRAP), 0);
	CHECK_EQ(puppet_ask(&t, "%s %d", how, SIGTRAP), 0);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	check_calls(s, &ev);
	CHECK_EQ(cotrace_subscribe_signals(s, ~0ull, COTRACE_STOP), 0);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK_SYS(kill(t.pid, SIGUSR1));
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.signal.signo, SIGUSR1);
	check_calls(s, &ev);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 1);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGTRAP), 0);
	take_none(s, 20);
	finish_calls(s, &t);
}

/* 79 */
TEST(what_the_program_does_about_sigtrap_stays)
{
	check_sigtrap("handle");
	check_sigtrap("ignore");
	check_sigtrap("block");
	check_sigtrap("default");
}

TEST(signals_that_come_during_a_call_are_delivered_after_it)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR1), 0);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGRTMIN), 0);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	for (int i = 0; i < 50; i++) {
		CHECK_SYS(kill(t.pid, SIGRTMIN));
		CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	}
	CHECK_SYS(kill(t.pid, SIGUSR1));
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 1);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGRTMIN), 50);
	finish_calls(s, &t);
}

TEST(a_stop_signal_before_a_call_stops_the_program_after_it)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev);
	siginfo_t info;

	subscribe(s, COTRACE_EVENT_JOB_STOP, COTRACE_NOTE);
	CHECK_SYS(kill(t.pid, SIGSTOP));
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	take_kind(s, &ev, COTRACE_EVENT_JOB_STOP);
	CHECK_SYS(waitid(P_PID, (id_t)t.pid, &info, WSTOPPED));
	puppet_tell(&t, "pid");
	CHECK(!puppet_answers(&t, 50));
	CHECK_SYS(kill(t.pid, SIGCONT));
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish_calls(s, &t);
}

TEST(a_call_that_waits_too_long_is_interrupted)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev);
	struct image was;
	int64_t result = 1;
	uint64_t started = test_now_ns();

	take_image(s, &ev, &was);
	CHECK_EQ(cotrace_syscall(s, ev.task, SYS_pause, ARGS(0), &result, test_ns(100)),
		 -ETIMEDOUT);
	CHECK_OP(test_now_ns() - started, >=, (uint64_t)test_ns(100));
	check_image(s, &ev, &was);
	CHECK_EQ(cotrace_syscall(s, ev.task, SYS_ppoll, ARGS(0), &result, test_ns(50)), -ETIMEDOUT);
	/* One that need not wait is made even with no time at all. */
	CHECK_EQ(cotrace_syscall(s, ev.task, SYS_getpid, ARGS(0), &result, 0), 0);
	CHECK_EQ(result, t.pid);
	check_image(s, &ev, &was);
	finish_calls(s, &t);
}

TEST(what_cannot_be_asked_for_is_refused)
{
	static const int64_t never[] = {
		SYS_execve,	  SYS_execveat,	       SYS_exit,   SYS_exit_group,
		SYS_rt_sigreturn, SYS_clone,	       SYS_clone3, SYS_fork,
		SYS_vfork,	  SYS_restart_syscall, -1,	   0x40000000 + 39
	};
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = stopped_puppet(&t, &ev), *other, *looker;
	int64_t result;

	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		CHECK_EQ(cotrace_syscall(s, ev.task, never[i], ARGS(0), &result, -1), -EOPNOTSUPP);
	CHECK_EQ(cotrace_syscall(s, 987654, SYS_getpid, ARGS(0), &result, -1), -ESRCH);
	other = attached(t.pid, NULL);
	CHECK_EQ(cotrace_syscall(other, ev.task, SYS_getpid, ARGS(0), &result, -1), -EBUSY);
	looker = attached(t.pid, OPTIONS(.role = COTRACE_OBSERVER));
	CHECK_EQ(cotrace_syscall(looker, ev.task, SYS_getpid, ARGS(0), &result, -1), -EPERM);
	cotrace_close(looker);
	cotrace_close(other);
	finish_calls(s, &t);
}

TEST(a_program_of_32_bits_makes_its_own_calls)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	struct image was;

	puppet_start_as(&t, "puppet-32");
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR1), 0);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(SIGUSR1), COTRACE_STOP), 0);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	take_image(s, &ev, &was);
	CHECK_EQ(called(s, ev.task, I386_GETPID, ARGS(0)), t.pid);
	CHECK_EQ(called(s, ev.task, 33 /* access */, ARGS(16, 0)), -EFAULT);
	check_image(s, &ev, &was);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK_SYS(kill(t.pid, SIGUSR1));
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	take_image(s, &ev, &was);
	CHECK_EQ(called(s, ev.task, I386_GETPID, ARGS(0)), t.pid);
	check_image(s, &ev, &was);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 1);
	subscribe_call(s, 64 /* getppid */, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	puppet_tell(&t, "raw 64 1 2 3 4 5 6");
	for (int i = 0; i < 2; i++) {
		take_kind(s, &ev, i ? COTRACE_EVENT_SYSCALL_EXIT : COTRACE_EVENT_SYSCALL_ENTRY);
		take_image(s, &ev, &was);
		CHECK_EQ(called(s, ev.task, I386_GETPID, ARGS(0)), t.pid);
		check_image(s, &ev, &was);
		CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	}
	CHECK_EQ(puppet_answer(&t), getpid());
	finish_calls(s, &t);
}

/* The program's own filter judges the call as well. */
TEST(what_the_program_forbids_itself_cannot_be_had)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	struct image was;
	int64_t result;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGSYS), 0);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR1), 0);
	CHECK_EQ(puppet_ask(&t, "forbid %d %d", SYS_getppid, EDOM), 0);
	CHECK_EQ(puppet_ask(&t, "trap %d", SYS_getuid), 0);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, ~0ull, COTRACE_STOP), 0);
	subscribe_call(s, SYS_getgid, COTRACE_ENTRY, COTRACE_STOP);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	for (int i = 0; i < 3; i++) {
		take_image(s, &ev, &was);
		CHECK_EQ(called(s, ev.task, SYS_getppid, ARGS(0)), -EDOM);
		CHECK_EQ(cotrace_syscall(s, ev.task, SYS_getuid, ARGS(0), &result, -1), -EPERM);
		CHECK_EQ(called(s, ev.task, SYS_getpid, ARGS(0)), t.pid);
		check_image(s, &ev, &was);
		CHECK_EQ(cotrace_resume(s, 0), 0);
		if (i == 0) {
			CHECK_SYS(kill(t.pid, SIGUSR1));
			take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
			CHECK_EQ(ev.signal.signo, SIGUSR1);
		} else if (i == 1) {
			puppet_tell(&t, "raw %d", SYS_getgid);
			take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
		} else {
			CHECK_EQ(puppet_answer(&t), getgid());
		}
	}
	take_none(s, 20);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGSYS), 0);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 1);
	finish_calls(s, &t);
}

/* A call that the engine, not the kernel, has made again: a handler still ends it. */
TEST(a_signal_with_a_handler_ends_a_call_that_was_put_back)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	long fd;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "handle %d", SIGUSR1), 0);
	fd = puppet_ask(&t, "raw %d 0", SYS_epoll_create1);
	CHECK_OP(fd, >=, 0);
	s = attached(t.pid, NULL);
	for (int i = 0; i < 2; i++) {
		puppet_tell(&t, "raw %d %ld & 1 -1", SYS_epoll_wait, fd);
		CHECK_SOON(proc_blocked_in(t.pid) == SYS_epoll_wait, 5000);
		CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
		take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
		check_calls(s, &ev);
		if (i == 1)
			CHECK_SYS(kill(t.pid, SIGUSR1));
		CHECK_EQ(cotrace_resume(s, 0), 0);
		if (i == 0) {
			CHECK_SOON(proc_blocked_in(t.pid) == SYS_epoll_wait, 5000);
			CHECK_SYS(kill(t.pid, SIGUSR1));
		}
		CHECK_EQ(puppet_answer(&t), -EINTR);
	}
	finish_calls(s, &t);
}
