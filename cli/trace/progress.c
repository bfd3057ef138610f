/* SPDX-License-Identifier: MIT */
#include "cli/trace/progress.h"

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool running, over;
	pid_t pid;
} progress = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };

static unsigned count_tasks(pid_t pid)
{
	char path[32];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 2 ? n - 2 : 0;
}

static void *tell(void *arg)
{
	struct timespec until;
	unsigned tasks, seconds = 0;

	(void)arg;
	tasks = count_tasks(progress.pid);
	clock_gettime(CLOCK_REALTIME, &until);
	pthread_mutex_lock(&progress.lock);
	while (!progress.over) {
		until.tv_sec++;
		if (!pthread_cond_timedwait(&progress.ended, &progress.lock, &until))
			continue;
		fprintf(stderr, "\rcotrace: attaching to process %d with %u task%s: %u s",
			(int)progress.pid, tasks, tasks == 1 ? "" : "s", ++seconds);
		fflush(stderr);
	}
	if (seconds)
		fprintf(stderr, "\r\033[K");
	pthread_mutex_unlock(&progress.lock);
	return NULL;
}

void progress_begin(pid_t pid)
{
	if (!isatty(STDERR_FILENO))
		return;
	progress.pid = pid;
	progress.over = false;
	progress.running = !pthread_create(&progress.thread, NULL, tell, NULL);
}

void progress_end(void)
{
	if (!progress.running)
		return;
	pthread_mutex_lock(&progress.lock);
	progress.over = true;
	pthread_cond_signal(&progress.ended);
	pthread_mutex_unlock(&progress.lock);
	pthread_join(progress.thread, NULL);
	progress.running = false;
}
