/* SPDX-License-Identifier: MIT */
/* Takes events until there are no more, or a signal says to end. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/program.h"
#include "cli/trace/tracer.h"

#define BATCH 512      /* events of one session before the next one's turn */
#define NAP_NS 1000000 /* a pause lets events gather: waking for each costs the target time */
#define FLUSH_MS 100   /* a file need not be written at once */

/* Returns how many events it took. */
static int drain(struct tracer *tr, struct target *target)
{
	struct cotrace_event ev = { .size = sizeof ev };
	int n;

	for (n = 0; n < BATCH && !target->over; n++) {
		int r = cotrace_next_data(target->session, &ev, tr->data, sizeof tr->data, 0);

		if (r == 1)
			event_take(tr, target, &ev);
		else if (r == 0 || r == -EINTR)
			break;
		else
			target->over = true;
	}
	if (target->over)
		tr->live--;
	return n;
}

static bool drain_all(struct tracer *tr)
{
	bool any = false;

	for (unsigned i = 0; i < tr->target_count; i++)
		if (!tr->targets[i].over && drain(tr, &tr->targets[i]) > 0)
			any = true;
	return any;
}

/* Waits for events; flushes first where somebody may be reading along. */
static void idle(struct tracer *tr, struct pollfd *fds)
{
	static const struct timespec nap = { .tv_nsec = NAP_NS };
	unsigned n = 1;
	int r;

	if (!tr->sink.is_file)
		out_flush(&tr->out);
	for (unsigned i = 0; i < tr->target_count; i++)
		if (!tr->targets[i].over)
			fds[n++] = (struct pollfd){ cotrace_fd(tr->targets[i].session), POLLIN, 0 };
	r = poll(fds, n, tr->out.len ? FLUSH_MS : -1);
	if (!r)
		out_flush(&tr->out);
	else if (r > 0 && fds[0].revents)
		tr->stop_signal = program_signals_take(fds[0].fd);
	else
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

int loop_run(struct tracer *tr)
{
	struct pollfd *fds = calloc(tr->target_count + 1u, sizeof *fds);
	int fd = program_signals_open(tr->child != 0);

	if (!fds || fd < 0) {
		free(fds);
		return complain(EXIT_FAILURE, "out of memory or file descriptors");
	}
	fds[0] = (struct pollfd){ fd, POLLIN, 0 };
	while (tr->live && !tr->stop_signal && !tr->out.error)
		if (!drain_all(tr))
			idle(tr, fds);
		else if (poll(fds, 1, 0) > 0)
			tr->stop_signal = program_signals_take(fd);
	close(fd);
	free(fds);
	return 0;
}
