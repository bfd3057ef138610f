/* SPDX-License-Identifier: MIT */
/* Starting the programs of test/targets and hearing what they say. */
#ifndef TEST_RUNNER_TARGET_H
#define TEST_RUNNER_TARGET_H

#include <stddef.h>
#include <sys/types.h>

struct target {
	pid_t pid;
	int out; /* read its stdout */
	int in;	 /* write its stdin; targets told to wait go on at a byte or at the end */
	int status;
};

#define TARGET_NULL ((struct target){ -1, -1, -1, 0 })
#define TARGET_ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The path of a target program; static storage. Skips the test when it was not built. */
const char *target_path(const char *name);
/* argv[0] names the target, or is a path. */
void target_start(struct target *t, const char *const argv[]);
#define TARGET_START(t, ...) target_start(t, TARGET_ARGS(__VA_ARGS__))
/* Reads one line of its output, without the newline; fails the test after ten seconds. */
void target_line(struct target *t, char *line, size_t size);
/* Reads lines until one equals @line. */
void target_expect(struct target *t, const char *line);
/* Lets a waiting target go on. */
void target_go(struct target *t);
/* Waits for its end, at most @ms; gives the wait status. Closes the fds. */
int target_wait(struct target *t, unsigned ms);
/* Waits and checks that it exited with 0, having printed @last as its last line, if given. */
void target_ends_well(struct target *t, unsigned ms);
/* All output until its end. */
size_t target_output(struct target *t, char *text, size_t size);
void target_kill(struct target *t);
/* "exit 3", "signal 9 core", ... static storage */
const char *target_status_text(int status);

#endif
