/* SPDX-License-Identifier: MIT */
#include "cli/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLACK 16 /* sessions and holds may come between counting and reading */

/* Our own session is none of those to be shown. */
static void leave_out(struct look *l, uint64_t own)
{
	for (int i = 0; i < l->session_count; i++)
		if (l->sessions[i].session == own) {
			memmove(&l->sessions[i], &l->sessions[i + 1],
				(size_t)(l->session_count - i - 1) * sizeof *l->sessions);
			l->session_count--;
			return;
		}
}

static int read_lists(struct look *l)
{
	int sessions = cotrace_sessions(l->engine, NULL, 0);
	int holds = sessions < 0 ? sessions : cotrace_holds(l->engine, NULL, 0);

	if (holds < 0)
		return holds;
	sessions += SLACK;
	holds += SLACK;
	l->sessions = calloc((size_t)sessions, sizeof *l->sessions);
	l->holds = calloc((size_t)holds, sizeof *l->holds);
	if (!l->sessions || !l->holds)
		return -ENOMEM;
	l->session_count = cotrace_sessions(l->engine, l->sessions, (size_t)sessions);
	l->hold_count = cotrace_holds(l->engine, l->holds, (size_t)holds);
	if (l->session_count < 0 || l->hold_count < 0)
		return l->session_count < 0 ? l->session_count : l->hold_count;
	if (l->session_count > sessions)
		l->session_count = sessions;
	if (l->hold_count > holds)
		l->hold_count = holds;
	leave_out(l, cotrace_id(l->engine));
	return 0;
}

int look_open(struct look *l, pid_t pid)
{
	int r;

	*l = (struct look){ 0 };
	r = cotrace_open_engine(&l->engine, pid);
	if (!r)
		r = read_lists(l);
	if (r)
		look_close(l);
	return r;
}

void look_close(struct look *l)
{
	cotrace_close(l->engine);
	free(l->sessions);
	free(l->holds);
	*l = (struct look){ 0 };
}

int look_break_count(const struct look *l, uint64_t session)
{
	int n = cotrace_breakpoints_of(l->engine, session, NULL, 0);

	return n < 0 ? 0 : n;
}

struct look_breaks look_breaks(const struct look *l, uint64_t session)
{
	int room = look_break_count(l, session) + SLACK;
	struct look_breaks breaks = { calloc((size_t)room, sizeof *breaks.v), 0 };

	if (breaks.v)
		breaks.count = cotrace_breakpoints_of(l->engine, session, breaks.v, (size_t)room);
	if (breaks.count < 0)
		breaks.count = 0;
	if (breaks.count > room)
		breaks.count = room;
	return breaks;
}

double look_seconds(uint64_t since_ns)
{
	struct timespec now;
	double s;

	clock_gettime(CLOCK_MONOTONIC, &now);
	s = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)since_ns / 1e9;
	return s < 0 ? 0 : s;
}

const char *look_age(uint64_t since_ns, char buf[24])
{
	double s = look_seconds(since_ns);

	if (s < 120)
		snprintf(buf, 24, "%.1f s", s);
	else if (s < 7200)
		snprintf(buf, 24, "%.0f min", s / 60);
	else
		snprintf(buf, 24, "%.0f h", s / 3600);
	return buf;
}

const char *look_reason(const struct cotrace_hold *h)
{
	const char *name;

	if (h->reason == COTRACE_EVENT_STOP_DONE)
		return "stop asked for";
	name = cotrace_event_name(h->reason);
	return name ? name : "start";
}

const char *look_command(pid_t pid, char buf[64])
{
	char path[40];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, 63);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return "?";
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}
