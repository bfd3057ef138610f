/* SPDX-License-Identifier: MIT */
/*
 * field THREADS ROUNDS [beset]: says "ready ADDRESS" of a field of many instructions of three bytes, each
 * of which counts in the result. In each round it waits, and each thread passes the field once:
 * "passed ROUND". With no rounds they pass it again and again until it is told to go on: "passed
 * TIMES". If beset, signals with a handler come all the time meanwhile, and children of vfork(),
 * which pass it, too.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "test/targets/common.h"

#define FIELD 73728 /* more than fit into all scratch memory at once */
#define THREADS_MAX 64
#define SIGNALS_US 700
#define PAUSE_US 500 /* for who traces it, on few processors */

unsigned field(void);
extern const char field_begin[];

__asm__(".pushsection .text.field, \"ax\", @progbits\n .balign 4096\n"
	"field: mov $1, %eax\n"
	"field_begin: .rept 73728\n imul $3, %eax, %eax\n .endr\n"
	"ret\n .balign 4096\n .popsection\n");

static unsigned rounds, expected = 1;
static atomic_uint passed, handled;
static atomic_bool over;
static pthread_barrier_t barrier;

static void pass(void)
{
	MUST(field() == expected);
	atomic_fetch_add(&passed, 1);
}

static void *work(void *arg)
{
	for (unsigned i = 0; i < rounds; i++) {
		pthread_barrier_wait(&barrier);
		pass();
		pthread_barrier_wait(&barrier);
	}
	while (rounds == 0 && !atomic_load(&over)) {
		pass();
		usleep(PAUSE_US);
	}
	return arg;
}

static void on_signal(int signo)
{
	(void)signo;
	atomic_fetch_add(&handled, 1);
}

static void one_child(void)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0)
		_exit(field() == expected ? 0 : EXIT_WRONG);
	MUST(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		MUST(errno == EINTR);
	MUST(status == 0);
}

static void besets(void)
{
	const struct itimerval often = { { 0, SIGNALS_US }, { 0, SIGNALS_US } };
	const struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct pollfd go = { .fd = STDIN_FILENO, .events = POLLIN };

	MUST(sigaction(SIGALRM, &a, NULL) == 0);
	MUST(setitimer(ITIMER_REAL, &often, NULL) == 0);
	while (poll(&go, 1, 0) <= 0)
		one_child();
	MUST(setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL) == 0);
	MUST(atomic_load(&handled) > 0);
}

static void lead(bool beset)
{
	if (beset)
		besets();
	for (unsigned i = 0; i < rounds; i++) {
		wait_for_go();
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		say("passed %u\n", i + 1);
	}
	if (rounds == 0)
		wait_for_go();
	atomic_store(&over, true);
}

int main(int argc, char **argv)
{
	unsigned threads = number(argc, argv, 1, 3);
	pthread_t v[THREADS_MAX];

	rounds = number(argc, argv, 2, 0);
	MUST(threads <= THREADS_MAX);
	for (unsigned i = 0; i < FIELD; i++)
		expected *= 3;
	pthread_barrier_init(&barrier, NULL, threads + 1);
	say("ready %lx\n", (unsigned long)field_begin);
	for (unsigned i = 0; i < threads; i++)
		MUST(pthread_create(&v[i], NULL, work, NULL) == 0);
	lead(argc > 3);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(v[i], NULL);
	if (rounds == 0)
		say("passed %u\n", atomic_load(&passed));
	MUST(atomic_load(&passed) == threads * rounds || rounds == 0);
	return 0;
}
