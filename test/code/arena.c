/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/code/code.h"
#include "test/kernel/raw.h"

uint8_t *arena_at(struct arena *a, uint64_t addr, size_t size)
{
	if (addr >= ARENA && addr < ARENA + ARENA_SIZE && size <= ARENA + ARENA_SIZE - addr)
		return a->memory + (addr - ARENA);
	if (a->wide && addr >= FAR && addr < FAR + FAR_SIZE && size <= FAR + FAR_SIZE - addr)
		return a->memory + ARENA_SIZE + (addr - FAR);
	return NULL;
}

static int read_arena(void *arg, uint64_t addr, void *buf, size_t size)
{
	const uint8_t *from = arena_at(arg, addr, size);

	if (from == NULL)
		return -EFAULT;
	memcpy(buf, from, size);
	return 0;
}

static int write_arena(void *arg, uint64_t addr, const void *buf, size_t size)
{
	uint8_t *to = arena_at(arg, addr, size);

	if (to == NULL)
		return -EFAULT;
	memcpy(to, buf, size);
	return 0;
}

const struct code_access *arena_access(struct arena *a)
{
	static struct code_access access = { .read = read_arena, .write = write_arena };

	access.arg = a;
	return &access;
}

static size_t get_set(pid_t tid, unsigned set, void *buf, size_t size)
{
	struct iovec v = { buf, size };

	CHECK_EQ(raw(PTRACE_GETREGSET, tid, set, (uintptr_t)&v), 0);
	return v.iov_len;
}

/* Nothing but the arena is to be there, so that what goes wrong goes wrong alike. */
static void unmap(struct arena *a, uint64_t from, uint64_t to)
{
	uint8_t regs[216];
	struct iovec v = { regs, a->regs_size };
	uint8_t *code = arena_at(a, CODE_AT, 2);

	memcpy(regs, a->regs, sizeof regs);
	code[0] = a->wide ? 0x0f : 0xcd;
	code[1] = a->wide ? 0x05 : 0x80;
	reg_put(a, regs, REG_PC, CODE_AT);
	reg_put(a, regs, REG_CALL, ~0ull);
	reg_put(a, regs, 0, a->wide ? 11 : 91); /* munmap */
	reg_put(a, regs, a->wide ? 7 : 3, from);
	reg_put(a, regs, a->wide ? 6 : 1, to - from);
	CHECK_EQ(raw(PTRACE_SETREGSET, a->tid, NT_PRSTATUS, (uintptr_t)&v), 0);
	raw_cont(a->tid, 0);
	CHECK_EQ(WSTOPSIG(raw_status(a->tid)), SIGTRAP);
	get_set(a->tid, NT_PRSTATUS, regs, sizeof regs);
	CHECK_EQ(reg_get(a, regs, 0), 0);
}

static void map_file(struct arena *a, char *path, size_t path_size)
{
	int fd = (int)CHECK_SYS(memfd_create("arena", MFD_CLOEXEC));

	CHECK_SYS(ftruncate(fd, ARENA_SIZE + FAR_SIZE));
	a->memory = mmap(NULL, ARENA_SIZE + FAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(a->memory != MAP_FAILED);
	memset(a->memory, a->code != NULL ? a->code->trap[0] : 0, ARENA_SIZE + FAR_SIZE);
	snprintf(path, path_size, "/proc/%d/fd/%d", (int)getpid(), fd);
}

static void start_target(struct arena *a, const char *path)
{
	char at[32], far[32], size[32], far_size[32];

	/* A registered rseq area would be missed when it is unmapped. */
	setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
	snprintf(at, sizeof at, "%llx", ARENA);
	snprintf(far, sizeof far, "%llx", FAR);
	snprintf(size, sizeof size, "%x", ARENA_SIZE);
	snprintf(far_size, sizeof far_size, "%x", FAR_SIZE);
	if (a->wide)
		TARGET_START(&a->target, "arena", path, at, "0", size, far, size, far_size);
	else
		TARGET_START(&a->target, "arena-32", path, at, "0", size);
	target_expect(&a->target, "ready");
}

/* cpuid and rdpid tell where it runs. */
static void pin(pid_t tid)
{
	cpu_set_t all, one;

	CHECK_SYS(sched_getaffinity(tid, sizeof all, &all));
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	CHECK_SYS(sched_setaffinity(tid, sizeof one, &one));
}

void arena_start(struct arena *a, bool wide)
{
	char path[64];
	int fd;

	memset(a, 0, sizeof *a);
	a->wide = wide;
	a->code = arch_code_by_id(wide ? 1 : 2);
	map_file(a, path, sizeof path);
	sscanf(strrchr(path, '/') + 1, "%d", &fd);
	start_target(a, path);
	close(fd);
	a->tid = a->target.pid;
	pin(a->tid);
	raw_seize(a->tid, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
	raw_stop(a->tid);
	a->regs_size = get_set(a->tid, NT_PRSTATUS, a->regs, sizeof a->regs);
	a->xstate_size = get_set(a->tid, NT_X86_XSTATE, a->xstate, sizeof a->xstate);
	memcpy(&a->xcr0, a->xstate + 464, sizeof a->xcr0);
	unmap(a, 0x10000, ARENA);
	unmap(a, ARENA + ARENA_SIZE, wide ? FAR : 0xffffe000);
	if (wide)
		unmap(a, FAR + FAR_SIZE, 0x7ffffffff000);
}

void arena_end(struct arena *a)
{
	target_kill(&a->target);
	munmap(a->memory, ARENA_SIZE + FAR_SIZE);
}
