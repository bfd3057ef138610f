/* SPDX-License-Identifier: MIT */
/* What the host program sees of the processes made inside it: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/launch.h"

static volatile sig_atomic_t children, alarms, strays;
static pid_t host;

static void on_child(int signo)
{
	(void)signo;
	children++;
}

static void on_alarm(int signo)
{
	(void)signo;
	alarms++;
	strays += syscall(SYS_getpid) != host;
}

static int note_pid(void *argument, const sigset_t *mask)
{
	(void)mask;
	*(volatile pid_t *)argument = (pid_t)syscall(SYS_getpid);
	return 3;
}

static int setup(void **state)
{
	(void)state;
	host = getpid();
	children = alarms = strays = 0;
	signal(SIGCHLD, on_child);
	return 0;
}

static void an_orphan_is_seen_by_neither_wait_nor_sigchld(void **state)
{
	volatile pid_t pid = 0;

	(void)state;
	assert_int_equal(launch_orphan(note_pid, (void *)&pid), 0);
	assert_true(pid > 0 && pid != host);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(children, 0);
}

static void a_hidden_child_has_its_own_memory_and_only_a_status(void **state)
{
	volatile pid_t pid = 0;

	(void)state;
	assert_int_equal(WEXITSTATUS(launch_hidden(note_pid, (void *)&pid)), 3);
	assert_int_equal(pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(children, 0);
}

static void a_child_is_the_callers_own(void **state)
{
	volatile pid_t noted = 0;
	pid_t pid = launch_child(note_pid, (void *)&noted);
	int status;

	(void)state;
	assert_int_equal(pid, noted);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_int_equal(children, 1);
}

static int dawdle(void *argument, const sigset_t *mask)
{
	(void)argument;
	launch_reset_signals(1);
	sigprocmask(SIG_SETMASK, mask, NULL);
	usleep(2000);
	return 0;
}

static void no_handler_of_the_caller_runs_in_a_child(void **state)
{
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { 0 };

	(void)state;
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 50; i++) {
		pid_t pid = launch_child(dawdle, NULL);

		kill(pid, SIGALRM);
		while (waitpid(pid, NULL, 0) < 0)
			assert_int_equal(errno, EINTR);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	assert_true(alarms > 0);
	assert_int_equal(strays, 0);
}

static void the_callers_mask_is_put_back(void **state)
{
	sigset_t before, after;
	volatile pid_t pid;

	(void)state;
	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	sigprocmask(SIG_SETMASK, &before, NULL);
	launch_orphan(note_pid, (void *)&pid);
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_true(sigismember(&after, SIGUSR1));
	assert_false(sigismember(&after, SIGUSR2));
	sigemptyset(&before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, NULL)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_orphan_is_seen_by_neither_wait_nor_sigchld),
		CASE(a_hidden_child_has_its_own_memory_and_only_a_status),
		CASE(a_child_is_the_callers_own),
		CASE(no_handler_of_the_caller_runs_in_a_child),
		CASE(the_callers_mask_is_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
