/* SPDX-License-Identifier: MIT */
/* Reading a target's memory and registers: cotrace beside the calls of the kernel. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/client.h"

enum how { READV, PREAD, PEEK, COTRACE, GETREGS, REGSET, REGISTER };

#define BIG (1u << 20)

/* The same bytes are at the same place in the target. */
static char bytes[BIG] __attribute__((aligned(4096)));
static char copy[BIG];

static void check(ssize_t n, size_t size)
{
	if (n != (ssize_t)size)
		bench_die("read");
}

static void read_once(pid_t pid, int mem, struct cotrace *s, const struct bench_row *row)
{
	struct iovec local = { copy, row->size }, remote = { bytes, row->size };
	size_t size = row->size;

	switch ((enum how)row->how) {
	case READV:
		check(process_vm_readv(pid, &local, 1, &remote, 1, 0), size);
		break;
	case PREAD:
		check(pread(mem, copy, size, (off_t)(uintptr_t)bytes), size);
		break;
	case PEEK:
		for (size_t at = 0; at < size; at += sizeof(long)) {
			long word = ptrace(PTRACE_PEEKDATA, pid, bytes + at, NULL);

			memcpy(copy + at, &word, sizeof word);
		}
		break;
	default:
		check(cotrace_read_memory(s, pid, (uintptr_t)bytes, copy, size), size);
	}
}

static size_t repeats_of(const struct bench_row *row)
{
	size_t n = row->size < 64 ? 20000 : row->size < BIG ? 10000 : 300;

	if (row->how == PEEK)
		n = row->size < 64 ? 20000 : row->size < BIG ? 40 : 1;
	return bench_quick && n > 20 ? n / 10 : n;
}

static void stop_by_ptrace(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || waitpid(pid, &status, __WALL) < 0)
		bench_die("seize");
}

static void read_memory(struct target *t, const void *arg)
{
	const struct bench_row *row = arg;
	struct cotrace *s = NULL;
	size_t repeats = repeats_of(row);
	char path[40];
	int mem;

	snprintf(path, sizeof path, "/proc/%d/mem", (int)t->pid);
	mem = open(path, O_RDONLY);
	if (row->how == COTRACE)
		client_check(cotrace_attach(&s, t->pid, NULL), "attach");
	else
		stop_by_ptrace(t->pid);
	read_once(t->pid, mem, s, row);
	t->notes->start = bench_now();
	for (size_t i = 0; i < repeats; i++)
		read_once(t->pid, mem, s, row);
	t->notes->end = bench_now();
	cotrace_close(s);
}

static void get_once(pid_t pid, struct cotrace *s, uint64_t task, enum how how)
{
	struct user_regs_struct regs;
	uint64_t pc;

	if (how == GETREGS && ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		bench_die("getregs");
	if (how == REGSET)
		client_check((int)cotrace_regset_read(s, task, NT_PRSTATUS, &regs, sizeof regs),
			     "regset");
	if (how == REGISTER)
		client_check((int)cotrace_register_read(s, task, "rip", &pc, sizeof pc),
			     "register");
}

static void read_registers(struct target *t, const void *arg)
{
	const struct bench_row *row = arg;
	size_t repeats = bench_quick ? 1000 : 10000;
	struct cotrace_task_info info = { 0 };
	struct cotrace *s = NULL;

	if (row->how == GETREGS) {
		stop_by_ptrace(t->pid);
	} else {
		client_check(cotrace_attach(&s, t->pid, NULL), "attach");
		client_check(cotrace_tasks(s, &info, 1), "tasks");
		client_check(cotrace_stop(s, 0, COTRACE_ALL, -1), "stop");
	}
	get_once(t->pid, s, info.task, (enum how)row->how);
	t->notes->start = bench_now();
	for (size_t i = 0; i < repeats; i++)
		get_once(t->pid, s, info.task, (enum how)row->how);
	t->notes->end = bench_now();
	cotrace_close(s);
}

static double measure_memory(const struct bench_row *row, int cpu)
{
	struct target_plan idle = { 0 };
	struct target t;
	double ns;

	target_start(&t, cpu, &idle);
	ns = tracer_run(&t, cpu, read_memory, row);
	target_finish(&t);
	return ns / (double)repeats_of(row);
}

static double measure_registers(const struct bench_row *row, int cpu)
{
	struct target_plan idle = { 0 };
	struct target t;
	double ns;

	target_start(&t, cpu, &idle);
	ns = tracer_run(&t, cpu, read_registers, row);
	target_finish(&t);
	return ns / (bench_quick ? 1000 : 10000);
}

static void memory_tables(const char *title, size_t size)
{
	struct bench_row rows[] = {
		{ "process_vm_readv()", measure_memory, READV, size },
		{ "pread() of /proc/PID/mem", measure_memory, PREAD, size },
		{ "PTRACE_PEEKDATA, word by word", measure_memory, PEEK, size },
		{ "cotrace_read_memory()", measure_memory, COTRACE, size },
	};
	struct bench_table table = { title, "ns per read", rows, 4, .peer = 0 };

	bench_run(&table);
}

int main(int argc, char **argv)
{
	static struct bench_row registers[] = {
		{ "PTRACE_GETREGS", measure_registers, GETREGS },
		{ "cotrace_regset_read(), a round trip", measure_registers, REGSET },
		{ "cotrace_register_read(), a round trip", measure_registers, REGISTER },
	};

	bench_init(argc, argv);
	memset(bytes, 0x5a, sizeof bytes);
	memset(copy, 1, sizeof copy);
	memory_tables("Memory: 8 bytes", 8);
	memory_tables("Memory: 4 KiB", 4096);
	memory_tables("Memory: 1 MiB", BIG);
	bench_run_both("Registers", "ns per read", registers, 3, 0);
	return 0;
}
