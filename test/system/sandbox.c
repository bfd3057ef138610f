/* SPDX-License-Identifier: MIT */
/*
 * Item 4: a sandbox denies openat of one path; a controller attached later tries to undo or
 * evade it, and cannot (R2, R4).
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/system/system.h"

#define SECRET "/etc/passwd"

static atomic_int sandbox_over;
static atomic_int denials;

/* Denies every way to open that it knows; decides on what it captured. */
static void *guard(void *arg)
{
	struct cotrace *s = arg;
	char data[8192];

	while (!atomic_load(&sandbox_over)) {
		struct cotrace_event ev = EVENT_NULL;
		int r = cotrace_next_data(s, &ev, data, sizeof data - 1, 20000000);
		bool secret;

		if (r <= 0 || ev.kind != COTRACE_EVENT_SYSCALL_ENTRY)
			continue;
		secret = ev.captured_count && ev.captured[0].size == strlen(SECRET) &&
			 memcmp(data + ev.captured[0].offset, SECRET, strlen(SECRET)) == 0;
		if (secret) {
			atomic_fetch_add(&denials, 1);
			cotrace_answer(s, &ev, VERDICT(.action = COTRACE_DENY, .result = -EACCES));
		} else {
			cotrace_answer(s, &ev, NULL);
		}
	}
	return NULL;
}

static struct cotrace *sandboxed(struct target *t, pthread_t *thread)
{
	static const struct cotrace_capture path = { .kind = COTRACE_CAPTURE_STRING,
						     .phase = COTRACE_ENTRY,
						     .arg = 1 };
	struct cotrace *s;

	puppet_start(t);
	s = attached(t->pid, OPTIONS(.scope = COTRACE_TREE, .flags = COTRACE_POLICY,
				     .close_action = COTRACE_CLOSE_KILL));
	CHECK_EQ(cotrace_capture(s, 0, SYS_openat, &path, 1), 0);
	subscribe_call(s, SYS_openat, COTRACE_ENTRY, COTRACE_STOP);
	atomic_store(&sandbox_over, 0);
	atomic_store(&denials, 0);
	pthread_create(thread, NULL, guard, s);
	return s;
}

static void finish(struct cotrace *s, struct target *t, pthread_t thread)
{
	atomic_store(&sandbox_over, 1);
	pthread_join(thread, NULL);
	cotrace_set_close_action(s, COTRACE_CLOSE_RUN);
	cotrace_close(s);
	puppet_end(t);
}

TEST(the_sandbox_denies_and_lets_the_rest_pass)
{
	pthread_t thread;
	struct target t;
	struct cotrace *s = sandboxed(&t, &thread);

	CHECK_EQ(puppet_ask(&t, "open " SECRET), -EACCES);
	CHECK_EQ(puppet_ask(&t, "open /etc/group"), 0);
	CHECK_EQ(puppet_ask(&t, "thread-open " SECRET), -EACCES);
	CHECK_EQ(atomic_load(&denials), 2);
	finish(s, &t, thread);
}

