/* SPDX-License-Identifier: MIT */
/* Takes events until there are no more, or enough of them. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/break/breaker.h"
#include "cli/command.h"
#include "cli/program.h"

#define BATCH 512      /* events of one session before the next one's turn */
#define NAP_NS 1000000 /* a pause lets notes gather: waking for each costs the target time */
#define FLUSH_MS 100   /* a file need not be written at once */

bool break_done(const struct breaker *b)
{
	return b->options.count && b->hits >= b->options.count;
}

static bool is_over(const struct breaker *b)
{
	return !b->live || b->stop_signal || b->out.error || break_done(b);
}

/* Returns how many events it took. *stops: there was one among them that stopped a task. */
static int drain(struct breaker *b, struct field *f, bool *stops)
{
	struct cotrace_event ev = { .size = sizeof ev };
	int n;

	for (n = 0; n < BATCH && !f->over && !is_over(b); n++) {
		int r = cotrace_next_data(f->session, &ev, b->data, sizeof b->data, 0);

		if (r == 1) {
			*stops |= (ev.flags & COTRACE_EV_STOP) != 0;
			break_take(b, f, &ev);
		} else if (r == 0 || r == -EINTR)
			break;
		else
			f->over = true;
	}
	if (f->over)
		b->live--;
	return n;
}

static bool drain_all(struct breaker *b, bool *stops)
{
	bool any = false;

	for (unsigned i = 0; i < b->field_count; i++)
		if (!b->fields[i].over && drain(b, &b->fields[i], stops) > 0)
			any = true;
	return any;
}

/* At once where somebody may be reading along; a file from time to time. */
static void flush(struct breaker *b)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = now.tv_sec * 1000ll + now.tv_nsec / 1000000;
	if (!b->out.len)
		b->flushed_ms = ms;
	else if (!b->sink.is_file || ms - b->flushed_ms >= FLUSH_MS) {
		out_flush(&b->out);
		b->flushed_ms = ms;
	}
}

/* Waits for events. */
static void idle(struct breaker *b, struct pollfd *fds, bool nap)
{
	static const struct timespec pause = { .tv_nsec = NAP_NS };
	unsigned n = 1;
	int r;

	flush(b);
	for (unsigned i = 0; i < b->field_count; i++)
		if (!b->fields[i].over)
			fds[n++] = (struct pollfd){ cotrace_fd(b->fields[i].session), POLLIN, 0 };
	r = poll(fds, n, b->out.len ? FLUSH_MS : -1);
	if (!r)
		out_flush(&b->out);
	else if (r > 0 && fds[0].revents)
		b->stop_signal = program_signals_take(fds[0].fd);
	else if (nap)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

int break_loop(struct breaker *b)
{
	struct pollfd *fds = calloc(b->field_count + 1u, sizeof *fds);
	int fd = program_signals_open(b->child != 0);
	bool stops = true;

	if (!fds || fd < 0) {
		free(fds);
		return complain(EXIT_FAILURE, "out of memory or file descriptors");
	}
	fds[0] = (struct pollfd){ fd, POLLIN, 0 };
	while (!is_over(b)) {
		bool stopped = false;

		if (drain_all(b, &stopped)) {
			/* Where tasks wait for us there is no time for a pause. */
			stops = stopped;
			if (poll(fds, 1, 0) > 0)
				b->stop_signal = program_signals_take(fd);
		} else
			idle(b, fds, !stops);
	}
	close(fd);
	free(fds);
	return 0;
}
