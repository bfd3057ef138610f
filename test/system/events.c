/* SPDX-License-Identifier: MIT */
/* One test per event kind; numbers are rows of the conformance list. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

static struct cotrace *puppet_with(struct target *t, enum cotrace_event_kind kind,
				   enum cotrace_mode mode, enum cotrace_scope scope)
{
	struct cotrace *s;

	puppet_start(t);
	s = attached(t->pid, OPTIONS(.scope = scope));
	subscribe(s, kind, mode);
	return s;
}

static void finish(struct cotrace *s, struct target *t)
{
	cotrace_close(s);
	check_untouched(t->pid);
	puppet_end(t);
}

/* 53, 55: the parent's event comes first, and says what was made. */
TEST(fork_is_told_before_anything_of_the_child)
{
	struct cotrace_event fork_event, start, end;
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_FORK, COTRACE_NOTE, COTRACE_TREE);

	subscribe(s, COTRACE_EVENT_TASK_START, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(puppet_ask(&t, "fork 7"), 7);
		take_kind(s, &fork_event, COTRACE_EVENT_FORK);
		CHECK_EQ(fork_event.tid, t.pid);
		CHECK_EQ(fork_event.child.tid, fork_event.child.pid);
		CHECK_EQ(fork_event.child.fd, -1);
		take_kind(s, &start, COTRACE_EVENT_TASK_START);
		CHECK_EQ(start.task, fork_event.child.task);
		CHECK_EQ(start.tid, fork_event.child.tid);
		CHECK_EQ(start.child.task, fork_event.task);
		CHECK_EQ(start.child.tid, t.pid);
		take_kind(s, &end, COTRACE_EVENT_PROCESS_EXIT);
		CHECK_EQ(end.pid, start.pid);
		CHECK_EQ(end.exit.code, 7);
		CHECK_EQ(end.exit.status, 7 << 8);
		CHECK(fork_event.seq < start.seq && start.seq < end.seq);
	}
	finish(s, &t);
}

TEST(vfork_and_its_end_are_told)
{
	struct cotrace_event ev, done;
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_VFORK, COTRACE_NOTE, COTRACE_PROCESS);

	subscribe(s, COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_VFORK_DONE, COTRACE_NOTE);
	CHECK_EQ(puppet_ask(&t, "vfork 5"), 5);
	take_kind(s, &ev, COTRACE_EVENT_VFORK);
	CHECK(ev.child.pid != t.pid && ev.child.pid > 0);
	take_kind(s, &done, COTRACE_EVENT_VFORK_DONE);
	CHECK_EQ(done.child.pid, ev.child.pid);
	take_none(s, 20);
	finish(s, &t);
}

/* 18, 55: a thread is no process. */
TEST(clone_is_a_new_thread)
{
	struct cotrace_event ev, start, end;
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_CLONE, COTRACE_NOTE, COTRACE_PROCESS);
	pid_t tid;

	subscribe(s, COTRACE_EVENT_TASK_START, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
	tid = (pid_t)puppet_ask(&t, "thread");
	take_kind(s, &ev, COTRACE_EVENT_CLONE);
	CHECK_EQ(ev.child.tid, tid);
	CHECK_EQ(ev.child.pid, t.pid);
	take_kind(s, &start, COTRACE_EVENT_TASK_START);
	CHECK_EQ(start.tid, tid);
	CHECK_EQ(start.pid, t.pid);
	puppet_ask(&t, "thread-end");
	take_kind(s, &end, COTRACE_EVENT_TASK_EXIT);
	CHECK_EQ(end.task, start.task);
	CHECK_EQ(end.exit.cause, COTRACE_EXIT_OWN);
	CHECK_EQ(end.exit.code, 0);
	finish(s, &t);
}

TEST(a_stop_at_fork_holds_the_parent_with_the_child_made)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_FORK, COTRACE_STOP, COTRACE_PROCESS);

	puppet_tell(&t, "fork 3");
	take_kind(s, &ev, COTRACE_EVENT_FORK);
	CHECK(ev.flags & COTRACE_EV_STOP);
	CHECK_EQ(proc_state(t.pid), 't');
	CHECK(proc_state(ev.child.pid) != 0);
	CHECK(!puppet_answers(&t, 30));
	cotrace_answer(s, &ev, NULL);
	CHECK_EQ(puppet_answer(&t), 3);
	finish(s, &t);
}

