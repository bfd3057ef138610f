/* SPDX-License-Identifier: MIT */
/* What misuse gives. */
#include <errno.h>
#include <linux/elf.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/compat/facts.h"

#define OLDSETOPTIONS ((enum __ptrace_request)21)
#define BAD ((uintptr_t)8)

static char room[4096] __attribute__((aligned(64)));

static const struct {
	const char *name;
	int what;
	uintptr_t addr, data;
} requests[] = {
	{ "PEEKTEXT", PTRACE_PEEKTEXT, (uintptr_t)room, (uintptr_t)room },
	{ "PEEKDATA", PTRACE_PEEKDATA, (uintptr_t)room, (uintptr_t)room },
	{ "PEEKUSER", PTRACE_PEEKUSER, 0, (uintptr_t)room },
	{ "POKETEXT", PTRACE_POKETEXT, (uintptr_t)room, 0 },
	{ "POKEDATA", PTRACE_POKEDATA, (uintptr_t)room, 0 },
	{ "POKEUSER", PTRACE_POKEUSER, 0, 0 },
	{ "CONT", PTRACE_CONT, 0, 0 },
	{ "SINGLESTEP", PTRACE_SINGLESTEP, 0, 0 },
	{ "SYSCALL", PTRACE_SYSCALL, 0, 0 },
	{ "SYSEMU", PTRACE_SYSEMU, 0, 0 },
	{ "SYSEMU_SINGLESTEP", PTRACE_SYSEMU_SINGLESTEP, 0, 0 },
	{ "GETREGS", PTRACE_GETREGS, 0, (uintptr_t)room },
	{ "SETREGS", PTRACE_SETREGS, 0, (uintptr_t)room },
	{ "GETFPREGS", PTRACE_GETFPREGS, 0, (uintptr_t)room },
	{ "SETFPREGS", PTRACE_SETFPREGS, 0, (uintptr_t)room },
	{ "GETREGSET", PTRACE_GETREGSET, 1, (uintptr_t)room },
	{ "SETREGSET", PTRACE_SETREGSET, 1, (uintptr_t)room },
	{ "SETOPTIONS", PTRACE_SETOPTIONS, 0, 0 },
	{ "OLDSETOPTIONS", 21, 0, 0 },
	{ "GETEVENTMSG", PTRACE_GETEVENTMSG, 0, (uintptr_t)room },
	{ "GETSIGINFO", PTRACE_GETSIGINFO, 0, (uintptr_t)room },
	{ "SETSIGINFO", PTRACE_SETSIGINFO, 0, (uintptr_t)room },
	{ "LISTEN", PTRACE_LISTEN, 0, 0 },
	{ "PEEKSIGINFO", PTRACE_PEEKSIGINFO, (uintptr_t)room, (uintptr_t)room },
	{ "GETSIGMASK", PTRACE_GETSIGMASK, 8, (uintptr_t)room },
	{ "SETSIGMASK", PTRACE_SETSIGMASK, 8, (uintptr_t)room },
	{ "SECCOMP_GET_FILTER", PTRACE_SECCOMP_GET_FILTER, 0, (uintptr_t)room },
	{ "GET_SYSCALL_INFO", (int)PTRACE_GET_SYSCALL_INFO, sizeof room, (uintptr_t)room },
	{ "GET_RSEQ_CONFIGURATION", PTRACE_GET_RSEQ_CONFIGURATION, 24, (uintptr_t)room },
	{ "ARCH_PRCTL", PTRACE_ARCH_PRCTL, (uintptr_t)room, 0x1003 },
	{ "GET_THREAD_AREA", PTRACE_GET_THREAD_AREA, 12, (uintptr_t)room },
	{ "DETACH", PTRACE_DETACH, 0, 0 },
	{ "3000", 3000, 0, 0 },
	{ "-1", -1, 0, 0 },
};

static void ask_all(pid_t pid)
{
	for (unsigned i = 0; i < sizeof requests / sizeof requests[0]; i++)
		ask(requests[i].name, requests[i].what, pid, requests[i].addr, requests[i].data);
}

