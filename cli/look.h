/* SPDX-License-Identifier: MIT */
/* What an engine tells about itself: its sessions and the holds they have. */
#ifndef CLI_LOOK_H
#define CLI_LOOK_H

#include <cotrace.h>
#include <stdio.h>

struct look {
	struct cotrace *engine; /* our own connection, which only looks */
	struct cotrace_session_info *sessions;
	struct cotrace_hold *holds;
	int session_count, hold_count;
};

/* The breakpoints and watchpoints of a session. */
struct look_breaks {
	struct cotrace_break_info *v;
	int count;
};

/* @pid: an engine or a process that one traces. Returns 0 or a negative errno. */
int look_open(struct look *l, pid_t pid);
void look_close(struct look *l);
/* How many breakpoints a session has; none when it is gone. */
int look_break_count(const struct look *l, uint64_t session);
/* All of them; to be freed. None when there are none, or no memory. */
struct look_breaks look_breaks(const struct look *l, uint64_t session);
/* Since a point of CLOCK_MONOTONIC: seconds, and as "3.2 s", "5 min", "2 h". */
double look_seconds(uint64_t since_ns);
const char *look_age(uint64_t since_ns, char buf[24]);
/* Why a task is held: an event's name, or "stop". */
const char *look_reason(const struct cotrace_hold *h);
/* The command of a process, "?" when it cannot be read. */
const char *look_command(pid_t pid, char buf[64]);

#endif