TEST(a_later_controller_cannot_undo_a_denial_at_entry_or_exit)
{
	struct cotrace_event ev;
	struct cotrace *evil;
	pthread_t thread;
	struct target t;
	struct cotrace *s = sandboxed(&t, &thread);

	evil = attached(t.pid, NULL);
	subscribe_call(evil, SYS_openat, COTRACE_ENTRY | COTRACE_EXIT, COTRACE_STOP);
	puppet_tell(&t, "open " SECRET);
	skip_to(evil, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	/* It sits nearer to the program: whatever it says meets the sandbox afterwards. */
	cotrace_answer(
		evil, &ev,
		VERDICT(.action = COTRACE_REPLACE, .nr = SYS_openat,
			.args = { ev.syscall.args[0], ev.syscall.args[1], ev.syscall.args[2] }));
	skip_to(evil, &ev, COTRACE_EVENT_SYSCALL_EXIT);
	CHECK(ev.flags & COTRACE_EV_DENIED);
	CHECK_EQ(ev.syscall.result, -EACCES);
	cotrace_answer(evil, &ev, VERDICT(.action = COTRACE_REPLACE, .result = 1));
	CHECK_EQ(puppet_answer(&t), -EACCES);
	cotrace_close(evil);
	finish(s, &t, thread);
}

TEST(a_harmless_call_turned_into_the_forbidden_one_meets_the_sandbox)
{
	struct cotrace_event ev;
	struct cotrace *evil;
	pthread_t thread;
	struct target t;
	struct cotrace *s = sandboxed(&t, &thread);
	uint64_t buffer = (uint64_t)puppet_ask(&t, "buffer");

	evil = attached(t.pid, NULL);
	subscribe_call(evil, SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	CHECK_EQ(cotrace_write_memory(evil, t.pid, buffer, SECRET, sizeof SECRET),
		 (ssize_t)sizeof SECRET);
	puppet_tell(&t, "raw %d", SYS_getpid);
	skip_to(evil, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(evil, &ev,
		       VERDICT(.action = COTRACE_REPLACE, .nr = SYS_openat,
			       .args = { (uint64_t)AT_FDCWD, buffer, O_RDONLY }));
	CHECK_EQ(puppet_answer(&t), -EACCES);
	CHECK_EQ(atomic_load(&denials), 1);
	cotrace_close(evil);
	finish(s, &t, thread);
}

/* The path is exchanged in memory when the sandbox has already looked, by a later session. */
TEST(registers_written_at_another_sessions_stop_are_offered_again)
{
	struct cotrace_event ev;
	struct cotrace *evil;
	pthread_t thread;
	struct target t;
	struct cotrace *s = sandboxed(&t, &thread);
	uint64_t buffer = (uint64_t)puppet_ask(&t, "buffer"), nr = SYS_openat,
		 cwd = (uint64_t)AT_FDCWD, zero = 0;
	long r;

	evil = attached(t.pid, NULL);
	subscribe_call(evil, SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	CHECK_EQ(cotrace_write_memory(evil, t.pid, buffer, SECRET, sizeof SECRET),
		 (ssize_t)sizeof SECRET);
	puppet_tell(&t, "raw %d", SYS_getpid);
	skip_to(evil, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	/* By registers instead of by verdict; refused or offered to the sandbox, never run as is. */
	cotrace_register_write(evil, ev.task, "rdi", &cwd, 8);
	cotrace_register_write(evil, ev.task, "rsi", &buffer, 8);
	cotrace_register_write(evil, ev.task, "rdx", &zero, 8);
	cotrace_register_write(evil, ev.task, "orig_rax", &nr, 8);
	cotrace_answer(evil, &ev, NULL);
	r = puppet_answer(&t);
	CHECK(r == -EACCES || r == t.pid);
	cotrace_close(evil);
	finish(s, &t, thread);
}

/*
 * It keeps the task at its entry by a hold of its own until the sandbox has looked and
 * passed, and changes the call then. What a session changes is offered again.
 */
static void rewrite_behind_the_sandbox(bool by_register)
{
	struct cotrace_event ev;
	struct cotrace *evil;
	pthread_t thread;
	struct target t;
	struct cotrace *s = sandboxed(&t, &thread);
	uint64_t buffer = (uint64_t)puppet_ask(&t, "buffer"), secret = buffer + 2048;

	evil = attached(t.pid, NULL);
	subscribe_call(evil, SYS_openat, COTRACE_ENTRY, COTRACE_STOP);
	CHECK_EQ(cotrace_write_memory(evil, t.pid, buffer, "/etc/group", 11), 11);
	CHECK_EQ(cotrace_write_memory(evil, t.pid, secret, SECRET, sizeof SECRET),
		 (ssize_t)sizeof SECRET);
	puppet_tell(&t, "raw %d -100 & 0", SYS_openat);
	skip_to(evil, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_EQ(cotrace_stop(evil, ev.task, COTRACE_ONE, test_ns(2000)), 0);
	cotrace_answer(evil, &ev, NULL);
	/* Time for the sandbox to pass the harmless path. */
	test_sleep_ms(50);
	CHECK(!puppet_answers(&t, 20));
	if (by_register)
		cotrace_register_write(evil, ev.task, "rsi", &secret, 8);
	else
		cotrace_write_memory(evil, t.pid, buffer, SECRET, sizeof SECRET);
	subscribe_call(evil, SYS_openat, COTRACE_ENTRY, COTRACE_OFF);
	drain(evil);
	cotrace_resume(evil, 0);
	CHECK_EQ(puppet_answer(&t), -EACCES);
	CHECK_EQ(atomic_load(&denials), 1);
	cotrace_close(evil);
	finish(s, &t, thread);
}

TEST(memory_written_after_the_sandbox_passed_is_offered_again)
{
	rewrite_behind_the_sandbox(false);
}

TEST(registers_written_after_the_sandbox_passed_are_offered_again)
{
	rewrite_behind_the_sandbox(true);
}

TEST(a_policy_session_cannot_be_ended_by_others)
{
	struct cotrace *evil;
	pthread_t thread;
	struct target t;
	struct cotrace *s = sandboxed(&t, &thread);

	evil = attached(t.pid, NULL);
	CHECK_EQ(cotrace_end(evil, cotrace_id(s)), -EPERM);
	CHECK_EQ(puppet_ask(&t, "open " SECRET), -EACCES);
	cotrace_close(evil);
	finish(s, &t, thread);
}

TEST(children_and_new_programs_stay_in_the_sandbox)
{
	pthread_t thread;
	struct target t;
	struct cotrace *s = sandboxed(&t, &thread);

	puppet_tell(&t, "exec %s", target_path("puppet"));
	target_expect(&t, "ready");
	CHECK_EQ(puppet_ask(&t, "open " SECRET), -EACCES);
	puppet_tell(&t, "exec /bin/sh -c cat</etc/passwd||echo${IFS}denied");
	target_expect(&t, "denied");
	atomic_store(&sandbox_over, 1);
	pthread_join(thread, NULL);
	target_wait(&t, 5000);
	cotrace_close(s);
}