FACTS(all_requests_to_one_that_is_not_traced)
{
	pid_t pid = sleeper("child");

	ask_all(pid);
	ASK(PTRACE_KILL, pid, 0, 0);
	settle();
	next(pid, WNOHANG);
	end(pid);
}

FACTS(all_requests_to_one_that_runs)
{
	pid_t pid = sleeper("child");

	request(PTRACE_SEIZE, pid, 0, 0);
	ask_all(pid);
	say("state %c", state_of(pid));
	end(pid);
}

FACTS(all_requests_to_one_that_died)
{
	pid_t pid = sleeper("child");

	request(PTRACE_SEIZE, pid, 0, 0);
	kill(pid, SIGKILL);
	await(pid, 'Z');
	ask_all(pid);
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	next(pid, __WALL);
	ask_all(pid);
}

static pid_t stopped_sleeper(unsigned how)
{
	pid_t pid = sleeper("child");

	if (how == PTRACE_SEIZE) {
		request(PTRACE_SEIZE, pid, 0, 0);
		request(PTRACE_INTERRUPT, pid, 0, 0);
	} else {
		request(PTRACE_ATTACH, pid, 0, 0);
	}
	quietly(pid, __WALL);
	return pid;
}

FACTS(bad_addresses_of_the_tracer)
{
	static const char *const skipped[] = { "PEEK",	  "POKE",   "CONT",   "STEP",
					       "SYSCALL", "SYSEMU", "DETACH", "OPTIONS",
					       "LISTEN",  "000",    "-1" };
	pid_t pid = stopped_sleeper(PTRACE_SEIZE);

	for (unsigned i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		bool skip = false;

		for (unsigned k = 0; k < sizeof skipped / sizeof skipped[0]; k++)
			skip |= strstr(requests[i].name, skipped[k]) &&
				!strstr(requests[i].name, "INFO");
		if (!skip)
			ask(requests[i].name, requests[i].what, pid,
			    requests[i].what == PTRACE_PEEKSIGINFO ? BAD : requests[i].addr, BAD);
	}
	end(pid);
}

