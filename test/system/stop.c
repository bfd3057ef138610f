/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

TEST(a_stopped_task_stands_and_a_resumed_one_runs)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, task_of(s, t.pid), COTRACE_ONE, test_ns(2000)), 0);
	CHECK_EQ(proc_stopped_tasks(t.pid), 1);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	CHECK_EQ(ev.tid, t.pid);
	CHECK_EQ(ev.stop.where, 0);
	puppet_tell(&t, "pid");
	CHECK(!puppet_answers(&t, 50));
	CHECK_EQ(cotrace_resume(s, ev.task), 0);
	CHECK_EQ(puppet_answer(&t), t.pid);
	cotrace_close(s);
	puppet_end(&t);
}

/* 46: one call for all, threads that appear meanwhile included. */
TEST(one_call_stops_and_resumes_a_whole_process)
{
	struct cotrace_task_info v[64];
	struct cotrace *s;
	struct target t;

	TARGET_START(&t, "many", "20");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, task_of(s, t.pid), COTRACE_ITS_PROCESS, test_ns(5000)), 0);
	CHECK_EQ(proc_stopped_tasks(t.pid), 21);
	CHECK_EQ(cotrace_tasks(s, v, 64), 21);
	for (int i = 0; i < 21; i++) {
		CHECK_EQ(v[i].state, COTRACE_TASK_STOPPED);
		CHECK_EQ(v[i].held, 1);
	}
	CHECK_EQ(cotrace_resume_all(s, v[3].task, COTRACE_ITS_PROCESS), 0);
	CHECK_SOON(proc_stopped_tasks(t.pid) == 0, 2000);
	target_go(&t);
	target_expect(&t, "woke 20");
	cotrace_close(s);
	target_ends_well(&t, 5000);
}

/* 67: a leader that is about to exit has no stop any more, and no status before the others. */
TEST(a_leader_that_exits_under_a_stop_is_not_waited_for, .timeout_s = 120)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < test_rounds(40, 1000); i++) {
		struct cotrace_task_info v[2];
		struct cotrace *s;
		struct target t;

		TARGET_START(&t, "deserted");
		target_expect(&t, "ready");
		s = attached(t.pid, NULL);
		target_go(&t);
		usleep(i * 20 % 500);
		CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
		CHECK_EQ(cotrace_tasks(s, v, 2), 2);
		gone += v[0].state != COTRACE_TASK_STOPPED;
		CHECK_EQ(v[1].state, COTRACE_TASK_STOPPED);
		cotrace_close(s);
		check_untouched(t.pid);
		target_go(&t);
		target_ends_well(&t, 5000);
	}
	test_note("%u of the leaders had gone", gone);
}

TEST(a_thread_storm_stands_still_as_a_whole)
{
	char about[600];
	struct cotrace *s;
	struct target t;

	TARGET_START(&t, "storm", "4");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	for (unsigned i = 0; i < test_rounds(20, 1000); i++) {
		unsigned tasks;

		if (cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)) != 0) {
			proc_describe(t.pid, about, sizeof about);
			FAIL("round %u does not stand: %s", i, about);
		}
		tasks = proc_each_task(t.pid, NULL, NULL);
		for (unsigned k = 0; k < 2; k++) {
			if (proc_stopped_tasks(t.pid) != tasks) {
				proc_describe(t.pid, about, sizeof about);
				FAIL("round %u, look %u, %u tasks: %s", i, k, tasks, about);
			}
			usleep(2000);
		}
		CHECK_EQ(cotrace_resume(s, 0), 0);
		drain(s);
	}
	cotrace_close(s);
	check_untouched(t.pid);
	target_go(&t);
	target_expect(&t, "ended all");
	target_ends_well(&t, 5000);
}

