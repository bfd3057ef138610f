/* SPDX-License-Identifier: MIT */
/* The runner has to notice what it promises to notice. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/runner/proc.h"
#include "test/runner/runner.h"

TEST(a_test_without_a_failed_check_passes)
{
	CHECK_EQ(1, 1);
	CHECK_STR("a", "a");
}

TEST(a_failed_check_fails_the_test, .must_fail = true)
{
	CHECK_EQ(1, 2);
}

TEST(a_crash_fails_the_test, .must_fail = true)
{
	raise(SIGABRT);
}

TEST(an_fd_that_stays_open_fails_the_test, .must_fail = true)
{
	CHECK_SYS(dup(STDIN_FILENO));
}

/* Runs one of the tests below in a runner of its own and checks how that ends. */
static void nested_run(const char *name, const char *expected)
{
	char self[512], command[700], line[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	bool found = false;
	FILE *out;

	CHECK(n > 0);
	self[n] = '\0';
	snprintf(command, sizeof command, "COTRACE_NESTED=1 %s %s", self, name);
	out = popen(command, "re");
	while (fgets(line, sizeof line, out))
		found |= strstr(line, expected) != NULL;
	CHECK(pclose(out) != 0);
	CHECK(found);
}

/* The nested tests misbehave only when another test has started them. */
static bool is_nested(void)
{
	return getenv("COTRACE_NESTED") != NULL;
}

TEST(nested_leaves_a_stopped_process)
{
	pid_t pid;

	if (!is_nested())
		return;
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	CHECK_SOON(proc_state(pid) == 'T', 1000);
}

TEST(nested_takes_too_long, .timeout_s = 1)
{
	if (is_nested())
		pause();
}

TEST(a_process_that_stays_fails_the_test)
{
	nested_run("nested_leaves_a_stopped_process", "1 processes are left");
}

TEST(a_test_that_takes_too_long_fails)
{
	nested_run("nested_takes_too_long", "not done in");
}

TEST(descendants_are_found_in_proc)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	CHECK_EQ(proc_each_descendant(getpid(), NULL, NULL), 1);
	CHECK_SOON(proc_state(pid) == 'S', 1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK_EQ(proc_state(pid), 0);
}
