/* SPDX-License-Identifier: MIT */
/*
 * blocked KIND [MS]: one thread waits in a system call, with the time limit MS where the
 * call has one; KIND "all" has a thread for each kind, "timed" for each with a time limit.
 * Prints "ready N" when all are blocked.
 *
 * Without MS no call may return before stdin says so; then each that can be woken is, and
 * must return as it should: prints "woke N". With MS each must return after MS, not before,
 * and not with EINTR: prints "timed N". A call that returns early is told as
 * "early KIND ERRNO after MS ms", and the exit code is 3.
 */
#include "test/targets/blocked.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

static atomic_int released, blocking;
static unsigned limit_ms;

static void *wait_in_call(void *arg)
{
	struct wait *w = arg;
	uint64_t started = now_ms(), took;
	long r;

	prctl(PR_SET_NAME, w->kind->name);
	w->tid = (pid_t)syscall(SYS_gettid);
	atomic_fetch_add(&blocking, 1);
	r = w->kind->block(w);
	took = now_ms() - started;
	if (r == -EINTR || (limit_ms ? took + 1 < limit_ms : !atomic_load(&released))) {
		say("early %s %s after %llu ms\n", w->kind->name,
		    r < 0 ? strerrorname_np((int)-r) : "0", (unsigned long long)took);
		_exit(EXIT_WRONG);
	}
	w->done = 1;
	return NULL;
}

/* The state letter of a task. */
static char state_of(pid_t tid)
{
	char path[64], text[256] = "", *at;
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	at = fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
	fclose(file);
	return at ? at[2] : 0;
}

static unsigned start(const char *which, struct wait *waits)
{
	unsigned n = 0;

	for (size_t i = 0; i < kind_count; i++) {
		struct wait *w = &waits[n];
		pthread_t thread;

		if (strcmp(which, kinds[i].name) != 0 && strcmp(which, "all") != 0 &&
		    (strcmp(which, "timed") != 0 || !kinds[i].timed))
			continue;
		*w = (struct wait){ .kind = &kinds[i],
				    .fd = -1,
				    .wake_fd = -1,
				    .ms = limit_ms ? limit_ms : 1000000 };
		if (!kinds[i].setup(w))
			continue;
		MUST(pthread_create(&thread, NULL, wait_in_call, w) == 0);
		n++;
	}
	return n;
}

static void wake(struct wait *w)
{
	uint64_t until = now_ms() + 10000;

	if (w->kind->wake == NULL)
		return;
	w->kind->wake(w);
	while (!w->done && now_ms() < until)
		usleep(500);
	if (!w->done) {
		say("not woken: %s\n", w->kind->name);
		_exit(EXIT_WRONG);
	}
}

int main(int argc, char **argv)
{
	struct wait *waits = calloc(kind_count, sizeof *waits);
	unsigned n;
	sigset_t set;

	MUST(argc > 1 && waits);
	limit_ms = number(argc, argv, 2, 0);
	/* So that nothing of System V stays behind when it can be helped. */
	unshare(CLONE_NEWIPC);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	n = start(argv[1], waits);
	if (n == 0)
		return EXIT_UNSUPPORTED; /* NOLINT(clang-analyzer-unix.Malloc) */
	while ((unsigned)atomic_load(&blocking) < n)
		usleep(500);
	for (unsigned i = 0; i < n; i++)
		while (!limit_ms && state_of(waits[i].tid) != 'S')
			usleep(500);
	say("ready %u\n", n);
	if (limit_ms) {
		for (unsigned i = 0; i < n; i++)
			while (!waits[i].done)
				usleep(1000);
		say("timed %u\n", n);
		_exit(0);
	}
	wait_for_go();
	atomic_store(&released, 1);
	for (unsigned i = 0; i < n; i++)
		wake(&waits[i]);
	say("woke %u\n", n);
	_exit(0);
}