/* R1 */
TEST(a_task_runs_when_the_last_hold_goes)
{
	struct cotrace_hold holds[4];
	struct cotrace *a, *b;
	struct target t;
	int mine = 0;

	puppet_start(&t);
	a = attached(t.pid, NULL);
	b = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(a, 0, COTRACE_ALL, test_ns(2000)), 0);
	CHECK_EQ(cotrace_stop(b, 0, COTRACE_ALL, test_ns(2000)), 0);
	CHECK_EQ(cotrace_holds(a, holds, 4), 2);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(holds[i].tid, t.pid);
		CHECK_EQ(holds[i].owner_pid, getpid());
		CHECK_EQ(holds[i].reason, COTRACE_EVENT_STOP_DONE);
		CHECK(holds[i].since_ns != 0 && holds[i].since_ns <= test_now_ns());
		mine += holds[i].session == cotrace_id(a);
	}
	CHECK_EQ(mine, 1);
	puppet_tell(&t, "pid");
	cotrace_resume(a, 0);
	CHECK(!puppet_answers(&t, 50));
	CHECK_EQ(cotrace_holds(a, holds, 4), 1);
	/* Giving up twice what one does not have takes nothing from the other. */
	cotrace_resume(a, 0);
	CHECK(!puppet_answers(&t, 50));
	cotrace_resume(b, 0);
	CHECK_EQ(puppet_answer(&t), t.pid);
	cotrace_close(a);
	cotrace_close(b);
	puppet_end(&t);
}

TEST(closing_gives_up_the_holds_of_that_session_only)
{
	struct cotrace *a, *b;
	struct target t;

	puppet_start(&t);
	a = attached(t.pid, NULL);
	b = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(a, 0, COTRACE_ALL, test_ns(2000)), 0);
	CHECK_EQ(cotrace_stop(b, 0, COTRACE_ALL, test_ns(2000)), 0);
	puppet_tell(&t, "pid");
	cotrace_close(a);
	CHECK(!puppet_answers(&t, 50));
	cotrace_close(b);
	CHECK_EQ(puppet_answer(&t), t.pid);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(a_new_thread_of_a_held_process_is_held_from_its_start)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	unsigned tasks;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_CLONE, COTRACE_STOP);
	puppet_tell(&t, "thread");
	take_kind(s, &ev, COTRACE_EVENT_CLONE);
	/* The hold on the process begins while the thread exists but has not run. */
	CHECK_EQ(cotrace_stop(s, ev.task, COTRACE_ITS_PROCESS, test_ns(2000)), 0);
	tasks = proc_each_task(t.pid, NULL, NULL);
	CHECK_EQ(tasks, 2);
	CHECK_EQ(proc_stopped_tasks(t.pid), 2);
	CHECK_EQ(cotrace_resume_all(s, ev.task, COTRACE_ITS_PROCESS), 0);
	CHECK_OP(puppet_answer(&t), >, 0);
	CHECK_EQ(puppet_ask(&t, "thread-end"), 0);
	cotrace_close(s);
	puppet_end(&t);
}

