/* SPDX-License-Identifier: MIT */
#include "daemon/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/ptrace/backend.h"
#include "backend/ptrace/guard.h"
#include "base/log.h"
#include "daemon/disarm.h"
#include "engine/keeping.h"

#define NAME "cotrace-keeper"
#define FD 3
#define SLICE_NS 100000
#define STACK_SIZE (64u * 1024)
#define SHARING (CLONE_VM | CLONE_VFORK | CLONE_UNTRACED)

/* ---- Starting one ---- */

struct start {
	int fd;
	uint8_t *stacks; /* two */
	pid_t pid;	 /* or -errno */
	int error;
};

/* It has nothing of the engine but this socket and standard error. */
static int become_keeper(void *arg)
{
	struct start *s = arg;

	if (dup2(s->fd, FD) < 0 || (s->fd == FD && dup(FD) < 0)) {
		s->error = -errno;
		return 1;
	}
	close_range(FD + 1, ~0u, 0);
	execl("/proc/self/exe", NAME, "--keeper", "3", (char *)NULL);
	s->error = -errno;
	return 1;
}

static int in_between(void *arg)
{
	struct start *s = arg;

	s->pid = clone(become_keeper, s->stacks + 2 * STACK_SIZE, SHARING | SIGCHLD, s);
	if (s->pid < 0)
		s->error = -errno;
	return 0;
}

pid_t keeper_start(int fd)
{
	struct start s = { .fd = fd };
	pid_t pid;

	s.stacks = mmap(NULL, 2 * STACK_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (s.stacks == MAP_FAILED)
		return -errno;
	/* Without an exit signal: a SIGCHLD would be taken for a task's. */
	pid = clone(in_between, s.stacks + STACK_SIZE, SHARING, &s);
	if (pid < 0)
		s.error = -errno;
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	munmap(s.stacks, 2 * STACK_SIZE);
	if (s.error < 0)
		return s.error;
	prctl(PR_SET_PTRACER, s.pid, 0, 0, 0); /* fails where nobody asks for it */
	return s.pid;
}

/* ---- Being one ---- */

/* As sched_setattr(2) has it; libc's headers and the kernel's do not go together. */
struct sched_turns {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Of what happens between the engine's death and its own work the target may die. */
static void be_quick(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	struct sched_turns turns = { .size = sizeof turns, .runtime = SLICE_NS };

	/* Without the right to be first: in many short turns, which are given soon. */
	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		syscall(SYS_sched_setattr, 0, &turns, 0);
}

/* It ends with its engine, and not before. Messages and the engine's stops are signals to it. */
static void settle(int fd, sigset_t *signals)
{
	struct rlimit files;

	prctl(PR_SET_NAME, NAME, 0, 0, 0);
	setsid();
	be_quick();
	sigemptyset(signals);
	sigaddset(signals, SIGCHLD);
	sigaddset(signals, SIGIO);
	sigprocmask(SIG_SETMASK, signals, NULL);
	/* The engine ignores the others, so they are ignored. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGALRM, SIG_IGN);
	signal(SIGVTALRM, SIG_IGN);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC | O_NONBLOCK);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* While there is time: what it is to do is not to wait for pages then. */
static void rehearse(const struct keeping *k)
{
	keeping_rehearse(k);
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static pid_t engine_of(int fd)
{
	struct ucred who = { 0 };
	socklen_t size = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 ? who.pid : 0;
}

/* Until all that the engine has planted is to be taken out. True: it stands at its end. */
static bool keep(struct keeping *k, int fd, pid_t engine, bool *guarded)
{
	bool ready = false;
	sigset_t signals;

	settle(fd, &signals);
	for (;;) {
		if (!*guarded)
			*guarded = guard_begin(engine) == 0;
		switch (guard_look(engine)) {
		case 1:
			/* At once; then what it did not know of yet. */
			keeping_restore(k);
			keeping_take(k, fd);
			return true;
		case 0:
			break;
		default:
			*guarded = false;
		}
		if (keeping_take(k, fd) == 0)
			return false;
		if (!ready && k->heard) {
			rehearse(k);
			ready = send(fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
		}
		sigwaitinfo(&signals, NULL);
	}
}

/* What it traces is let go, and only then can its debug registers be taken away. */
static void end_it(struct keeping *k, pid_t engine)
{
	struct backend *b = NULL;
	pid_t pid = keeping_next_armed(k);

	if (pid > 0)
		ptrace_backend_new(&b);
	guard_let_end(engine);
	if (b == NULL)
		return;
	guard_await(engine);
	for (; pid > 0; pid = keeping_next_armed(k))
		disarm(b, pid);
	b->ops->close(b);
}

int keeper_run(int fd)
{
	pid_t engine = engine_of(fd);
	bool guarded = false, at_end;
	struct keeping k;

	if (engine <= 0)
		return 2;
	keeping_init(&k);
	at_end = keep(&k, fd, engine, &guarded);
	keeping_restore(&k);
	if (at_end) {
		keeping_restore_children(&k, engine);
		end_it(&k, engine);
	}
	if (!at_end && guarded)
		guard_leave(engine);
	/* Nothing of us is in the engine's way any more: it need not wait for the rest. */
	close(fd);
	log_debug("the keeper leaves");
	keeping_deinit(&k);
	return 0;
}
