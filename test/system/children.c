/* SPDX-License-Identifier: MIT */
/* Children that come with a session of their own (COTRACE_CHILD_FDS). */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

#define FAMILY (COTRACE_CHILD_FDS | COTRACE_CHILD_INHERITS)

static struct cotrace *adopted(int fd)
{
	struct cotrace *s = NULL;

	CHECK_OP(fd, >=, 0);
	CHECK_EQ(cotrace_from_fd(&s, fd), 0);
	return s;
}

static struct cotrace *parent_of(struct target *t)
{
	struct cotrace *s;

	puppet_start(t);
	s = attached(t->pid, OPTIONS(.flags = FAMILY));
	subscribe(s, COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_VFORK, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	subscribe_call(s, SYS_exit_group, COTRACE_ENTRY, COTRACE_STOP);
	return s;
}

/* The child whose session @fd is makes its first call of interest, and ends. */
static void see_through(int fd, int code)
{
	struct cotrace *s = adopted(fd);
	struct cotrace_event ev;

	take_kind(s, &ev, COTRACE_EVENT_STOP_DONE);
	CHECK_EQ(cotrace_resume(s, ev.task), 0);
	take_kind(s, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(ev.syscall.args[0], code);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	take_kind(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(ev.exit.code, code);
	take_kind(s, &ev, COTRACE_EVENT_SESSION_END);
	cotrace_close(s);
}

/* However it comes about: its session is there, with what is to be seen, before it runs. */
TEST(each_of_a_thousand_children_has_a_session_with_the_subscriptions_of_its_parent)
{
	static const char *const ways[] = { "fork", "vfork", "thread-fork", "fork" };
	struct target t;
	struct cotrace *s = parent_of(&t);

	for (int i = 0; i < 1000; i++) {
		struct cotrace_event ev;
		int code = 1 + i % 100;

		puppet_tell(&t, "%s %d", ways[i % 4], code);
		take(s, &ev);
		CHECK_EQ(ev.kind, i % 4 == 1 ? COTRACE_EVENT_VFORK : COTRACE_EVENT_FORK);
		CHECK(ev.child.pid != t.pid);
		if (i % 8 < 4)
			see_through(ev.child.fd, code);
		else
			close(ev.child.fd); /* it runs on as if untraced */
		CHECK_EQ(puppet_answer(&t), code);
	}
	take_none(s, 0);
	cotrace_close(s);
	check_untouched(t.pid);
	puppet_end(&t);
}

#define MEMBERS 64

struct family {
	struct cotrace *s[MEMBERS];
	int count, ended;
};

/* Whatever comes to one of them; false: nothing now. */
static bool take_one(struct family *f, int i)
{
	struct cotrace_event ev = EVENT_NULL;
	int r = f->s[i] ? cotrace_next(f->s[i], &ev, 0) : 0;

	if (r <= 0)
		return false;
	switch (ev.kind) {
	case COTRACE_EVENT_FORK:
		CHECK_OP(f->count, <, MEMBERS);
		f->s[f->count++] = adopted(ev.child.fd);
		break;
	case COTRACE_EVENT_STOP_DONE:
		CHECK_EQ(cotrace_resume(f->s[i], ev.task), 0);
		break;
	case COTRACE_EVENT_PROCESS_EXIT:
		f->ended++;
		break;
	case COTRACE_EVENT_SESSION_END:
		cotrace_close(f->s[i]);
		f->s[i] = NULL;
		break;
	}
	return true;
}

TEST(children_of_children_have_sessions_too)
{
	struct family f = { 0 };
	struct target t;

	f.s[f.count++] = spawned(&t, OPTIONS(.flags = FAMILY), TARGET_ARGS("forks", "3", "3"));
	subscribe(f.s[0], COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(f.s[0], COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	CHECK_EQ(cotrace_resume(f.s[0], 0), 0);
	for (unsigned idle = 0; f.ended < 40;) {
		bool any = false;

		for (int i = 0; i < f.count; i++)
			any |= take_one(&f, i);
		if (any)
			idle = 0;
		else
			CHECK_OP(++idle, <, 5000);
		if (!any)
			test_sleep_ms(1);
	}
	CHECK_EQ(f.count, 40); /* 1 + 3 + 9 + 27 */
	for (int i = 0; i < f.count; i++)
		cotrace_close(f.s[i]);
	target_ends_well(&t, 5000);
}

TEST(without_the_option_a_childs_session_has_no_subscriptions)
{
	struct cotrace_event ev;
	struct cotrace *s, *child;
	struct target t;

	puppet_start(&t);
	s = attached(t.pid, OPTIONS(.flags = COTRACE_CHILD_FDS));
	subscribe(s, COTRACE_EVENT_FORK, COTRACE_NOTE);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	subscribe_call(s, SYS_exit_group, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "fork 7");
	take_kind(s, &ev, COTRACE_EVENT_FORK);
	child = adopted(ev.child.fd);
	take_kind(child, &ev, COTRACE_EVENT_STOP_DONE);
	CHECK_EQ(cotrace_resume(child, ev.task), 0);
	CHECK_EQ(puppet_answer(&t), 7);
	take_kind(child, &ev, COTRACE_EVENT_SESSION_END);
	cotrace_close(child);
	cotrace_close(s);
	CHECK_EQ(cotrace_attach(&s, t.pid, OPTIONS(.flags = COTRACE_CHILD_INHERITS)), -EINVAL);
	puppet_end(&t);
}
