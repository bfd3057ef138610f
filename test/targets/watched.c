/* SPDX-License-Identifier: MIT */
/*
 * watched: says "ready VARIABLE BYTES CODE", addresses of a 32-bit variable, of 64 bytes and of
 * a function, and then does what the lines of its stdin say, answering each "= RESULT":
 *
 *	threads N ROUNDS	N threads each write the variable ROUNDS times, under a mutex: the
 *				thread's tid in the upper 20 bits, the number of the write below
 *	store AT SIZE VALUE	one instruction that writes SIZE bytes at bytes[AT]; load AT SIZE
 *	fill AT N		rep stosb
 *	read AT N VALUE		read(2) N bytes of VALUE from a pipe
 *	receive AT N VALUE	the same by recvmsg(2)
 *	clock AT		the system call clock_gettime()
 *	readers N ROUNDS	as threads, but with read(2) of what is in a pipe
 *	clocks AT		a thread that calls clock_gettime() for ever
 *	written AT VALUE	a child writes 8 bytes here by process_vm_writev(2)
 *	call N			the function, N times; handler N: raise SIGUSR1 with it as the handler
 *	fork AT			a child stores and loads bytes[AT], and ends
 *	ignore, block, unblock	SIGTRAP; what was before; ignores: whether it does; waits: whether
 *				one waits
 *	looks AT N		N times clock_gettime(): after how many of them one waits
 *	spin			stores the variable for ever in another thread
 *	again			execs itself
 *	exit 0
 *
 * Any SIGTRAP that reaches it ends it; SIGUSR2 does nothing.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "test/targets/common.h"

static volatile uint32_t variable __attribute__((aligned(64)));
static unsigned char bytes[64] __attribute__((aligned(64)));
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned rounds, written;
void code(int);

/* Its first instruction writes memory: the stack. */
__asm__(".text\n .globl code\n .type code, @function\n"
#ifdef __x86_64__
	"code: push %rbp\n pop %rbp\n ret\n"
#else
	"code: push %ebp\n pop %ebp\n ret\n"
#endif
	".size code, . - code\n");

static void *write_it(void *arg)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	for (unsigned i = 0; i < rounds; i++) {
		MUST(pthread_mutex_lock(&mutex) == 0);
		variable = tid << 12 | (++written & 0xfff);
		MUST(pthread_mutex_unlock(&mutex) == 0);
	}
	return arg;
}

static long threads(unsigned n, void *(*body)(void *))
{
	pthread_t *v = calloc(n, sizeof *v);

	MUST(v);
	for (unsigned i = 0; i < n; i++)
		MUST(pthread_create(&v[i], NULL, body, NULL) == 0);
	for (unsigned i = 0; i < n; i++)
		MUST(pthread_join(v[i], NULL) == 0);
	free(v);
	return (long)written;
}

static long store(void *at, unsigned size, unsigned long long value)
{
	uint32_t low = (uint32_t)value;

	switch (size) {
	case 1:
		*(volatile unsigned char *)at = (unsigned char)value;
		break;
	case 2:
		__asm__ volatile("movw %w1, (%0)" : : "r"(at), "r"(low) : "memory");
		break;
	case 4:
		__asm__ volatile("movl %1, (%0)" : : "r"(at), "r"(low) : "memory");
		break;
	default:
		__asm__ volatile("fildll (%1)\n fistpll (%0)"
				 :
				 : "r"(at), "r"(&value)
				 : "memory", "st");
	}
	return 0;
}

static long load(const void *at, unsigned size)
{
	uint32_t value = 0;

	if (size == 1)
		__asm__ volatile("movzbl (%1), %0" : "=r"(value) : "r"(at) : "memory");
	else
		__asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(at) : "memory");
	return (long)value;
}

static long fill(void *at, unsigned n)
{
	unsigned long left = n;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(left) : "a"(0x55) : "memory");
	return 0;
}

static long read_pipe(void *at, unsigned n, int value)
{
	char text[64];
	int fds[2];
	long r;

	memset(text, value, sizeof text);
	MUST(n <= sizeof text && pipe(fds) == 0 && write(fds[1], text, n) == (ssize_t)n);
	r = syscall(SYS_read, fds[0], at, n);
	close(fds[0]);
	close(fds[1]);
	return r;
}

static long receive(char *at, unsigned n, int value)
{
	struct iovec iov[2] = { { at, n / 2 }, { at + n / 2, n - n / 2 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	char text[64];
	int fds[2];
	long r;

	memset(text, value, sizeof text);
	MUST(n <= sizeof text && socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 &&
	     write(fds[1], text, n) == (ssize_t)n);
	r = recvmsg(fds[0], &msg, 0);
	close(fds[0]);
	close(fds[1]);
	return r;
}

static void *read_it(void *arg)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid), value;
	int fds[2];

	MUST(pipe(fds) == 0);
	for (unsigned i = 0; i < rounds; i++) {
		MUST(pthread_mutex_lock(&mutex) == 0);
		value = tid << 12 | (++written & 0xfff);
		MUST(write(fds[1], &value, sizeof value) == sizeof value);
		MUST(syscall(SYS_read, fds[0], &variable, sizeof variable) == sizeof variable);
		MUST(pthread_mutex_unlock(&mutex) == 0);
	}
	close(fds[0]);
	close(fds[1]);
	return arg;
}

