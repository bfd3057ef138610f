/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

static struct cotrace *puppet_with(struct target *t, uint64_t set, enum cotrace_mode mode)
{
	struct cotrace *s;

	puppet_start(t);
	s = attached(t->pid, NULL);
	CHECK_EQ(cotrace_subscribe_signals(s, set, mode), 0);
	return s;
}

static void finish(struct cotrace *s, struct target *t)
{
	cotrace_close(s);
	check_untouched(t->pid);
	puppet_end(t);
}

TEST(a_signal_is_told_with_its_sender_and_disposition)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, ~SIGNAL_BIT(SIGKILL), COTRACE_NOTE);

	puppet_ask(&t, "handle %d", SIGUSR1);
	kill(t.pid, SIGUSR1);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.signal.signo, SIGUSR1);
	CHECK_EQ(ev.signal.code, SI_USER);
	CHECK_EQ(ev.signal.sender_pid, getpid());
	CHECK_EQ(ev.signal.sender_uid, getuid());
	CHECK_EQ(ev.signal.disposition, COTRACE_SIG_HANDLED);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 1);
	CHECK_EQ(puppet_ask(&t, "sender %d", SIGUSR1), getpid());
	kill(t.pid, SIGWINCH);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	/* By default it is ignored. */
	CHECK_EQ(ev.signal.disposition, COTRACE_SIG_IGNORED);
	finish(s, &t);
}

TEST(a_queued_signal_is_told_with_its_value)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(40), COTRACE_NOTE);

	puppet_ask(&t, "handle 40");
	sigqueue(t.pid, 40, (union sigval){ .sival_int = 4242 });
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.signal.signo, 40);
	CHECK_EQ(ev.signal.code, SI_QUEUE);
	CHECK_EQ(ev.signal.value & 0xffffffff, 4242);
	CHECK_EQ(puppet_ask(&t, "value 40"), 4242);
	finish(s, &t);
}

TEST(a_fault_is_told_with_its_address)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(SIGSEGV), COTRACE_NOTE);

	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	puppet_tell(&t, "fault");
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.signal.signo, SIGSEGV);
	CHECK_EQ(ev.signal.code, SEGV_MAPERR);
	CHECK_EQ(ev.signal.addr, 16);
	take_kind(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(ev.exit.signo, SIGSEGV);
	CHECK_EQ(ev.exit.cause, COTRACE_EXIT_SIGNAL);
	CHECK_EQ(target_wait(&t, 2000) & 0x7f, SIGSEGV);
	cotrace_close(s);
}

/* Of whichever session holds the task. */
TEST(the_siginfo_of_a_stop_is_read_by_every_session)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(SIGSEGV), COTRACE_STOP);
	struct cotrace *other = attached(t.pid, OPTIONS(.role = COTRACE_OBSERVER));
	siginfo_t info = { 0 };
	uint64_t task = task_of(other, t.pid);

	CHECK_EQ(cotrace_siginfo_read(other, task, &info, sizeof info), -EBUSY);
	CHECK_EQ(cotrace_siginfo_read(other, 12345678, &info, sizeof info), -ESRCH);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	CHECK_EQ(cotrace_siginfo_read(other, task, &info, sizeof info), -ENODATA);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	puppet_tell(&t, "fault");
	skip_to(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(cotrace_siginfo_read(other, task, &info, sizeof info), (ssize_t)sizeof info);
	CHECK_EQ(info.si_signo, SIGSEGV);
	CHECK_EQ(info.si_code, ev.signal.code);
	CHECK_EQ((uintptr_t)info.si_addr, ev.signal.addr);
	CHECK_EQ(cotrace_answer(s, &ev, NULL), 0);
	CHECK_EQ(target_wait(&t, 5000) & 0x7f, SIGSEGV);
	cotrace_close(other);
	cotrace_close(s);
}

TEST(a_denied_signal_is_not_delivered)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(SIGTERM), COTRACE_STOP);

	kill(t.pid, SIGTERM);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK(ev.flags & COTRACE_EV_STOP);
	CHECK_EQ(ev.signal.disposition, COTRACE_SIG_DEFAULT);
	CHECK_EQ(proc_stopped_tasks(t.pid), 1);
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY));
	CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
	finish(s, &t);
}

