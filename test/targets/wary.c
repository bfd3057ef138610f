/* SPDX-License-Identifier: MIT */
/*
 * wary: checks itself for what tracing might have done to it. Says "ready TIMED IDLE READ", the
 * addresses of three functions: it calls and times the first one; the second one stands beside
 * that; the third one is in the text that it reads; the last two are never called. Then, for
 * each byte on stdin, checks once and says "clean", or "found" and what differs from before:
 *	text	the checksum of its own text, without where the first two functions are
 *	signals	the number of signals of any kind, against what it has sent itself
 *	time	what a call of the first function, or of the system, takes at the least
 * Times are compared with those before "ready" only: the best of many short batches, which a
 * loaded machine does not make longer, and a trap makes longer a hundred times.
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "test/targets/common.h"

#define BATCHES 200
#define CALLS 50
#define TIMES_SLOWER 4 /* is another CPU, or another program beside it on this one */
#define SENT 10

#define APART __attribute__((noinline, noclone, section("wary_places")))
#define OPAQUE(v) __asm__ volatile("" : "+r"(v))

extern const char __start_wary_places[], __stop_wary_places[];
extern const char __executable_start, etext;

APART static long timed(long v)
{
	OPAQUE(v);
	return v + 1;
}

APART static long idle(long v)
{
	OPAQUE(v);
	return v + 2;
}

__attribute__((noinline, noclone)) static long is_read(long v)
{
	OPAQUE(v);
	return v + 3;
}

struct times {
	uint64_t function, system;
};

static unsigned counts[65], sent[65];

static void on_signal(int signo)
{
	counts[signo]++;
}

static uint32_t checksum(void)
{
	uint32_t sum = 0, word;

	for (const char *p = &__executable_start; p + sizeof word <= &etext; p += sizeof word)
		if (p + sizeof word <= __start_wary_places || p >= __stop_wary_places) {
			memcpy(&word, p, sizeof word);
			sum = mix(sum, word);
		}
	return sum;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void call_function(void)
{
	timed(1);
}

static void call_system(void)
{
	syscall(SYS_getppid);
}

/* Of a batch; ends early with one that is @good enough. */
static uint64_t least_time(void (*call)(void), uint64_t good)
{
	uint64_t least = UINT64_MAX;

	for (int batch = 0; batch < BATCHES && least > good; batch++) {
		uint64_t begun = now_ns(), took;

		for (int i = 0; i < CALLS; i++)
			call();
		took = now_ns() - begun;
		least = took < least ? took : least;
		usleep(100); /* what disturbs one disturbs not all */
	}
	return least;
}

static bool is_slower(const struct times *before)
{
	uint64_t function = before->function * TIMES_SLOWER, system = before->system * TIMES_SLOWER;

	return least_time(call_function, function) > function ||
	       least_time(call_system, system) > system;
}

static bool has_other_signals(void)
{
	for (int i = 0; i < SENT; i++) {
		raise(SIGUSR1);
		raise(SIGRTMIN);
	}
	sent[SIGUSR1] += SENT;
	sent[SIGRTMIN] += SENT;
	return memcmp(counts, sent, sizeof counts) != 0;
}

static void check(uint32_t sum, const struct times *before)
{
	bool text = checksum() != sum, signals = has_other_signals(), slower = is_slower(before);

	if (text || signals || slower)
		say("found%s%s%s\n", text ? " text" : "", signals ? " signals" : "",
		    slower ? " time" : "");
	else
		say("clean\n");
}

int main(void)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	uint32_t sum = checksum();
	struct times before;
	char order;

	/* Those that have no handler, or must not have one, are refused. */
	for (int signo = 1; signo < 65; signo++)
		sigaction(signo, &action, NULL);
	before.function = least_time(call_function, 0);
	before.system = least_time(call_system, 0);
	say("ready %lx %lx %lx\n", (unsigned long)timed, (unsigned long)idle,
	    (unsigned long)is_read);
	while (read(STDIN_FILENO, &order, 1) == 1)
		check(sum, &before);
	return 0;
}