/* A parent in vfork() stands only when its child has let go. */
TEST(a_parent_in_vfork_does_not_stand_in_time)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	subscribe(s, COTRACE_EVENT_VFORK, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_TASK_START, COTRACE_STOP);
	puppet_tell(&t, "vfork 5");
	take_kind(s, &ev, COTRACE_EVENT_VFORK);
	take_kind(s, &ev, COTRACE_EVENT_TASK_START);
	CHECK_EQ(cotrace_stop(s, task_of(s, t.pid), COTRACE_ONE, test_ns(50)), -ETIMEDOUT);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	skip_to(s, &ev, COTRACE_EVENT_STOP_DONE);
	CHECK_EQ(ev.tid, t.pid);
	CHECK(!puppet_answers(&t, 30));
	cotrace_resume(s, 0);
	CHECK_EQ(puppet_answer(&t), 5);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(timeout_0_takes_the_hold_and_does_not_wait)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	int r;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	r = cotrace_stop(s, 0, COTRACE_ALL, 0);
	CHECK(r == 0 || r == -ETIMEDOUT);
	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	cotrace_resume(s, 0);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(stopping_what_is_stopped_already_works)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe_call(s, SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "pid");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(cotrace_stop(s, ev.task, COTRACE_ONE, test_ns(2000)), 0);
	/* The answer gives up the event's hold; the other hold stays. */
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK(!puppet_answers(&t, 50));
	CHECK_EQ(proc_stopped_tasks(t.pid), 1);
	cotrace_resume(s, 0);
	CHECK_EQ(puppet_answer(&t), t.pid);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(an_unknown_task_is_refused)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_stop(s, 12345678, COTRACE_ONE, 0), -ESRCH);
	CHECK_EQ(cotrace_stop(s, 5, COTRACE_ALL, 0), -EINVAL);
	CHECK_EQ(cotrace_stop(s, 5, (enum cotrace_reach)77, 0), -EINVAL);
	CHECK_EQ(cotrace_resume(s, 12345678), 0);
	take_kind(s, &ev, COTRACE_EVENT_REFUSED);
	CHECK_EQ(ev.refused.error, -ESRCH);
	CHECK_EQ(ev.refused.request, 9);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(an_observer_may_look_and_not_touch)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint64_t task;
	char byte = 0;
	long addr;

	puppet_start(&t);
	addr = puppet_ask(&t, "buffer");
	s = attached(t.pid, OPTIONS(.role = COTRACE_OBSERVER));
	task = task_of(s, t.pid);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, 0), -EPERM);
	CHECK_EQ(cotrace_signal(s, task, COTRACE_ONE, SIGUSR1, NULL), -EPERM);
	CHECK_EQ(cotrace_kill(s, 0), -EPERM);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_FORK, COTRACE_STOP), -EPERM);
	CHECK_EQ(cotrace_subscribe_signals(s, ~0ull, COTRACE_STOP), -EPERM);
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY, NULL, COTRACE_STOP), -EPERM);
	CHECK_EQ(cotrace_write_memory(s, t.pid, (uint64_t)addr, &byte, 1), -EPERM);
	CHECK_EQ(cotrace_register_write(s, task, "rip", &addr, 8), -EPERM);
	CHECK_EQ(cotrace_set_close_action(s, COTRACE_CLOSE_KILL), -EPERM);
	CHECK_EQ(cotrace_read_memory(s, t.pid, (uint64_t)addr, &byte, 1), 1);
	subscribe_call(s, SYS_getpid, COTRACE_ENTRY, COTRACE_NOTE);
	puppet_ask(&t, "pid");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.flags & COTRACE_EV_STOP, 0);
	cotrace_close(s);
	puppet_end(&t);
}

TEST(an_attenuated_session_gives_up_its_holds_and_stops_nothing_more)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe_call(s, SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "pid");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(cotrace_attenuate(s), 0);
	CHECK_EQ(puppet_answer(&t), t.pid);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.flags & COTRACE_EV_STOP, 0);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, 0), -EPERM);
	cotrace_close(s);
	puppet_end(&t);
}

/* 32: a resume gives up a hold, never the job stop. */
TEST(a_job_stopped_task_stays_job_stopped)
{
	struct cotrace_task_info info;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	kill(t.pid, SIGSTOP);
	CHECK_SOON(proc_state(t.pid) == 'T', 2000);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_tasks(s, &info, 1), 1);
	CHECK_SOON(cotrace_tasks(s, &info, 1) == 1 && info.state == COTRACE_TASK_JOB_STOPPED, 2000);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	cotrace_resume(s, 0);
	puppet_tell(&t, "pid");
	CHECK(!puppet_answers(&t, 50));
	cotrace_close(s);
	/* Let go it has to run, through the kernel, to stop again. */
	CHECK_SOON(is_traced_by(t.pid, 0) && proc_state(t.pid) == 'T', 2000);
	CHECK(!puppet_answers(&t, 20));
	kill(t.pid, SIGCONT);
	CHECK_EQ(puppet_answer(&t), t.pid);
	puppet_end(&t);
}

/* 81: the continue happens when it is sent; holds still hold. */
TEST(sigcont_does_not_get_past_a_hold)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_JOB_STOP, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE);
	kill(t.pid, SIGSTOP);
	take_kind(s, &ev, COTRACE_EVENT_JOB_STOP);
	CHECK_EQ(ev.job.signo, SIGSTOP);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	skip_to(s, &ev, COTRACE_EVENT_STOP_DONE);
	puppet_tell(&t, "pid");
	kill(t.pid, SIGCONT);
	CHECK(!puppet_answers(&t, 50));
	cotrace_resume(s, 0);
	CHECK_EQ(puppet_answer(&t), t.pid);
	skip_to(s, &ev, COTRACE_EVENT_JOB_CONTINUE);
	cotrace_close(s);
	puppet_end(&t);
}

