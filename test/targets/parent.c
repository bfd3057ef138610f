/* SPDX-License-Identifier: MIT */
/*
 * parent SCENARIO: starts a child, prints "child PID", waits for a go, and then prints, line
 * by line, all that the kernel tells it about the child: wait4, waitid, pidfd, SIGCHLD. The
 * lines are the same whether the child is traced or not. "parent list" names the scenarios.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/targets/common.h"

enum sigchld { NORMAL, NO_STOPS, IGNORED, NO_WAIT };

struct scenario {
	const char *name;
	void (*child)(void);
	/*
	 * What the parent does: g lets the child act, and G act again, w wait4, i waitid that
	 * leaves the status, n wait4 that does not block, p poll the pidfd, S T C K M sends
	 * SIGSTOP, SIGTSTP, SIGCONT, SIGKILL, SIGTERM, s c those that change nothing; . lets
	 * time pass, e until the child has done what its parent is told of.
	 */
	const char *steps;
	enum sigchld sigchld;
};

static volatile sig_atomic_t chld_count, chld_code, chld_status;
static int gate[2], again[2], pidfd;
static pid_t child;

/* ---- What the child does ---- */

static void exit_three(void)
{
	_exit(3);
}

static void abort_itself(void)
{
	abort();
}

static void fault(void)
{
	volatile uintptr_t no_address = 16;

	*(volatile int *)no_address = 1;
}

static void wait_at(int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
}

/* The parent shall see the continue by itself. */
static void stop_itself(void)
{
	raise(SIGSTOP);
	wait_at(again[0]);
	_exit(4);
}

static void stop_often(void)
{
	for (int i = 0; i < 3; i++) {
		raise(SIGSTOP);
		wait_at(again[0]);
	}
	_exit(6);
}

static void rest(void)
{
	for (;;)
		pause();
}

static void *outlive(void *arg)
{
	wait_at(again[0]);
	_exit(7);
	return arg;
}

static void leader_first(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, outlive, NULL);
	syscall(SYS_exit, 0);
}

static void *sleep_on(void *arg)
{
	pause();
	return arg;
}

static void rest_with_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, sleep_on, NULL);
	rest();
}

static void exit_with_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, sleep_on, NULL);
	_exit(8);
}

static void exec_program(void)
{
	execl("/proc/self/exe", "parent", "leaf", (char *)NULL);
}

static void *exec_in_thread(void *arg)
{
	exec_program();
	return arg;
}

static void exec_from_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_in_thread, NULL);
	rest();
}

static void have_children(void)
{
	static int i;

	for (i = 0; i < 3; i++) {
		pid_t pid = i == 1 ? vfork() : fork();

		if (pid == 0)
			_exit(i);
		waitpid(pid, NULL, 0);
	}
	_exit(11);
}

static const struct scenario scenarios[] = {
	{ "exit", exit_three, "pngeipwpn", NORMAL },
	{ "abort", abort_itself, "geiwn", NORMAL },
	{ "fault", fault, "geiwn", NORMAL },
	{ "terminated", rest, "g.pMipwn", NORMAL },
	{ "killed", rest_with_threads, "g.Kiwn", NORMAL },
	{ "stopped", rest, "g.SipwnCiwnTwnCwnKwn", NORMAL },
	{ "stopped-twice", rest, "g.SwsnCwcnKwn", NORMAL },
	{ "stopped-threads", rest_with_threads, "g.SiwnCiwnMiwn", NORMAL },
	{ "killed-while-stopped", rest, "g.SwKwn", NORMAL },
	{ "stops-itself", stop_itself, "gewnCwGwn", NORMAL },
	{ "stops-often", stop_often, "gewCwGwCwGwCwGwn", NORMAL },
	{ "nobody-waits", stop_itself, "geC..G..w", NORMAL },
	{ "leader-first", leader_first, "g.pnGwn", NORMAL },
	{ "group-exit", exit_with_threads, "gewn", NORMAL },
	{ "exec", exec_program, "gewn", NORMAL },
	{ "exec-from-thread", exec_from_thread, "gewn", NORMAL },
	{ "grandchildren", have_children, "gewn", NORMAL },
	{ "no-stops", stop_itself, "g.wnCwGwn", NO_STOPS },
	{ "ignored", exit_three, "g.w", IGNORED },
	{ "ignored-stop", stop_itself, "g.wnCwGwn", IGNORED },
	{ "no-wait", exit_three, "gewn", NO_WAIT },
};
#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

/* ---- What the parent sees ---- */

