/* SPDX-License-Identifier: MIT */
/* The areas of set_thread_area(): a register set of i386 tasks, but x86-64 tasks have them too. */
#include <asm/ldt.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>

#include "backend/ptrace/internal.h"

#define FIRST 12 /* entry of the descriptor table */
#define COUNT 3

ssize_t regs_hidden_get(pid_t tid, unsigned set, void *buf, size_t size)
{
	struct user_desc areas[COUNT];

	if (set != NT_386_TLS)
		return -ENODEV;
	for (unsigned i = 0; i < COUNT; i++)
		if (ptrace_call(PTRACE_GET_THREAD_AREA, tid, FIRST + i, (uintptr_t)&areas[i]) < 0)
			return -ENODEV;
	if (size > sizeof areas)
		size = sizeof areas;
	memcpy(buf, areas, size);
	return (ssize_t)size;
}

int regs_hidden_set(pid_t tid, unsigned set, const void *buf, size_t size)
{
	struct user_desc areas[COUNT];

	if (set != NT_386_TLS || size > sizeof areas || size % sizeof *areas)
		return -ENODEV;
	memcpy(areas, buf, size);
	for (unsigned i = 0; i < size / sizeof *areas; i++)
		if (ptrace_call(PTRACE_SET_THREAD_AREA, tid, FIRST + i, (uintptr_t)&areas[i]) < 0)
			return -EINVAL;
	return 0;
}
