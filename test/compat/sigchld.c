/* SPDX-License-Identifier: MIT */
/* How a tracer learns that it should wait: SIGCHLD in all its forms, and interrupted waits. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "test/compat/facts.h"

static volatile sig_atomic_t count;
static siginfo_t last;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	last = *info;
	count++;
}

static void handle(int signo, int flags)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags };

	sigaction(signo, &action, NULL);
}

static void block(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void tell_last(void)
{
	for (int i = 0; i < 3000 && !count; i++)
		usleep(1000);
	settle();
	if (count)
		say("SIGCHLD: signo %d code %d status %x about %s", last.si_signo, last.si_code,
		    (unsigned)last.si_status, who(last.si_pid));
	else
		say("no SIGCHLD");
	count = 0;
}

static void raise_then_exit(void)
{
	kill(getpid(), SIGUSR1);
	_exit(3);
}

static void idle(void)
{
	for (;;)
		pause();
}

FACTS(a_handler_of_sigchld)
{
	pid_t pid;

	handle(SIGCHLD, SA_RESTART);
	pid = traced("child", raise_then_exit, 0);
	tell_last();
	request(PTRACE_CONT, pid, 0, 0);
	tell_last();
	next(pid, WNOHANG);
	request(PTRACE_CONT, pid, 0, 0);
	tell_last();
	next(pid, WNOHANG);
	pid = sleeper("sleeper");
	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	tell_last();
	next(pid, WNOHANG);
	kill(pid, SIGKILL);
	tell_last();
	next(pid, WNOHANG);
}

FACTS(a_handler_that_wants_no_stops)
{
	pid_t pid = sleeper("sleeper");

	handle(SIGCHLD, SA_RESTART | SA_NOCLDSTOP);
	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	await(pid, 't');
	settle();
	say("signals: %d", (int)count);
	next(pid, WNOHANG);
	kill(pid, SIGKILL);
	tell_last();
	next(pid, 0);
}

FACTS(children_that_nobody_waits_for)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	pid_t pid = sleeper("sleeper");

	sigaction(SIGCHLD, &ignore, NULL);
	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, 0);
	kill(pid, SIGKILL);
	next(pid, 0);
	next(-1, 0);
	pid = sleeper("real");
	kill(pid, SIGKILL);
	next(pid, 0);
}

FACTS(sigsuspend_waits_for_sigchld)
{
	pid_t pid = sleeper("sleeper");
	sigset_t none;

	sigemptyset(&none);
	handle(SIGCHLD, 0);
	block(SIGCHLD);
	request(PTRACE_ATTACH, pid, 0, 0);
	tell("sigsuspend", sigsuspend(&none) == -1 ? -errno : 0);
	say("signals: %d", (int)count);
	next(-1, WNOHANG | __WALL);
	kill(pid, SIGUSR1);
	request(PTRACE_CONT, pid, 0, 0);
	tell("sigsuspend", sigsuspend(&none) == -1 ? -errno : 0);
	next(-1, WNOHANG | __WALL);
	end(pid);
}

FACTS(ppoll_waits_for_sigchld)
{
	struct timespec long_time = { 10, 0 };
	pid_t pid = sleeper("sleeper");
	sigset_t none;

	sigemptyset(&none);
	handle(SIGCHLD, 0);
	block(SIGCHLD);
	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	tell("ppoll", ppoll(NULL, 0, &long_time, &none) == -1 ? -errno : 0);
	next(-1, WNOHANG | __WALL);
	end(pid);
}

FACTS(signalfd_reads_sigchld)
{
	struct signalfd_siginfo info;
	pid_t pid = sleeper("sleeper");
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	block(SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	if (read(fd, &info, sizeof info) == sizeof info)
		say("signo %u code %d about %s", info.ssi_signo, info.ssi_code,
		    who((pid_t)info.ssi_pid));
	next(pid, WNOHANG);
	kill(pid, SIGKILL);
	if (read(fd, &info, sizeof info) == sizeof info)
		say("signo %u code %d about %s", info.ssi_signo, info.ssi_code,
		    who((pid_t)info.ssi_pid));
	next(pid, 0);
	close(fd);
}

FACTS(sigtimedwait_takes_sigchld)
{
	struct timespec long_time = { 10, 0 };
	pid_t pid = sleeper("sleeper");
	siginfo_t info = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	block(SIGCHLD);
	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	tell("signal", sigtimedwait(&set, &info, &long_time));
	say("code %d status %x about %s", info.si_code, (unsigned)info.si_status, who(info.si_pid));
	next(pid, WNOHANG);
	end(pid);
}

static void alarm_soon(void)
{
	struct itimerval timer = { .it_value = { 0, 80000 } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

FACTS(a_wait_is_interrupted)
{
	pid_t pid = traced("child", idle, 0);

	request(PTRACE_CONT, pid, 0, 0);
	handle(SIGALRM, 0);
	alarm_soon();
	next(pid, __WALL);
	alarm_soon();
	next_id(P_ALL, 0, WEXITED | WSTOPPED);
	say("signals: %d", (int)count);
	kill(pid, SIGUSR1);
	next(pid, __WALL);
	end(pid);
}

static void exit_later(void)
{
	usleep(250000);
	_exit(6);
}

FACTS(a_wait_goes_on_after_a_signal)
{
	pid_t pid = traced("child", exit_later, 0);

	handle(SIGALRM, SA_RESTART);
	request(PTRACE_CONT, pid, 0, 0);
	alarm_soon();
	next(-1, __WALL);
	say("signals: %d", (int)count);
	pid = start("real", exit_later);
	alarm_soon();
	next(-1, 0);
	say("signals: %d", (int)count);
}

static void spin(void)
{
	for (;;)
		__asm__ volatile("syscall" : : "a"(SYS_getppid) : "rcx", "r11", "memory");
}

/* A timer of 2 kHz: no request may be done twice, or fail. */
FACTS(requests_under_a_storm_of_signals)
{
	struct itimerval timer = { { 0, 500 }, { 0, 500 } }, off = { 0 };
	pid_t pid = traced("child", spin, 0);
	struct user_regs_struct regs;
	unsigned failed = 0, odd = 0;

	handle(SIGALRM, SA_RESTART);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (unsigned i = 0; i < 400; i++) {
		failed += request(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs) != 0;
		failed += request(PTRACE_SINGLESTEP, pid, 0, 0) != 0;
		odd += quietly(pid, __WALL) != 0x57f;
		if (i == 200)
			kill(pid, SIGWINCH);
		if (i % 100 == 99) {
			failed += request(PTRACE_SYSCALL, pid, 0, 0) != 0;
			quietly(pid, __WALL);
		}
	}
	setitimer(ITIMER_REAL, &off, NULL);
	say("failed %u, more than one odd %d", failed, odd > 5);
	end(pid);
}
