/* SPDX-License-Identifier: MIT */
/* cotrace stack */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/look.h"
#include "cli/options.h"
#include "cli/stack/stack.h"

#define FRAMES 256
#define OUTPUT_BYTES (16u * 1024 * 1024)

const char stack_help[] =
	"Usage: cotrace stack [-1Hirsv] [-n FRAMES] PID\n"
	"\n"
	"Shows the stacks of all threads of a process and leaves it as it was. It is held only\n"
	"while registers and stacks are copied; whoever holds it already, or has it stopped by\n"
	"job control, keeps it so.\n"
	"\n"
	"  -1, --one           only the thread with the id PID; the others run on\n"
	"  -H, --hold          hold the process until all stacks have been followed: for what\n"
	"                      lies beyond the copies; slower\n"
	"  -n, --frames=N      at most N frames of each thread; the default is 256, 0 is all\n"
	"  -s, --source        source files and lines, from debug information\n"
	"  -i, --inlined       functions that were inlined too, each with its line\n"
	"  -r, --raw           names of C++ functions as the linker sees them\n"
	"  -v, --verbose       say how long the process was held\n"
	"\n"
	"Exit status: 0 when stacks were shown, 1 when not, 2 for wrong usage.\n";

struct options {
	struct stack_form form;
	bool one, hold, verbose, help;
};

static const struct option long_options[] = {
	{ "one", no_argument, NULL, '1' },
	{ "hold", no_argument, NULL, 'H' },
	{ "frames", required_argument, NULL, 'n' },
	{ "source", no_argument, NULL, 's' },
	{ "inlined", no_argument, NULL, 'i' },
	{ "raw", no_argument, NULL, 'r' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool *flag_of(struct options *o, int c)
{
	switch (c) {
	case '1':
		return &o->one;
	case 'H':
		return &o->hold;
	case 's':
		return &o->form.source;
	case 'i':
		return &o->form.inlined;
	case 'r':
		return &o->form.raw;
	case 'v':
		return &o->verbose;
	default:
		return &o->help;
	}
}

static int take_option(void *options, int c)
{
	struct options *o = options;
	long n = 0;
	int status;

	if (c != 'n') {
		*flag_of(o, c) = true;
		return 0;
	}
	status = options_number("-n", optarg, 0, INT32_MAX, &n);
	o->form.frames = n ? (unsigned)n : UINT32_MAX;
	return status;
}

static int take(struct stack *k, const struct options *o, pid_t pid)
{
	int status = snapshot_stop(&k->snapshot, o->one ? pid : 0), r;

	if (status)
		return status;
	r = stack_take(k, o->hold);
	return r < 0 ? snapshot_failed(&k->snapshot, r, "looked at") : 0;
}

static int show(struct stack *k, const struct options *o)
{
	const char *problem = stack_prepare(k);
	char command[64];

	if (problem)
		return complain(EXIT_FAILURE, "the stacks of process %d cannot be followed: %s",
				(int)k->snapshot.pid, problem);
	/* Whoever reads the output may be held: it is kept until that is over. */
	if (k->snapshot.since_ns)
		setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
	printf("PID %d (%s)\n", (int)k->snapshot.pid, look_command(k->snapshot.pid, command));
	for (size_t i = 0; i < k->count; i++)
		stack_show(k, &k->tasks[i], &o->form);
	snapshot_resume(&k->snapshot);
	fflush(stdout);
	if (o->verbose)
		complain(0, "process %d was held for %.1f ms", (int)k->snapshot.pid,
			 (double)k->snapshot.held_ns / 1e6);
	return 0;
}

static int take_stacks(const struct options *o, pid_t pid)
{
	struct stack k = { .program_fd = -1 };
	int status = snapshot_attach(&k.snapshot, pid);

	if (status)
		return status;
	status = take(&k, o, pid);
	if (!status)
		status = show(&k, o);
	snapshot_resume(&k.snapshot);
	stack_end(&k);
	stack_forget(&k);
	snapshot_close(&k.snapshot);
	return status;
}

int stack_main(int argc, char **argv)
{
	struct options o = { .form = { .frames = FRAMES } };
	int status = options_read(argc, argv, ":1Hn:sirvh", long_options, take_option, &o);
	pid_t pid;

	if (status)
		return status;
	if (o.help) {
		fputs(stack_help, stdout);
		return 0;
	}
	status = options_pid(argc, argv, &pid);
	return status ? status : take_stacks(&o, pid);
}
