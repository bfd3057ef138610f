/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/program.h"

/* @c: what getopt_long() has returned. Of a cluster of letters it has not passed the word yet. */
static int bad_option(char **argv, int c, const char *letters)
{
	const char *word = argv[optind - 1];

	if (c == ':')
		return complain(EXIT_USAGE, "option %s needs a value; see cotrace %s --help", word,
				argv[0]);
	if (optopt && !strchr(letters, optopt) && (strncmp(word, "--", 2) || !strchr(word, '=')))
		return complain(EXIT_USAGE, "there is no option -%c; see cotrace %s --help", optopt,
				argv[0]);
	return complain(EXIT_USAGE, "there is no option %s; see cotrace %s --help", word, argv[0]);
}

int options_read(int argc, char **argv, const char *letters, const struct option *table,
		 option_take *take, void *options)
{
	int c, status = 0;

	optind = 0;
	while (!status && (c = getopt_long(argc, argv, letters, table, NULL)) != -1)
		status = c == '?' || c == ':' ? bad_option(argv, c, letters) : take(options, c);
	return status;
}

static int take_help(void *options, int c)
{
	bool *help = options;

	*help = c == 'h';
	return 0;
}

bool options_none(int argc, char **argv, const char *text, int *status)
{
	static const struct option table[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	bool help = false;

	*status = options_read(argc, argv, ":h", table, take_help, &help);
	if (help && !*status)
		fputs(text, stdout);
	return !help && !*status;
}

const char *options_operand(int argc, char **argv, const char *what, int *status)
{
	*status = 0;
	if (argc - optind == 1)
		return argv[optind];
	*status = complain(EXIT_USAGE, "%s takes exactly one %s; see cotrace %s --help", argv[0],
			   what, argv[0]);
	return NULL;
}

int options_pid(int argc, char **argv, pid_t *pid)
{
	int status;
	const char *text = options_operand(argc, argv, "process id", &status);
	long n = text ? parse_number(text) : 0;

	if (!text)
		return status;
	if (n < 0 || n > INT32_MAX)
		return complain(EXIT_USAGE, "a process id is a positive number, not '%s'", text);
	*pid = (pid_t)n;
	return 0;
}

int options_number(const char *option, const char *text, long least, long most, long *v)
{
	long n = !strcmp(text, "0") ? 0 : parse_number(text);

	if (n < least || n > most)
		return complain(EXIT_USAGE, "%s takes a number from %ld to %ld, not '%s'", option,
				least, most, text);
	*v = n;
	return 0;
}

static bool *flag_of(struct common_options *o, int c)
{
	switch (c) {
	case 'f':
		return &o->follow;
	case 'A':
		return &o->append;
	case 'j':
		return &o->json;
	case 'c':
		return &o->summary;
	default:
		return &o->help;
	}
}

int common_option(struct common_options *o, int c)
{
	switch (c) {
	case 'p':
		return program_pids(o->pids, &o->pid_count, OPTIONS_PIDS_MAX, optarg);
	case 'o':
		o->output = optarg;
		return 0;
	case 't':
		o->time = o->time < TIME_EPOCH ? o->time + 1 : TIME_EPOCH;
		return 0;
	case 'r':
		o->time = TIME_RELATIVE;
		return 0;
	case 'q':
		o->quiet++;
		return 0;
	default:
		*flag_of(o, c) = true;
		return 0;
	}
}

int common_finish(struct common_options *o, int argc, char **argv)
{
	bool has_command = optind < argc;

	if (has_command)
		o->command = argv + optind;
	if (!has_command && !o->pid_count)
		return complain(EXIT_USAGE,
				"name a command to run, or a process with -p; see cotrace %s "
				"--help",
				argv[0]);
	if (o->json && o->summary)
		return complain(EXIT_USAGE,
				"--json and -c exclude each other: the summary is text");
	if (o->append && !o->output)
		return complain(EXIT_USAGE, "-A goes with -o FILE: there is no file to append to");
	return 0;
}
