/* SPDX-License-Identifier: MIT */
/* The peers: a ptrace loop that does the least a tracer must do, strace, plain commands. */
#include "bench/bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIDS_MAX 20000
#define GIVE_UP_NS 20e9

size_t task_list(pid_t pid, pid_t *tids, size_t max)
{
	char path[40];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while (count < max && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			tids[count++] = (pid_t)atoi(entry->d_name);
	closedir(dir);
	return count;
}

static void seize_all(struct target *t)
{
	static pid_t tids[TIDS_MAX];
	size_t count = task_list(t->pid, tids, TIDS_MAX);
	int status;

	for (size_t i = 0; i < count; i++) {
		if (ptrace(PTRACE_SEIZE, tids[i], NULL, PTRACE_O_TRACESYSGOOD) < 0)
			bench_die("seize");
		ptrace(PTRACE_INTERRUPT, tids[i], NULL, NULL);
		waitpid(tids[i], &status, __WALL);
	}
	for (size_t i = 0; i < count; i++)
		ptrace(PTRACE_SYSCALL, tids[i], NULL, NULL);
}

static void look(struct target *t, pid_t tid, bool capture)
{
	struct ptrace_syscall_info info;
	char bytes[64];

	if (syscall(SYS_ptrace, PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) < 0)
		return;
	if (capture && info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_write) {
		struct iovec local = { bytes, sizeof bytes };
		struct iovec remote = { (void *)(uintptr_t)info.entry.args[1], sizeof bytes };

		process_vm_readv(tid, &local, 1, &remote, 1, 0);
	}
	t->notes->events++;
}

void raw_trace(struct target *t, enum raw_wait how, bool capture)
{
	pid_t hot = t->notes->hot;

	seize_all(t);
	target_go(t);
	for (;;) {
		int status, signo = 0;
		pid_t tid = waitpid(how == RAW_WAIT_TID ? hot : -1, &status, __WALL);

		if (tid < 0)
			return;
		if (!WIFSTOPPED(status)) {
			if (tid == hot)
				return;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			look(t, tid, capture);
		else if (status >> 16 == 0)
			signo = WSTOPSIG(status);
		ptrace(PTRACE_SYSCALL, tid, NULL, signo);
	}
}

/* False: the tracer has lost it; strace 6.1 does at times, with several threads. */
static bool wait_for_end(struct target *t)
{
	double deadline = bench_now() + GIVE_UP_NS;

	while (t->notes->end == 0 && bench_now() < deadline)
		usleep(500);
	return t->notes->end != 0;
}

double tracer_run(struct target *t, int cpu, void (*body)(struct target *t, const void *arg),
		  const void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		bench_die("fork");
	if (pid == 0) {
		bench_pin(cpu);
		body(t, arg);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0) {
		fprintf(stderr, "bench: a tracer ended with status 0x%x\n", (unsigned)status);
		return -1;
	}
	return wait_for_end(t) ? target_ns(t) : -1;
}

bool command_exists(const char *name)
{
	char path[512], *list = getenv("PATH"), *copy = strdup(list ? list : ""), *save = NULL;
	bool found = strchr(name, '/') != NULL && access(name, X_OK) == 0;

	for (char *dir = strtok_r(copy, ":", &save); dir && !found;
	     dir = strtok_r(NULL, ":", &save)) {
		snprintf(path, sizeof path, "%s/%s", dir, name);
		found = access(path, X_OK) == 0;
	}
	free(copy);
	return found;
}

static pid_t start(char *const argv[], int cpu, int err)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	bench_pin(cpu);
	dup2(open("/dev/null", O_RDWR), 1);
	dup2(err >= 0 ? err : 1, 2);
	execvp(argv[0], argv);
	_exit(127);
}

pid_t strace_start(pid_t target, int cpu, bool threads)
{
	char number[16], line[512];
	const char *argv[] = { "strace", "-o", "/dev/null", "-p", number, threads ? "-f" : NULL,
			       NULL };
	int pipe_fds[2];
	FILE *messages;
	pid_t pid;

	if (!command_exists("strace") || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -1;
	snprintf(number, sizeof number, "%d", (int)target);
	pid = start((char *const *)argv, cpu, pipe_fds[1]);
	close(pipe_fds[1]);
	messages = fdopen(pipe_fds[0], "r");
	/* It says so when it has attached; what it says later goes nowhere. */
	if (fgets(line, sizeof line, messages) == NULL || strstr(line, "attached") == NULL) {
		fprintf(stderr, "bench: strace: %s", line);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	fclose(messages);
	usleep(20000); /* until it has taken the first stop of each thread */
	return pid;
}

double command_run(char *const argv[], int cpu)
{
	double from;
	int status;
	pid_t pid;

	if (!command_exists(argv[0]))
		return -1;
	from = bench_now();
	pid = start(argv, cpu, -1);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		return -1;
	return (bench_now() - from) / 1e9;
}
