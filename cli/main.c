/* SPDX-License-Identifier: MIT */
#include <cotrace.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
	const char *summary;
} commands[] = {
	{ "trace", trace_main, trace_help, "show the system calls and signals of programs" },
	{ "break", break_main, break_help, "print a line each time a program comes to a place" },
	{ "ps", ps_main, ps_help, "list engines, sessions and held tasks" },
	{ "end", end_main, end_help, "end a session as if its owner had closed it" },
	{ "why", why_main, why_help, "say why a process cannot be attached to" },
	{ "core", core_main, core_help, "write a core file of a running process" },
	{ "stack", stack_main, stack_help, "show the stacks of a process" },
	{ "run", run_main, run_help, "run gdb, strace or another user of ptrace() on cotrace" },
};

#define COMMANDS (sizeof commands / sizeof commands[0])

int complain(int status, const char *format, ...)
{
	va_list args;

	fputs("cotrace: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

int complain_of_silence(pid_t engine)
{
	return complain(
		EXIT_FAILURE,
		"engine %d does not answer; if it is stopped, 'kill -CONT %d' lets it go on",
		(int)engine, (int)engine);
}

long parse_number(const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	return errno || end == text || *end || n <= 0 ? -1 : n;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_help(FILE *f)
{
	fputs("Usage: cotrace COMMAND [OPTION]... [ARGUMENT]...\n\n", f);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(f, "  %-6s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'cotrace COMMAND --help' tells more about each; 'cotrace --version' prints the\n"
	      "version.\n",
	      f);
}

static int help(int argc, char **argv)
{
	const struct command *c = argc > 1 ? find(argv[1]) : NULL;

	if (argc > 1 && !c)
		return complain(EXIT_USAGE, "there is no command %s; 'cotrace help' lists them",
				argv[1]);
	if (c)
		fputs(c->help, stdout);
	else
		print_help(stdout);
	return 0;
}

/* A session's fd must not take the place of one that was closed: we would print into it. */
static void fill_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", (fd ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
}

static int run(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		unsigned v = cotrace_version();

		printf("cotrace %u.%u.%u\n", v / 10000, v / 100 % 100, v % 100);
		return 0;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc - 1, argv + 1);
	c = find(argv[1]);
	if (!c)
		return complain(EXIT_USAGE, "there is no command %s; 'cotrace help' lists them",
				argv[1]);
	return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int status;

	fill_standard_fds();
	status = run(argc, argv);
	errno = 0;
	if (fflush(stdout) || ferror(stdout))
		return complain(EXIT_FAILURE, "standard output cannot be written: %s",
				strerror(errno ? errno : EIO));
	return status;
}
