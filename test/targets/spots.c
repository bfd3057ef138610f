/* SPDX-License-Identifier: MIT */
/*
 * spots THREADS ROUNDS: says "ready ADDRESS..." of eight places whose instructions are of
 * different kinds, waits; then each thread passes each place ROUNDS times. It checks what the
 * instructions compute, that it gets no signal, and that its own code, outside the pages of
 * the places, has not changed; "passed N" is how often each place was passed.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "test/targets/common.h"

#define SPOTS 8

int spot_variable = 42;

/*
 * Each is a function: 0 no-op, 1 push, 2 relative to the pc, 3 a branch, 4 a call, 5 a system
 * call, 6 an indirect branch, 7 flags. All return what `expected` says.
 */
long spot_0(long), spot_1(long), spot_2(long), spot_3(long), spot_4(long), spot_5(long),
	spot_6(long), spot_7(long);
extern char spot_at_4[], spot_at_5[], spot_at_6[], spot_at_7[];

#ifdef __x86_64__
#define FIRST "%rdi"
#define RESULT "%rax"
#define FROM_VARIABLE "mov spot_variable(%rip), %eax\n cltq\n"
#define LOAD "mov " FIRST ", " RESULT "\n"
#define GETPPID "mov $110, %eax\n spot_at_5: syscall\n"
#define INDIRECT "lea 7f(%rip), %rcx\n spot_at_6: jmp *%rcx\n ud2\n 7: "
#define SAVE_FLAGS "spot_at_7: pushf\n pop %rax\n and $0x100, %eax\n"
#define PUSHED "push %rbp\n mov %rsp, %rbp\n"
#define POPPED "pop %rbp\n"
#define ALIGN_STACK
#else
#define LOAD "mov 4(%esp), %eax\n"
#define FROM_VARIABLE "call 1f\n 1: pop %eax\n add $spot_variable - 1b, %eax\n mov (%eax), %eax\n"
#define GETPPID "mov $64, %eax\n spot_at_5: int $0x80\n"
#define INDIRECT "call 8f\n 8: pop %ecx\n add $7f - 8b, %ecx\n spot_at_6: jmp *%ecx\n ud2\n 7: "
#define SAVE_FLAGS "spot_at_7: pushf\n pop %eax\n and $0x100, %eax\n"
#define PUSHED "push %ebp\n mov %esp, %ebp\n"
#define POPPED "pop %ebp\n"
#endif

__asm__(".pushsection .text.spots, \"ax\", @progbits\n .balign 4096\n"
	"spot_0: nop\n" LOAD "ret\n"
	"spot_1: " PUSHED POPPED LOAD "ret\n"
	"spot_2: " FROM_VARIABLE "ret\n"
	"spot_3: jmp 3f\n ud2\n 3: " LOAD "ret\n"
	"spot_4: " LOAD "spot_at_4: call 4f\n ret\n 4: ret\n"
	"spot_5: " GETPPID "ret\n"
	"spot_6: " INDIRECT LOAD "ret\n"
	"spot_7: " SAVE_FLAGS "ret\n"
	".balign 4096\n .popsection\n");

static long (*const spots[SPOTS])(long) = { spot_0, spot_1, spot_2, spot_3,
					    spot_4, spot_5, spot_6, spot_7 };
static const void *const places[SPOTS] = { spot_0,    spot_1,	 spot_2,    spot_3,
					   spot_at_4, spot_at_5, spot_at_6, spot_at_7 };
static unsigned rounds;
static atomic_uint passed;
static pthread_barrier_t barrier;
static pid_t parent;

static long expected(int which, long value)
{
	return which == 2 ? spot_variable : which == 5 ? parent : which == 7 ? 0 : value;
}

static void *work(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < rounds; i++) {
		for (int s = 0; s < SPOTS; s++)
			MUST(spots[s]((long)i) == expected(s, (long)i));
		atomic_fetch_add(&passed, 1);
	}
	return arg;
}

static void unexpected(int signo)
{
	dprintf(STDOUT_FILENO, "wrong: signal %d\n", signo);
	_exit(EXIT_WRONG);
}

/* This function's page and its neighbours, the places' excepted. */
static uint32_t checksum(void)
{
	extern const char __executable_start, etext;
	const char *from = (const char *)spot_0, *to = from + 4096;
	uint32_t sum = 0;

	for (const char *p = &__executable_start; p + 4 <= &etext; p += 4)
		if (p < from || p >= to) {
			uint32_t word;

			memcpy(&word, p, sizeof word);
			sum = mix(sum, word);
		}
	return sum;
}

int main(int argc, char **argv)
{
	unsigned threads = number(argc, argv, 1, 4);
	uint32_t sum = checksum();
	pthread_t v[256];

	rounds = number(argc, argv, 2, 1000);
	parent = getppid();
	MUST(threads <= 256);
	signal(SIGTRAP, unexpected);
	pthread_barrier_init(&barrier, NULL, threads);
	say("ready");
	for (int s = 0; s < SPOTS; s++)
		say(" %lx", (unsigned long)places[s]);
	say("\n");
	wait_for_go();
	for (unsigned i = 0; i < threads; i++)
		MUST(pthread_create(&v[i], NULL, work, NULL) == 0);
	for (unsigned i = 0; i < threads; i++)
		MUST(pthread_join(v[i], NULL) == 0);
	MUST(checksum() == sum);
	say("passed %u\n", atomic_load(&passed));
	return 0;
}
