/* SPDX-License-Identifier: MIT */
#include "test/runner/target.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/runner/proc.h"
#include "test/runner/runner.h"

#ifndef TEST_TARGETS
#define TEST_TARGETS "."
#endif

const char *target_path(const char *name)
{
	static char path[2][512];
	static unsigned turn;
	const char *folder = getenv("COTRACE_TEST_TARGETS");
	char *out = path[turn++ % 2];

	if (strchr(name, '/'))
		return name;
	snprintf(out, sizeof path[0], "%s/%s", folder ? folder : TEST_TARGETS, name);
	if (access(out, X_OK) != 0)
		test_skip("the target %s was not built", name);
	return out;
}

static void become(const char *const argv[], const char *path, const int in[2], const int out[2])
{
	sigset_t none;

	/* A test that dies must not leave it behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* In an orphaned group, such as a test driver makes, SIGTSTP stops nobody. */
	setpgid(0, 0);
	dup2(in[0], STDIN_FILENO);
	dup2(out[1], STDOUT_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(path, (char *const *)argv);
	_exit(127);
}

void target_start(struct target *t, const char *const argv[])
{
	const char *path = target_path(argv[0]);
	int in[2], out[2];

	*t = TARGET_NULL;
	CHECK_SYS(pipe2(in, O_CLOEXEC));
	CHECK_SYS(pipe2(out, O_CLOEXEC));
	t->pid = (pid_t)CHECK_SYS(fork());
	if (t->pid == 0)
		become(argv, path, in, out);
	close(in[0]);
	close(out[1]);
	t->in = in[1];
	t->out = out[0];
}

static int read_byte(struct target *t, char *c, int ms)
{
	struct pollfd p = { .fd = t->out, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, ms);
	while (r < 0 && errno == EINTR);
	return r > 0 ? (int)read(t->out, c, 1) : -1;
}

void target_line(struct target *t, char *line, size_t size)
{
	size_t used = 0;
	char c = 0, about[300];

	for (;;) {
		int r = read_byte(t, &c, (int)test_ms(10000));

		line[used] = '\0';
		if (r < 0) {
			proc_describe(t->pid, about, sizeof about);
			FAIL("the target says nothing more after \"%s\": %s", line, about);
		}
		if (r == 0)
			FAIL("the target ended its output after \"%s\"", line);
		if (c == '\n')
			return;
		if (used + 1 < size)
			line[used++] = c;
	}
}

void target_expect(struct target *t, const char *line)
{
	char got[512];

	do
		target_line(t, got, sizeof got);
	while (strcmp(got, line) != 0);
}

void target_go(struct target *t)
{
	CHECK_EQ(write(t->in, "\n", 1), 1);
}

static void close_fds(struct target *t)
{
	if (t->in >= 0)
		close(t->in);
	if (t->out >= 0)
		close(t->out);
	t->in = t->out = -1;
}

int target_wait(struct target *t, unsigned ms)
{
	char about[400];

	if (t->pid <= 0)
		return t->status;
	if (!WAIT_FOR(waitpid(t->pid, &t->status, WNOHANG) != 0, ms)) {
		proc_describe(t->pid, about, sizeof about);
		FAIL("the target does not end: %s", about);
	}
	close_fds(t);
	t->pid = -1;
	return t->status;
}

void target_ends_well(struct target *t, unsigned ms)
{
	int status = target_wait(t, ms);

	if (status != 0)
		FAIL("the target ended with %s", target_status_text(status));
}

size_t target_output(struct target *t, char *text, size_t size)
{
	size_t used = 0;
	char c;

	while (used + 1 < size && read_byte(t, &c, (int)test_ms(20000)) == 1)
		text[used++] = c;
	text[used] = '\0';
	return used;
}

void target_kill(struct target *t)
{
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, &t->status, 0);
	}
	close_fds(t);
	t->pid = -1;
}

const char *target_status_text(int status)
{
	static char text[64];

	if (WIFEXITED(status))
		snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof text, "signal %d%s", WTERMSIG(status),
			 WCOREDUMP(status) ? " core" : "");
	else
		snprintf(text, sizeof text, "status %x", (unsigned)status);
	return text;
}
