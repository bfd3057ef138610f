/* SPDX-License-Identifier: MIT */
/* Signals on their way to a traced task, and stops of whole processes. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/compat/facts.h"

static volatile sig_atomic_t handled;
static volatile int handled_code;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	handled = handled * 100 + signo;
	handled_code = info->si_code;
}

static void handle(int signo)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(signo, &action, NULL);
}

static void raise_one(void)
{
	handle(SIGUSR1);
	handle(SIGUSR2);
	kill(getpid(), SIGUSR1);
	_exit(handled);
}

static void deliver(bool seize, int signo)
{
	pid_t pid = seize ? seized("child", raise_one, 0) : traced("child", raise_one, 0);

	resume(PTRACE_CONT, pid, 0);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, signo);
}

FACTS(a_signal_is_delivered_dropped_or_replaced)
{
	for (int seize = 0; seize < 2; seize++) {
		deliver(seize, SIGUSR1);
		deliver(seize, 0);
		deliver(seize, SIGUSR2);
		deliver(seize, SIGTERM);
	}
}

static void raise_queued(void)
{
	handle(SIGUSR1);
	kill(getpid(), SIGUSR1);
	_exit(handled_code == -77 ? 1 : handled_code == SI_USER ? 2 : 3);
}

FACTS(the_info_of_a_signal_is_replaced)
{
	pid_t pid = traced("child", raise_queued, 0);
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = -77 };

	resume(PTRACE_CONT, pid, 0);
	ASK(PTRACE_SETSIGINFO, pid, 0, &info);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, SIGUSR1);
}

static void idle(void)
{
	handle(SIGUSR1);
	for (;;)
		pause();
}

static void sync_calls(void)
{
	handle(SIGUSR1);
	syscall(SYS_getppid);
	_exit(handled);
}

FACTS(a_signal_given_at_another_stop)
{
	pid_t pid = traced("child", sync_calls, PTRACE_O_TRACESYSGOOD);

	until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
	resume(PTRACE_SYSCALL, pid, SIGUSR1);
	resume(PTRACE_SYSCALL, pid, SIGUSR1);
	tell_siginfo(pid);
	end(pid);
}

static void tell_states(pid_t pid)
{
	settle();
	next(pid, WNOHANG | __WALL);
	say("state %c", state_of(pid));
}

static void stop_signal(int signo)
{
	pid_t pid = seized("child", idle, 0);

	request(PTRACE_CONT, pid, 0, 0);
	await(pid, 'S');
	kill(pid, signo);
	next(pid, __WALL);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, signo);
	tell_siginfo(pid);
	tell_message(pid, NULL);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	tell_states(pid);
	kill(pid, SIGCONT);
	next(pid, __WALL);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, 0);
	tell_siginfo(pid);
	ASK(PTRACE_CONT, pid, 0, SIGCONT);
	tell_states(pid);
	end(pid);
}

FACTS(a_stop_of_the_whole_process)
{
	stop_signal(SIGSTOP);
}

/* A child that stands because its process is stopped. */
static pid_t stopped(bool seize)
{
	pid_t pid = seize ? seized("child", idle, 0) : traced("child", idle, 0);

	request(PTRACE_CONT, pid, 0, 0);
	await(pid, 'S');
	kill(pid, SIGSTOP);
	next(pid, __WALL);
	resume(PTRACE_CONT, pid, SIGSTOP);
	return pid;
}

FACTS(a_stop_that_is_run_through)
{
	for (int seize = 0; seize < 2; seize++) {
		pid_t pid = stopped(seize);

		tell_siginfo(pid);
		ASK(PTRACE_CONT, pid, 0, 0);
		tell_states(pid);
		kill(pid, SIGUSR1);
		next(pid, __WALL);
		ASK(PTRACE_CONT, pid, 0, 0);
		kill(pid, SIGCONT);
		next(pid, __WALL);
		end(pid);
	}
}

FACTS(a_stop_that_is_not_delivered)
{
	pid_t pid = traced("child", idle, 0);

	request(PTRACE_CONT, pid, 0, 0);
	await(pid, 'S');
	kill(pid, SIGSTOP);
	next(pid, __WALL);
	ASK(PTRACE_CONT, pid, 0, 0);
	tell_states(pid);
	end(pid);
}

FACTS(listen_then_interrupt)
{
	pid_t pid = stopped(true);

	ASK(PTRACE_LISTEN, pid, 0, 0);
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, __WALL);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	kill(pid, SIGTERM);
	tell_states(pid);
	kill(pid, SIGCONT);
	next(pid, __WALL);
	for (int i = 0; i < 2; i++) {
		int status = resume(PTRACE_CONT, pid, 0);

		if (status >> 16)
			tell_siginfo(pid);
	}
	end(pid);
}

