/* SPDX-License-Identifier: MIT */
/*
 * forks DEPTH WIDTH: a tree of processes; each reports a checksum of its subtree to its
 * parent through a pipe and by its exit code. Prints "processes N checksum X".
 */
#include <sys/wait.h>

#include "test/targets/common.h"

struct report {
	uint32_t count, sum;
};

static struct report grow(unsigned depth, unsigned width, uint32_t seed);

static struct report branch(unsigned depth, unsigned width, uint32_t seed)
{
	struct report got = { 0 };
	int fds[2], status;
	pid_t pid;

	MUST(pipe(fds) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		got = grow(depth, width, seed);
		MUST(write(fds[1], &got, sizeof got) == sizeof got);
		_exit((int)(got.sum & 0x7f));
	}
	close(fds[1]);
	MUST(read(fds[0], &got, sizeof got) == sizeof got);
	close(fds[0]);
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == (int)(got.sum & 0x7f));
	return got;
}

static struct report grow(unsigned depth, unsigned width, uint32_t seed)
{
	struct report all = { 1, mix(seed, depth) };

	for (unsigned i = 0; depth > 0 && i < width; i++) {
		struct report one = branch(depth - 1, width, mix(seed, i));

		all.count += one.count;
		all.sum = mix(all.sum, one.sum);
	}
	return all;
}

int main(int argc, char **argv)
{
	struct report all = grow(number(argc, argv, 1, 3), number(argc, argv, 2, 3), 1);

	say("processes %u checksum %08x\n", all.count, all.sum);
	return 0;
}
