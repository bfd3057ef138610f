/* SPDX-License-Identifier: MIT */
#include "test/runner/runner.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/runner/proc.h"

#define EXIT_SKIP 77
#define EXIT_FAIL 1
#define DETAIL_SIZE 1024

static struct test *first_test, **last_test = &first_test;
/* Why a test failed or was skipped; shared with the process that runs it. */
static int detail_fd = -1;
static pid_t body_pid;

void test_add(struct test *test)
{
	*last_test = test;
	last_test = &test->next;
}

/* ---- What tests call ---- */

static void tell_detail(const char *format, va_list args, const char *file, int line)
{
	char text[DETAIL_SIZE];
	int n = 0;

	if (file)
		n = snprintf(text, sizeof text, "%s:%d: ", file, line);
	vsnprintf(text + n, sizeof text - (size_t)n, format, args);
	if (detail_fd >= 0)
		dprintf(detail_fd, "%s", text);
	else
		fprintf(stderr, "# %s\n", text);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell_detail(format, args, file, line);
	va_end(args);
	_exit(EXIT_FAIL);
}

void test_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell_detail(format, args, NULL, 0);
	va_end(args);
	_exit(EXIT_SKIP);
}

void test_note(const char *format, ...)
{
	char text[DETAIL_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	dprintf(STDOUT_FILENO, "# %s\n", text);
}

const char *test_errno_name(long long value)
{
	const char *name = value < 0 && value > -4096 ? strerrorname_np((int)-value) : NULL;

	return name ? name : "no errno";
}

static double scale(void)
{
	const char *text = getenv("COTRACE_TEST_SCALE");
	double value = text ? atof(text) : 1;

	return value > 0 ? value : 1;
}

bool test_long(void)
{
	return getenv("COTRACE_TEST_LONG") != NULL;
}

bool test_sanitized(void)
{
	return getenv("COTRACE_TEST_SANITIZED") != NULL;
}

unsigned test_rounds(unsigned normal, unsigned campaign)
{
	return test_long() ? campaign : normal;
}

unsigned test_ms(unsigned ms)
{
	return (unsigned)(ms * scale());
}

int64_t test_ns(unsigned ms)
{
	return (int64_t)test_ms(ms) * 1000000;
}

uint64_t test_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void test_sleep_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* ---- Running one test in its process ---- */

/* The open fds, as text to compare: "0->/dev/null 1->pipe:[123] ..." */
static void list_fds(char *out, size_t size)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	size_t used = 0;

	out[0] = '\0';
	while (dir && (entry = readdir(dir))) {
		char path[300], link[200];
		ssize_t n;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
		n = readlink(path, link, sizeof link - 1);
		if (n < 0)
			continue;
		link[n] = '\0';
		used += (size_t)snprintf(out + used, size - used, "%s->%s ", entry->d_name, link);
		if (used >= size)
			break;
	}
	if (dir)
		closedir(dir);
}

static void run_body(const struct test *test)
{
	static char before[8192], after[8192];

	body_pid = getpid();
	list_fds(before, sizeof before);
	test->body();
	if (getpid() != body_pid)
		_exit(EXIT_FAIL); /* a child that forgot to exit */
	list_fds(after, sizeof after);
	if (strcmp(before, after) != 0)
		FAIL("fds are left open: before %s; after %s", before, after);
}

static bool is_debugged(void)
{
	return proc_status_number(getpid(), "TracerPid") > 0;
}

/* ---- Running one test from outside ---- */

static unsigned timeout_of(const struct test *test)
{
	unsigned seconds = test->timeout_s ? test->timeout_s : 30;

	if (test_long() && seconds < 1200)
		seconds = 1200;
	return (unsigned)(seconds * scale());
}

/* Waits for @child without reaping it. False when time is up. */
static bool await(pid_t child, unsigned seconds)
{
	int fd = (int)syscall(SYS_pidfd_open, child, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, is_debugged() ? -1 : (int)seconds * 1000);
	while (r < 0 && errno == EINTR);
	close(fd);
	return r > 0;
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
		;
}

/* Writes what is known of each task of @pid, for the one who has to find out. */
static void describe(pid_t pid, void *arg)
{
	char text[400];

	(void)arg;
	proc_describe(pid, text, sizeof text);
	printf("#   left: %s\n", text);
}

static void kill_it(pid_t pid, void *arg)
{
	(void)arg;
	kill(pid, SIGKILL);
}

/*
 * Whatever the test started, and its engine, has become our child by now
 * (PR_SET_CHILD_SUBREAPER). Returns how many were still there after the grace.
 */
