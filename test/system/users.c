/* SPDX-License-Identifier: MIT */
/* Item 7: what an ordinary user can and cannot do, and how it is told. */
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/system.h"

#define USER 65534
#define OTHER_USER 65533

static char folder[64];

static void copy(const char *from, const char *name, mode_t mode)
{
	char command[1200], path[256];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	snprintf(command, sizeof command, "cp '%s' '%s'", from, path);
	CHECK_EQ(system(command), 0);
	CHECK_SYS(chmod(path, mode));
}

/* Engine and targets where an ordinary user can reach them; then becomes that user. */
static void prepare(void)
{
	char engine[512];

	if (getuid() != 0)
		test_skip("needs root to become another user");
	snprintf(folder, sizeof folder, "/tmp/cotrace-users-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	CHECK_SYS(chmod(folder, 0755));
	snprintf(engine, sizeof engine, "%s", getenv("COTRACE_ENGINE"));
	copy(engine, "cotrace-engine", 0755);
	copy(target_path("puppet"), "puppet", 0755);
	copy(target_path("ids"), "ids", 04755);
	copy(target_path("sysloop"), "sysloop", 0755);
	snprintf(engine, sizeof engine, "%s/cotrace-engine", folder);
	setenv("COTRACE_ENGINE", engine, 1);
	setenv("COTRACE_TEST_TARGETS", folder, 1);
}

static void clean_up(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	CHECK_EQ(system(command), 0);
}

static void become(uid_t uid)
{
	CHECK_SYS(setgroups(0, NULL));
	CHECK_SYS(setresgid(uid, uid, uid));
	CHECK_SYS(setresuid(uid, uid, uid));
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Runs @body as that user in a process of its own; its checks count. */
static void as_user(uid_t uid, void (*body)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		become(uid);
		body();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (status != 0)
		_exit(1); /* the reason was told */
}

static void trace_own_process(void)
{
	struct cotrace_event ev;
	struct cotrace *a, *b;
	struct target t;

	puppet_start(&t);
	a = attached(t.pid, NULL);
	b = attached(t.pid, NULL);
	CHECK_EQ(cotrace_engine_pid(a), cotrace_engine_pid(b));
	subscribe_call(a, SYS_getpid, COTRACE_ENTRY, COTRACE_STOP);
	puppet_tell(&t, "raw %d", SYS_getpid);
	take_kind(a, &ev, COTRACE_EVENT_SYSCALL_ENTRY);
	cotrace_answer(a, &ev, VERDICT(.action = COTRACE_DENY, .result = 12));
	CHECK_EQ(puppet_answer(&t), 12);
	CHECK_EQ(cotrace_stop(b, 0, COTRACE_ALL, test_ns(2000)), 0);
	cotrace_close(a);
	cotrace_close(b);
	check_untouched(t.pid);
	puppet_end(&t);
}

TEST(an_ordinary_user_traces_processes_of_his_own)
{
	prepare();
	as_user(USER, trace_own_process);
	clean_up();
}

static pid_t victim;

static void attach_to_other(void)
{
	struct cotrace_explanation e = { .size = sizeof e };
	struct cotrace *s = NULL;
	int r = cotrace_attach(&s, victim, NULL);

	CHECK(r == -EPERM || r == -EACCES);
	CHECK_EQ(cotrace_explain(victim, &e), 0);
	if (e.reason != COTRACE_REASON_OTHER_USER)
		FAIL("reason %u: %s", e.reason, e.sentence);
}

TEST(another_users_process_is_refused_with_that_reason)
{
	struct target t;

	prepare();
	puppet_start(&t);
	victim = t.pid;
	as_user(USER, attach_to_other);
	puppet_end(&t);
	clean_up();
}

static void attach_to_undumpable(void)
{
	struct cotrace_explanation e = { .size = sizeof e };
	struct cotrace *s = NULL;
	struct target t;
	int r;

	puppet_start(&t);
	CHECK_EQ(puppet_ask(&t, "raw %d %d 0", SYS_prctl, PR_SET_DUMPABLE), 0);
	r = cotrace_attach(&s, t.pid, NULL);
	CHECK(r == -EACCES || r == -EPERM);
	CHECK_EQ(cotrace_explain(t.pid, &e), 0);
	if (e.reason != COTRACE_REASON_NOT_DUMPABLE)
		FAIL("reason %u: %s", e.reason, e.sentence);
	puppet_end(&t);
}

TEST(a_process_that_is_not_dumpable_is_refused_with_that_reason)
{
	prepare();
	as_user(USER, attach_to_undumpable);
	clean_up();
}

/* 25: the bit takes no effect under trace, and so it is documented. */
static void spawn_setuid(void)
{
	static const char *const argv[] = { "ids", NULL };
	char line[128], expected[128];
	struct cotrace *s;
	struct target t;

	s = spawned(&t, NULL, argv);
	subscribe_all(s, COTRACE_NOTE);
	cotrace_resume(s, 0);
	target_line(&t, line, sizeof line);
	snprintf(expected, sizeof expected, "uid %d %d gid %d %d", USER, USER, USER, USER);
	CHECK(strncmp(line, expected, strlen(expected)) == 0);
	run_to_end(s);
	cotrace_close(s);
	target_ends_well(&t, 2000);
}

TEST(a_setuid_program_started_under_trace_gains_nothing)
{
	prepare();
	as_user(USER, spawn_setuid);
	clean_up();
}

static void untraced_setuid(void)
{
	char line[128], expected[128];
	struct target t;

	TARGET_START(&t, "ids");
	target_line(&t, line, sizeof line);
	snprintf(expected, sizeof expected, "uid %d 0", USER);
	CHECK(strncmp(line, expected, strlen(expected)) == 0);
	target_ends_well(&t, 2000);
}

TEST(the_same_program_gains_privilege_when_untraced)
{
	prepare();
	as_user(USER, untraced_setuid);
	clean_up();
}

/* 26: root's engine, the user's session: an exec that gains privilege ends the session. */
static void exec_setuid_while_attached(void)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	char line[128];

	puppet_start(&t);
	s = attached(t.pid, NULL);
	subscribe(s, COTRACE_EVENT_EXEC, COTRACE_NOTE);
	puppet_tell(&t, "exec %s/ids", folder);
	target_line(&t, line, sizeof line);
	/* Either the bit had no effect, or the session is over before the new program ran. */
	if (strncmp(line, "uid 65534 65534", 15) == 0)
		skip_to(s, &ev, COTRACE_EVENT_EXEC);
	else
		skip_to(s, &ev, COTRACE_EVENT_SESSION_END);
	if (ev.kind == COTRACE_EVENT_SESSION_END)
		CHECK_EQ(ev.end.reason, COTRACE_END_PRIVILEGE_GAINED);
	run_to_end(s);
	cotrace_close(s);
	target_ends_well(&t, 2000);
}

TEST(an_exec_of_a_setuid_program_gives_the_session_no_privilege)
{
	prepare();
	as_user(USER, exec_setuid_while_attached);
	clean_up();
}

static int to_parent[2], to_child[2];

static void user_with_target(void)
{
	struct target t;
	char c;

	puppet_start(&t);
	CHECK_EQ(write(to_parent[1], &t.pid, sizeof t.pid), (ssize_t)sizeof t.pid);
	CHECK_EQ(read(to_child[0], &c, 1), 1);
	if (c == 'a') {
		struct cotrace_explanation e = { .size = sizeof e };
		struct cotrace *s = NULL;
		int r = cotrace_attach(&s, t.pid, NULL);

		CHECK_OP(r, <, 0);
		CHECK_EQ(cotrace_explain(t.pid, &e), 0);
		if (e.reason != COTRACE_REASON_OTHER_ENGINE)
			FAIL("reason %u: %s", e.reason, e.sentence);
		CHECK_EQ(write(to_parent[1], &c, 1), 1);
		CHECK_EQ(read(to_child[0], &c, 1), 1);
	} else if (c == 'b') {
		struct cotrace *s = attached(t.pid, NULL);

		CHECK_EQ(write(to_parent[1], &c, 1), 1);
		CHECK_EQ(read(to_child[0], &c, 1), 1);
		cotrace_close(s);
	}
	puppet_end(&t);
}

static pid_t start_user(uid_t uid, void (*body)(void))
{
	pid_t pid;

	CHECK_SYS(pipe2(to_parent, O_CLOEXEC));
	CHECK_SYS(pipe2(to_child, O_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		become(uid);
		body();
		_exit(0);
	}
	/* So that a read ends when the user fails. */
	close(to_parent[1]);
	return pid;
}

static void end_user(pid_t pid)
{
	int status;

	CHECK_EQ(write(to_child[1], "x", 1), 1);
	waitpid(pid, &status, 0);
	close(to_parent[0]), close(to_child[0]), close(to_child[1]);
	if (status)
		_exit(1);
}

TEST(roots_engine_serves_no_ordinary_user_and_says_so)
{
	struct cotrace *s;
	pid_t user, target;
	char c;

	prepare();
	user = start_user(USER, user_with_target);
	CHECK_EQ(read(to_parent[0], &target, sizeof target), (ssize_t)sizeof target);
	s = attached(target, NULL);
	CHECK_EQ(write(to_child[1], "a", 1), 1);
	if (read(to_parent[0], &c, 1) != 1)
		_exit(1); /* the reason was told */
	cotrace_close(s);
	end_user(user);
	clean_up();
}

TEST(root_joins_an_ordinary_users_engine)
{
	struct cotrace *s;
	pid_t user, target;
	char c;

	prepare();
	user = start_user(USER, user_with_target);
	CHECK_EQ(read(to_parent[0], &target, sizeof target), (ssize_t)sizeof target);
	CHECK_EQ(write(to_child[1], "b", 1), 1);
	CHECK_EQ(read(to_parent[0], &c, 1), 1);
	s = attached(target, OPTIONS(.flags = COTRACE_NO_ENGINE_START));
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(2000)), 0);
	cotrace_close(s);
	end_user(user);
	clean_up();
}

TEST(a_third_user_is_refused)
{
	pid_t user;

	prepare();
	user = start_user(USER, user_with_target);
	CHECK_EQ(read(to_parent[0], &victim, sizeof victim), (ssize_t)sizeof victim);
	as_user(OTHER_USER, attach_to_other);
	end_user(user);
	clean_up();
}
