/* SPDX-License-Identifier: MIT */
/*
 * vforks N: N times vfork() and _exit(), N times vfork() and exec of itself. Prints
 * "vforks N shared N": the first kind has written into this process's memory.
 */
#include <sys/wait.h>

#include "test/targets/common.h"

static volatile unsigned shared;

static void expect(pid_t pid, int code)
{
	int status;

	MUST(pid > 0);
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

static void run_program(unsigned i)
{
	char text[16];
	pid_t pid;

	snprintf(text, sizeof text, "%u", i);
	pid = vfork();
	if (pid == 0) {
		execl("/proc/self/exe", "vforks", text, "leaf", (char *)NULL);
		_exit(127);
	}
	expect(pid, (int)(i % 100) + 1);
}

static void run_here(unsigned i)
{
	pid_t pid = vfork();

	if (pid == 0) {
		shared++;
		_exit((int)(i % 100));
	}
	expect(pid, (int)(i % 100));
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 10);

	if (argc == 3)
		return (int)(n % 100) + 1; /* the program of the second kind */
	for (unsigned i = 0; i < n; i++) {
		run_here(i);
		run_program(i);
	}
	MUST(shared == n);
	say("vforks %u shared %u\n", n, shared);
	return 0;
}
