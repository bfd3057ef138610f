/* SPDX-License-Identifier: MIT */
/* Birth, exec and death. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/kernel/raw.h"

#define ALL_EVENTS                                                                             \
	(PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | \
	 PTRACE_O_TRACEEXIT | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACESYSGOOD)

static unsigned long message_of(pid_t tid)
{
	unsigned long message = 0;

	CHECK_EQ(raw(PTRACE_GETEVENTMSG, tid, 0, (uintptr_t)&message), 0);
	return message;
}

static void fork_once(void)
{
	pid_t pid;

	raise(SIGSTOP);
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	_exit(0);
}

/* Starts @body under trace; it stands after its SIGSTOP, about to go on. */
static pid_t traced_child(void (*body)(void), unsigned options)
{
	pid_t pid = raw_child(body);

	CHECK_SOON(proc_state(pid) == 'T', 2000);
	raw_seize(pid, options);
	CHECK_EQ(raw_status(pid) & 0xff, 0x7f);
	kill(pid, SIGCONT);
	do
		raw_cont(pid, 0);
	while (raw_status(pid) != EVENT_STATUS(0, SIGCONT));
	return pid;
}

/* A forked child is attached to by the kernel, stops first with EVENT_STOP, is named by the
 * parent's event. */
TEST(a_forked_child_is_attached_and_named_by_the_parents_event)
{
	pid_t pid = traced_child(fork_once, ALL_EVENTS), child;

	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_FORK, SIGTRAP));
	child = (pid_t)message_of(pid);
	CHECK_EQ(raw_status(child), EVENT_STATUS(PTRACE_EVENT_STOP, SIGTRAP));
	CHECK_EQ(proc_status_number(child, "TracerPid"), getpid());
	CHECK_EQ(raw(PTRACE_DETACH, child, 0, 0), 0);
	CHECK_EQ(raw(PTRACE_DETACH, pid, 0, 0), 0);
	CHECK_EQ(raw_status(pid), 0);
}

static void *exec_here(void *arg)
{
	usleep(20000);
	execl("/bin/true", "true", (char *)NULL);
	_exit(9);
	return arg;
}

static void exec_in_thread(void)
{
	pthread_t thread;

	raise(SIGSTOP);
	pthread_create(&thread, NULL, exec_here, NULL);
	for (;;)
		pause();
}

/* 60: the tid that called exec is gone without a word; the event says which it was. */
TEST(exec_by_a_thread_takes_the_leaders_place)
{
	pid_t pid = traced_child(exec_in_thread, ALL_EVENTS & ~PTRACE_O_TRACEEXIT), tid;

	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_CLONE, SIGTRAP));
	tid = (pid_t)message_of(pid);
	CHECK_EQ(raw_status(tid), EVENT_STATUS(PTRACE_EVENT_STOP, SIGTRAP));
	raw_cont(tid, 0);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_EXEC, SIGTRAP));
	CHECK_EQ(message_of(pid), tid);
	CHECK_EQ(waitpid(tid, NULL, WNOHANG | __WALL), -1);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), 0);
}

/* 64 */
TEST(until_the_exec_event_is_taken_requests_fail)
{
	pid_t pid = traced_child(exec_in_thread, ALL_EVENTS & ~PTRACE_O_TRACEEXIT), tid;

	raw_cont(pid, 0);
	raw_status(pid);
	tid = (pid_t)message_of(pid);
	raw_status(tid);
	/* The leader stays in its stop; its sibling takes its place by exec. */
	raw_cont(tid, 0);
	CHECK_SOON(proc_state(tid) == 0, 3000);
	CHECK_SOON(proc_state(pid) == 't', 3000);
	CHECK_EQ(raw(PTRACE_CONT, pid, 0, 0), -ESRCH);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_EXEC, SIGTRAP));
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), 0);
}

static void *nap(void *arg)
{
	usleep(100000);
	return arg;
}

static void leader_ends_first(void)
{
	pthread_t thread;

	raise(SIGSTOP);
	pthread_create(&thread, NULL, nap, NULL);
	syscall(SYS_exit, 0);
}

/* 67, 6: the leader's exit stop comes at once, its status when the last thread is gone. */
TEST(a_leader_that_ends_first_has_an_exit_stop_but_no_status_yet)
{
	pid_t pid = traced_child(leader_ends_first, ALL_EVENTS), tid;
	uint64_t started = test_now_ns();

	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_CLONE, SIGTRAP));
	tid = (pid_t)message_of(pid);
	raw_status(tid);
	raw_cont(pid, 0);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_EXIT, SIGTRAP));
	raw_cont(pid, 0);
	CHECK_SOON(proc_state(pid) == 'Z', 2000);
	CHECK_EQ(raw_status_now(pid), -1);
	raw_cont(tid, 0);
	CHECK_EQ(raw_status(tid), EVENT_STATUS(PTRACE_EVENT_EXIT, SIGTRAP));
	CHECK(test_now_ns() - started > 50000000);
	raw_cont(tid, 0);
	/* Reaping order of traced zombies: the thread first, the leader after it. */
	CHECK_EQ(raw_status_now(pid), -1);
	CHECK_EQ(raw_status(tid) & 0xff, 0);
	CHECK_EQ(raw_status(pid), 0);
}

