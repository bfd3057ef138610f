/* SPDX-License-Identifier: MIT */
/*
 * deserted: the first thread ends when told to, slowly, as it has many files of its own to
 * close; another lives on until stdin ends, and ends the process.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

static atomic_bool leaving;

static void *outlive(void *arg)
{
	(void)arg;
	while (!atomic_load(&leaving))
		usleep(1000);
	wait_for_go();
	exit(0);
}

int main(void)
{
	struct rlimit files;
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, outlive, NULL) == 0);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	MUST(unshare(CLONE_FILES) == 0);
	for (int i = 0; i < 4000 && epoll_create1(EPOLL_CLOEXEC) >= 0; i++)
		;
	say("ready\n");
	wait_for_go();
	atomic_store(&leaving, true);
	syscall(SYS_exit, 0);
}
