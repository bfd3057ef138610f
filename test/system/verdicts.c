/* SPDX-License-Identifier: MIT */
/* Answers to system call stops: deny, replace number, arguments, result. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

static struct cotrace *puppet_with(struct target *t, long nr, unsigned phases)
{
	struct cotrace *s;

	puppet_start(t);
	s = attached(t->pid, NULL);
	subscribe_call(s, nr, phases, COTRACE_STOP);
	return s;
}

static void finish(struct cotrace *s, struct target *t)
{
	cotrace_close(s);
	check_untouched(t->pid);
	puppet_end(t);
}

TEST(entry_and_exit_are_separate_records_with_everything_in_them)
{
	struct cotrace_event in, out;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_dup3, COTRACE_ENTRY | COTRACE_EXIT);

	puppet_tell(&t, "raw %d 1 2 0x77 44 55 66", SYS_dup3);
	take_kind(s, &in, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(in.syscall.nr, SYS_dup3);
	CHECK_EQ(in.syscall.args[0], 1);
	CHECK_EQ(in.syscall.args[1], 2);
	CHECK_EQ(in.syscall.args[2], 0x77);
	CHECK_EQ(in.syscall.args[3], 44);
	CHECK_EQ(in.syscall.args[4], 55);
	CHECK_EQ(in.syscall.args[5], 66);
	CHECK_EQ(in.arch, COTRACE_ARCH_X86_64);
	CHECK(in.pc != 0 && in.sp != 0);
	CHECK_EQ(in.tid, t.pid);
	CHECK_EQ(in.flags, COTRACE_EV_STOP);
	CHECK_EQ(cotrace_answer(s, &in, NULL), 0);
	take_kind(s, &out, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(out.syscall.nr, SYS_dup3);
	CHECK_EQ(out.syscall.args[2], 0x77);
	CHECK_EQ(out.syscall.is_error, 1);
	CHECK_EQ(out.syscall.result, -EINVAL);
	CHECK(out.seq > in.seq && out.time_ns >= in.time_ns && out.task == in.task);
	CHECK_EQ(cotrace_answer(s, &out, NULL), 0);
	CHECK_EQ(puppet_answer(&t), -EINVAL);
	finish(s, &t);
}

TEST(a_denied_call_is_not_made_and_returns_what_was_said)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_mkdir, COTRACE_ENTRY | COTRACE_EXIT);
	char path[64];

	snprintf(path, sizeof path, "/tmp/cotrace-denied-%d", (int)getpid());
	puppet_tell(&t, "raw %d $%s 0700", SYS_mkdir, path);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY, .result = -EXDEV)), 0);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.nr, SYS_mkdir);
	CHECK_EQ(ev.syscall.result, -EXDEV);
	CHECK_EQ(ev.syscall.is_error, 1);
	CHECK(ev.flags & COTRACE_EV_DENIED);
	cotrace_answer(s, &ev, NULL);
	CHECK_EQ(puppet_answer(&t), -EXDEV);
	CHECK_EQ(access(path, F_OK), -1);
	finish(s, &t);
}

TEST(a_denied_call_can_succeed_with_any_value)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_getpid, COTRACE_ENTRY);

	puppet_tell(&t, "pid");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY, .result = 4711));
	CHECK_EQ(puppet_answer(&t), 4711);
	finish(s, &t);
}

TEST(another_number_and_other_arguments_are_what_is_called)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_getuid, COTRACE_ENTRY | COTRACE_EXIT);

	/* getuid() becomes lseek(-1, ...): EBADF; then dup3(1, 1, 0): EINVAL. */
	puppet_tell(&t, "raw %d", SYS_getuid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s, &ev,
		       VERDICT(.action = COTRACE_REPLACE, .nr = SYS_lseek,
			       .args = { (uint64_t)-1, 5, 6, 7, 8, 9 }));
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK(ev.flags & COTRACE_EV_REPLACED);
	CHECK_EQ(ev.syscall.result, -EBADF);
	cotrace_answer(s, &ev, NULL);
	CHECK_EQ(puppet_answer(&t), -EBADF);
	puppet_tell(&t, "raw %d", SYS_getuid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s, &ev,
		       VERDICT(.action = COTRACE_REPLACE, .nr = SYS_dup3, .args = { 1, 1, 0 }));
	skip_to(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	cotrace_answer(s, &ev, NULL);
	CHECK_EQ(puppet_answer(&t), -EINVAL);
	finish(s, &t);
}

/* The kernel restores the argument registers for nobody; a program relies on them. */
TEST(replaced_arguments_do_not_stay_in_the_programs_registers)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_dup3, COTRACE_ENTRY);

	puppet_tell(&t, "raw %d 1 1 0", SYS_dup3);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_REPLACE, .nr = SYS_getpid));
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(s, &t);
}