static void *clocks(void *at)
{
	for (;;)
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, at);
	return NULL;
}

static long written_by_child(void *at, unsigned long long value)
{
	struct iovec from = { &value, sizeof value }, to = { at, sizeof value };
	pid_t pid = fork();
	int status;

	MUST(pid >= 0);
	if (pid == 0)
		_exit(process_vm_writev(getppid(), &from, 1, &to, 1, 0) != sizeof value);
	MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

static long in_child(unsigned char *at)
{
	pid_t pid = fork();
	int status;

	MUST(pid >= 0);
	if (pid == 0) {
		store(at, 4, 0x12345678);
		_exit(load(at, 4) == 0x12345678 ? 0 : EXIT_WRONG);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

static void *spin(void *arg)
{
	for (;;)
		variable++;
	return arg;
}

static void unexpected(int signo)
{
	dprintf(STDOUT_FILENO, "wrong: signal %d\n", signo);
	_exit(EXIT_WRONG);
}

static void nothing(int signo)
{
	(void)signo;
}

static long calls(unsigned n, bool handler)
{
	for (unsigned i = 0; i < n; i++)
		if (handler)
			MUST(raise(SIGUSR1) == 0);
		else
			code(0);
	return (long)n;
}

/* Whether it was blocked before. */
static long block(int how)
{
	sigset_t set, before;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	MUST(sigprocmask(how, &set, &before) == 0);
	return sigismember(&before, SIGTRAP);
}

static long waits(void)
{
	sigset_t set;

	MUST(sigpending(&set) == 0);
	return sigismember(&set, SIGTRAP);
}

static long looks(void *at, unsigned n)
{
	long found = 0;

	while (n-- > 0) {
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, at);
		found += waits();
	}
	return found;
}

static long obey(const char *order, const unsigned long long *v, char **argv)
{
	pthread_t thread;

	if (strcmp(order, "threads") == 0 || strcmp(order, "readers") == 0) {
		rounds = (unsigned)v[1];
		return threads((unsigned)v[0], order[0] == 't' ? write_it : read_it);
	}
	if (strcmp(order, "store") == 0)
		return store(bytes + v[0], (unsigned)v[1], v[2]);
	if (strcmp(order, "load") == 0)
		return load(bytes + v[0], (unsigned)v[1]);
	if (strcmp(order, "fill") == 0)
		return fill(bytes + v[0], (unsigned)v[1]);
	if (strcmp(order, "read") == 0)
		return read_pipe(bytes + v[0], (unsigned)v[1], (int)v[2]);
	if (strcmp(order, "receive") == 0)
		return receive((char *)bytes + v[0], (unsigned)v[1], (int)v[2]);
	if (strcmp(order, "clock") == 0)
		return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bytes + v[0]);
	if (strcmp(order, "clocks") == 0)
		return pthread_create(&thread, NULL, clocks, bytes + v[0]);
	if (strcmp(order, "written") == 0)
		return written_by_child(bytes + v[0], v[1]);
	if (strcmp(order, "looks") == 0)
		return looks(bytes + v[0], (unsigned)v[1]);
	if (strcmp(order, "waits") == 0)
		return waits();
	if (strcmp(order, "call") == 0 || strcmp(order, "handler") == 0)
		return calls((unsigned)v[0], order[0] == 'h');
	if (strcmp(order, "fork") == 0)
		return in_child(bytes + v[0]);
	if (strcmp(order, "ignore") == 0)
		return signal(SIGTRAP, SIG_IGN) == SIG_ERR;
	if (strcmp(order, "ignores") == 0)
		return signal(SIGTRAP, SIG_IGN) == SIG_IGN;
	if (strcmp(order, "block") == 0)
		return block(SIG_BLOCK);
	if (strcmp(order, "unblock") == 0)
		return block(SIG_UNBLOCK);
	if (strcmp(order, "spin") == 0)
		return pthread_create(&thread, NULL, spin, NULL);
	if (strcmp(order, "again") == 0)
		execv("/proc/self/exe", argv);
	MUST(strcmp(order, "exit") == 0);
	exit(0);
}

int main(int argc, char **argv)
{
	char line[200], order[20];

	(void)argc;
	signal(SIGTRAP, unexpected);
	signal(SIGUSR1, code);
	signal(SIGUSR2, nothing);
	say("ready %lx %lx %lx\n", (unsigned long)&variable, (unsigned long)bytes,
	    (unsigned long)code);
	while (fgets(line, sizeof line, stdin) != NULL) {
		unsigned long long v[3] = { 0 };

		MUST(sscanf(line, "%19s %lli %lli %lli", order, (long long *)&v[0],
			    (long long *)&v[1], (long long *)&v[2]) >= 1);
		say("= %ld\n", obey(order, v, argv));
	}
	return 0;
}
