/* SPDX-License-Identifier: MIT */
/* A program's own seccomp filter that leaves calls to a tracer: two sessions decide. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

#define DATA 4711

/* A puppet whose filter asks about getppid(). */
static void start(struct target *t)
{
	puppet_start(t);
	CHECK_EQ(puppet_ask(t, "ask %d %d", SYS_getppid, DATA), 0);
}

static void call(struct target *t)
{
	puppet_tell(t, "raw %d 1 2 3 4 5 6", SYS_getppid);
}

static void finish(struct cotrace *s, struct target *t)
{
	cotrace_close(s);
	check_untouched(t->pid);
	call(t);
	CHECK_EQ(puppet_answer(t), -ENOSYS);
	puppet_end(t);
}

TEST(a_call_that_a_filter_asks_about_stops_with_everything_in_the_event)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s;

	start(&t);
	s = attached(t.pid, NULL);
	call(&t);
	CHECK_EQ(puppet_answer(&t), -ENOSYS); /* attaching changes nothing */
	subscribe(s, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	call(&t);
	take_kind(s, &ev, COTRACE_EVENT_SECCOMP);
	CHECK_EQ(ev.seccomp.nr, SYS_getppid);
	CHECK_EQ(ev.seccomp.args[0], 1);
	CHECK_EQ(ev.seccomp.args[5], 6);
	CHECK_EQ(ev.seccomp.data, DATA);
	CHECK_EQ(ev.arch, COTRACE_ARCH_X86_64);
	CHECK(ev.pc != 0 && ev.sp != 0);
	CHECK_EQ(ev.flags, COTRACE_EV_STOP);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK_EQ(puppet_answer(&t), getpid());
	subscribe(s, COTRACE_EVENT_SECCOMP, COTRACE_NOTE);
	call(&t);
	CHECK_EQ(puppet_answer(&t), -ENOSYS); /* who only looks does not decide */
	take_kind(s, &ev, COTRACE_EVENT_SECCOMP);
	CHECK_EQ(ev.flags, COTRACE_EV_DENIED);
	finish(s, &t);
}

TEST(two_sessions_decide_together_and_the_entry_comes_first)
{
	struct cotrace *old, *new;
	struct cotrace_event ev;
	struct target t;

	start(&t);
	old = attached(t.pid, NULL);
	new = attached(t.pid, NULL);
	subscribe(old, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	subscribe(new, COTRACE_EVENT_SECCOMP, COTRACE_STOP);
	subscribe_call(old, SYS_getppid, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	call(&t);
	take_kind(old, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	take_none(new, 0);
	CHECK_EQ(cotrace_answer(old, &ev, NULL), 0);
	take_kind(new, &ev, COTRACE_EVENT_SECCOMP);
	take_none(old, 0);
	/* getppid() becomes dup3(1, 1, 0): EINVAL. Who judges entries sees it again. */
	CHECK_EQ(cotrace_answer(new, &ev,
				VERDICT(.action = COTRACE_REPLACE, .nr = SYS_dup3,
					.args = { 1, 1, 0 })),
		 0);
	take_kind(old, &ev, COTRACE_EVENT_SECCOMP);
	CHECK_EQ(ev.seccomp.nr, SYS_dup3);
	CHECK_EQ(ev.flags, COTRACE_EV_STOP | COTRACE_EV_REPLACED);
	CHECK_EQ(cotrace_answer(old, &ev, NULL), 0);
	take_kind(old, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK_EQ(ev.syscall.result, -EINVAL);
	CHECK_EQ(cotrace_answer(old, &ev, NULL), 0);
	CHECK_EQ(puppet_answer(&t), -EINVAL);

	subscribe_call(old, SYS_getppid, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_OFF);
	call(&t);
	take_kind(new, &ev, COTRACE_EVENT_SECCOMP);
	cotrace_answer(new, &ev, VERDICT(.action = COTRACE_DENY, .result = -EXDEV));
	take_kind(old, &ev, COTRACE_EVENT_SECCOMP);
	CHECK_EQ(ev.flags, COTRACE_EV_STOP | COTRACE_EV_DENIED);
	CHECK_EQ(cotrace_answer(old, &ev, NULL), 0);
	CHECK_EQ(puppet_answer(&t), -EXDEV);
	cotrace_close(new);
	call(&t);
	take_kind(old, &ev, COTRACE_EVENT_SECCOMP);
	cotrace_close(old); /* its end passes the call */
	CHECK_EQ(puppet_answer(&t), getpid());
	finish(NULL, &t);
}
