/* SPDX-License-Identifier: MIT */
/*
 * A session in an event loop of one's own: poll(2) over the session fd and a timer, no
 * signal handler, no wait(). Prints each system call with its result, and every second
 * how many there were.
 */
#include <cotrace.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

static unsigned long calls;

/* Takes all that is there. Returns 0 when the session is over. */
static int take_events(struct cotrace *s)
{
	struct cotrace_event ev = { .size = sizeof ev };
	int r;

	while ((r = cotrace_next(s, &ev, 0)) == 1) {
		if (ev.kind != COTRACE_EVENT_SYSCALL_EXIT)
			continue;
		calls++;
		printf("%d: %" PRId64 "(%" PRIx64 ", %" PRIx64 ", %" PRIx64 ") = %" PRId64 "\n",
		       ev.tid, ev.syscall.nr, ev.syscall.args[0], ev.syscall.args[1],
		       ev.syscall.args[2], ev.syscall.result);
	}
	return r == 0;
}

static int every_second(void)
{
	struct itimerspec second = { { 1, 0 }, { 1, 0 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	timerfd_settime(fd, 0, &second, NULL);
	return fd;
}

static void loop(struct cotrace *s)
{
	struct pollfd fds[] = { { .fd = cotrace_fd(s), .events = POLLIN },
				{ .fd = every_second(), .events = POLLIN } };
	uint64_t ticks;

	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !take_events(s))
			break;
		if (fds[1].revents && read(fds[1].fd, &ticks, sizeof ticks) > 0)
			fprintf(stderr, "%lu calls\n", calls);
	}
	close(fds[1].fd);
}

int main(int argc, char **argv)
{
	struct cotrace_explanation why = { .size = sizeof why };
	struct cotrace_options options = { .size = sizeof options, .role = COTRACE_OBSERVER };
	struct cotrace *s;
	pid_t pid;
	int r;

	if (argc != 2) {
		fprintf(stderr, "Usage: poll_loop PID\n");
		return 2;
	}
	pid = atoi(argv[1]);
	r = cotrace_attach(&s, pid, &options);
	if (r < 0) {
		cotrace_explain(pid, &why);
		fprintf(stderr, "poll_loop: %s: %s\n", strerror(-r), why.sentence);
		return 1;
	}
	r = cotrace_subscribe_syscalls(s, COTRACE_ARCH_ANY, COTRACE_EXIT, NULL, COTRACE_NOTE);
	if (r == 0)
		loop(s);
	cotrace_close(s);
	return r < 0;
}