/* R6 */
TEST(sigkill_ends_a_held_process_at_once)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	TARGET_START(&t, "many", "5");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	kill(t.pid, SIGKILL);
	CHECK_EQ(target_wait(&t, 500), SIGKILL);
	skip_to(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(ev.exit.signo, SIGKILL);
	run_to_end(s);
	cotrace_close(s);
}

TEST(an_exit_stop_ends_by_itself_after_two_seconds)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint64_t started;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_TASK_EXIT, COTRACE_STOP);
	started = test_now_ns();
	puppet_tell(&t, "exit 3");
	take_kind(s, &ev, COTRACE_EVENT_TASK_EXIT);
	CHECK(ev.flags & COTRACE_EV_STOP);
	CHECK_EQ(proc_state(t.pid), 't');
	CHECK_EQ(target_wait(&t, 5000), 3 << 8);
	CHECK_OP(test_now_ns() - started, >=, 2000000000);
	cotrace_close(s);
}

TEST(an_exit_stop_dies_with_its_session)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_TASK_EXIT, COTRACE_STOP);
	puppet_tell(&t, "exit 3");
	take_kind(s, &ev, COTRACE_EVENT_TASK_EXIT);
	cotrace_close(s);
	CHECK_EQ(target_wait(&t, 1000), 3 << 8);
}

static void *stop_and_resume(void *arg)
{
	struct cotrace *s = arg;

	for (int i = 0; i < 50; i++) {
		if (cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)) != 0)
			return (void *)1;
		if (cotrace_resume(s, 0) != 0)
			return (void *)2;
	}
	return NULL;
}

/* 14: any thread may call. */
TEST(several_threads_use_one_session)
{
	pthread_t threads[4];
	struct cotrace *s;
	struct target t;
	void *r;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, stop_and_resume, s);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &r);
		CHECK(r == NULL);
	}
	cotrace_resume(s, 0);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	drain(s);
	cotrace_close(s);
	puppet_end(&t);
}

/* What PTRACE_CONT does in a group-stop, and PTRACE_LISTEN does not. */
TEST(a_denied_job_stop_lets_one_task_run_in_a_stopped_process)
{
	struct cotrace_event ev;
	struct cotrace *s, *other;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	other = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_JOB_STOP, COTRACE_STOP);
	subscribe(s, COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE);
	for (int i = 0; i < 2; i++) {
		kill(t.pid, SIGSTOP);
		take_kind(s, &ev, COTRACE_EVENT_JOB_STOP);
		CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY)), 0);
		CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
		CHECK_EQ(cotrace_stop(s, ev.task, COTRACE_ONE, test_ns(5000)), 0);
		take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
		CHECK_EQ(cotrace_resume(s, ev.task), 0);
		CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
		take_none(s, 0);
		kill(t.pid, SIGCONT);
		take_kind(s, &ev, COTRACE_EVENT_JOB_CONTINUE);
		CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	}
	kill(t.pid, SIGSTOP);
	take_kind(s, &ev, COTRACE_EVENT_JOB_STOP);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY)), 0);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	kill(t.pid, SIGSTOP); /* it stops anew */
	take_kind(s, &ev, COTRACE_EVENT_JOB_STOP);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY)), 0);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	cotrace_close(s); /* ... and with the session it is stopped as before */
	CHECK_SOON(proc_state(t.pid) == 't', 5000);
	puppet_tell(&t, "pid");
	CHECK(!puppet_answers(&t, 200));
	cotrace_close(other);
	CHECK_SOON(proc_state(t.pid) == 'T', 5000);
	kill(t.pid, SIGCONT);
	CHECK_EQ(puppet_answer(&t), t.pid);
	check_untouched(t.pid);
	puppet_end(&t);
}
