/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/system/system.h"

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(a_spawned_program_is_held_and_is_the_callers_own_child)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	s = spawned(&t, NULL, ARGV("puppet"));
	CHECK_EQ(proc_status_number(t.pid, "PPid"), getpid());
	CHECK(!puppet_answers(&t, 50));
	CHECK_EQ(proc_stopped_tasks(t.pid), 1);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	CHECK_EQ(cotrace_resume(s, 0), 0);
	target_expect(&t, "ready");
	puppet_tell(&t, "exit 4");
	skip_to(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_EQ(ev.exit.code, 4);
	CHECK_EQ(target_wait(&t, 2000), 4 << 8);
	cotrace_close(s);
}

TEST(the_first_event_of_a_spawned_program_is_its_own)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;

	s = spawned(&t, NULL, ARGV("sysloop", "10"));
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY, NULL, COTRACE_NOTE), 0);
	cotrace_resume(s, 0);
	/* The dynamic loader's first call, not the engine's or the library's execve. */
	do
		take(s, &ev);
	while (ev.kind != COTRACE_EVENT_SYSCALL_ENTRY);
	CHECK_OP(ev.syscall.nr, ==, SYS_brk);
	CHECK_EQ(ev.pid, t.pid);
	run_to_end(s);
	cotrace_close(s);
	target_ends_well(&t, 2000);
}

TEST(a_program_that_cannot_be_run_leaves_no_child)
{
	struct cotrace *s = (void *)1;
	pid_t pid = 0;

	CHECK_EQ(cotrace_spawn(&s, &pid, "/no/such/program", (char *const *)ARGV("x"), NULL),
		 -ENOENT);
	CHECK(s == NULL);
	/* Folders that may not be searched would give EACCES, as with execvp(). */
	setenv("PATH", "/usr/bin:/bin", 1);
	CHECK_EQ(cotrace_spawn(&s, &pid, "no-such-program-in-path", (char *const *)ARGV("x"), NULL),
		 -ENOENT);
	CHECK_EQ(cotrace_spawn(&s, &pid, "/etc/passwd", (char *const *)ARGV("x"), NULL), -EACCES);
	CHECK_EQ(cotrace_spawn(&s, &pid, "/etc", (char *const *)ARGV("x"), NULL), -EACCES);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

TEST(a_session_closed_before_the_start_lets_the_program_run)
{
	struct cotrace *s;
	struct target t;

	s = spawned(&t, NULL, ARGV("sysloop", "10"));
	cotrace_close(s);
	target_expect(&t, "ready");
	target_expect(&t, "calls 10");
	target_ends_well(&t, 2000);
}

TEST(a_client_killed_during_spawn_leaves_no_stopped_child)
{
	for (unsigned i = 0; i < test_rounds(30, 1000); i++) {
		pid_t client = fork();

		if (client == 0) {
			struct cotrace *s;

			cotrace_spawn(&s, NULL, "true", (char *const *)ARGV("true"), NULL);
			pause();
		}
		usleep((useconds_t)(rand() % 8000));
		kill(client, SIGKILL);
		waitpid(client, NULL, 0);
	}
	/* The runner checks that nothing is left. */
}

TEST(the_environment_is_the_one_given)
{
	char *envp[] = { (char *)"ONE=1", NULL };
	struct cotrace *s;
	struct target t;
	char text[256];

	s = spawned(&t, OPTIONS(.envp = envp), ARGV("/usr/bin/env"));
	cotrace_resume(s, 0);
	run_to_end(s);
	target_output(&t, text, sizeof text);
	CHECK_STR(text, "ONE=1\n");
	cotrace_close(s);
	target_ends_well(&t, 2000);
}

TEST(caught_signals_are_reset_and_the_mask_is_inherited)
{
	struct cotrace *s;
	struct target t;
	sigset_t set, old;
	char text[4096], path[64], *at;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, exit);
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, &old);
	s = spawned(&t, NULL, ARGV("puppet"));
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	snprintf(path, sizeof path, "/proc/%d/status", (int)t.pid);
	proc_read(path, text, sizeof text);
	at = strstr(text, "SigBlk:");
	CHECK(at && strtoull(at + 7, NULL, 16) == SIGNAL_BIT(SIGWINCH));
	at = strstr(text, "SigIgn:");
	CHECK(at && strtoull(at + 7, NULL, 16) & SIGNAL_BIT(SIGUSR1));
	at = strstr(text, "SigCgt:");
	CHECK(at && (strtoull(at + 7, NULL, 16) & SIGNAL_BIT(SIGUSR2)) == 0);
	cotrace_resume(s, 0);
	target_expect(&t, "ready");
	cotrace_close(s);
	puppet_end(&t);
}

TEST(no_fd_of_the_library_leaks_into_the_program)
{
	char traced[1024], untraced[1024];
	struct cotrace *s;
	struct target t;

	s = spawned(&t, NULL, ARGV("/bin/sh", "-c", "echo /proc/self/fd/*"));
	cotrace_resume(s, 0);
	run_to_end(s);
	target_output(&t, traced, sizeof traced);
	cotrace_close(s);
	target_ends_well(&t, 2000);
	TARGET_START(&t, "/bin/sh", "-c", "echo /proc/self/fd/*");
	target_output(&t, untraced, sizeof untraced);
	target_ends_well(&t, 2000);
	CHECK_STR(traced, untraced);
}

/* The caller has neither a SIGCHLD nor a wait status more than without tracing. */
static volatile sig_atomic_t chld;

static void on_chld(int signo)
{
	(void)signo;
	chld++;
}

TEST(the_caller_gets_one_sigchld_and_one_status)
{
	struct cotrace_event ev;
	struct cotrace *s;
	struct target t;
	int status;

	signal(SIGCHLD, on_chld);
	s = spawned(&t, NULL, ARGV("puppet"));
	CHECK_EQ(waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
	CHECK_EQ(chld, 0);
	CHECK_EQ(cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY, NULL, COTRACE_STOP), 0);
	subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	cotrace_resume(s, 0);
	puppet_tell(&t, "exit 6");
	skip_to(s, &ev, COTRACE_EVENT_PROCESS_EXIT);
	CHECK_SOON(chld > 0, 2000);
	CHECK_EQ(waitpid(-1, &status, 0), t.pid);
	CHECK_EQ(status, 6 << 8);
	CHECK_EQ(chld, 1);
	cotrace_close(s);
	t.pid = -1;
	target_kill(&t);
}
