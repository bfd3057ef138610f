/* SPDX-License-Identifier: MIT */
/* x86-64 and i386: registers of calls into a task. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/code.h"
#include "backend/ptrace/internal.h"
#include "backend/ptrace/regs_x86_64.h"

#define TRAP_FLAG 0x100u
#define PIECE 65536u

_Static_assert(sizeof(struct user_regs_struct) <= sizeof(struct ptrace_registers),
	       "the room must hold all registers");

static struct user_regs_struct *open_room(struct ptrace_registers *room)
{
	return (struct user_regs_struct *)(void *)room->words;
}

int regs_save(pid_t tid, struct ptrace_registers *regs)
{
	return (int)ptrace_call(PTRACE_GETREGS, tid, 0, (uintptr_t)regs->words);
}

int regs_load(pid_t tid, const struct ptrace_registers *regs)
{
	return (int)ptrace_call(PTRACE_SETREGS, tid, 0, (uintptr_t)regs->words);
}

/* The kernel must see no call that it would go on with, and no trap flag of the program. */
static void leave_for(struct user_regs_struct *regs, uint64_t place)
{
	regs->orig_rax = (unsigned long long)-1;
	regs->rip = place;
	regs->eflags &= ~(unsigned long long)TRAP_FLAG;
}

int regs_call_from(pid_t tid, const struct ptrace_registers *saved, uint64_t place,
		   const struct backend_syscall *call)
{
	struct ptrace_registers room = *saved;
	struct user_regs_struct *regs = open_room(&room);

	regs_put_call(regs, call);
	regs->rax = (unsigned long long)call->nr;
	leave_for(regs, place);
	return regs_load(tid, &room);
}

int regs_call_here(pid_t tid, const struct ptrace_registers *saved,
		   const struct backend_syscall *call)
{
	struct ptrace_registers room = *saved;

	regs_put_call(open_room(&room), call);
	return regs_load(tid, &room);
}

int regs_enter_again(pid_t tid, const struct ptrace_registers *saved, uint64_t place)
{
	struct ptrace_registers room = *saved;
	struct user_regs_struct *regs = open_room(&room);

	regs->rax = regs->orig_rax;
	leave_for(regs, place);
	return regs_load(tid, &room);
}

bool regs_goes_on(const struct ptrace_registers *saved, uint32_t arch)
{
	struct ptrace_registers room = *saved;
	const struct user_regs_struct *regs = open_room(&room);
	int64_t result = arch == arch_i386.id ? (int32_t)regs->rax : (int64_t)regs->rax;

	return (int32_t)regs->orig_rax >= 0 && result == -ERESTART_RESTARTBLOCK;
}

void regs_call_forget(struct ptrace_registers *saved)
{
	struct user_regs_struct *regs = open_room(saved);

	/* The kernel then has the call itself made again, unless a handler runs. */
	regs->rax = (unsigned long long)-ERESTARTNOHAND;
}

int64_t regs_call_again(const struct backend_syscall *call, int64_t result)
{
	switch (result) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
		return call->nr;
	case -ERESTART_RESTARTBLOCK:
		return arch_by_id(call->arch)->calls->restart;
	default:
		return -1;
	}
}

static bool enters_at(struct backend *base, pid_t tid, const struct arch_code *code, uint64_t at)
{
	uint8_t bytes[16];
	size_t size = code->call_instruction;

	return size <= sizeof bytes && mem_read(base, tid, at, bytes, size) == (ssize_t)size &&
	       code->find_syscall(code, bytes, size) == 0;
}

static uint64_t search(struct backend *base, pid_t tid, const struct arch_code *code, uint64_t from,
		       uint64_t to)
{
	static uint8_t bytes[PIECE];

	while (from < to) {
		size_t size = to - from < PIECE ? (size_t)(to - from) : PIECE;
		ssize_t n = mem_read(base, tid, from, bytes, size), at;

		if (n <= 0)
			return 0;
		at = code->find_syscall(code, bytes, (size_t)n);
		if (at >= 0)
			return from + (uint64_t)at;
		from += (uint64_t)n;
	}
	return 0;
}

/* The kernel's own page first: nobody changes it. */
static uint64_t search_maps(struct backend *base, pid_t tid, const struct arch_code *code,
			    bool vdso)
{
	uint64_t found = 0, from, to;
	char path[40], line[512], rights[5];
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)tid);
	maps = fopen(path, "re");
	while (maps != NULL && found == 0 && fgets(line, sizeof line, maps) != NULL)
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, rights) == 3 &&
		    rights[2] == 'x' && (strstr(line, "[vdso]") != NULL) == vdso)
			found = search(base, tid, code, from, to);
	if (maps != NULL)
		fclose(maps);
	return found;
}

uint64_t regs_find_entry(struct backend *base, pid_t tid, uint32_t arch, uint64_t known)
{
	const struct arch_code *code = arch_code_by_id(arch);
	uint64_t found;

	if (code == NULL)
		return 0;
	if (known != 0 && enters_at(base, tid, code, known))
		return known;
	found = search_maps(base, tid, code, true);
	return found ? found : search_maps(base, tid, code, false);
}
