/* SPDX-License-Identifier: MIT */
/* The subcommands. Each returns the exit status of the program. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <sys/types.h>

enum { EXIT_USAGE = 2, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

int trace_main(int argc, char **argv);
int break_main(int argc, char **argv);
int ps_main(int argc, char **argv);
int end_main(int argc, char **argv);
int why_main(int argc, char **argv);
int core_main(int argc, char **argv);
int stack_main(int argc, char **argv);
int run_main(int argc, char **argv);

extern const char trace_help[], break_help[], ps_help[], end_help[], why_help[], core_help[],
	stack_help[], run_help[];

/* "cotrace: " and the message, on stderr. Returns @status. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* That an engine did not answer in time. Returns EXIT_FAILURE. */
int complain_of_silence(pid_t engine);
/* A positive number, whole, or -1. */
long parse_number(const char *text);

#endif
