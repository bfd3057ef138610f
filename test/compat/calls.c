/* SPDX-License-Identifier: MIT */
/* What is told of a system call, and what is made of it; and what else a task has set up. */
#include <asm/ldt.h>
#include <errno.h>
#include <linux/types.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "test/compat/facts.h"

#define USER(field) offsetof(struct user_regs_struct, field)
#define SET_SYSCALL_INFO 0x4212 /* Linux 6.16 */
#define SET_THREAD_AREA 26

static void exit_with_parent(void)
{
	_exit((int)syscall(SYS_getppid));
}

static void tell_call(pid_t pid)
{
	struct __ptrace_syscall_info info = { 0 };

	request((int)PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		say("entry %ld (%x)", (long)info.entry.nr, (unsigned)info.entry.args[0]);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		say("exit %ld, error %d", info.exit.rval, info.exit.is_error);
	else
		say("op %d", info.op);
}

FACTS(a_call_is_told_as_it_was_changed)
{
	pid_t pid = traced("child", exit_with_parent, PTRACE_O_TRACESYSGOOD);

	until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
	ASK(PTRACE_POKEUSER, pid, USER(orig_rax), -1);
	ASK(PTRACE_POKEUSER, pid, USER(rdi), 77);
	tell_call(pid);
	resume(PTRACE_SYSCALL, pid, 0);
	ASK(PTRACE_POKEUSER, pid, USER(rax), 33);
	tell_call(pid);
	ASK(PTRACE_POKEUSER, pid, USER(rax), -EBADF);
	tell_call(pid);
	resume(PTRACE_SYSCALL, pid, 0);
	tell_call(pid);
	end(pid);
}

static bool has_set_syscall_info(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	if (major > 6 || (major == 6 && minor >= 16))
		return true;
	say("not in this kernel");
	return false;
}

static void set(pid_t pid, const char *what, const struct __ptrace_syscall_info *info, size_t size)
{
	tell(what, request(SET_SYSCALL_INFO, pid, size, (uintptr_t)info));
}

static struct __ptrace_syscall_info got(pid_t pid)
{
	struct __ptrace_syscall_info info = { 0 };

	request((int)PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info);
	return info;
}

FACTS(a_call_is_set)
{
	struct __ptrace_syscall_info info;
	pid_t pid;

	if (!has_set_syscall_info())
		return;
	pid = traced("child", exit_with_parent, PTRACE_O_TRACESYSGOOD);
	info = got(pid);
	set(pid, "at no call", &info, sizeof info);
	until_entry(pid, SYS_getppid, PTRACE_SYSCALL);
	info = got(pid);
	set(pid, "as it is", &info, sizeof info);
	set(pid, "too small", &info, sizeof info - 1);
	set(pid, "larger", &info, sizeof info + 1);
	set(pid, "nowhere", (const void *)8, sizeof info);
	info.op = PTRACE_SYSCALL_INFO_EXIT;
	set(pid, "another kind", &info, sizeof info);
	info.op = PTRACE_SYSCALL_INFO_ENTRY;
	((uint8_t *)&info)[2] = 1;
	set(pid, "flags", &info, sizeof info);
	((uint8_t *)&info)[2] = 0;
	info.entry.nr = 1ull << 40;
	set(pid, "too high", &info, sizeof info);
	info.entry.nr = SYS_dup;
	info.entry.args[0] = 1000;
	set(pid, "dup", &info, sizeof info);
	tell_call(pid);
	resume(PTRACE_SYSCALL, pid, 0);
	tell_call(pid);
	info = got(pid);
	info.exit.rval = -EAGAIN;
	info.exit.is_error = 1;
	set(pid, "an error", &info, sizeof info);
	tell_call(pid);
	info.exit.rval = 44;
	info.exit.is_error = 0;
	set(pid, "a result", &info, sizeof info);
	tell_call(pid);
	resume(PTRACE_CONT, pid, 0);
}

FACTS(the_rseq_area)
{
	pid_t pid = traced("child", exit_with_parent, 0);
	struct __ptrace_rseq_configuration area;

	memset(&area, 0x55, sizeof area);
	tell("8 bytes", request(PTRACE_GET_RSEQ_CONFIGURATION, pid, 8, (uintptr_t)&area));
	say("size %x", area.rseq_abi_size);
	tell("all", request(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof area, (uintptr_t)&area));
	say("size %u, signature %x, flags %x, %s", area.rseq_abi_size, area.signature, area.flags,
	    area.rseq_abi_pointer ==
			    (uintptr_t)__builtin_thread_pointer() + (uintptr_t)__rseq_offset
		    ? "in its place"
		    : "elsewhere");
	end(pid);
}

static void tell_area(pid_t pid, uintptr_t index)
{
	struct user_desc area;

	memset(&area, 0x55, sizeof area);
	if (ASK(PTRACE_GET_THREAD_AREA, pid, index, &area) == 0)
		say("%u: base %x limit %x present %d", area.entry_number, area.base_addr,
		    area.limit, !area.seg_not_present);
}

FACTS(thread_areas_are_set)
{
	struct user_desc area = { .entry_number = 13,
				  .base_addr = 0x123000,
				  .limit = 0xfffff,
				  .seg_32bit = 1,
				  .limit_in_pages = 1,
				  .useable = 1 };
	pid_t pid = traced("child", exit_with_parent, 0);

	ASK(SET_THREAD_AREA, pid, 13, &area);
	ASK(SET_THREAD_AREA, pid, 11, &area);
	ASK(SET_THREAD_AREA, pid, 15, &area);
	ASK(SET_THREAD_AREA, pid, -1, &area);
	ASK(SET_THREAD_AREA, pid, 12, 8);
	for (uintptr_t i = 11; i < 16; i++)
		tell_area(pid, i);
	tell_area(pid, (uintptr_t)-1);
	area.seg_32bit = 0;
	ASK(SET_THREAD_AREA, pid, 14, &area);
	end(pid);
}
