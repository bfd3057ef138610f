/* SPDX-License-Identifier: MIT */
/* Command lines: reading them, and what the subcommands that run programs have alike. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cli/stamp.h"

#define OPTIONS_PIDS_MAX 256

/* Returns 0; else it has complained and returns the exit status. optarg is the value of @c. */
typedef int option_take(void *options, int c);

/*
 * Has every option taken. @letters as of getopt_long(), ':' in front. Returns 0, and the first
 * operand is argv[optind]; else it has complained and returns the exit status.
 */
int options_read(int argc, char **argv, const char *letters, const struct option *table,
		 option_take *take, void *options);
/*
 * The same for a command that takes --help only. False: that was asked for and shown, or
 * wrong, and *status is to be returned.
 */
bool options_none(int argc, char **argv, const char *help, int *status);
/* After one of them: the operand, all that is left. NULL: *status is to be returned. */
const char *options_operand(int argc, char **argv, const char *what, int *status);
/* The same for the id of a process. Returns 0; else it has complained, as above. */
int options_pid(int argc, char **argv, pid_t *pid);
/* A number that @option takes; else as above. */
int options_number(const char *option, const char *text, long least, long most, long *v);

/* What to look at and where to write it. */
struct common_options {
	pid_t pids[OPTIONS_PIDS_MAX];
	unsigned pid_count;
	char **command; /* NULL: only -p */
	const char *output;
	bool append, follow, json, summary, help;
	unsigned quiet; /* how often -q */
	enum time_format time;
};

#define COMMON_LETTERS "fp:o:Actrqh"
/* clang-format off */
#define COMMON_OPTIONS \
	{ "follow-forks", no_argument, NULL, 'f' }, \
	{ "attach", required_argument, NULL, 'p' }, \
	{ "output", required_argument, NULL, 'o' }, \
	{ "output-append-mode", no_argument, NULL, 'A' }, \
	{ "json", no_argument, NULL, 'j' }, \
	{ "summary-only", no_argument, NULL, 'c' }, \
	{ "absolute-timestamps", no_argument, NULL, 't' }, \
	{ "relative-timestamps", no_argument, NULL, 'r' }, \
	{ "quiet", no_argument, NULL, 'q' }, \
	{ "help", no_argument, NULL, 'h' }
/* clang-format on */

/* One of those above; as option_take. */
int common_option(struct common_options *o, int c);
/* After options_read() of a line whose options end at the command. */
int common_finish(struct common_options *o, int argc, char **argv);

#endif
