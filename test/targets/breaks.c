/* SPDX-License-Identifier: MIT */
/*
 * Comes to known places a known number of times: breaks WHAT ARGUMENT...
 *
 *	loop N [STATUS]		calls work() N times
 *	threads T N		T threads do that
 *	load LIBRARY N		loads a library, calls its lib_work() three times, unloads it; N times
 *	forks N			a child does as loop N does, its parent has called work() once
 *	heir LIBRARY		loads it; a child unloads it and loads it again, twice; each of the
 *				four times it is there lib_work() is called three times
 *	execs N			runs itself as loop N, in a child
 *	recursion N		calls down(N)
 *	copies N		copies memory N times
 *	wait N			says its pid, waits for a line, then as loop N
 *	forever			until it is killed
 *
 * Line numbers and names are those that test/system/break_command asks for.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

#include "test/targets/common.h"

struct pair {
	int number;
	const char *text;
	struct pair *next;
	unsigned char bytes[4];
};

int work_calls;
static unsigned long long wide = 0x1122334455667788;

static inline __attribute__((always_inline)) int inlined(int value)
{
	return value * 3 + __atomic_load_n(&work_calls, __ATOMIC_RELAXED) * 0; /* line: inlined */
}

__attribute__((noinline)) static int work(int n, const char *text, const struct pair *pair)
{
	int twice = 2 * n;

	__atomic_fetch_add(&work_calls, 1, __ATOMIC_RELAXED); /* line: count */

	/* line: no code */
	if (n % 2)
		twice++; /* line: odd */
	return twice + pair->number + (int)strlen(text) + inlined(n);
}

static int loop(unsigned n)
{
	struct pair last = { 9, "last", NULL, { 5, 6, 7, 8 } };
	struct pair first = { -4, "first", &last, { 1, 2, 3, 4 } };
	int sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += work((int)i, i % 2 ? "odd" : "even", i % 2 ? &first : &last);
	return sum + inlined((int)wide);
}

static void *thread(void *n)
{
	loop(*(unsigned *)n);
	return NULL;
}

static void threads(unsigned count, unsigned n)
{
	pthread_t ids[64];

	MUST(count <= 64);
	for (unsigned i = 0; i < count; i++)
		MUST(!pthread_create(&ids[i], NULL, thread, &n));
	for (unsigned i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
}

#ifndef STATIC_TARGET
static void *open_library(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);

	MUST(library);
	return library;
}

static void call_library(void *library)
{
	int (*function)(int) = (int (*)(int))(uintptr_t)dlsym(library, "lib_work");

	MUST(function);
	for (int k = 0; k < 3; k++)
		MUST(function(k) == 7 * k);
}

static void load(const char *path, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		void *library = open_library(path);

		call_library(library);
		MUST(!dlclose(library));
	}
}

static void heir(const char *path)
{
	void *library = open_library(path);
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		call_library(library);
		MUST(!dlclose(library));
		load(path, 2);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
	call_library(library);
	MUST(!dlclose(library));
}
#else
static void load(const char *path, unsigned n)
{
	(void)path;
	(void)n;
}

static void heir(const char *path)
{
	(void)path;
}
#endif

static void in_child(unsigned n, char **argv)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		if (argv) {
			execv(argv[0], argv);
			_exit(EXIT_WRONG);
		}
		work_calls = 0;
		loop(n);
		_exit(work_calls == (int)n ? 0 : EXIT_WRONG);
	}
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

static void execs(const char *program, const char *n)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "loop",
			 (char *)(uintptr_t)n, NULL };

	in_child(0, argv);
}

/* Calls itself down to 0; gives n. */
__attribute__((noinline)) static int down(int n)
{
	return n ? down(n - 1) + 1 : 0;
}

static void copies(unsigned n)
{
	static char from[4096] = "copied", to[4096];
	volatile size_t size = 777;

	for (unsigned i = 0; i < n; i++)
		memcpy(to, from, size);
	MUST(!strcmp(to, "copied"));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "loop";

	if (!strcmp(what, "loop"))
		loop(number(argc, argv, 2, 10));
	else if (!strcmp(what, "threads"))
		threads(number(argc, argv, 2, 4), number(argc, argv, 3, 100));
	else if (!strcmp(what, "load"))
		load(argv[2], number(argc, argv, 3, 3));
	else if (!strcmp(what, "heir"))
		heir(argv[2]);
	else if (!strcmp(what, "forks")) {
		loop(1);
		in_child(number(argc, argv, 2, 10), NULL);
	} else if (!strcmp(what, "execs"))
		execs(argv[0], argc > 2 ? argv[2] : "10");
	else if (!strcmp(what, "recursion"))
		MUST(down((int)number(argc, argv, 2, 3)) >= 0);
	else if (!strcmp(what, "copies"))
		copies(number(argc, argv, 2, 10));
	else if (!strcmp(what, "wait")) {
		say("%d\n", (int)getpid());
		wait_for_go();
		loop(number(argc, argv, 2, 10));
	} else if (!strcmp(what, "forever"))
		for (say("%d\n", (int)getpid());; usleep(1000))
			loop(1);
	else
		return EXIT_WRONG;
	say("calls=%d\n", work_calls);
	return !strcmp(what, "loop") ? (int)number(argc, argv, 3, 0) : 0;
}