TEST(a_child_comes_with_a_session_of_its_own_when_asked_for)
{
	struct cotrace_event ev, child_event;
	struct cotrace *s, *child;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.flags = COTRACE_CHILD_FDS));
	subscribe(s, COTRACE_EVENT_FORK, COTRACE_NOTE);
	puppet_tell(&t, "fork 6");
	take_kind(s, &ev, COTRACE_EVENT_FORK);
	CHECK_OP(ev.child.fd, >=, 0);
	/* It is held until that session lets it go. */
	CHECK_SOON(proc_state(ev.child.pid) == 't', 2000);
	CHECK(!puppet_answers(&t, 30));
	CHECK_EQ(cotrace_from_fd(&child, ev.child.fd), 0);
	CHECK(cotrace_id(child) != cotrace_id(s));
	subscribe(child, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	subscribe_call(child, SYS_exit_group, COTRACE_ENTRY, COTRACE_STOP);
	CHECK_EQ(cotrace_resume(child, 0), 0);
	skip_to(child, &child_event, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(child_event.syscall.args[0], 6);
	CHECK_EQ(child_event.pid, ev.child.pid);
	cotrace_answer(child, &child_event,
		       VERDICT(.action = COTRACE_REPLACE, .nr = SYS_exit_group, .args = { 9 }));
	CHECK_EQ(puppet_answer(&t), 9);
	skip_to(child, &child_event, COTRACE_EVENT_PROCESS_EXIT);
	run_to_end(child);
	cotrace_close(child);
	finish(s, &t);
}

TEST(a_childs_session_that_is_closed_unopened_lets_the_child_run)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.flags = COTRACE_CHILD_FDS));
	subscribe(s, COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_VFORK, COTRACE_NOTE);
	puppet_tell(&t, "fork 6");
	take_kind(s, &ev, COTRACE_EVENT_FORK);
	close(ev.child.fd);
	CHECK_EQ(puppet_answer(&t), 6);
	puppet_tell(&t, "vfork 7");
	take_kind(s, &ev, COTRACE_EVENT_VFORK);
	close(ev.child.fd);
	CHECK_EQ(puppet_answer(&t), 7);
	/* One that nobody takes goes with the session. */
	puppet_tell(&t, "fork 8");
	test_sleep_ms(30);
	cotrace_close(s);
	CHECK_EQ(puppet_answer(&t), 8);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(exec_is_told_with_its_generation)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_EXEC, COTRACE_STOP, COTRACE_PROCESS);
	uint64_t task = task_of(s, t.pid);

	puppet_tell(&t, "exec %s", target_path("puppet"));
	take_kind(s, &ev, COTRACE_EVENT_EXEC);
	CHECK_EQ(ev.task, task);
	CHECK_EQ(ev.exec.generation, 2);
	CHECK_EQ(ev.exec.former_tid, t.pid);
	CHECK(!puppet_answers(&t, 30));
	cotrace_answer(s, &ev, NULL);
	target_expect(&t, "ready");
	puppet_tell(&t, "exec %s", target_path("puppet"));
	take_kind(s, &ev, COTRACE_EVENT_EXEC);
	CHECK_EQ(ev.exec.generation, 3);
	cotrace_answer(s, &ev, NULL);
	target_expect(&t, "ready");
	finish(s, &t);
}

