/* SPDX-License-Identifier: MIT */
/* cotrace core */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/core/core.h"
#include "cli/options.h"

const char core_help[] =
	"Usage: cotrace core [-afv] [-b MIB] [-o FILE] PID\n"
	"\n"
	"Writes a core file of a running process, as the kernel would when it crashed, and\n"
	"leaves the process as it was. It is held while its registers and memory are copied;\n"
	"whoever holds it already, or has it stopped by job control, keeps it so.\n"
	"\n"
	"  -o, --output=FILE  instead of core.PID; - is standard output\n"
	"  -f, --force        replace FILE if it exists\n"
	"  -a, --all          all memory that can be read, whatever coredump_filter says\n"
	"  -b, --buffer=MIB   keep so much until the process runs again, and write it then: for\n"
	"                     slow outputs; the default is 0 for a file and 64 for a pipe\n"
	"  -v, --verbose      say how much was written and how long the process was held\n"
	"\n"
	"Exit status: 0 when the core is complete, 1 when it could not be written, 2 for wrong\n"
	"usage.\n";

#define MIB (1024u * 1024)
#define BUFFER_MIB_MAX (1024l * 1024)

struct options {
	const char *output;
	size_t buffer; /* bytes */
	bool force, all, verbose, help;
};

static const struct option long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "force", no_argument, NULL, 'f' },
	{ "all", no_argument, NULL, 'a' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "buffer", required_argument, NULL, 'b' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int set_buffer(struct options *o, const char *text)
{
	long mib = 0;
	int status = options_number("-b", text, 0, BUFFER_MIB_MAX, &mib);

	if (!status)
		o->buffer = (size_t)mib * MIB;
	return status;
}

static int take_option(void *options, int c)
{
	struct options *o = options;

	switch (c) {
	case 'o':
		o->output = optarg;
		return 0;
	case 'b':
		return set_buffer(o, optarg);
	case 'f':
		o->force = true;
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	default:
		o->help = true;
		return 0;
	}
}

/*
 * That of the program: a task may run in another mode of its CPU for a while. Without a file
 * that of the first task.
 */
static int find_arch(struct core *c)
{
	Elf32_Ehdr head; /* up to e_machine both classes are alike */
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)c->snapshot.tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, &head, sizeof head, 0);
	if (fd >= 0)
		close(fd);
	if (n == sizeof head && !memcmp(head.e_ident, ELFMAG, SELFMAG))
		c->arch = core_arch_of_machine(head.e_machine);
	for (size_t i = 0; i < c->snapshot.count && !c->arch; i++)
		if (c->snapshot.tasks[i].state != COTRACE_TASK_EXITED)
			c->arch = core_arch_find(c->snapshot.tasks[i].arch);
	return c->arch ? 0 : -ENOEXEC;
}

/* While the process is held. */
static int take(struct core *c, const struct options *o, struct core_file *f)
{
	bool target_failed = true;
	int r = find_arch(c);

	if (!r)
		r = maps_read(&c->maps, c->snapshot.tid, true);
	if (!r)
		r = core_choose(c, core_filter_of(c->snapshot.tid), o->all);
	if (!r)
		r = core_take_notes(c);
	if (r == -EBUSY)
		return complain(EXIT_FAILURE, "no task of process %d stands still; try again later",
				(int)c->snapshot.pid);
	if (!r)
		r = core_write(c, f, &target_failed);
	if (!r)
		return 0;
	if (target_failed)
		return snapshot_failed(&c->snapshot, r, "copied");
	return complain(EXIT_FAILURE, "%s cannot be written: %s", f->path, strerror(-r));
}

static void report(const struct core *c, const struct options *o, const struct core_file *f)
{
	if (c->left_out)
		complain(0,
			 "%zu of %zu tasks do not stand still, or run code of another "
			 "architecture: their registers are not in the core",
			 c->left_out, c->snapshot.count);
	if (!o->verbose)
		return;
	complain(0, "%s: %zu tasks, %zu mappings, %.1f MiB stored", f->path, c->snapshot.count,
		 c->part_count, (double)c->stored / MIB);
	if (c->unreadable)
		complain(0, "%llu KiB could not be read", (unsigned long long)c->unreadable / 1024);
	complain(0, "process %d was held for %.1f ms", (int)c->snapshot.pid,
		 (double)c->snapshot.held_ns / 1e6);
}

static int take_core(const struct options *o, pid_t pid)
{
	struct core c = { .notes = OUT_NULL };
	struct core_file f;
	char name[24];
	int status;

	status = snapshot_attach(&c.snapshot, pid);
	if (status)
		return status;
	snprintf(name, sizeof name, "core.%d", (int)pid);
	status = core_file_open(&f, o->output ? o->output : name, o->force, o->buffer);
	if (!status) {
		status = snapshot_stop(&c.snapshot, 0);
		if (!status)
			status = take(&c, o, &f);
		snapshot_resume(&c.snapshot);
		status = core_file_close(&f, status);
	}
	if (!status)
		report(&c, o, &f);
	snapshot_close(&c.snapshot);
	maps_free(&c.maps);
	out_deinit(&c.notes);
	free(c.parts);
	return status;
}

int core_main(int argc, char **argv)
{
	struct options o = { .buffer = CORE_BUFFER_DEFAULT };
	int status = options_read(argc, argv, ":o:b:favh", long_options, take_option, &o);
	pid_t pid;

	if (status)
		return status;
	if (o.help) {
		fputs(core_help, stdout);
		return 0;
	}
	status = options_pid(argc, argv, &pid);
	return status ? status : take_core(&o, pid);
}
