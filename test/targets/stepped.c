/* SPDX-License-Identifier: MIT */
/*
 * Does what shows a trap flag: once by itself, then, from from_here() to to_here(), for a
 * tracer to step through, and compares what it saw: stepped [WHAT [TIMES]]...
 *
 * Says "ready FROM TO SPOT" and waits for a byte; in the end "good", or what differed.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "test/targets/common.h"

#define TRAP_FLAG 0x100
#define SEEN_MAX 200
#define CREATIONS 1000

#ifdef __x86_64__
#define REG_PC REG_RIP
#define PUSH_FLAGS "pushfq\n"
#define POP_FLAGS "popfq\n"
#define OR_FLAGS "orl $0x100, (%%rsp)\n"
#define AND_FLAGS "andl $~0x100, (%%rsp)\n"
#define AX "%%rax"
#define POP_AX "pop " AX "\n"
#define RED_ZONE "lea -128(%%rsp), %%rsp\n"
#define RED_ZONE_END "lea 128(%%rsp), %%rsp\n"
#else
#define REG_PC REG_EIP
#define PUSH_FLAGS "pushfl\n"
#define POP_FLAGS "popfl\n"
#define OR_FLAGS "orl $0x100, (%%esp)\n"
#define AND_FLAGS "andl $~0x100, (%%esp)\n"
#define AX "%%eax"
#define POP_AX "pop " AX "\n"
#define RED_ZONE ""
#define RED_ZONE_END ""
#endif

static unsigned long expected[SEEN_MAX], seen[SEEN_MAX];
static unsigned long *record = expected;
static unsigned recorded;

static void see(unsigned long value)
{
	if (recorded < SEEN_MAX)
		record[recorded++] = value;
}

__attribute__((noinline)) static void from_here(void)
{
	__asm__ volatile("nop" ::: "memory");
}

__attribute__((noinline)) static void to_here(void)
{
	__asm__ volatile("nop" ::: "memory");
}

/* Somewhere to break. */
__attribute__((noinline)) static void spot(void)
{
	__asm__ volatile("nop" ::: "memory");
}

static unsigned long flags_now(void)
{
	unsigned long flags;

	__asm__ volatile(RED_ZONE PUSH_FLAGS "pop %0\n" RED_ZONE_END : "=r"(flags)::"memory");
	return flags & TRAP_FLAG;
}

/* ---- What a handler sees ---- */

static unsigned char skip; /* bytes that a handler passes over */

static void on_signal(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	see((unsigned long)signo);
	see((unsigned long)info->si_code);
	see(flags_now());
	see((unsigned long)uc->uc_mcontext.gregs[REG_EFL] & TRAP_FLAG);
	if (info->si_code > 0)
		see((unsigned long)uc->uc_mcontext.gregs[REG_PC]);
	uc->uc_mcontext.gregs[REG_PC] += skip;
	skip = 0;
}

static void on_plain_signal(int signo)
{
	see((unsigned long)signo);
	see(flags_now());
}

static void handle(int signo, int flags)
{
	struct sigaction a = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags };

	MUST(sigaction(signo, &a, NULL) == 0);
}

/* ---- What is stepped through ---- */

static void flags(void)
{
	unsigned short narrow;

	see(flags_now());
	__asm__ volatile(RED_ZONE "pushfw\n pop %0\n" RED_ZONE_END : "=r"(narrow)::"memory");
	see(narrow & TRAP_FLAG);
	__asm__ volatile(
		RED_ZONE PUSH_FLAGS POP_FLAGS PUSH_FLAGS POP_AX PUSH_FLAGS POP_FLAGS RED_ZONE_END
		"\n" ::
			: "cc", "memory",
#ifdef __x86_64__
			  "rax"
#else
			  "eax"
#endif
	);
	see(flags_now());
}

/* What `syscall` leaves in r11. */
static void call(void)
{
#ifdef __x86_64__
	unsigned long nr = SYS_getppid, r11 = 0;

	__asm__ volatile("syscall\n mov %%r11, %1" : "+a"(nr), "=r"(r11)::"rcx", "r11", "memory");
	see(r11 & TRAP_FLAG);
	nr = (unsigned long)-1;
	__asm__ volatile("syscall\n mov %%r11, %1" : "+a"(nr), "=r"(r11)::"rcx", "r11", "memory");
	see(r11 & TRAP_FLAG);
	see(nr);
#endif
	unsigned int32 = 64; /* getppid() of i386, on x86-64 too */
	__asm__ volatile("int $0x80" : "+a"(int32)::"memory");
	see(int32 == (unsigned)getppid());
	see(flags_now());
}

