/* SPDX-License-Identifier: MIT */
/*
 * A kernel made of data. A test adds tasks, pushes what they do, and looks at what the
 * engine asked for. Whatever the engine asks against backend.h (resuming a task that does
 * not stand, say) is counted in `illegal`.
 */
#ifndef BACKEND_FAKE_FAKE_H
#define BACKEND_FAKE_FAKE_H

#include "engine/backend.h"

#define FAKE_TASKS 64 /* at first; pointers to tasks last until there are more */
#define FAKE_EVENTS 256
#define FAKE_CALLS 1024		/* the last ones are kept */
#define FAKE_DEBUG 4		/* debug registers, those of kernel_set() included */
#define FAKE_MEMORY 81920	/* an area of slots fits behind the code */
#define FAKE_MEMORY_AT 0x10000u /* where the memory of every process begins */
#define FAKE_REGS 216
#define FAKE_REGSET 1 /* the only register set there is */

enum fake_op {
	FAKE_CHECK_ACCESS,
	FAKE_ATTACH,
	FAKE_ADOPTED,
	FAKE_RENAMED,
	FAKE_INTERRUPT,
	FAKE_RESUME,
	FAKE_DETACH,
	FAKE_EXTRA_STOPS,
	FAKE_PUT_BACK,
	FAKE_PUT_OFF,
	FAKE_TAKE_BACK,
	FAKE_SYSCALL_GET,
	FAKE_SYSCALL_SET,
	FAKE_SYSCALL_RESTORE,
	FAKE_SYSCALL_DENY,
	FAKE_RESULT_SET,
	FAKE_SIGINFO_SET,
	FAKE_REGSET_GET,
	FAKE_REGSET_SET,
	FAKE_MEMORY_OPEN,
	FAKE_MEMORY_READ,
	FAKE_MEMORY_WRITE,
	FAKE_SIGNAL,
	FAKE_STATE_GET,
	FAKE_STATE_SET,
	FAKE_CALL_BEGIN,
	FAKE_CALL_AGAIN,
	FAKE_CALL_END,
	FAKE_DEBUG_SET,
	FAKE_DEBUG_PASS,
	FAKE_KERNEL_SET,
	FAKE_OPS
};

struct fake_task {
	pid_t tid, pid; /* tid 0: free */
	pid_t parent;	/* process */
	int memory;	/* which it has: at first its own, its pid */
	bool attached, stands;
	unsigned extra_stops;
	bool exited;		     /* a leader that others outlive */
	bool interrupted;	     /* interrupt() was called since its last stop */
	bool can_put_back;	     /* what put_back() will say */
	bool signal_waits;	     /* what signal_waits() will say */
	bool in_sequence;	     /* what in_sequence() will say */
	bool trap_waits;	     /* what trap_waits() will say */
	enum backend_kind kind;	     /* where it stands */
	enum backend_kind called_at; /* where it stood when a call into it began */
	unsigned way_back;	     /* events that call_end() lets pass before it is there */
	bool calls_again;	     /* what call_again() will say */
	bool call_refused;	     /* what call_refused() will say */
	enum backend_resume how;     /* how it runs */
	uint32_t arch;
	uint64_t pc, sp;
	struct backend_syscall call;
	siginfo_t siginfo;
	uint8_t regs[FAKE_REGS];
	uint64_t mask;
	struct backend_debug debug[BACKEND_DEBUG_MAX];
	unsigned debug_hits; /* what debug_hits() will say */
	struct backend_debug kernel[BACKEND_DEBUG_MAX];
	unsigned kernel_hits; /* what kernel_hits() will say */
};

struct fake_memory {
	int id;
	uint8_t bytes[FAKE_MEMORY];
};

/* One call of the engine, as far as it matters. */
struct fake_call {
	enum fake_op op;
	pid_t tid;
	int how;       /* resume: enum backend_resume; extra_stops: which */
	int signo;     /* resume, detach, signal */
	int64_t value; /* deny, result; renamed: the former tid */
	int error;     /* what it returned */
};

struct fake {
	struct backend base;
	struct fake_task *tasks;
	int top, room; /* all tasks lie below top */
	struct fake_memory *memory[FAKE_TASKS];
	struct backend_event events[FAKE_EVENTS];
	size_t event_head, event_count;
	struct fake_call calls[FAKE_CALLS];
	size_t call_count; /* all, also those not kept */
	struct {
		int error;
		unsigned times;
	} failures[FAKE_OPS];
	enum backend_disposition dispositions[65];
	pid_t tracer;	  /* not 0: another tracer has everything */
	bool same_memory; /* what same_memory() will say of any two */
	int last_memory;  /* of a program that has left another's; below 0 */
	bool exec_clears; /* a new program finds its memory empty */
	bool answers;	  /* interrupt() makes the task stop by itself */
	int epoll;	  /* the fds watched */
	unsigned illegal;
	char complaint[120]; /* the first illegal call */
};

/* Returns NULL without memory. Freed by its close(). */
struct fake *fake_new(void);
/* A task that lives, and is not attached. NULL: no memory. */
struct fake_task *fake_add(struct fake *f, pid_t pid, pid_t tid);
struct fake_task *fake_task(struct fake *f, pid_t tid);
/* Memory of a process, FAKE_MEMORY bytes; NULL: there is no more. */
uint8_t *fake_memory(struct fake *f, pid_t pid);

/* Whether both processes have the same. */
bool fake_shares(const struct fake *f, pid_t one, pid_t other);
/* What an exec does: @pid has memory of its own from now on. */
void fake_leave_memory(struct fake *f, pid_t pid);

/* What the kernel will report next. */
void fake_push(struct fake *f, const struct backend_event *ev);
void fake_push_kind(struct fake *f, pid_t tid, enum backend_kind kind);
/* FORK, VFORK or CLONE; the new task lives from now on. */
void fake_push_child(struct fake *f, pid_t tid, enum backend_kind kind, pid_t child);
void fake_push_entry(struct fake *f, pid_t tid, int64_t nr, uint64_t first_arg);
/* What a filter says to the call; its entry may have come before. */
void fake_push_seccomp(struct fake *f, pid_t tid, int64_t nr, uint64_t first_arg, uint32_t data);
void fake_push_exit(struct fake *f, pid_t tid, int64_t nr, int64_t result);
void fake_push_signal(struct fake *f, pid_t tid, int signo);
/* A trap of the kind @trap, with the task at @pc. */
void fake_push_trap(struct fake *f, pid_t tid, enum backend_trap trap, uint64_t pc);
/* Of a debug register, without saying which. */
void fake_push_unsaid(struct fake *f, pid_t tid, uint64_t pc);
void fake_push_exec(struct fake *f, pid_t tid, pid_t former);
void fake_push_exiting(struct fake *f, pid_t tid, int status, enum backend_exit_call call);
void fake_push_dead(struct fake *f, pid_t tid, int status);

/* The next @times calls of @op fail with @error, whatever they are about. */
void fake_fail(struct fake *f, enum fake_op op, int error, unsigned times);
/* How many calls of @op for @tid (0: any) are kept in the log. */
unsigned fake_count(const struct fake *f, enum fake_op op, pid_t tid);
/* The last one of them, or NULL. */
const struct fake_call *fake_last(const struct fake *f, enum fake_op op, pid_t tid);
void fake_forget_calls(struct fake *f);

#endif
