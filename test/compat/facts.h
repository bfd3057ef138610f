/* SPDX-License-Identifier: MIT */
/*
 * Facts about ptrace(2) and wait(2) as a tracer finds them. A case prints what each of its calls
 * gave, with roles in place of pids, and nothing that may differ between two runs: what it prints
 * natively and under "cotrace run" must be the same.
 *
 *	program -l      lists the cases
 *	program CASE    runs one, in this very process
 */
#ifndef TEST_COMPAT_FACTS_H
#define TEST_COMPAT_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

struct facts {
	const char *name;
	void (*body)(void);
	struct facts *next;
};

#define FACTS(facts_name)                                                           \
	static void facts_name(void);                                               \
	static struct facts facts_##facts_name = { #facts_name, facts_name, NULL }; \
	__attribute__((constructor)) static void add_##facts_name(void)             \
	{                                                                           \
		facts_add(&facts_##facts_name);                                     \
	}                                                                           \
	static void facts_name(void)

void facts_add(struct facts *facts);

/* A line of the transcript, at once. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "what: 0", "what: ESRCH" for -ESRCH. Returns @result. */
long tell(const char *what, long result);
/* The name of a task in the transcript. */
void role(pid_t pid, const char *name);
const char *who(pid_t pid);

/* One call of ptrace(); the result, or a negative errno. */
long request(int what, pid_t pid, uintptr_t addr, uintptr_t data);
/* The same, told. */
long ask(const char *name, int what, pid_t pid, uintptr_t addr, uintptr_t data);
#define ASK(what, pid, addr, data) \
	ask(#what, (int)(what), pid, (uintptr_t)(addr), (uintptr_t)(data))

/* Forks @body, which dies with us; it exits with 0 when it returns. */
pid_t start(const char *name, void (*body)(void));
/* A child that pauses for ever. */
pid_t sleeper(const char *name);
/* A child that asks to be traced, stops itself and then does @body; it is waited for, untold. */
pid_t traced(const char *name, void (*body)(void), unsigned options);
/* A child seized while it stops itself, let go as far as its own stop of SIGTRAP. */
pid_t seized(const char *name, void (*body)(void), unsigned options);
/* Kills and reaps it, untold. */
void end(pid_t pid);

/* wait4(), told; returns the status, -1 if there is none. EINTR is not hidden. */
int next(pid_t pid, int options);
/* waitid(), told. */
void next_id(idtype_t type, id_t id, int options);
/* The same without a word, and with EINTR hidden. */
int quietly(pid_t pid, int options);
/* Resumes with @what and @signo, then tells the next status. */
int resume(int what, pid_t pid, int signo);
/* Its stop at the entry of the next call of that number; @how: PTRACE_SYSCALL or SYSEMU. */
void until_entry(pid_t pid, long number, int how);
/* The siginfo of its stop. */
void tell_siginfo(pid_t pid);
void tell_message(pid_t pid, const char *name);

/* Time for whatever must not happen. */
void settle(void);
/* Waits for a state of /proc/PID/stat; gives up after some seconds and says so. */
void await(pid_t pid, char state);
char state_of(pid_t pid);
long number_of(pid_t pid, const char *field);
/* The path of a program of test/targets. */
const char *target(const char *name);

#endif
