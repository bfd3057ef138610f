/* SPDX-License-Identifier: MIT */
/* cotrace break */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/break/breaker.h"
#include "cli/command.h"
#include "cli/program.h"

const char break_help[] =
	"Usage: cotrace break [OPTION]... -b PLACE [-b PLACE]... [--] COMMAND [ARGUMENT]...\n"
	"       cotrace break [OPTION]... -b PLACE [-b PLACE]... -p PID [-p PID]...\n"
	"\n"
	"Prints a line each time a program comes to a place in its code, and lets it go on.\n"
	"\n"
	"Where:\n"
	"  -b, --break='PLACE [if EXPR]'   repeatable; PLACE is\n"
	"        main, ns::Class::f, ns::f(int)   a function: all overloads, or one of them\n"
	"        f+0x1c             so many bytes behind its first instruction\n"
	"        libc.so.6:malloc   only in that library\n"
	"        file.c:12          a line, with debug information; in every function and\n"
	"                           inlined copy that has it\n"
	"        *0x401136          an address\n"
	"                       Libraries that are loaded later are looked into too.\n"
	"  -f, --follow-forks   children too, present and future, and what they execute\n"
	"  -p, --attach=PID     a running process; repeatable, several pids in one list\n"
	"\n"
	"What to print:\n"
	"  -P, --print='EXPR[:FORMAT], ...'   values, at most six; for the -b before it that\n"
	"                       have none, or for all when no -b is before it. FORMAT: d u x o\n"
	"                       c (a character) p (a pointer) s (a string); without: as fits\n"
	"  -R, --return         another line when the function returns, with its result; at most\n"
	"                       four values can be printed then\n"
	"      --stack          the stack at each hit\n"
	"  -c, --summary-only   only a table of hits at the end\n"
	"  -n, --count=N        stop after N hits; a command then runs on without breakpoints\n"
	"  -s, --string-limit=N print at most N bytes of strings (32), at most 4095\n"
	"  -o, --output=FILE    to a file; '|COMMAND' to a command; default: stderr\n"
	"  -A, --output-append-mode    append to FILE\n"
	"      --json           one JSON object per hit and line, see below\n"
	"  -t, -tt, -ttt        time of day in seconds, in microseconds; since the epoch\n"
	"  -r, --relative-timestamps   time since the line before\n"
	"  -q, --quiet          nothing about attaching and about places that are not there\n"
	"  -h, --help           this text\n"
	"\n"
	"EXPR is an expression of C without assignments: $NAME is a register, *(int *)ADDRESS\n"
	"is memory. With debug information names are parameters and variables, and p->m and\n"
	"s.m members; a function whose arguments are named is shown after they were stored,\n"
	"where that makes a difference. Conditions are decided without waking cotrace.\n"
	"\n"
	"The exit status is the command's; a signal that kills it kills cotrace too. 126: the\n"
	"command cannot be executed, 127: it was not found, 2: wrong usage, 1: other failures.\n"
	"With -p an interrupt (^C) or SIGTERM ends it and the processes run on; with a command\n"
	"the interrupt is the command's, and SIGTERM or SIGHUP are passed on to it.\n"
	"\n"
	"JSON: every object has event (breakpoint), seq, time (seconds since the epoch), pid,\n"
	"tid, task, breakpoint (as given), addr, symbol, module, file, line (as far as known),\n"
	"hits (of this address so far), values: a list of expression, value, string, cut\n"
	"(true when more of it was there), and with --stack stack: a list of addr, text,\n"
	"module. With --return there are events return, which have value and string instead.\n";

static int finish_output(struct breaker *b, int status)
{
	if (b->options.common.summary && b->out.buf && !status)
		break_summary(b);
	return sink_close(&b->sink, &b->out, status);
}

static void tell_missing(const struct breaker *b)
{
	if (break_done(b) || b->stop_signal)
		return;
	for (unsigned i = 0; i < b->options.point_count; i++)
		if (!b->options.points[i].found && !b->options.common.quiet &&
		    !b->options.common.summary)
			complain(0, "breakpoint %s was never there",
				 b->options.points[i].location.text);
}

static void release(struct breaker *b)
{
	out_deinit(&b->out);
	break_options_free(&b->options);
	free(b->program);
}

int break_main(int argc, char **argv)
{
	static struct breaker b = { 0 };
	int status = break_options_parse(&b.options, argc, argv);
	pid_t child;

	if (status)
		return status;
	if (b.options.common.help) {
		fputs(break_help, stdout);
		return 0;
	}
	stamp_init(&b.stamp, b.options.common.time);
	status = sink_open(&b.sink, &b.out, b.options.common.output, b.options.common.append);
	if (!status)
		status = break_open(&b);
	if (!status) {
		status = break_loop(&b);
		tell_missing(&b);
	}
	child = b.child;
	if (child && b.stop_signal)
		kill(child, b.stop_signal);
	status = finish_output(&b, status);
	break_close(&b);
	release(&b);
	if (b.stop_signal)
		return program_die_of(b.stop_signal);
	if (status)
		return status;
	return child ? program_status(child) : b.failed ? EXIT_FAILURE : 0;
}