/* 60, 61: the surviving task keeps its id; the others say that an exec ended them. */
TEST(exec_by_a_thread_keeps_the_id_of_the_one_that_called_it)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	uint64_t caller = 0;
	int ended = 0;
	pid_t caller_tid = 0;

	s = spawned(&t, NULL, (const char *const[]){ "execs", "1", "thread", NULL });
	subscribe(s, COTRACE_EVENT_CLONE, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_EXEC, COTRACE_STOP);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	cotrace_resume(s, 0);
	do {
		take(s, &ev);
		if (ev.kind == COTRACE_EVENT_CLONE) {
			caller = ev.child.task;
			caller_tid = ev.child.tid;
		} else if (ev.kind == COTRACE_EVENT_TASK_EXIT) {
			CHECK_EQ(ev.exit.cause, COTRACE_EXIT_EXEC);
			CHECK(ev.task != caller);
			ended++;
		}
	} while (ev.kind != COTRACE_EVENT_EXEC);
	CHECK_EQ(ev.exec.former_tid, caller_tid);
	CHECK_EQ(ev.task, caller);
	CHECK_EQ(ev.tid, t.pid);
	CHECK_EQ(ended, 3);
	CHECK_EQ(task_of(s, t.pid), caller);
	cotrace_answer(s, &ev, NULL);
	skip_to(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(ev.exit.code, 0);
	cotrace_close(s);
	target_ends_well(&t, 5000);
}

/* 67, 68: a leader that ends first is told when it ends. */
TEST(a_leader_that_ends_first_is_told_at_once)
{
	struct cotrace_task_info v[8];
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	unsigned order = 0;
	uint64_t leader;
	int n;

	TARGET_START(&t, "leader", "3");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	leader = task_of(s, t.pid);
	subscribe(s, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	target_go(&t);
	take_kind(s, &ev, COTRACE_EVENT_TASK_EXIT);
	CHECK_EQ(ev.task, leader);
	n = cotrace_tasks(s, v, 8);
	for (int i = 0; i < n; i++)
		if (v[i].task == leader)
			CHECK_EQ(v[i].state, COTRACE_TASK_EXITED);
	do {
		take(s, &ev);
		order++;
	} while (ev.kind != COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(order, 4);
	CHECK_EQ(ev.exit.code, 5);
	CHECK_EQ(ev.pid, t.pid);
	CHECK_EQ(target_wait(&t, 2000), 5 << 8);
	cotrace_close(s);
}

/* 82 */
TEST(a_fatal_signal_is_named_once_and_every_task_tells_its_end)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	int by_signal = 0, others = 0;

	TARGET_START(&t, "death", "15", "0", "3");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	target_go(&t);
	do {
		take(s, &ev);
		if (ev.kind != COTRACE_EVENT_TASK_EXIT)
			continue;
		CHECK_EQ(ev.exit.signo, SIGTERM);
		by_signal += ev.exit.cause == COTRACE_EXIT_SIGNAL;
		others += ev.exit.cause == COTRACE_EXIT_GROUP;
	} while (ev.kind != COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(by_signal + others, 5);
	CHECK_OP(by_signal, >=, 1);
	CHECK_EQ(ev.exit.cause, COTRACE_EXIT_SIGNAL);
	CHECK_EQ(ev.exit.signo, SIGTERM);
	CHECK_EQ(ev.exit.status, SIGTERM);
	CHECK_EQ(target_wait(&t, 2000), SIGTERM);
	cotrace_close(s);
}

TEST(an_exit_of_the_group_is_told_as_such)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_TASK_EXIT, COTRACE_NOTE, COTRACE_PROCESS);

	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	puppet_ask(&t, "thread");
	puppet_tell(&t, "exit 12");
	take_kind(s, &ev, COTRACE_EVENT_TASK_EXIT);
	CHECK_EQ(ev.exit.cause, COTRACE_EXIT_GROUP);
	CHECK_EQ(ev.exit.code, 12);
	take_kind(s, &ev, COTRACE_EVENT_TASK_EXIT);
	CHECK_EQ(ev.exit.cause, COTRACE_EXIT_GROUP);
	take_kind(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(ev.exit.code, 12);
	take_kind(s, &ev, COTRACE_EVENT_SESSION_END);
	CHECK_EQ(ev.end.reason, COTRACE_END_TARGET_GONE);
	CHECK_EQ(target_wait(&t, 2000), 12 << 8);
	cotrace_close(s);
}

TEST(a_core_dump_is_told)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	char folder[] = "/tmp/cotrace-core-XXXXXX", command[80];
	int status;

	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	TARGET_START(&t, "death", "6", "1");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	target_go(&t);
	take_kind(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	status = target_wait(&t, 5000);
	CHECK_EQ(ev.exit.status, status);
	CHECK_EQ(ev.exit.signo, SIGABRT);
	CHECK_EQ(ev.exit.dumped_core, (status & 0x80) != 0);
	cotrace_close(s);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	CHECK_EQ(system(command), 0);
}

/* 31, 33: job control is told and left alone. */
TEST(job_stop_and_continue_are_told)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_JOB_STOP, COTRACE_NOTE, COTRACE_PROCESS);

	subscribe(s, COTRACE_EVENT_JOB_CONTINUE, COTRACE_NOTE);
	for (int i = 0; i < 10; i++) {
		kill(t.pid, i % 2 ? SIGSTOP : SIGTSTP);
		take_kind(s, &ev, COTRACE_EVENT_JOB_STOP);
		CHECK_EQ(ev.job.signo, i % 2 ? SIGSTOP : SIGTSTP);
		CHECK_EQ(ev.tid, t.pid);
		puppet_tell(&t, "pid");
		CHECK(!puppet_answers(&t, 10));
		kill(t.pid, SIGCONT);
		take_kind(s, &ev, COTRACE_EVENT_JOB_CONTINUE);
		CHECK_EQ(puppet_answer(&t), t.pid);
	}
	finish(s, &t);
}

