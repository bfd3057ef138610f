/* SPDX-License-Identifier: MIT */
/*
 * A session in an io_uring loop: one multishot poll on the session fd reports whenever
 * events have come; the ring can wait for anything else at the same time.
 */
#include <cotrace.h>
#include <inttypes.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void arm(struct io_uring *ring, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_submit(ring);
}

/* Takes all that is there, as a multishot poll tells of new arrivals only. */
static int take_events(struct cotrace *s)
{
	struct cotrace_event ev = { .size = sizeof ev };
	int r;

	while ((r = cotrace_next(s, &ev, 0)) == 1)
		if (ev.kind == COTRACE_EVENT_SYSCALL_EXIT)
			printf("%d: %" PRId64 " = %" PRId64 "\n", ev.tid, ev.syscall.nr,
			       ev.syscall.result);
	return r == 0;
}

static void loop(struct cotrace *s, struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int open = 1;

	arm(ring, cotrace_fd(s));
	while (open && io_uring_wait_cqe(ring, &cqe) == 0) {
		int more = cqe->flags & IORING_CQE_F_MORE;

		io_uring_cqe_seen(ring, cqe);
		open = take_events(s);
		if (open && !more)
			arm(ring, cotrace_fd(s));
	}
}

int main(int argc, char **argv)
{
	struct cotrace_options options = { .size = sizeof options, .role = COTRACE_OBSERVER };
	struct io_uring ring;
	struct cotrace *s;
	int r;

	if (argc != 2) {
		fprintf(stderr, "Usage: uring_loop PID\n");
		return 2;
	}
	r = cotrace_attach(&s, atoi(argv[1]), &options);
	if (r < 0) {
		fprintf(stderr, "uring_loop: %s: %s; `cotrace why %s` says more\n", argv[1],
			strerror(-r), argv[1]);
		return 1;
	}
	r = io_uring_queue_init(8, &ring, 0);
	if (r == 0) {
		r = cotrace_subscribe_syscalls(s, COTRACE_ARCH_ANY, COTRACE_EXIT, NULL,
					       COTRACE_NOTE);
		if (r == 0)
			loop(s, &ring);
		io_uring_queue_exit(&ring);
	}
	if (r < 0)
		fprintf(stderr, "uring_loop: %s\n", strerror(-r));
	cotrace_close(s);
	return r < 0;
}
