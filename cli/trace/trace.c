/* SPDX-License-Identifier: MIT */
/* cotrace trace */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/program.h"
#include "cli/trace/tracer.h"

const char trace_help[] =
	"Usage: cotrace trace [OPTION]... [--] COMMAND [ARGUMENT]...\n"
	"       cotrace trace [OPTION]... -p PID [-p PID]...\n"
	"\n"
	"Shows the system calls and signals of a program, in the manner of strace. Nothing\n"
	"stops the traced tasks; any number of tracers may look at the same process.\n"
	"\n"
	"What to trace:\n"
	"  -f, --follow-forks   children too, present and future; threads always are\n"
	"  -p, --attach=PID     a running process; repeatable, several pids in one list\n"
	"  -e, --expr=EXPR      trace=SET (or SET alone): names, classes, numbers, /regex,\n"
	"                       between commas; !SET all others; all; none; ?name for one\n"
	"                       that may not exist. Classes, with or without %: file desc\n"
	"                       process network signal memory ipc creds clock stat statfs.\n"
	"                       signal=SET: names, numbers, !SET, all, none. The last\n"
	"                       trace= and the last signal= hold. (--trace=SET, --signal=SET)\n"
	"\n"
	"How to show it:\n"
	"  -o, --output=FILE    to a file; '|COMMAND' to a command; default: stderr\n"
	"  -A, --output-append-mode    append to FILE\n"
	"      --json           one JSON object per event and line, see below\n"
	"  -c, --summary-only   only a table of calls, times and errors at the end; time is\n"
	"                       from entry to exit\n"
	"  -C, --summary        the table as well as the lines\n"
	"  -S, --summary-sort-by=KEY   time (default), calls, errors, name, avg-time, none\n"
	"  -t, -tt, -ttt        time of day in seconds, in microseconds; since the epoch\n"
	"  -r, --relative-timestamps   time since the line before\n"
	"  -T, --syscall-times  time spent in each call\n"
	"  -y, --decode-fds     paths of file descriptors, as they were soon after the call\n"
	"  -s, --string-limit=N print at most N bytes of strings (32), at most 4095\n"
	"  -a, --columns=N      column of the results (40)\n"
	"  -v, --no-abbrev      whole structures, arrays and environment\n"
	"  -q, --quiet          do not tell about attaching and detaching; -qq: nor of exits\n"
	"  -h, --help           this text\n"
	"\n"
	"The exit status is the command's; a signal that kills it kills cotrace too. 126: the\n"
	"command cannot be executed, 127: it was not found, 2: wrong usage, 1: other failures.\n"
	"With -p an interrupt (^C) or SIGTERM ends the tracing and the processes run on; with a\n"
	"command the interrupt is the command's, and SIGTERM or SIGHUP are passed on to it.\n"
	"\n"
	"JSON: every object has event (a name of cotrace_event_name(3)), seq (the order over\n"
	"all sessions of an engine), time (seconds since the epoch); all about a task have pid,\n"
	"tid, task. System calls: arch, nr, name, raw (arguments in hexadecimal), args (decoded\n"
	"text; at entry those known by then, at exit all), at exit result, text (decoded),\n"
	"error (a name), duration (seconds); denied, replaced, restarted, no_return when true.\n"
	"signal: signal, code, sender_pid, sender_uid, siginfo. task-exit, process-exit: cause,\n"
	"code or signal, core_dumped. task-start, fork, vfork, vfork-done, clone: other_pid,\n"
	"other_tid, other_task. exec: generation, former_tid. job-stop, job-continue: signal.\n"
	"lost: notes. session-end: reason. Bytes that are not ASCII appear as \\u00XX.\n";

static bool has_all(const struct filter *f, const char *const *names)
{
	for (; *names; names++)
		if (!cotrace_syscall_set_has(&f->x86_64, table_number(COTRACE_ARCH_X86_64, *names)))
			return false;
	return true;
}

static struct paths *make_paths(const struct filter *f)
{
	static const char *const fds[] = { "close", "dup2", "dup3", "openat", NULL };
	static const char *const cwd[] = { "chdir", "fchdir", NULL };

	return paths_new(has_all(f, fds), has_all(f, cwd));
}

static int prepare(struct tracer *tr)
{
	const struct options *o = &tr->options;

	stamp_init(&tr->stamp, o->common.time);
	tr->renderer = o->common.json	 ? &json_renderer
		       : o->summary_only ? &no_renderer
					 : &line_renderer;
	tr->style = (struct decode_style){ .string_limit = o->string_limit, .verbose = o->verbose };
	tr->scratch.fd = -1;
	if (o->common.json) {
		tr->style.whole = true;
		tr->style.separator = '\x1f';
	}
	if (o->paths && !o->summary_only) {
		tr->paths = make_paths(&o->filter);
		tr->style.fd_path = paths_show;
		tr->style.ctx = tr->paths;
	}
	if (o->common.summary)
		tr->summary = calloc(2, sizeof *tr->summary);
	if ((o->common.summary && !tr->summary) || (o->paths && !o->summary_only && !tr->paths))
		return complain(EXIT_FAILURE, "out of memory");
	return sink_open(&tr->sink, &tr->out, o->common.output, o->common.append);
}

static int finish_output(struct tracer *tr, int status)
{
	line_detach(tr);
	if (tr->options.common.summary && tr->out.buf)
		summary_print(tr);
	return sink_close(&tr->sink, &tr->out, status);
}

static void release(struct tracer *tr)
{
	out_deinit(&tr->out);
	out_deinit(&tr->scratch);
	paths_free(tr->paths);
	free(tr->summary);
	free((void *)(uintptr_t)tr->program);
}

int trace_main(int argc, char **argv)
{
	static struct tracer tr = { 0 };
	int status;
	pid_t child;

	if (table_init() < 0)
		return complain(EXIT_FAILURE, "out of memory");
	status = trace_options_parse(&tr.options, argc, argv);
	if (status)
		return status;
	if (tr.options.common.help) {
		fputs(trace_help, stdout);
		return 0;
	}
	table_capture(tr.options.string_limit, tr.options.verbose);
	status = prepare(&tr);
	if (!status)
		status = sessions_open(&tr);
	if (!status)
		status = loop_run(&tr);
	child = tr.child;
	if (child && tr.stop_signal)
		kill(child, tr.stop_signal);
	status = finish_output(&tr, status);
	sessions_close(&tr);
	release(&tr);
	if (tr.stop_signal)
		return program_die_of(tr.stop_signal);
	if (status)
		return status;
	return child ? program_status(child) : tr.failed ? EXIT_FAILURE : 0;
}