TEST(a_stop_at_a_job_stop_ends_without_ending_the_job_stop)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_JOB_STOP, COTRACE_STOP, COTRACE_PROCESS);

	kill(t.pid, SIGSTOP);
	take_kind(s, &ev, COTRACE_EVENT_JOB_STOP);
	CHECK(ev.flags & COTRACE_EV_STOP);
	cotrace_answer(s, &ev, NULL);
	puppet_tell(&t, "pid");
	CHECK(!puppet_answers(&t, 50));
	kill(t.pid, SIGCONT);
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(s, &t);
}

TEST(a_process_job_stopped_with_threads_stops_and_continues_as_a_whole)
{
	struct cotrace *s;
	struct target t;

	TARGET_START(&t, "many", "8");
	target_expect(&t, "ready");
	s = attached(t.pid, NULL);
	kill(t.pid, SIGSTOP);
	CHECK_SOON(proc_stopped_tasks(t.pid) == 9, 2000);
	kill(t.pid, SIGCONT);
	CHECK_SOON(proc_stopped_tasks(t.pid) == 0, 2000);
	target_go(&t);
	target_expect(&t, "woke 8");
	cotrace_close(s);
	target_ends_well(&t, 2000);
}

TEST(kinds_and_modes_that_do_not_go_together_are_refused)
{
	struct target t;
	struct cotrace *s;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_STOP), -EINVAL);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_JOB_CONTINUE, COTRACE_STOP), -EINVAL);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_CHANGED, COTRACE_STOP), -EINVAL);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_SYSCALL_ENTRY, COTRACE_NOTE), -EINVAL);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_SIGNAL, COTRACE_NOTE), -EINVAL);
	CHECK_EQ(cotrace_subscribe(s, (enum cotrace_event_kind)0, COTRACE_NOTE), -EINVAL);
	CHECK_EQ(cotrace_subscribe(s, (enum cotrace_event_kind)99, COTRACE_NOTE), -EINVAL);
	CHECK_EQ(cotrace_subscribe(s, COTRACE_EVENT_FORK, (enum cotrace_mode)9), -EINVAL);
	finish(s, &t);
}

TEST(what_is_off_is_not_told)
{
	struct target t;
	struct cotrace *s = puppet_with(&t, COTRACE_EVENT_FORK, COTRACE_NOTE, COTRACE_PROCESS);

	subscribe(s, COTRACE_EVENT_FORK, COTRACE_OFF);
	CHECK_EQ(puppet_ask(&t, "fork 1"), 1);
	take_none(s, 30);
	finish(s, &t);
}
