/* SPDX-License-Identifier: MIT */
#include "lib/launch.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE (256u * 1024)
#define SHARING (CLONE_VM | CLONE_VFORK)

struct launch {
	launch_body *body;
	void *argument;
	sigset_t mask; /* of the caller */
	int cancel_state;
	uint8_t *stacks; /* two */
	int error;	 /* of the inner clone() */
};

/* No handler of the caller may run on memory it does not expect to share. */
static int begin(struct launch *l, launch_body *body, void *argument)
{
	sigset_t all;

	*l = (struct launch){ .body = body, .argument = argument };
	l->stacks = mmap(NULL, 2 * STACK_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (l->stacks == MAP_FAILED)
		return -ENOMEM;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &l->cancel_state);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &l->mask);
	return 0;
}

static void end(struct launch *l)
{
	pthread_sigmask(SIG_SETMASK, &l->mask, NULL);
	pthread_setcancelstate(l->cancel_state, NULL);
	munmap(l->stacks, 2 * STACK_SIZE);
}

/* What clone() starts ends the process by returning; _exit() would trouble sanitizers. */
static int run_body(void *argument)
{
	struct launch *l = argument;

	return l->body(l->argument, &l->mask);
}

static int run_middle(void *argument)
{
	struct launch *l = argument;

	if (clone(run_body, l->stacks + 2 * STACK_SIZE, SHARING | CLONE_UNTRACED | SIGCHLD, l) < 0)
		l->error = -errno;
	return 0;
}

static pid_t start(struct launch *l, int (*run)(void *), int flags)
{
	pid_t pid = clone(run, l->stacks + STACK_SIZE, flags, l);

	return pid < 0 ? -errno : pid;
}

/* A child without an exit signal is found only by those who ask for it with __WALL. */
static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

pid_t launch_child(launch_body *body, void *argument)
{
	struct launch l;
	int saved = errno;
	pid_t pid = begin(&l, body, argument);

	if (pid == 0) {
		pid = start(&l, run_body, SHARING | SIGCHLD);
		end(&l);
	}
	errno = saved;
	return pid;
}

int launch_hidden(launch_body *body, void *argument)
{
	struct launch l;
	int saved = errno;
	int r = begin(&l, body, argument);

	if (r == 0) {
		r = start(&l, run_body, CLONE_UNTRACED);
		if (r > 0)
			r = reap(r);
		end(&l);
	}
	errno = saved;
	return r;
}

int launch_orphan(launch_body *body, void *argument)
{
	struct launch l;
	int saved = errno;
	int r = begin(&l, body, argument);

	if (r == 0) {
		r = start(&l, run_middle, SHARING | CLONE_UNTRACED);
		if (r > 0) {
			reap(r);
			r = l.error;
		}
		end(&l);
	}
	errno = saved;
	return r;
}

void launch_reset_signals(int only_caught)
{
	for (int n = 1; n < NSIG; n++) {
		struct sigaction now;

		if (sigaction(n, NULL, &now) < 0 || now.sa_handler == SIG_DFL)
			continue;
		if (only_caught && now.sa_handler == SIG_IGN)
			continue;
		signal(n, SIG_DFL);
	}
}
