/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/points.h"

#define STACK (32u << 10)
#define POINT_PLAIN_MAX 1000000

static struct {
	struct bench_notes *notes;
	struct target_plan plan;
	size_t calls; /* of each task that works */
	int go;
} self;

/* ---- The clock ---- */

static double cpu_time_of(pid_t pid)
{
	char path[300];
	struct dirent *entry;
	double sum = 0, ns;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%lf", &ns) == 1)
			sum += ns;
		fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return sum;
}

static pid_t tracer_of(pid_t pid)
{
	char path[40], line[128];
	int tracer = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof line, f) &&
	       sscanf(line, "TracerPid: %d", &tracer) != 1)
		;
	if (f != NULL)
		fclose(f);
	return tracer;
}

double target_clock(pid_t target, const struct bench_notes *notes)
{
	double sum;

	if (!bench_cpu_time)
		return bench_now();
	sum = cpu_time_of(target) + cpu_time_of(tracer_of(target));
	for (size_t i = 0; i < BENCH_CLIENTS_MAX && notes->clients[i]; i++)
		sum += cpu_time_of(notes->clients[i]);
	return sum;
}

/* ---- The work ---- */

static void call(enum target_work work, int in, int out)
{
	char buffer[64];

	if (work == TARGET_READ_WRITE) {
		if (read(in, buffer, sizeof buffer) < 0 || write(out, buffer, sizeof buffer) < 0)
			_exit(1);
		return;
	}
	self.notes->stamp = bench_now();
	syscall(SYS_getppid);
	if (work == TARGET_SPARSE)
		usleep(1000);
}

static void call_point(size_t times, long value)
{
	void (*point)(long, const long *) = points[self.plan.point].call;

	for (size_t i = 0; i < times; i++)
		point(value, &value);
}

static void call_all(int in, int out)
{
	size_t step = self.plan.work == TARGET_READ_WRITE ? 2 : 1;

	if (self.plan.work == TARGET_POINT)
		call_point(self.calls, 0);
	else
		for (size_t i = 0; i < self.calls; i += step)
			call(self.plan.work, in, out);
}

static void work(void)
{
	int in = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);
	struct bench_notes *notes = self.notes;
	char byte;

	notes->hot = (int)syscall(SYS_gettid);
	notes->working++;
	notes->ready++;
	if (read(self.go, &byte, 1) != 1)
		_exit(1);
	if (notes->start == 0)
		notes->start = target_clock(getpid(), notes);
	call_all(in, out);
	if (--notes->working > 0)
		for (;;)
			pause();
	notes->end = target_clock(getpid(), notes);
	if (self.plan.work == TARGET_POINT)
		call_point(1, POINT_MATCH);
	/* Tracers get the last of it before they have to do with deaths. */
	usleep(5000);
	_exit(0);
}

static void *worker(void *arg)
{
	work();
	return arg;
}

static void *idler(void *arg)
{
	self.notes->ready++;
	for (;;)
		pause();
	return arg;
}

/* What the work takes by itself: many times as short as with anything in its way. */
static void time_points(void)
{
	double from = bench_now();

	if (self.plan.work != TARGET_POINT || self.calls > POINT_PLAIN_MAX)
		return;
	call_point(self.calls * (size_t)self.plan.busy, 0);
	self.notes->untraced = bench_now() - from;
}

static void be_target(void)
{
	int threads = self.plan.threads;
	int first = threads == self.plan.busy ? 0 : threads / 2, last = first + self.plan.busy;
	pthread_attr_t attr;
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	time_points();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (int i = 1; i < threads; i++)
		if (pthread_create(&thread, &attr, i >= first && i < last ? worker : idler, NULL))
			bench_die("pthread_create");
	if (first == 0)
		work();
	idler(NULL);
}

static void set_plan(const struct target_plan *plan)
{
	self.plan = *plan;
	if (self.plan.busy == 0)
		self.plan.busy = 1;
	if (self.plan.threads == 0)
		self.plan.threads = 1;
	/* Those that work stand among others. */
	if (self.plan.threads > self.plan.busy && self.plan.threads < 2 * self.plan.busy + 1)
		self.plan.threads = 2 * self.plan.busy + 1;
	self.calls = self.plan.calls / (size_t)self.plan.busy;
}

void target_start(struct target *t, int cpu, const struct target_plan *plan)
{
	int fds[2];

	set_plan(plan);
	t->notes = self.notes = bench_shared(sizeof *t->notes);
	if (pipe2(fds, O_CLOEXEC) < 0)
		bench_die("pipe");
	t->pid = fork();
	if (t->pid < 0)
		bench_die("fork");
	if (t->pid == 0) {
		close(fds[1]);
		self.go = fds[0];
		bench_pin(cpu);
		be_target();
	}
	close(fds[0]);
	t->go = fds[1];
	while (t->notes->ready < self.plan.threads)
		usleep(1000);
	usleep(2000);
}

void target_go(struct target *t)
{
	char word[64] = { 0 };

	if (write(t->go, word, (size_t)self.plan.busy) != self.plan.busy)
		bench_die("go");
}

void target_finish(struct target *t)
{
	close(t->go);
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, __WALL);
	munmap(t->notes, sizeof *t->notes);
	t->notes = NULL;
}

double target_ns(const struct target *t)
{
	double end = t->notes->end;

	if (bench_cpu_time)
		return end - t->notes->start;
	return (t->notes->traced_end > end ? t->notes->traced_end : end) - t->notes->start;
}
