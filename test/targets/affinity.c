/* SPDX-License-Identifier: MIT */
/*
 * affinity N: N times a cheap call, its own CPU mask, and now and then a child that looks at
 * the mask it has inherited. Prints "cpus N"; a mask that ever differs from the first one is
 * told and the exit code is 3.
 */
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/targets/common.h"

static int cpus(void)
{
	cpu_set_t set;

	MUST(sched_getaffinity(0, sizeof set, &set) == 0);
	return CPU_COUNT(&set);
}

static int childs_cpus(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(cpus());
	MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 2000);
	int first = cpus();

	for (unsigned i = 0; i < n; i++) {
		int now;

		syscall(SYS_getppid);
		now = i % 100 == 99 ? childs_cpus() : cpus();
		if (now != first) {
			say("round %u: %d cpus instead of %d\n", i, now, first);
			return EXIT_WRONG;
		}
	}
	say("cpus %d\n", first);
	return 0;
}
