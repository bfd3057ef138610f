/* SPDX-License-Identifier: MIT */
/*
 * spots THREADS ROUNDS [MODE...]: says "ready ADDRESS..." of nine places whose instructions are of
 * different kinds, waits; then each thread passes each place ROUNDS times. It checks what the
 * instructions compute, that it gets no signal, and that its own code, outside the pages of
 * the places, has not changed; "passed N" is how often each place was passed. Modes:
 *	fork	then a child passes each place ROUNDS times
 *	vfork	then ROUNDS children of vfork() pass each place once
 *	hang	... after a while
 *	signals	meanwhile a timer's signals come, with a handler that passes place 0
 *		("handled N" before "passed")
 *	trap	then the program's own trap instruction, at place 8, ROUNDS times
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "test/targets/common.h"

#define SPOTS 8
#define HANG_US 3000

int spot_variable = 42;

/*
 * Each is a function: 0 no-op, 1 push, 2 relative to the pc, 3 a branch, 4 a call, 5 a system
 * call, 6 an indirect branch, 7 flags. All return what `expected` says.
 */
long spot_0(long), spot_1(long), spot_2(long), spot_3(long), spot_4(long), spot_5(long),
	spot_6(long), spot_7(long);
extern char spot_at_4[], spot_at_5[], spot_at_6[], spot_at_7[], spot_at_8[];
void spot_8(void);

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
	"spot_8: nop\n spot_at_8: int3\n ret\n"
	".balign 4096\n .popsection\n");

static long (*const spots[SPOTS])(long) = { spot_0, spot_1, spot_2, spot_3,
					    spot_4, spot_5, spot_6, spot_7 };
static const void *const places[SPOTS + 1] = { spot_0,	  spot_1,    spot_2,	spot_3,	  spot_at_4,
					       spot_at_5, spot_at_6, spot_at_7, spot_at_8 };
static unsigned rounds;
static atomic_uint passed, handled, trapped;
static bool traps;
static char **modes;
static pthread_barrier_t barrier;
static pid_t parent;

static bool has(const char *mode)
{
	for (char **m = modes; *m != NULL; m++)
		if (strcmp(*m, mode) == 0)
			return true;
	return false;
}

static long expected(int which, long value)
{
	return which == 2 ? spot_variable : which == 5 ? parent : which == 7 ? 0 : value;
}

static void pass(unsigned i)
{
	for (int s = 0; s < SPOTS; s++)
		MUST(spots[s]((long)i) == expected(s, (long)i));
}

static void *work(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < rounds; i++) {
		pass(i);
		atomic_fetch_add(&passed, 1);
	}
	return arg;
}

static void ended_well(pid_t pid)
{
	int status;

	MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void by_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		parent = getppid();
		for (unsigned i = 0; i < rounds; i++)
			pass(i);
		_exit(0);
	}
	ended_well(pid);
}

static void one_vfork(unsigned i)
{
	pid_t outer = parent, pid = vfork();

	if (pid == 0) {
		parent = getppid();
		if (has("hang"))
			usleep(HANG_US);
		pass(i);
		parent = outer;
		_exit(0);
	}
	ended_well(pid);
}

static void by_vfork(void)
{
	for (unsigned i = 0; i < rounds; i++)
		one_vfork(i);
}

static void on_timer(int signo)
{
	(void)signo;
	MUST(spot_0(7) == 7);
	atomic_fetch_add(&handled, 1);
}

static void start_timer(void)
{
	const struct itimerval often = { { 0, 300 }, { 0, 300 } };

	signal(SIGALRM, on_timer);
	MUST(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void stop_timer(void)
{
	MUST(setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL) == 0);
	say("handled %u\n", atomic_load(&handled));
}

static void on_trap(int signo, siginfo_t *info, void *context)
{
	(void)context;
	if (traps && info->si_code == SI_KERNEL) {
		atomic_fetch_add(&trapped, 1);
		return;
	}
	say("wrong: signal %d code %d\n", signo, info->si_code);
	_exit(EXIT_WRONG);
}

static void by_trap(void)
{
	traps = true;
	for (unsigned i = 0; i < rounds; i++)
		spot_8();
	traps = false;
	MUST(atomic_load(&trapped) == rounds);
}

/* The whole text but the page of the places. */
static uint32_t checksum(void)
{
	extern const char __executable_start, etext;
	const char *from = (const char *)spot_0, *to = from + 4096;
	uint32_t sum = 0, word;

	for (const char *p = &__executable_start; p + sizeof word <= &etext; p += sizeof word)
		if (p < from || p >= to) {
			memcpy(&word, p, sizeof word);
			sum = mix(sum, word);
		}
	return sum;
}

static void say_ready(void)
{
	say("ready");
	for (int s = 0; s <= SPOTS; s++)
		say(" %lx", (unsigned long)places[s]);
	say("\n");
}

int main(int argc, char **argv)
{
	const struct sigaction trap_action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	unsigned threads = number(argc, argv, 1, 4);
	uint32_t sum = checksum();
	pthread_t v[256];

	rounds = number(argc, argv, 2, 1000);
	modes = argc > 3 ? argv + 3 : argv + argc;
	parent = getppid();
	MUST(threads <= 256);
	sigaction(SIGTRAP, &trap_action, NULL);
	pthread_barrier_init(&barrier, NULL, threads);
	say_ready();
	wait_for_go();
	if (has("signals"))
		start_timer();
	for (unsigned i = 0; i < threads; i++)
		MUST(pthread_create(&v[i], NULL, work, NULL) == 0);
	for (unsigned i = 0; i < threads; i++)
		MUST(pthread_join(v[i], NULL) == 0);
	if (has("signals"))
		stop_timer();
	if (has("fork"))
		by_fork();
	if (has("vfork") || has("hang"))
		by_vfork();
	if (has("trap"))
		by_trap();
	MUST(checksum() == sum);
	say("passed %u\n", atomic_load(&passed));
	return 0;
}