static unsigned sweep(bool expected_clean)
{
	uint64_t until = test_now_ns() + (uint64_t)test_ns(2000);
	unsigned left;

	do {
		reap();
		left = proc_each_child(getpid(), NULL, NULL);
		if (left == 0)
			return 0;
		test_sleep_ms(expected_clean ? 2 : 0);
	} while (expected_clean && test_now_ns() < until);
	proc_each_descendant(getpid(), describe, NULL);
	until = test_now_ns() + (uint64_t)test_ns(10000);
	while (proc_each_child(getpid(), NULL, NULL) && test_now_ns() < until) {
		proc_each_descendant(getpid(), kill_it, NULL);
		test_sleep_ms(1);
		reap();
	}
	return left;
}

static pid_t start(const struct test *test, int pipe_out)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	/* Only the body may write reasons; its children close this at exec. */
	detail_fd = pipe_out;
	run_body(test);
	fflush(NULL);
	exit(0);
}

static void read_detail(int fd, char *text, size_t size)
{
	ssize_t n = read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

enum outcome { PASSED, FAILED, SKIPPED };

static enum outcome judge(const struct test *test, int status, bool in_time, char *detail)
{
	bool failed = status != 0;

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP && in_time)
		return SKIPPED;
	if (!in_time)
		snprintf(detail, DETAIL_SIZE, "not done in %u s", timeout_of(test));
	else if (WIFSIGNALED(status))
		snprintf(detail, DETAIL_SIZE, "killed by %s", strsignal(WTERMSIG(status)));
	else if (failed && detail[0] == '\0')
		snprintf(detail, DETAIL_SIZE, "exit status %d", WEXITSTATUS(status));
	if (test->must_fail) {
		if (!failed)
			snprintf(detail, DETAIL_SIZE, "should have failed");
		return failed && in_time ? PASSED : FAILED;
	}
	return failed ? FAILED : PASSED;
}

static enum outcome run_forked(const struct test *test, char *detail)
{
	int fds[2], status = 0;
	enum outcome outcome;
	bool in_time;
	unsigned left;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		exit(EXIT_FAIL);
	child = start(test, fds[1]);
	close(fds[1]);
	in_time = await(child, timeout_of(test));
	if (!in_time) {
		proc_each_descendant(getpid(), describe, NULL);
		kill(child, SIGKILL);
	}
	waitpid(child, &status, __WALL);
	read_detail(fds[0], detail, DETAIL_SIZE);
	close(fds[0]);
	outcome = judge(test, status, in_time, detail);
	/* After a failure leftovers prove nothing; they are only removed. */
	left = sweep(outcome == PASSED && !test->must_fail);
	if (left && outcome == PASSED && !test->must_fail) {
		snprintf(detail, DETAIL_SIZE, "%u processes are left", left);
		return FAILED;
	}
	return outcome;
}

static enum outcome run(const struct test *test, unsigned number)
{
	char detail[DETAIL_SIZE] = "";
	uint64_t started = test_now_ns();
	enum outcome outcome;

	if (test->is_long && !test_long())
		outcome = SKIPPED, strcpy(detail, "a long test: make campaign");
	else
		outcome = run_forked(test, detail);
	if (outcome == FAILED)
		printf("# %s: %s\n", test->name, detail);
	if (outcome == SKIPPED)
		printf("ok %u - %s # SKIP %s\n", number, test->name, detail);
	else
		printf("%s %u - %s\n", outcome == PASSED ? "ok" : "not ok", number, test->name);
	printf("# %.2f s\n", (double)(test_now_ns() - started) / 1e9);
	fflush(stdout);
	return outcome;
}

/* ---- The command line ---- */

static bool is_wanted(const struct test *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(test->name, argv[i]) == 0)
			return true;
	return argc == 1;
}

static int run_unforked(const char *name)
{
	for (struct test *test = first_test; test; test = test->next) {
		if (strcmp(test->name, name) != 0)
			continue;
		run_body(test);
		return 0;
	}
	fprintf(stderr, "no test is called %s\n", name);
	return EXIT_FAIL;
}

static int list(void)
{
	for (struct test *test = first_test; test; test = test->next)
		puts(test->name);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned count[3] = { 0 }, number = 0;

	/* A system test finds its engine without being told. */
#ifdef TEST_ENGINE
	setenv("COTRACE_ENGINE", TEST_ENGINE, 0);
#endif
	if (argc == 2 && strcmp(argv[1], "-l") == 0)
		return list();
	if (argc == 3 && strcmp(argv[1], "-n") == 0)
		return run_unforked(argv[2]);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (struct test *test = first_test; test; test = test->next)
		if (is_wanted(test, argc, argv))
			count[run(test, ++number)]++;
	printf("1..%u\n# %u passed, %u failed, %u skipped\n", number, count[PASSED], count[FAILED],
	       count[SKIPPED]);
	return number == 0 || count[FAILED] ? EXIT_FAIL : 0;
}