static void detach_with(int how, int signo)
{
	pid_t pid = sleeper("child");

	request(how, pid, 0, 0);
	if (how == PTRACE_SEIZE)
		request(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, __WALL);
	ask("DETACH", PTRACE_DETACH, pid, 0, (uintptr_t)signo);
	settle();
	say("state %c", state_of(pid));
	next(pid, WNOHANG | WUNTRACED);
	kill(pid, SIGCONT);
	settle();
	next(pid, WNOHANG | WUNTRACED | WCONTINUED);
	say("state %c", state_of(pid));
	end(pid);
}

FACTS(detach_with_a_signal)
{
	static const int signals[] = { 0, SIGSTOP, SIGTERM, SIGCONT, SIGKILL, SIGWINCH };

	for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		say("with %d", signals[i]);
		detach_with(PTRACE_ATTACH, signals[i]);
		detach_with(PTRACE_SEIZE, signals[i]);
	}
}

FACTS(detach_at_a_signal)
{
	for (int signo = 0; signo <= SIGTERM; signo += SIGTERM) {
		pid_t pid = traced("child", idle, 0);

		request(PTRACE_CONT, pid, 0, 0);
		await(pid, 'S');
		kill(pid, SIGTERM);
		next(pid, __WALL);
		ask("DETACH", PTRACE_DETACH, pid, 0, (uintptr_t)signo);
		settle();
		next(pid, WNOHANG);
		end(pid);
	}
}

FACTS(detach_while_the_process_is_stopped)
{
	for (int seize = 0; seize < 2; seize++) {
		pid_t pid = stopped(seize);

		ASK(PTRACE_DETACH, pid, 0, 0);
		settle();
		next(pid, WNOHANG | WUNTRACED);
		say("state %c", state_of(pid));
		kill(pid, SIGCONT);
		await(pid, 'S');
		end(pid);
	}
}

static void give_to_stopped(bool seize, int how, int signo)
{
	pid_t pid = stopped(seize);

	say("signal %d", signo);
	ask(how == PTRACE_CONT ? "CONT" : "DETACH", how, pid, 0, (uintptr_t)signo);
	settle();
	next(pid, WNOHANG | WUNTRACED);
	say("state %c", state_of(pid));
	end(pid);
}

FACTS(a_signal_given_to_a_process_that_is_stopped)
{
	static const int signals[] = { SIGSTOP, SIGTERM, SIGCONT, SIGKILL };

	for (unsigned i = 0; i < 2 * sizeof signals / sizeof signals[0]; i++) {
		give_to_stopped(i % 2, PTRACE_CONT, signals[i / 2]);
		give_to_stopped(i % 2, PTRACE_DETACH, signals[i / 2]);
	}
}

static void with_blocked(void)
{
	union sigval value = { .sival_int = 5 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigqueue(getpid(), SIGRTMIN, value);
	sigqueue(getpid(), SIGRTMIN, value);
	syscall(SYS_tkill, getpid(), SIGUSR1);
	kill(getpid(), SIGTRAP);
	_exit(handled);
}

static void peek_queue(pid_t pid, unsigned flags, uint64_t from, int count)
{
	struct __ptrace_peeksiginfo_args args = { .off = from, .flags = flags, .nr = count };
	siginfo_t infos[8];
	long n;

	memset(infos, 0, sizeof infos);
	n = request(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)infos);
	tell(flags ? "in the process's queue" : "in the task's queue", n);
	for (long i = 0; i < n; i++)
		say("  %d code %d value %d", infos[i].si_signo, infos[i].si_code,
		    infos[i].si_code == SI_QUEUE ? infos[i].si_value.sival_int : 0);
}