/* It sets its own trap flag. */
static void own(void)
{
	handle(SIGTRAP, 0);
	__asm__ volatile(RED_ZONE PUSH_FLAGS OR_FLAGS POP_FLAGS
			 "nop\n nop\n nop\n" PUSH_FLAGS AND_FLAGS POP_FLAGS
			 "nop\n nop\n" RED_ZONE_END ::
				 : "cc", "memory");
	see(flags_now());
}

static void own_by_iret(void)
{
	handle(SIGTRAP, 0);
#ifdef __x86_64__
	__asm__ volatile(
		"mov %%rsp, %%rdx\n lea -128(%%rsp), %%rsp\n mov %%ss, %%eax\n push %%rax\n"
		"push %%rdx\n pushfq\n" OR_FLAGS "mov %%cs, %%eax\n push %%rax\n"
		"lea 1f(%%rip), %%rax\n push %%rax\n iretq\n"
		"1: nop\n nop\n" RED_ZONE PUSH_FLAGS AND_FLAGS POP_FLAGS
		"nop\n nop\n" RED_ZONE_END ::
			: "rax", "rdx", "cc", "memory");
#else
	__asm__ volatile("pushfl\n" OR_FLAGS "push %%cs\n call 2f\n 2: pop %%eax\n"
			 "add $(1f - 2b), %%eax\n push %%eax\n iretl\n"
			 "1: nop\n nop\n" PUSH_FLAGS AND_FLAGS POP_FLAGS "nop\n nop\n" ::
				 : "eax", "cc", "memory");
#endif
	see(flags_now());
}

static void frames(void)
{
	handle(SIGUSR1, 0);
	signal(SIGUSR2, on_plain_signal);
	raise(SIGUSR1);
	raise(SIGUSR2);
	see(flags_now());
}

static void faults(void)
{
	handle(SIGSEGV, 0);
	handle(SIGILL, 0);
	handle(SIGTRAP, 0);
	handle(SIGFPE, 0);
	skip = 2;
	__asm__ volatile("xor %%eax, %%eax\n movb (" AX "), %%al\n" ::: "eax", "memory");
	skip = 2;
	__asm__ volatile("ud2" ::: "memory");
	__asm__ volatile("int3\n nop\n" ::: "memory");
	__asm__ volatile(".byte 0xcd, 3\n nop\n" ::: "memory");
	__asm__ volatile(".byte 0xf1\n nop\n" ::: "memory");
	skip = 2;
	__asm__ volatile("xor %%ecx, %%ecx\n xor %%edx, %%edx\n mov $1, %%eax\n div %%ecx" ::
				 : "eax", "ecx", "edx", "cc", "memory");
	see(flags_now());
}

/* popf that faults: the kernel takes the tracer's flag for the program's. */
static void bad_pop(void)
{
	handle(SIGSEGV, SA_ONSTACK);
#ifdef __x86_64__
	skip = 1;
	__asm__ volatile("mov %%rsp, %%rdx\n xor %%esp, %%esp\n popfq\n mov %%rdx, %%rsp" ::
				 : "rdx", "cc", "memory");
#else
	skip = 1;
	__asm__ volatile("mov %%esp, %%edx\n xor %%esp, %%esp\n popfl\n mov %%edx, %%esp" ::
				 : "edx", "cc", "memory");
#endif
	see(flags_now());
}

static void strings(void)
{
	static char from[64] = "some sixty bytes that are copied and compared, one at a time...",
		    to[64];
	unsigned long n = 60;
	char *s = from, *d = to;

	memset(to, 0, sizeof to);
	__asm__ volatile("rep movsb" : "+S"(s), "+D"(d), "+c"(n)::"memory");
	see((unsigned long)(d - to));
	see(memcmp(from, to, 60) == 0);
	to[40] = '!';
	n = 60;
	s = from;
	d = to;
	__asm__ volatile("repe cmpsb" : "+S"(s), "+D"(d), "+c"(n)::"memory", "cc");
	see(n);
	n = 60;
	d = to;
	__asm__ volatile("repne scasb" : "+D"(d), "+c"(n) : "a"('!') : "memory", "cc");
	see(n);
	n = 0;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"('?') : "memory", "cc");
	see(n);
}

static void no_trap_after(void)
{
	unsigned a, b, c, d;
	unsigned long flags;

	a = c = 0;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	see(a);
	see(b);
	__asm__ volatile(RED_ZONE "mov %%ss, %%eax\n mov %%eax, %%ss\n" PUSH_FLAGS
				  "pop %0\n" RED_ZONE_END
			 : "=r"(flags)::"eax", "memory");
	see(flags & TRAP_FLAG);
#ifndef __x86_64__
	__asm__ volatile("push %%ss\n pop %%ss\n" PUSH_FLAGS "pop %0\n" : "=r"(flags)::"memory");
	see(flags & TRAP_FLAG);
#endif
	see(flags_now());
}