TEST(a_passed_signal_is_delivered)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(SIGTERM), COTRACE_STOP);

	kill(t.pid, SIGTERM);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	cotrace_answer(s, &ev, NULL);
	CHECK_EQ(target_wait(&t, 2000), SIGTERM);
	cotrace_close(s);
}

TEST(a_signal_can_become_another)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(SIGTERM), COTRACE_STOP);

	puppet_ask(&t, "handle %d", SIGUSR2);
	kill(t.pid, SIGTERM);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	cotrace_answer(s, &ev, VERDICT(.action = COTRACE_REPLACE, .signo = SIGUSR2));
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR2), 1);
	finish(s, &t);
}

/* 44: a whole siginfo. */
TEST(a_signal_can_get_another_siginfo)
{
	siginfo_t info = { .si_signo = 41, .si_code = SI_QUEUE };
	struct cotrace_verdict v = { .size = sizeof v,
				     .action = COTRACE_REPLACE,
				     .signo = 41,
				     .siginfo_size = sizeof info };
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(40), COTRACE_STOP);

	puppet_ask(&t, "handle 41");
	info.si_pid = 77;
	info.si_value.sival_int = 1234;
	memcpy(v.siginfo, &info, sizeof info);
	sigqueue(t.pid, 40, (union sigval){ .sival_int = 1 });
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(cotrace_answer(s, &ev, &v), 0);
	CHECK_EQ(puppet_ask(&t, "count 41"), 1);
	CHECK_EQ(puppet_ask(&t, "value 41"), 1234);
	CHECK_EQ(puppet_ask(&t, "sender 41"), 77);
	finish(s, &t);
}

TEST(a_signal_is_sent_to_a_task_and_told_like_any_other)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, ~SIGNAL_BIT(SIGKILL), COTRACE_NOTE);
	siginfo_t info = { .si_signo = 42, .si_code = SI_QUEUE };

	puppet_ask(&t, "handle %d", SIGUSR1);
	puppet_ask(&t, "handle 42");
	CHECK_EQ(cotrace_signal(s, task_of(s, t.pid), COTRACE_ONE, SIGUSR1, NULL), 0);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(ev.signal.signo, SIGUSR1);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 1);
	info.si_value.sival_int = 99;
	CHECK_EQ(cotrace_signal(s, task_of(s, t.pid), COTRACE_ITS_PROCESS, 42, &info), 0);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(puppet_ask(&t, "value 42"), 99);
	info.si_code = SI_USER;
	CHECK_OP(cotrace_signal(s, task_of(s, t.pid), COTRACE_ONE, 42, &info), <, 0);
	CHECK_EQ(cotrace_signal(s, task_of(s, t.pid), COTRACE_ONE, 99, NULL), -EINVAL);
	CHECK_EQ(cotrace_signal(s, 999999, COTRACE_ONE, SIGUSR1, NULL), -ESRCH);
	finish(s, &t);
}

TEST(kill_ends_the_target)
{
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(SIGUSR1), COTRACE_STOP);

	CHECK_EQ(cotrace_kill(s, 0), 0);
	CHECK_EQ(target_wait(&t, 2000), SIGKILL);
	run_to_end(s);
	cotrace_close(s);
}

/* 43, 51: a signal that waits at a stop reaches the program when the session ends. */
TEST(a_signal_at_a_stop_is_delivered_when_the_session_closes)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(SIGUSR1), COTRACE_STOP);

	puppet_ask(&t, "handle %d", SIGUSR1);
	for (int i = 0; i < 3; i++)
		kill(t.pid, SIGUSR1);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	cotrace_close(s);
	CHECK_OP(puppet_ask(&t, "count %d", SIGUSR1), >=, 1);
	check_untouched(t.pid);
	puppet_end(&t);
}

