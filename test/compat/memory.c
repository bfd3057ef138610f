/* SPDX-License-Identifier: MIT */
/* Memory and registers, of both kinds of programs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/elf.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/compat/facts.h"

#define USER(field) offsetof(struct user_regs_struct, field)

static unsigned long here[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };
static const unsigned long fixed = 42;

static void idle(void)
{
	for (;;)
		pause();
}

static void end_with_here(void)
{
	_exit((int)(here[0] & 0xff));
}

FACTS(words_of_memory)
{
	pid_t pid = traced("child", end_with_here, 0);
	uintptr_t at = (uintptr_t)here;

	say("%lx", request(PTRACE_PEEKDATA, pid, at, 0));
	say("%lx", request(PTRACE_PEEKTEXT, pid, at + 3, 0));
	ASK(PTRACE_POKEDATA, pid, at, 0x55);
	say("%lx here, %lx there", here[0], request(PTRACE_PEEKDATA, pid, at, 0));
	ASK(PTRACE_POKEDATA, pid, at + 5, -1);
	say("%lx", request(PTRACE_PEEKDATA, pid, at, 0));
	ASK(PTRACE_POKEDATA, pid, &fixed, 43);
	ASK(PTRACE_PEEKDATA, pid, &fixed, 0);
	ASK(PTRACE_PEEKDATA, pid, 8, 0);
	ASK(PTRACE_POKEDATA, pid, 8, 0);
	ASK(PTRACE_PEEKDATA, pid, -8, 0);
	ASK(PTRACE_POKEDATA, pid, -8, 0);
	ASK(PTRACE_PEEKDATA, pid, 1ul << 60, 0);
	resume(PTRACE_CONT, pid, 0);
	ASK(PTRACE_PEEKDATA, pid, at, 0);
}

FACTS(memory_at_the_end_of_a_mapping)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	munmap(pages + 4096, 4096);
	memset(pages, 7, 4096);
	pid = traced("child", idle, 0);
	ASK(PTRACE_PEEKDATA, pid, pages + 4092, 0);
	ASK(PTRACE_POKEDATA, pid, pages + 4092, 0);
	say("%lx", request(PTRACE_PEEKDATA, pid, (uintptr_t)pages + 4088, 0));
	mprotect(pages, 4096, PROT_NONE);
	say("%lx", request(PTRACE_PEEKDATA, pid, (uintptr_t)pages + 4080, 0));
	end(pid);
	pid = traced("child", idle, 0);
	say("%lx", request(PTRACE_PEEKDATA, pid, (uintptr_t)pages + 4080, 0));
	ASK(PTRACE_POKEDATA, pid, pages + 4080, 9);
	end(pid);
}

FACTS(memory_by_other_ways)
{
	pid_t pid = traced("child", end_with_here, 0);
	unsigned long value[2] = { 0, 0 };
	struct iovec local = { value, sizeof value }, remote = { here, sizeof here };
	char path[60];
	int fd;

	tell("readv", process_vm_readv(pid, &local, 1, &remote, 1, 0));
	say("%lx %lx", value[0], value[1]);
	value[0] = 0x77;
	tell("writev", process_vm_writev(pid, &local, 1, &remote, 1, 0));
	say("%lx", request(PTRACE_PEEKDATA, pid, (uintptr_t)here, 0));
	remote.iov_base = (void *)&fixed;
	remote.iov_len = local.iov_len = 8;
	tell("writev to constants",
	     process_vm_writev(pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 0);
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	value[0] = 0x66;
	tell("pwrite", pwrite(fd, value, 8, (off_t)(uintptr_t)here));
	tell("pwrite to constants", pwrite(fd, value, 8, (off_t)(uintptr_t)&fixed));
	tell("pread", pread(fd, value, 8, (off_t)(uintptr_t)&fixed));
	say("%lx", value[0]);
	close(fd);
	resume(PTRACE_CONT, pid, 0);
}

static void known_registers(void)
{
	__asm__ volatile("mov $1, %%rax\n\t"
			 "mov $2, %%rbx\n\t"
			 "mov $3, %%rcx\n\t"
			 "mov $4, %%rdx\n\t"
			 "mov $5, %%r15\n\t"
			 "movq %%rax, %%xmm3\n\t"
			 "int3\n\t"
			 "add %%rbx, %%rax\n\t"
			 "add %%r15, %%rax\n\t"
			 "movq %%xmm3, %%rbx\n\t"
			 "add %%rax, %%rbx\n\t"
			 "int3\n\t"
			 :
			 :
			 : "rax", "rbx", "rcx", "rdx", "r15", "xmm3", "memory");
}

FACTS(registers_are_read_and_written)
{
	pid_t pid = traced("child", known_registers, 0);
	struct user_regs_struct regs = { 0 }, again;
	struct user_fpregs_struct fp = { 0 };
	struct iovec iov = { &again, sizeof again };

	resume(PTRACE_CONT, pid, 0);
	ASK(PTRACE_GETREGS, pid, 0, &regs);
	say("rax %llx rbx %llx rcx %llx rdx %llx r15 %llx cs %llx ss %llx orig_rax %llx", regs.rax,
	    regs.rbx, regs.rcx, regs.rdx, regs.r15, regs.cs, regs.ss, regs.orig_rax);
	ASK(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
	say("%zu bytes, %s", iov.iov_len,
	    memcmp(&regs, &again, sizeof regs) ? "other" : "the same");
	say("fs %s", regs.fs_base == (unsigned long)request(PTRACE_PEEKUSER, pid, USER(fs_base), 0)
			     ? "the same"
			     : "other");
	ASK(PTRACE_GETFPREGS, pid, 0, &fp);
	say("xmm3 %x", fp.xmm_space[12]);
	fp.xmm_space[12] = 0x1000;
	ASK(PTRACE_SETFPREGS, pid, 0, &fp);
	regs.rax = 0x10;
	ASK(PTRACE_SETREGS, pid, 0, &regs);
	ASK(PTRACE_POKEUSER, pid, USER(rbx), 0x100);
	resume(PTRACE_CONT, pid, 0);
	say("rbx %lx", request(PTRACE_PEEKUSER, pid, USER(rbx), 0));
	end(pid);
}

static const struct {
	const char *name;
	size_t at;
	unsigned long value;
} odd_values[] = {
	{ "cs", USER(cs), 0 },
	{ "cs", USER(cs), 0x10 },
	{ "ss", USER(ss), 0xffff },
	{ "ds", USER(ds), 0x2b },
	{ "fs_base", USER(fs_base), -1 },
	{ "gs_base", USER(gs_base), 0x1000 },
	{ "eflags", USER(eflags), -1 },
	{ "eflags", USER(eflags), 0 },
	{ "rip", USER(rip), 1ul << 63 },
	{ "orig_rax", USER(orig_rax), 0xffffffff },
};

FACTS(odd_values_of_registers)
{
	pid_t pid = traced("child", known_registers, 0);
	struct user_regs_struct regs;

	resume(PTRACE_CONT, pid, 0);
	for (unsigned i = 0; i < sizeof odd_values / sizeof odd_values[0]; i++) {
		say("%s", odd_values[i].name);
		ASK(PTRACE_POKEUSER, pid, odd_values[i].at, odd_values[i].value);
		if (odd_values[i].at != USER(fs_base))
			say("  %lx", request(PTRACE_PEEKUSER, pid, odd_values[i].at, 0));
	}
	request(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs);
	regs.cs = 0;
	ASK(PTRACE_SETREGS, pid, 0, &regs);
	regs.fs_base = 1ul << 63;
	ASK(PTRACE_SETREGS, pid, 0, &regs);
	end(pid);
}

FACTS(the_extended_state)
{
	pid_t pid = traced("child", known_registers, 0);
	static unsigned char state[16384];
	struct iovec iov = { state, sizeof state };
	uint32_t value = 0x2000;

	resume(PTRACE_CONT, pid, 0);
	ASK(PTRACE_GETREGSET, pid, 0x202, &iov);
	say("more than the old one: %d", iov.iov_len > 512);
	memcpy(state + 160 + 3 * 16, &value, sizeof value);
	ASK(PTRACE_SETREGSET, pid, 0x202, &iov);
	resume(PTRACE_CONT, pid, 0);
	say("rbx %lx", request(PTRACE_PEEKUSER, pid, USER(rbx), 0));
	end(pid);
}

FACTS(thread_areas_and_bases)
{
	pid_t pid = traced("child", idle, 0);
	unsigned long base = 1;
	unsigned area[4];

	ASK(PTRACE_ARCH_PRCTL, pid, &base, 0x1003);
	say("fs %s", base == (unsigned long)request(PTRACE_PEEKUSER, pid, USER(fs_base), 0)
			     ? "the same"
			     : "other");
	ASK(PTRACE_ARCH_PRCTL, pid, &base, 0x1004);
	ASK(PTRACE_ARCH_PRCTL, pid, base + 4096, 0x1001);
	ASK(PTRACE_ARCH_PRCTL, pid, &base, 0x77);
	ASK(PTRACE_GET_THREAD_AREA, pid, 12, area);
	ASK(PTRACE_GET_THREAD_AREA, pid, 0, area);
	end(pid);
}

static void exec_narrow(void)
{
	request(PTRACE_TRACEME, 0, 0, 0);
	execl(target("tiny-32"), "tiny-32", "5", (char *)NULL);
	_exit(77);
}

FACTS(a_32_bit_program)
{
	pid_t pid = start("child", exec_narrow);
	unsigned char room[512];
	struct iovec iov = { room, sizeof room };
	struct __ptrace_syscall_info info;
	int status = next(pid, 0);

	if (!WIFSTOPPED(status))
		return;
	ASK(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	ASK(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
	say("%zu bytes", iov.iov_len);
	say("cs %lx", request(PTRACE_PEEKUSER, pid, USER(cs), 0));
	ASK(PTRACE_GETREGS, pid, 0, room);
	ASK(PTRACE_GET_THREAD_AREA, pid, 12, room);
	for (unsigned i = 0; i < 2000 && status != 0x500; i++) {
		request(PTRACE_SYSCALL, pid, 0, 0);
		status = quietly(pid, __WALL);
		memset(&info, 0, sizeof info);
		if (request((int)PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == 6 &&
		    info.entry.args[0] == 77) {
			say("close %d by arch %x", (int)info.entry.args[0], info.arch);
			say("rbx %lx", request(PTRACE_PEEKUSER, pid, USER(rbx), 0));
			ASK(PTRACE_POKEUSER, pid, USER(orig_rax), 252);
			ASK(PTRACE_POKEUSER, pid, USER(rbx), 11);
			resume(PTRACE_CONT, pid, 0);
			return;
		}
	}
	say("ended with %06x", (unsigned)status);
}
