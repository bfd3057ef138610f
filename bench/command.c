/* SPDX-License-Identifier: MIT */
/* Commands that trace a target while it is measured. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define GIVE_UP_NS 20e9

static void execute(char *const argv[], int cpu, int out)
{
	bench_pin(cpu);
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(out, 1);
	dup2(out, 2);
	unsetenv("DEBUGINFOD_URLS");
	execvp(argv[0], argv);
	_exit(127);
}

size_t command_said(const struct command *c, const char *text)
{
	size_t count = 0, length = strlen(text), left;
	struct stat file;
	const char *all, *at;

	if (fstat(c->out, &file) < 0 || file.st_size == 0)
		return 0;
	left = (size_t)file.st_size;
	all = at = mmap(NULL, left, PROT_READ, MAP_SHARED, c->out, 0);
	if (all == MAP_FAILED)
		bench_die("mmap");
	while ((at = memmem(at, left, text, length)) != NULL) {
		count++;
		at += length;
		left = (size_t)(all + file.st_size - at);
	}
	munmap((void *)(uintptr_t)all, (size_t)file.st_size);
	return count;
}

bool command_wait(const struct command *c, const char *text, size_t count)
{
	double deadline = bench_now() + GIVE_UP_NS;

	while (command_said(c, text) < count) {
		if (bench_now() > deadline || waitpid(c->pid, NULL, WNOHANG) != 0)
			return command_said(c, text) >= count;
		usleep(500);
	}
	return true;
}

bool command_start(struct command *c, char *const argv[], int cpu)
{
	if (!command_exists(argv[0]))
		return false;
	c->out = memfd_create("bench", MFD_CLOEXEC);
	if (c->out < 0 || fcntl(c->out, F_SETFL, O_APPEND) < 0)
		bench_die("memfd");
	c->pid = fork();
	if (c->pid < 0)
		bench_die("fork");
	if (c->pid == 0)
		execute(argv, cpu, c->out);
	return true;
}

void command_finish(struct command *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->out);
}