/* ---- Children ---- */

static int child_ends(void *arg)
{
	unsigned long flags = flags_now();

	(void)arg;
	for (volatile int i = 0; i < 20; i++)
		flags |= flags_now();
	_exit(flags ? 1 : 7);
}

static void see_end(pid_t pid)
{
	int status = 0;

	MUST(pid > 0 && waitpid(pid, &status, __WALL) == pid);
	see((unsigned long)status);
}

static void children(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid = fork();

	if (pid == 0)
		child_ends(NULL);
	see_end(pid);
	pid = vfork();
	if (pid == 0)
		child_ends(NULL);
	see_end(pid);
	see_end(clone(child_ends, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL));
	see_end(clone(child_ends, stack + sizeof stack, CLONE_VM | CLONE_VFORK, NULL));
}

static void *thread(void *arg)
{
	sigset_t set;

	MUST(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && sigismember(&set, SIGTRAP) == 0);
	*(unsigned long *)arg = flags_now() + 5;
	return NULL;
}

static void threads(void)
{
	pthread_t id;
	unsigned long is = 0;

	MUST(pthread_create(&id, NULL, thread, &is) == 0);
	MUST(pthread_join(id, NULL) == 0);
	see(is);
}

static void execs(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/proc/self/exe", "stepped", "ends", NULL);
		_exit(1);
	}
	see_end(pid);
}

/* ---- Blocked calls ---- */

static int pipe_of[2];
static unsigned alarms, alarm_us;

static void set_alarm(void)
{
	struct itimerval soon = { .it_value = { alarm_us / 1000000, alarm_us % 1000000 } };

	MUST(setitimer(ITIMER_REAL, &soon, NULL) == 0);
}

static void on_alarm_to_restart(int signo)
{
	see((unsigned long)signo);
	MUST(write(pipe_of[1], "x", 1) == 1);
}

/* Step by step it may take longer to come to the call: then the alarm comes once more. */
static void on_alarm_to_end(int signo)
{
	if (alarms++ == 0)
		see((unsigned long)signo);
	alarm_us *= 2;
	set_alarm();
}

static void read_with(void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };
	char byte = 0;
	long r;

	MUST(sigaction(SIGALRM, &a, NULL) == 0);
	alarms = 0;
	alarm_us = 20000;
	set_alarm();
	r = read(pipe_of[0], &byte, 1);
	see((unsigned long)(r < 0 ? -errno : r));
	alarm_us = 0;
	set_alarm();
	see((unsigned char)byte);
}

static void blocked(void)
{
	struct timespec t = { 0, 5000000 };
	sigset_t all, old;

	MUST(pipe(pipe_of) == 0);
	read_with(on_alarm_to_restart, SA_RESTART);
	read_with(on_alarm_to_end, 0);
	close(pipe_of[0]);
	close(pipe_of[1]);
	see((unsigned long)nanosleep(&t, NULL));
	/* Delivered by sigsuspend(), with another mask for its time. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	handle(SIGUSR1, 0);
	raise(SIGUSR1);
	sigemptyset(&all);
	sigsuspend(&all);
	sigprocmask(SIG_SETMASK, &old, &all);
	see(sigismember(&all, SIGTRAP) == 1 && sigismember(&all, SIGUSR2) == 1);
}

/* ---- SIGTRAP blocked or ignored (79) ---- */

static void see_sigtrap(void)
{
	struct sigaction a;
	sigset_t set;

	MUST(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && sigaction(SIGTRAP, NULL, &a) == 0);
	see((unsigned long)sigismember(&set, SIGTRAP));
	see((unsigned long)sigismember(&set, SIGURG));
	see((unsigned long)a.sa_handler);
	see((unsigned long)a.sa_flags);
	see((unsigned long)sigismember(&a.sa_mask, SIGUSR2));
}

static void with_sigtrap(void (*handler)(int), int block)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;
	sigset_t set, former;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigaddset(&a.sa_mask, SIGUSR2);
	MUST(sigaction(SIGTRAP, &a, &old) == 0);
	MUST(sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, &former) == 0);
	see_sigtrap();
	spot();
	see_sigtrap();
	see(flags_now());
	MUST(sigprocmask(SIG_SETMASK, &former, NULL) == 0 && sigaction(SIGTRAP, &old, NULL) == 0);
}

static void sigtrap(void)
{
	with_sigtrap(on_plain_signal, 0);
	with_sigtrap(on_plain_signal, 1);
	with_sigtrap(SIG_DFL, 1);
	with_sigtrap(SIG_IGN, 0);
	with_sigtrap(SIG_IGN, 1);
}