/* 20, 51: queued signals keep number, value and order over attach and close. */
TEST(no_queued_signal_is_lost_over_attach_and_close)
{
	struct cotrace *s;
	struct target t;
	int sent = 0;

	puppet_start(&t);
	puppet_ask(&t, "handle 40");
	for (unsigned i = 0; i < test_rounds(20, 1000); i++) {
		s = attached(t.pid, NULL);
		CHECK_EQ(cotrace_subscribe_signals(s, SIGNAL_BIT(40),
						   i % 2 ? COTRACE_STOP : COTRACE_NOTE),
			 0);
		for (int k = 0; k < 10; k++, sent++)
			CHECK_EQ(sigqueue(t.pid, 40, (union sigval){ .sival_int = sent }), 0);
		cotrace_close(s);
		CHECK_SOON(puppet_ask(&t, "count 40") == sent, 5000);
		CHECK_EQ(puppet_ask(&t, "value 40"), sent - 1);
	}
	check_untouched(t.pid);
	puppet_end(&t);
}

/* 19: a genuine SIGSTOP sent around an attach stops the program. */
TEST(a_genuine_sigstop_is_not_lost_around_attach)
{
	for (unsigned i = 0; i < test_rounds(20, 1000); i++) {
		struct cotrace *s;
		struct target t;

		puppet_start(&t);
		if (i % 2)
			syscall(SYS_tgkill, t.pid, t.pid, SIGSTOP);
		s = attached(t.pid, NULL);
		if (i % 2 == 0)
			syscall(SYS_tgkill, t.pid, t.pid, SIGSTOP);
		cotrace_close(s);
		CHECK_SOON(is_traced_by(t.pid, 0) && proc_state(t.pid) == 'T', 2000);
		test_sleep_ms(1);
		CHECK_EQ(proc_state(t.pid), 'T');
		kill(t.pid, SIGCONT);
		CHECK_EQ(puppet_ask(&t, "pid"), t.pid);
		puppet_end(&t);
	}
}

TEST(a_blocked_signal_is_told_when_it_is_delivered)
{
	struct cotrace_event ev;
	struct target t;
	struct cotrace *s = puppet_with(&t, SIGNAL_BIT(SIGUSR1), COTRACE_NOTE);

	puppet_ask(&t, "handle %d", SIGUSR1);
	puppet_ask(&t, "block %d", SIGUSR1);
	kill(t.pid, SIGUSR1);
	take_none(s, 50);
	puppet_ask(&t, "unblock %d", SIGUSR1);
	take_kind(s, &ev, COTRACE_EVENT_SIGNAL);
	CHECK_EQ(puppet_ask(&t, "count %d", SIGUSR1), 1);
	finish(s, &t);
}

TEST(sigkill_cannot_be_subscribed_to)
{
	struct target t;
	struct cotrace *s = puppet_with(&t, ~0ull, COTRACE_STOP);

	kill(t.pid, SIGKILL);
	CHECK_EQ(target_wait(&t, 2000), SIGKILL);
	cotrace_close(s);
}

/* The program counts its own signals; a session that sees all of them changes nothing. */
static void check_signals_program(enum cotrace_mode mode)
{
	static const char *const argv[] = { "signals", "30", NULL };
	char traced[512], untraced[512];
	struct cotrace *s;
	struct target t;

	target_start(&t, argv);
	target_output(&t, untraced, sizeof untraced);
	target_ends_well(&t, 10000);
	s = spawned(&t, NULL, argv);
	CHECK_EQ(cotrace_subscribe_signals(s, ~SIGNAL_BIT(SIGKILL), mode), 0);
	cotrace_resume(s, 0);
	CHECK_OP(run_to_end(s), >=, 150);
	target_output(&t, traced, sizeof traced);
	CHECK_STR(traced, untraced);
	cotrace_close(s);
	target_ends_well(&t, 10000);
}

TEST(a_program_that_counts_its_signals_counts_the_same_with_notes)
{
	check_signals_program(COTRACE_NOTE);
}

TEST(a_program_that_counts_its_signals_counts_the_same_with_stops)
{
	check_signals_program(COTRACE_STOP);
}
