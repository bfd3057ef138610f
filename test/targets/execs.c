/* SPDX-License-Identifier: MIT */
/*
 * execs N [thread]: runs itself N times over, carrying a checksum along; with "thread" each
 * exec is called by a thread that is not the leader while others are at work. The pid stays.
 * Prints "execs done checksum X" from the last program.
 */
#include <pthread.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

static char **next_argv;

static void *spin(void *arg)
{
	for (;;)
		syscall(SYS_getppid);
	return arg;
}

static void *exec_next(void *arg)
{
	(void)arg;
	MUST(syscall(SYS_gettid) != getpid() || next_argv[2] == NULL ||
	     strcmp(next_argv[2], "thread") != 0);
	execv("/proc/self/exe", next_argv);
	MUST(!"exec failed");
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned left = number(argc, argv, 1, 3), sum = number(argc, argv, 3, 1);
	char left_text[16], sum_text[16], pid_text[16];
	char leader[] = "leader", *mode = argc > 2 ? argv[2] : leader;
	pthread_t thread;

	MUST(argc < 5 || getpid() == (pid_t)number(argc, argv, 4, 0));
	if (left == 0) {
		say("execs done checksum %08x\n", sum);
		return 0;
	}
	snprintf(left_text, sizeof left_text, "%u", left - 1);
	snprintf(sum_text, sizeof sum_text, "%u", mix(sum, left));
	snprintf(pid_text, sizeof pid_text, "%d", (int)getpid());
	next_argv = (char *[]){ argv[0], left_text, mode, sum_text, pid_text, NULL };
	if (strcmp(mode, "thread") != 0)
		exec_next(NULL);
	for (unsigned i = 0; i < 2; i++)
		MUST(pthread_create(&thread, NULL, spin, NULL) == 0);
	MUST(pthread_create(&thread, NULL, exec_next, NULL) == 0);
	pthread_join(thread, NULL);
	return EXIT_WRONG; /* NOLINT(clang-analyzer-core.StackAddressEscape) */
}
