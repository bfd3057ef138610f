/* SPDX-License-Identifier: MIT */
/*
 * signals N: sends itself signals of every manner and counts what arrives: N plain ones one
 * by one, N queued ones with values, N handled faults, N to a thread, N ignored, and N timer
 * ticks. Prints "usr1 N rt N sum S segv N thread N", then "signals done".
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/targets/common.h"

static volatile sig_atomic_t usr1, rt, sum, segv, to_thread, ticks;
static sigjmp_buf after_fault;
static pthread_t main_thread;

static void on_plain(int signo)
{
	(void)signo;
	if (pthread_equal(pthread_self(), main_thread))
		usr1++;
	else
		to_thread++;
}

static void on_queued(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	MUST(info->si_code == SI_QUEUE && info->si_pid == getpid());
	rt++;
	sum += info->si_value.sival_int;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	MUST(info->si_addr == (void *)16);
	segv++;
	siglongjmp(after_fault, 1);
}

static void on_tick(int signo)
{
	(void)signo;
	ticks++;
}

static void handle(int signo, void (*plain)(int), void (*info)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_flags = info ? SA_SIGINFO : SA_RESTART };

	if (info)
		action.sa_sigaction = info;
	else
		action.sa_handler = plain;
	MUST(sigaction(signo, &action, NULL) == 0);
}

static atomic_int thread_tid, thread_over;

static void *take_signals(void *arg)
{
	atomic_store(&thread_tid, (int)syscall(SYS_gettid));
	while (!atomic_load(&thread_over))
		usleep(1000);
	return arg;
}

static void signal_thread(unsigned n)
{
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, take_signals, NULL) == 0);
	while (atomic_load(&thread_tid) == 0)
		usleep(100);
	for (unsigned i = 0; i < n; i++) {
		int before = to_thread;

		MUST(syscall(SYS_tgkill, getpid(), atomic_load(&thread_tid), SIGUSR1) == 0);
		while (to_thread == before)
			usleep(100);
	}
	atomic_store(&thread_over, 1);
	pthread_join(thread, NULL);
}

static volatile uintptr_t no_address = 16;

static void fault(unsigned n)
{
	for (volatile unsigned i = 0; i < n; i++)
		if (sigsetjmp(after_fault, 1) == 0)
			*(volatile int *)no_address = 1;
}

static void tick(unsigned n)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec soon = { .it_value = { .tv_nsec = 200000 } };
	timer_t timer;

	MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	for (unsigned i = 0; i < n; i++) {
		int before = ticks;

		MUST(timer_settime(timer, 0, &soon, NULL) == 0);
		while (ticks == before)
			usleep(100);
	}
	timer_delete(timer);
	MUST(ticks == (int)n);
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 20);

	main_thread = pthread_self();
	handle(SIGUSR1, on_plain, NULL);
	handle(SIGRTMIN + 1, NULL, on_queued);
	handle(SIGSEGV, NULL, on_fault);
	handle(SIGALRM, on_tick, NULL);
	signal(SIGUSR2, SIG_IGN);
	say("ready\n");
	for (unsigned i = 0; i < n; i++) {
		MUST(raise(SIGUSR1) == 0 && usr1 == (int)i + 1);
		MUST(raise(SIGUSR2) == 0);
		MUST(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = (int)i }) == 0);
	}
	fault(n);
	signal_thread(n);
	tick(n);
	say("usr1 %d rt %d sum %d segv %d thread %d\n", (int)usr1, (int)rt, (int)sum, (int)segv,
	    (int)to_thread);
	say("signals done\n");
	return 0;
}