TEST(a_result_can_be_replaced_at_the_exit)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_getpid, COTRACE_EXIT);

	puppet_tell(&t, "raw %d", SYS_getpid);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.result, t.pid);
	CHECK_EQ(ev.syscall.is_error, 0);
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_REPLACE, .result = -ENOTTY));
	CHECK_EQ(puppet_answer(&t), -ENOTTY);
	finish(s, &t);
}

TEST(verdicts_that_a_stop_does_not_have_are_refused_and_the_task_runs_on)
{
	struct cotrace_event ev, refused;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_getpid, COTRACE_EXIT);

	puppet_tell(&t, "pid");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(cotrace_answer(s, &ev, VERDICT(.action = 77)), -EINVAL);
	ev.flags &= (uint16_t)~COTRACE_EV_STOP;
	CHECK_EQ(cotrace_answer(s, &ev, NULL), -EINVAL);
	ev.flags |= COTRACE_EV_STOP;
	if (cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY)) == 0) {
		take_kind(s, &refused, COTRACE_EVENT_REFUSED);
		CHECK_EQ(refused.refused.error, -EINVAL);
	}
	cotrace_resume(s, 0);
	CHECK_EQ(puppet_answer(&t), t.pid);
	finish(s, &t);
}

TEST(only_the_calls_subscribed_are_told)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SYS_getpid, COTRACE_ENTRY);

	CHECK_EQ(puppet_ask(&t, "open /etc/passwd"), 0);
	CHECK_OP(puppet_ask(&t, "tid"), ==, t.pid);
	take_none(s, 30);
	puppet_tell(&t, "pid");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	/* What is unsubscribed at the stop comes no more. */
	subscribe_call(s, SYS_getpid, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_OFF);
	cotrace_answer(s, &ev, NULL);
	puppet_answer(&t);
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	take_none(s, 30);
	finish(s, &t);
}

TEST(numbers_beyond_the_set_are_stood_for_by_1023)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, 1023, COTRACE_ENTRY | COTRACE_EXIT);

	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	puppet_tell(&t, "raw 5000 1 2 3");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.nr, 5000);
	CHECK_EQ(ev.syscall.args[2], 3);
	cotrace_answer(s, &ev, NULL);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.result, -ENOSYS);
	cotrace_answer(s, &ev, NULL);
	CHECK_EQ(puppet_answer(&t), -ENOSYS);
	finish(s, &t);
}

TEST(a_call_that_is_blocked_shows_as_restarted_when_subscribed)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, NULL);
	CHECK_SOON(proc_blocked_in(t.pid) == SYS_read, 2000);
	subscribe_call(s, SYS_read, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_NOTE);
	puppet_tell(&t, "exit 0");
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.nr, SYS_read);
	CHECK(ev.flags & COTRACE_EV_RESTARTED);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.result, 1);
	cotrace_close(s);
	target_ends_well(&t, 2000);
}

struct calls {
	uint64_t task;
	bool is_in_one;
	unsigned exits;
};

/* Each call of a task ends before the next one begins. */
static void follow(struct calls *v, const struct cotrace_event *ev)
{
	while (v->task != 0 && v->task != ev->task)
		v++;
	v->task = ev->task;
	if (ev->kind == COTRACE_EVENT_SYSCALL_ENTRY) {
		CHECK(!v->is_in_one);
		v->is_in_one = true;
	} else if (ev->kind == COTRACE_EVENT_SYSCALL_EXIT) {
		/* A new task begins with the exit of a call that another one entered. */
		CHECK(v->is_in_one || v->exits == 0);
		v->is_in_one = false;
		v->exits++;
	}
}

/* 76 */
TEST(every_entry_has_an_exit_record)
{
	struct cotrace *s;
	struct target t;
	struct calls v[64] = { 0 };
	bool exec_seen = false;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.scope = COTRACE_TREE));
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY | COTRACE_EXIT, NULL, COTRACE_NOTE),
		 0);
	puppet_tell(&t, "fork 3");
	puppet_tell(&t, "vfork 3");
	puppet_tell(&t, "thread-open /etc/passwd");
	puppet_tell(&t, "exec /bin/true");
	target_ends_well(&t, 5000);
	for (struct cotrace_event ev = EVENT_NULL; cotrace_next(s, &ev, test_ns(5000)) == 1;) {
		follow(v, &ev);
		if (ev.kind == COTRACE_EVENT_SYSCALL_EXIT && ev.syscall.nr == SYS_exit_group)
			CHECK(ev.flags & COTRACE_EV_NO_RETURN);
		if (ev.kind == COTRACE_EVENT_SYSCALL_EXIT && ev.syscall.nr == SYS_execve)
			exec_seen |= ev.syscall.result == 0;
	}
	for (unsigned i = 0; i < 64; i++)
		CHECK(!v[i].is_in_one);
	CHECK(v[3].task != 0 && v[3].exits > 0);
	CHECK(exec_seen);
	cotrace_close(s);
}