FACTS(bad_signals_and_options)
{
	pid_t pid = stopped_sleeper(PTRACE_SEIZE);

	ASK(PTRACE_CONT, pid, 0, 65);
	ASK(PTRACE_CONT, pid, 0, -1);
	ASK(PTRACE_SYSCALL, pid, 0, 1000);
	ASK(PTRACE_SINGLESTEP, pid, 0, 65);
	ASK(PTRACE_SYSEMU, pid, 0, 65);
	ASK(PTRACE_DETACH, pid, 0, 65);
	ASK(PTRACE_DETACH, pid, 0, -1);
	ASK(PTRACE_SETOPTIONS, pid, 0, 1 << 10);
	ASK(PTRACE_SETOPTIONS, pid, 0, 1 << 31);
	ASK(PTRACE_SETOPTIONS, pid, 0, 0xff);
	ASK(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL);
	ASK(PTRACE_SETOPTIONS, pid, 77, 0);
	ASK(OLDSETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	ASK(OLDSETOPTIONS, pid, 0, 1 << 10);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	ASK(PTRACE_SETSIGMASK, pid, 4, room);
	ASK(PTRACE_GETSIGMASK, pid, 16, room);
	end(pid);
}

FACTS(requests_that_need_a_seized_task)
{
	pid_t pid = stopped_sleeper(PTRACE_ATTACH);

	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	ASK(PTRACE_CONT, pid, 0, 0);
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	kill(pid, SIGSTOP);
	next(pid, __WALL);
	resume(PTRACE_CONT, pid, SIGSTOP);
	ASK(PTRACE_LISTEN, pid, 0, 0);
	ASK(PTRACE_INTERRUPT, pid, 0, 0);
	end(pid);
}

FACTS(ranges_of_user)
{
	static const uintptr_t at[] = {
		1,  4,	  sizeof(struct user) - 8,	   sizeof(struct user),
		-8, 4096, sizeof(struct user_regs_struct), offsetof(struct user, u_tsize)
	};
	pid_t pid = stopped_sleeper(PTRACE_ATTACH);

	for (unsigned i = 0; i < sizeof at / sizeof at[0]; i++) {
		say("at %ld", (long)at[i]);
		ASK(PTRACE_PEEKUSER, pid, at[i], 0);
		ASK(PTRACE_POKEUSER, pid, at[i], 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		say("debug register %u", i);
		ASK(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg) + i * 8, 0);
		ASK(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + i * 8, 0);
		ASK(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + i * 8, -1);
	}
	end(pid);
}

static void ask_set(pid_t pid, const char *name, int what, unsigned type, size_t size,
		    uintptr_t base)
{
	struct iovec iov = { (void *)base, size };
	long result = request(what, pid, type, (uintptr_t)&iov);

	say("%s %x, %zu bytes", name, type, size);
	tell("  result", result);
	say("  length %zu", iov.iov_len);
}

FACTS(sizes_of_register_sets)
{
	static const unsigned types[] = { NT_PRSTATUS, NT_PRFPREG, 0x202,      0x200, 0x201,
					  0x204,       3,	   0x46e62b7f, 0x999 };
	static const size_t sizes[] = { 0, 4, 8, 12, 64, 216, 512, 576, sizeof room };
	pid_t pid = stopped_sleeper(PTRACE_ATTACH);

	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
		for (unsigned k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
			ask_set(pid, "get", PTRACE_GETREGSET, types[i], sizes[k], (uintptr_t)room);
		ask_set(pid, "get", PTRACE_GETREGSET, types[i], 64, BAD);
		ask_set(pid, "set", PTRACE_SETREGSET, types[i], 12, (uintptr_t)room);
	}
	ask_set(pid, "get", PTRACE_GETREGSET, NT_PRSTATUS, sizeof room, (uintptr_t)room);
	ask_set(pid, "set", PTRACE_SETREGSET, NT_PRSTATUS, sizeof room, (uintptr_t)room);
	ask_set(pid, "get", PTRACE_GETREGSET, NT_PRSTATUS, 216, (uintptr_t)room);
	ask_set(pid, "set", PTRACE_SETREGSET, NT_PRSTATUS, 216, (uintptr_t)room);
	ask_set(pid, "set", PTRACE_SETREGSET, NT_PRSTATUS, 8, (uintptr_t)room);
	end(pid);
}

FACTS(bad_arguments_of_wait)
{
	pid_t pid = sleeper("child");
	siginfo_t info;
	int status;

	tell("wait4 bad options", wait4(pid, &status, 1 << 20, NULL) < 0 ? -errno : 0);
	tell("wait4 bad pid", wait4((pid_t)0x80000000, &status, 0, NULL) < 0 ? -errno : 0);
	tell("waitid no kind", waitid(P_PID, (id_t)pid, &info, WNOHANG) < 0 ? -errno : 0);
	tell("waitid bad option",
	     waitid(P_PID, (id_t)pid, &info, WEXITED | 1 << 20) < 0 ? -errno : 0);
	tell("waitid bad type", waitid(17, (id_t)pid, &info, WEXITED) < 0 ? -errno : 0);
	tell("waitid pid 0", waitid(P_PID, 0, &info, WEXITED) < 0 ? -errno : 0);
	tell("waitid bad fd", waitid(P_PIDFD, 999, &info, WEXITED) < 0 ? -errno : 0);
	tell("waitid no pidfd", waitid(P_PIDFD, 1, &info, WEXITED) < 0 ? -errno : 0);
	kill(pid, SIGKILL);
	await(pid, 'Z');
	tell("status to nowhere", syscall(SYS_wait4, pid, (int *)BAD, 0, NULL) < 0 ? -errno : 0);
	next(pid, 0);
	next(pid, 0);
}
