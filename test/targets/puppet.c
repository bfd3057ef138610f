/* SPDX-License-Identifier: MIT */
/*
 * puppet: does what the lines of its stdin say, and answers each with one line "= RESULT".
 *
 *	raw NR A B C D E F	a system call; result or -errno. $TEXT stands for the address of TEXT,
 *				& for the address of the buffer
 *	open PATH		openat and close; 0 or -errno
 *	raise SIG, kill SIG	to this thread, to the process
 *	handle SIG, ignore SIG, default SIG, block SIG, unblock SIG
 *	count SIG, sender SIG, value SIG	of the handler's calls, of the last one
 *	fork CODE, vfork CODE	a child that exits with CODE; its exit code
 *	child			a child that waits for ever; its pid
 *	thread			starts a thread that waits; its tid
 *	thread-end		ends all of those
 *	thread-open PATH	open, by another thread
 *	thread-fork CODE	fork, by another thread
 *	buffer			address of 4096 bytes of its own
 *	read N, write N VALUE	byte N of the buffer
 *	code			address of bytes in a read-only page, "readonly"
 *	forbid NR ERRNO		a seccomp filter for that call
 *	trap NR			... that answers with SIGSYS
 *	ask NR DATA		... that leaves it to a tracer
 *	call ADDR		what the function there returns
 *	sleep MS, fault, exit CODE, exec PATH ARGS..., pid, tid
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/targets/common.h"

static unsigned char *buffer;
static const char readonly[] __attribute__((aligned(16))) = "readonly";
static volatile sig_atomic_t count[65], sender[65], value[65];
static char *word[16];
static int words;

static long arg(int i)
{
	return i < words ? strtol(word[i], NULL, 0) : 0;
}

static long answer_of(long r)
{
	return r == -1 ? -errno : r;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	count[signo]++;
	sender[signo] = info->si_pid;
	value[signo] = info->si_value.sival_int;
}

static long do_call(void)
{
	return ((long (*)(void))strtoul(words > 1 ? word[1] : "0", NULL, 0))();
}

static long do_raw(void)
{
	unsigned long a[6] = { 0 };

	for (int i = 0; i < 6 && i + 2 < words; i++) {
		const char *w = word[i + 2];

		if (*w == '$')
			a[i] = (unsigned long)(w + 1);
		else if (*w == '&')
			a[i] = (unsigned long)buffer;
		else
			a[i] = strtoul(w, NULL, 0);
	}
	return answer_of(syscall(arg(1), a[0], a[1], a[2], a[3], a[4], a[5]));
}

static long open_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static long do_open(void)
{
	return open_path(word[1]);
}

static long do_raise(void)
{
	return answer_of(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), arg(1)));
}

static long do_kill(void)
{
	return answer_of(kill(getpid(), (int)arg(1)));
}

static long do_handle(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART };

	action.sa_sigaction = on_signal;
	return answer_of(sigaction((int)arg(1), &action, NULL));
}

static long do_ignore(void)
{
	return signal((int)arg(1), SIG_IGN) == SIG_ERR ? -errno : 0;
}

static long do_default(void)
{
	return signal((int)arg(1), SIG_DFL) == SIG_ERR ? -errno : 0;
}

static long change_mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, (int)arg(1));
	return answer_of(sigprocmask(how, &set, NULL));
}

static long do_block(void)
{
	return change_mask(SIG_BLOCK);
}

static long do_unblock(void)
{
	return change_mask(SIG_UNBLOCK);
}

static long do_count(void)
{
	return count[arg(1)];
}

static long do_sender(void)
{
	return sender[arg(1)];
}

static long do_value(void)
{
	return value[arg(1)];
}

static long exit_code_of(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static long do_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit((int)arg(1));
	return exit_code_of(pid);
}

static long do_vfork(void)
{
	static int code;
	pid_t pid;

	code = (int)arg(1);
	pid = vfork();
	if (pid == 0)
		_exit(code);
	return exit_code_of(pid);
}

static long do_child(void)
{
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == self)
			pause();
		_exit(0);
	}
	return pid;
}

static pthread_t threads[64];
static int thread_count;
static atomic_int threads_over, new_tid;

static void *idle(void *unused)
{
	atomic_store(&new_tid, (int)syscall(SYS_gettid));
	while (!atomic_load(&threads_over))
		usleep(1000);
	return unused;
}

static long do_thread(void)
{
	atomic_store(&new_tid, 0);
	atomic_store(&threads_over, 0);
	if (pthread_create(&threads[thread_count++ % 64], NULL, idle, NULL))
		return -EAGAIN;
	while (atomic_load(&new_tid) == 0)
		usleep(100);
	return atomic_load(&new_tid);
}

static long do_thread_end(void)
{
	atomic_store(&threads_over, 1);
	while (thread_count > 0)
		pthread_join(threads[--thread_count], NULL);
	return 0;
}

static void *open_in_thread(void *path)
{
	return (void *)(intptr_t)open_path(path);
}

static void *fork_in_thread(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)do_fork();
}

static long by_thread(void *(*act)(void *), void *what)
{
	pthread_t thread;
	void *r;

	if (pthread_create(&thread, NULL, act, what))
		return -EAGAIN;
	pthread_join(thread, &r);
	return (long)(intptr_t)r;
}

static long do_thread_open(void)
{
	return by_thread(open_in_thread, word[1]);
}

static long do_thread_fork(void)
{
	return by_thread(fork_in_thread, NULL);
}

static long do_buffer(void)
{
	return (long)buffer;
}

static long do_code(void)
{
	return (long)readonly;
}

static long do_read(void)
{
	return buffer[arg(1) & 4095];
}

static long do_write(void)
{
	buffer[arg(1) & 4095] = (unsigned char)arg(2);
	return 0;
}

static long forbid(unsigned answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)arg(1), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof code[0], code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return answer_of(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static long do_forbid(void)
{
	return forbid(SECCOMP_RET_ERRNO | (unsigned)arg(2));
}

static long do_trap(void)
{
	return forbid(SECCOMP_RET_TRAP);
}

static long do_ask(void)
{
	return forbid(SECCOMP_RET_TRACE | (unsigned)arg(2));
}

static long do_sleep(void)
{
	return usleep((useconds_t)arg(1) * 1000) ? -errno : 0;
}

static long do_fault(void)
{
	volatile uintptr_t no_address = 16;

	*(volatile int *)no_address = 1;
	return 0;
}

static long do_exit(void)
{
	exit((int)arg(1));
}

static long do_exec(void)
{
	execvp(word[1], word + 1);
	return -errno;
}

static long do_pid(void)
{
	return syscall(SYS_getpid);
}

static long do_tid(void)
{
	return syscall(SYS_gettid);
}

static const struct {
	const char *name;
	long (*act)(void);
} acts[] = {
	{ "raw", do_raw },
	{ "open", do_open },
	{ "raise", do_raise },
	{ "kill", do_kill },
	{ "handle", do_handle },
	{ "ignore", do_ignore },
	{ "default", do_default },
	{ "block", do_block },
	{ "unblock", do_unblock },
	{ "count", do_count },
	{ "sender", do_sender },
	{ "value", do_value },
	{ "fork", do_fork },
	{ "vfork", do_vfork },
	{ "child", do_child },
	{ "thread", do_thread },
	{ "thread-end", do_thread_end },
	{ "thread-open", do_thread_open },
	{ "thread-fork", do_thread_fork },
	{ "buffer", do_buffer },
	{ "code", do_code },
	{ "read", do_read },
	{ "write", do_write },
	{ "forbid", do_forbid },
	{ "trap", do_trap },
	{ "ask", do_ask },
	{ "sleep", do_sleep },
	{ "fault", do_fault },
	{ "exit", do_exit },
	{ "exec", do_exec },
	{ "pid", do_pid },
	{ "tid", do_tid },
	{ "call", do_call },
};

static long act(void)
{
	for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
		if (strcmp(word[0], acts[i].name) == 0)
			return acts[i].act();
	return -EINVAL;
}

/* Byte by byte, so that nothing is taken that an exec would lose. */
static int take_line(char *line, size_t size)
{
	size_t used = 0;
	char c;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (c == '\n')
			break;
		if (used + 1 < size)
			line[used++] = c;
	}
	line[used] = '\0';
	return 1;
}

int main(void)
{
	static char line[1024];

	buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(buffer != MAP_FAILED);
	say("ready\n");
	while (take_line(line, sizeof line)) {
		char *save;

		words = 0;
		for (char *w = strtok_r(line, " ", &save); w && words < 15;
		     w = strtok_r(NULL, " ", &save))
			word[words++] = w;
		word[words] = NULL;
		if (words)
			say("= %ld\n", act());
	}
	return 0;
}