/* Room for the first only. */
static void peek_queue_at_the_end_of_memory(pid_t pid)
{
	struct __ptrace_peeksiginfo_args args = { .flags = PTRACE_PEEKSIGINFO_SHARED, .nr = 8 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(memory + page, page);
	ASK(PTRACE_PEEKSIGINFO, pid, &args, memory + page - sizeof(siginfo_t));
	ASK(PTRACE_PEEKSIGINFO, pid, &args, memory + page);
	munmap(memory, page);
}

FACTS(blocked_signals_and_masks)
{
	pid_t pid = traced("child", with_blocked, 0);
	uint64_t mask = 0;

	resume(PTRACE_CONT, pid, 0);
	peek_queue(pid, 0, 0, 8);
	peek_queue(pid, PTRACE_PEEKSIGINFO_SHARED, 0, 8);
	peek_queue(pid, PTRACE_PEEKSIGINFO_SHARED, 1, 8);
	peek_queue(pid, PTRACE_PEEKSIGINFO_SHARED, 9, 8);
	peek_queue(pid, 0, 0, 0);
	peek_queue(pid, 0, 0, -1);
	peek_queue(pid, 8, 0, 1);
	peek_queue_at_the_end_of_memory(pid);
	ASK(PTRACE_GETSIGMASK, pid, 8, &mask);
	say("mask %llx", (unsigned long long)mask);
	mask = 1ull << (SIGRTMIN - 1) | 1ull << (SIGKILL - 1);
	ASK(PTRACE_SETSIGMASK, pid, 8, &mask);
	ASK(PTRACE_GETSIGMASK, pid, 8, &mask);
	say("mask %llx", (unsigned long long)mask);
	resume(PTRACE_CONT, pid, 0);
	tell_siginfo(pid);
	resume(PTRACE_CONT, pid, SIGUSR1);
}

FACTS(a_kill_ends_every_stop)
{
	for (int seize = 0; seize < 2; seize++) {
		pid_t pid = seize ? seized("child", idle, 0) : traced("child", idle, 0);

		kill(pid, SIGKILL);
		next(pid, __WALL);
		ASK(PTRACE_CONT, pid, 0, 0);
	}
}

static void call_and_fork(void)
{
	for (;;) {
		syscall(SYS_getppid);
		raise(SIGUSR1);
		if (fork() == 0)
			_exit(0);
	}
}

static void kill_at(const char *stop, pid_t pid, int how)
{
	int status;

	say("%s", stop);
	status = resume(how, pid, SIGKILL);
	tell_message(pid, NULL);
	while (status != -1 && WIFSTOPPED(status))
		status = resume(how, pid, 0);
}

/* The exit of one that is killed is told, too. */
FACTS(a_kill_is_given_at_every_stop)
{
	unsigned options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT;
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		int how = i ? PTRACE_SYSCALL : PTRACE_CONT;

		pid = traced("child", call_and_fork, options);
		until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
		kill_at("entry", pid, how);
		pid = traced("child", call_and_fork, options);
		until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
		resume(PTRACE_SYSCALL, pid, 0);
		kill_at("exit", pid, how);
		pid = traced("child", call_and_fork, options);
		resume(PTRACE_CONT, pid, 0);
		kill_at("signal", pid, how);
		pid = traced("child", call_and_fork, options);
		until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
		resume(PTRACE_SINGLESTEP, pid, 0);
		kill_at("step", pid, how);
	}
}

FACTS(the_kill_request)
{
	pid_t pid = traced("child", idle, 0);

	ASK(PTRACE_KILL, pid, 0, 0);
	next(pid, __WALL);
	ASK(PTRACE_KILL, pid, 0, 0);
	pid = sleeper("child");
	ASK(PTRACE_SEIZE, pid, 0, 0);
	ASK(PTRACE_KILL, pid, 0, 0);
	next(pid, __WALL);
}

static volatile pid_t *shared_tid;

static void *tell_own_id(void *arg)
{
	*shared_tid = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return arg;
}

static void two_threads(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, tell_own_id, NULL);
	for (;;)
		pause();
}

static pid_t start_two(pid_t *thread)
{
	pid_t pid;

	shared_tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = start("leader", two_threads);
	while (!(*thread = *shared_tid))
		usleep(1000);
	role(*thread, "thread");
	await(*thread, 'S');
	return pid;
}

FACTS(a_stop_of_two_threads)
{
	pid_t thread, pid = start_two(&thread);

	ASK(PTRACE_SEIZE, pid, 0, 0);
	ASK(PTRACE_SEIZE, thread, 0, 0);
	syscall(SYS_tgkill, pid, pid, SIGSTOP);
	next(pid, __WALL);
	tell_states(thread);
	resume(PTRACE_CONT, pid, SIGSTOP);
	next(thread, __WALL);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	ASK(PTRACE_LISTEN, thread, 0, 0);
	kill(pid, SIGCONT);
	next(pid, __WALL);
	next(thread, __WALL);
	ASK(PTRACE_CONT, thread, 0, 0);
	ASK(PTRACE_CONT, pid, 0, 0);
	say("one of them %06x", (unsigned)quietly(-1, __WALL)); /* either takes the SIGCONT */
	end(thread);
	end(pid);
}

FACTS(attach_to_two_threads_and_stop_one)
{
	pid_t thread, pid = start_two(&thread);

	ASK(PTRACE_ATTACH, pid, 0, 0);
	next(pid, __WALL);
	ASK(PTRACE_ATTACH, thread, 0, 0);
	next(thread, __WALL);
	ASK(PTRACE_CONT, pid, 0, 0);
	ASK(PTRACE_CONT, thread, 0, 0);
	syscall(SYS_tgkill, pid, thread, SIGSTOP);
	next(thread, __WALL);
	tell_siginfo(thread);
	tell_states(pid);
	ASK(PTRACE_CONT, thread, 0, 0);
	syscall(SYS_tgkill, pid, thread, SIGUSR2);
	next(-1, __WALL);
	resume(PTRACE_CONT, thread, SIGUSR2);
	next(pid, __WALL);
	next(-1, __WALL);
}

FACTS(the_leader_ends_first)
{
	pid_t thread, pid = start_two(&thread);

	ASK(PTRACE_SEIZE, thread, 0, 0);
	ASK(PTRACE_INTERRUPT, thread, 0, 0);
	next(thread, __WALL);
	next(pid, WNOHANG | __WALL);
	kill(pid, SIGKILL);
	next(thread, __WALL);
	next(pid, 0);
	next(-1, __WALL);
}