/* 69 */
TEST(sigkill_leads_to_the_exit_stop)
{
	pid_t pid = raw_sleeper();

	raw_seize(pid, ALL_EVENTS);
	kill(pid, SIGKILL);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_EXIT, SIGTRAP));
	CHECK_EQ(message_of(pid), SIGKILL);
	kill(pid, SIGKILL);
	test_sleep_ms(20);
	CHECK_EQ(proc_state(pid), 't');
	raw_cont(pid, 0);
	CHECK_EQ(WTERMSIG(raw_status(pid)), SIGKILL);
}

static void exit_five(void)
{
	raise(SIGSTOP);
	_exit(5);
}

/* 72: the real parent sees nothing until the tracer has reaped; a pidfd says dead. */
TEST(a_dead_task_is_hidden_from_its_parent_until_the_tracer_reaps_it)
{
	pid_t pid = raw_child(exit_five), tracer;
	int pidfd, gate[2], status;
	struct pollfd p;

	CHECK_SOON(proc_state(pid) == 'T', 2000);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_SYS(pipe(gate));
	tracer = fork();
	if (tracer == 0) {
		char c;

		close(gate[1]);
		raw_seize(pid, 0);
		kill(pid, SIGCONT);
		for (int s = raw_status(pid); WIFSTOPPED(s); s = raw_status(pid)) {
			raw(PTRACE_CONT, pid, 0, (uintptr_t)(s >> 16 ? 0 : WSTOPSIG(s)));
			/* Leaves the death unreaped until told. */
			if (s >> 16 == 0 && read(gate[0], &c, 1) >= 0)
				continue;
		}
		_exit(0);
	}
	close(gate[0]);
	pidfd = (int)CHECK_SYS(syscall(SYS_pidfd_open, pid, 0));
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	CHECK_SOON(proc_state(pid) == 'Z', 3000);
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	close(gate[1]);
	waitpid(tracer, NULL, 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
	close(pidfd);
}

static unsigned stack[4096];

static int thread_of_clone(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

static void clone_untraced(void)
{
	raise(SIGSTOP);
	clone(thread_of_clone, stack + 4096, CLONE_VM | CLONE_UNTRACED | SIGCHLD, NULL);
	for (;;)
		pause();
}

static void note_child(pid_t pid, void *arg)
{
	*(pid_t *)arg = pid;
}

/* 56: documented as not to be hidden. */
TEST(clone_untraced_escapes)
{
	pid_t pid = traced_child(clone_untraced, ALL_EVENTS), child = 0;

	raw_cont(pid, 0);
	CHECK_SOON(proc_each_child(pid, note_child, &child) == 1, 2000);
	CHECK_EQ(proc_status_number(child, "TracerPid"), 0);
	kill(child, SIGKILL);
	raw_kill(pid);
}

/* 5: waiting by number finds the one. */
TEST(waiting_for_one_task_leaves_the_others_stops_alone)
{
	pid_t a = raw_sleeper(), b = raw_sleeper();

	raw_seize(a, 0);
	raw_seize(b, 0);
	raw(PTRACE_INTERRUPT, a, 0, 0);
	raw(PTRACE_INTERRUPT, b, 0, 0);
	CHECK_EQ(raw_status(b) >> 16, PTRACE_EVENT_STOP);
	CHECK_EQ(raw_status(a) >> 16, PTRACE_EVENT_STOP);
	raw_kill(a);
	raw_kill(b);
}

static sigjmp_buf out_of_call;

static void leave_call(int signo)
{
	(void)signo;
	siglongjmp(out_of_call, 1);
}

/* Returns the result of SEIZE, or -ETIME when it had to be left after @ms. */
static long seize_within(pid_t tid, unsigned ms)
{
	struct itimerval timer = { .it_value = { ms / 1000, (ms % 1000) * 1000 } }, none = { 0 };
	volatile long r = -ETIME;

	signal(SIGALRM, leave_call);
	if (sigsetjmp(out_of_call, 1) == 0) {
		setitimer(ITIMER_REAL, &timer, NULL);
		r = raw(PTRACE_SEIZE, tid, 0, 0);
	}
	setitimer(ITIMER_REAL, &none, NULL);
	return r;
}

/*
 * SEIZE waits for a lock that a thread in execve() holds until its siblings are dead and
 * reaped. When we trace a sibling and only we can let it go, SEIZE would wait for ever; a
 * signal handler that does not return gets us out, and the task is not attached.
 */
TEST(seizing_a_thread_in_execve_blocks_while_we_keep_its_sibling)
{
	pid_t pid = raw_child(exec_in_thread), tid;

	CHECK_SOON(proc_state(pid) == 'T', 2000);
	raw_seize(pid, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC);
	CHECK_EQ(raw_status(pid) & 0xff, 0x7f);
	kill(pid, SIGCONT);
	do
		raw_cont(pid, 0);
	while (raw_status(pid) != EVENT_STATUS(0, SIGCONT));
	/* Without TRACECLONE its thread is not attached by the kernel. */
	raw_cont(pid, 0);
	CHECK_SOON(proc_each_task(pid, NULL, NULL) == 2, 2000);
	tid = raw_task(pid, 1);
	CHECK_EQ(raw_status(pid), EVENT_STATUS(PTRACE_EVENT_EXIT, SIGTRAP));
	CHECK_EQ(seize_within(tid, 100), -ETIME);
	CHECK_EQ(proc_status_number(tid, "TracerPid"), 0);
	raw_cont(pid, 0);
	/* Now the exec can come to its end, in the leader's place, traced by nobody. */
	CHECK_EQ(raw_status(pid), 0);
}
