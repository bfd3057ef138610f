/* SPDX-License-Identifier: MIT */
/*
 * Programs that a subcommand starts or attaches to: finding them, what to say when that
 * fails, and ending as they do.
 */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include <cotrace.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Adds what -p names: one pid, or several between commas or blanks, as pidof prints them.
 * Returns 0; else it has complained and returns the exit status.
 */
int program_pids(pid_t *pids, unsigned *count, unsigned max, const char *list);
/*
 * As the shell looks for a command. Returns 0, and *path is to be freed; else it has
 * complained and returns the exit status.
 */
int program_find(const char *name, char **path);
/* Says why cotrace_spawn() of what program_find() has found failed. Returns the exit status. */
int program_not_spawned(const char *name, const char *path, int error);
/* Says why cotrace_attach() failed. Returns the exit status. */
int program_not_attached(pid_t pid, int error);
/* Waits for our own child, which nobody else waits for, and ends as it did. */
int program_status(pid_t child);
/* Dies of the signal, so that our parent sees what the program's would have. */
int program_die_of(int signo);
/*
 * Signals that end the run, as an fd; a negative number on failure. A command's own
 * terminal signals reach it without us; we end when it does.
 */
int program_signals_open(bool has_command);
/* The next one, or 0. */
int program_signals_take(int fd);
/*
 * Says why a session is over, at SESSION_END or ENGINE_GONE. True: too early, and nobody
 * asked for it.
 */
bool program_session_over(const struct cotrace_event *ev, struct cotrace *s, pid_t pid);

#endif