static void on_chld(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	chld_count++;
	chld_code = info->si_code;
	chld_status = info->si_status;
}

/* @expected: one must come; how soon is not what is to be compared. */
static void tell_sigchld(bool expected)
{
	int before;

	for (unsigned i = 0; expected && chld_count == 0 && i < 1000; i++)
		usleep(10000);
	/* The signal may come a little after what it tells of. */
	do {
		before = chld_count;
		usleep(30000);
	} while (chld_count != before);
	if (chld_count)
		say("  SIGCHLD %d, last code %d status %d\n", (int)chld_count, (int)chld_code,
		    (int)chld_status);
	chld_count = 0;
}

static void tell_wait(int options)
{
	struct rusage usage;
	int status = 0;
	pid_t pid;

	do
		pid = wait4(-1, &status, options | WUNTRACED | WCONTINUED | __WALL, &usage);
	while (pid < 0 && errno == EINTR);
	if (pid < 0)
		say("wait4: %s\n", strerrorname_np(errno));
	else
		say("wait4: %s status %04x\n",
		    pid == 0	   ? "nothing"
		    : pid == child ? "child"
				   : "other",
		    status);
}

static void tell_waitid(void)
{
	siginfo_t info = { 0 };
	int r;

	do
		r = waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		say("waitid: %s\n", strerrorname_np(errno));
	else
		say("waitid: %s code %d status %d signo %d\n",
		    info.si_pid == child ? "child" : "other", info.si_code, info.si_status,
		    info.si_signo);
}

static void tell_pidfd(void)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	say("pidfd: %d\n", poll(&p, 1, 0));
}

static void take_step(char step)
{
	switch (step) {
	case 'g':
		close(gate[1]);
		break;
	case 'G':
		MUST(write(again[1], "", 1) == 1);
		break;
	case 'e': /* tell_sigchld() waits for it */
		break;
	case 'w':
		tell_wait(0);
		break;
	case 'n':
		tell_wait(WNOHANG);
		break;
	case 'i':
		tell_waitid();
		break;
	case 'p':
		tell_pidfd();
		break;
	case 'S':
	case 's':
		kill(child, SIGSTOP);
		break;
	case 'T':
		kill(child, SIGTSTP);
		break;
	case 'C':
	case 'c':
		kill(child, SIGCONT);
		break;
	case 'K':
		kill(child, SIGKILL);
		break;
	case 'M':
		kill(child, SIGTERM);
		break;
	default:
		usleep(150000);
	}
}

static void watch(enum sigchld how)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	action.sa_sigaction = on_chld;
	if (how == NO_STOPS)
		action.sa_flags |= SA_NOCLDSTOP;
	if (how == NO_WAIT)
		action.sa_flags |= SA_NOCLDWAIT;
	if (how == IGNORED)
		action = (struct sigaction){ .sa_handler = SIG_IGN };
	MUST(sigaction(SIGCHLD, &action, NULL) == 0);
}

static void be_child(const struct scenario *s)
{
	struct rlimit none = { 0, 0 };

	/* Before the parent says a word, so it cannot have ended yet. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGCHLD, SIG_DFL);
	close(gate[1]);
	wait_at(gate[0]);
	s->child();
	_exit(99);
}

/* Whether the parent gets a signal for this step. */
static bool is_told(char step, enum sigchld how)
{
	switch (how) {
	case NORMAL:
		return strchr("eGSTCKM", step) != NULL;
	case IGNORED:
		return false;
	default: /* of ends only */
		return strchr("eG", step) != NULL;
	}
}

static int play(const struct scenario *s)
{
	MUST(pipe(gate) == 0 && pipe(again) == 0);
	watch(s->sigchld);
	child = fork();
	MUST(child >= 0);
	if (child == 0)
		be_child(s);
	close(gate[0]);
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	say("child %d\n", (int)child);
	wait_for_go();
	for (const char *step = s->steps; *step; step++) {
		say("%c\n", *step);
		take_step(*step);
		/* How fast the child acts is not what is to be compared. */
		if (*step != 'g')
			tell_sigchld(is_told(*step, s->sigchld));
	}
	say("end\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "list";

	if (strcmp(which, "leaf") == 0)
		return 9;
	for (size_t i = 0; i < SCENARIOS; i++) {
		if (strcmp(which, "list") == 0)
			say("%s\n", scenarios[i].name);
		else if (strcmp(which, scenarios[i].name) == 0)
			return play(&scenarios[i]);
	}
	return strcmp(which, "list") == 0 ? 0 : EXIT_WRONG;
}