/* One waits, blocked. */
static void waits(void (*handler)(int))
{
	struct sigaction a = { .sa_handler = handler }, old;
	sigset_t set, former, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	MUST(sigaction(SIGTRAP, &a, &old) == 0);
	MUST(sigprocmask(SIG_BLOCK, &set, &former) == 0);
	raise(SIGTRAP);
	see_sigtrap();
	MUST(sigpending(&pending) == 0);
	see((unsigned long)sigismember(&pending, SIGTRAP));
	see_sigtrap();
	MUST(sigprocmask(SIG_SETMASK, &former, NULL) == 0);
	see_sigtrap();
	MUST(sigaction(SIGTRAP, &old, NULL) == 0);
}

static void waiting(void)
{
	waits(on_plain_signal);
	waits(SIG_IGN);
}

static const struct {
	void (*handler)(int);
	int block;
} traps[] = { { on_plain_signal, 0 },
	      { on_plain_signal, 1 },
	      { SIG_DFL, 1 },
	      { SIG_IGN, 0 },
	      { SIG_IGN, 1 } };

/* "trapN": so from the beginning. */
static void trap_prepare(int n)
{
	struct sigaction a = { .sa_handler = traps[n].handler, .sa_flags = SA_RESTART };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigaddset(&a.sa_mask, SIGUSR2);
	MUST(sigaction(SIGTRAP, &a, NULL) == 0);
	MUST(sigprocmask(traps[n].block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL) == 0);
}

static void trap_run(void)
{
	for (int i = 0; i < 3; i++) {
		see_sigtrap();
		spot();
	}
	see_sigtrap();
}

/* The C library makes threads with all signals blocked. */
static void creations(void)
{
	struct sigaction a = { .sa_handler = on_plain_signal }, now;
	sigset_t set;
	pthread_t id;

	MUST(sigaction(SIGTRAP, &a, NULL) == 0);
	for (int i = 0; i < CREATIONS; i++) {
		unsigned long is = 0;

		MUST(pthread_create(&id, NULL, thread, &is) == 0 && pthread_join(id, NULL) == 0);
		MUST(is == 5 && sigprocmask(SIG_BLOCK, NULL, &set) == 0);
		MUST(sigismember(&set, SIGTRAP) == 0);
		MUST(sigaction(SIGTRAP, NULL, &now) == 0 && now.sa_handler == on_plain_signal);
	}
}

/* Many instructions of all kinds, without calls. */
static void computes(void)
{
	uint32_t h = 2166136261u;
	double d = 1;

	for (unsigned i = 0; i < 500; i++) {
		h = (h ^ (i & 255)) * 16777619u;
		d = d * 1.0000001 + (double)(h & 15);
	}
	see(h);
	see((unsigned long)d);
}

static const struct {
	const char *name;
	void (*run)(void);
} all[] = {
	{ "flags", flags },	    { "call", call },	    { "own", own },
	{ "iret", own_by_iret },    { "frames", frames },   { "faults", faults },
	{ "pop", bad_pop },	    { "strings", strings }, { "notrap", no_trap_after },
	{ "children", children },   { "threads", threads }, { "execs", execs },
	{ "blocked", blocked },	    { "sigtrap", sigtrap }, { "computes", computes },
	{ "creations", creations }, { "waiting", waiting },
};
#define ALL (sizeof all / sizeof *all)

static void run(int argc, char **argv)
{
	recorded = 0;
	for (unsigned i = 0; i < ALL; i++)
		for (int n = 1; n < argc; n++)
			if (strcmp(argv[n], all[i].name) == 0)
				all[i].run();
	if (argc > 1 && strncmp(argv[1], "trap", 4) == 0)
		trap_run();
	see(recorded);
}

static int compared(void)
{
	for (unsigned i = 0; i < SEEN_MAX; i++)
		if (expected[i] != seen[i]) {
			printf("bad: %u was %lx, is %lx\n", i, expected[i], seen[i]);
			return 1;
		}
	printf("good\n");
	return 0;
}

int main(int argc, char **argv)
{
	static char stack[65536];
	stack_t other = { .ss_sp = stack, .ss_size = sizeof stack };
	char byte;

	if (argc == 2 && strcmp(argv[1], "ends") == 0)
		return flags_now() ? 1 : 9;
	MUST(sigaltstack(&other, NULL) == 0);
	if (argc > 1 && strncmp(argv[1], "trap", 4) == 0)
		trap_prepare(argv[1][4] - '0');
	run(argc, argv);
	record = seen;
	printf("ready %lx %lx %lx\n", (unsigned long)(uintptr_t)from_here,
	       (unsigned long)(uintptr_t)to_here, (unsigned long)(uintptr_t)spot);
	fflush(stdout);
	MUST(read(0, &byte, 1) >= 0);
	from_here();
	run(argc, argv);
	to_here();
	return compared();
}
