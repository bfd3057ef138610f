/* SPDX-License-Identifier: MIT */
/*
 * cotrace.h - process tracing through file descriptors
 *
 *	your program          cotrace-engine            target
 *	  cotrace.h  <-- session fd -->  one thread  <-- kernel -->  tasks
 *
 * A session is a file descriptor. Poll it, pass it over a Unix socket, close it;
 * closing is detaching. Any number of sessions may cover one process. The rules
 * for who sees and decides what are in cotrace-semantics(7).
 *
 *	struct cotrace *s;
 *	struct cotrace_event ev = { .size = sizeof ev };
 *	int r = cotrace_attach(&s, pid, NULL);
 *	if (r < 0)
 *		return r;
 *	cotrace_subscribe_syscalls(s, 0, COTRACE_ENTRY, NULL, COTRACE_NOTE);
 *	cotrace_subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
 *	while (cotrace_next(s, &ev, -1) == 1) {
 *		if (ev.kind == COTRACE_EVENT_PROCESS_EXIT)
 *			break;
 *		printf("%d: system call %lld\n", ev.tid, (long long)ev.syscall.nr);
 *	}
 *	cotrace_close(s);
 *
 * Rules that hold everywhere; a call that deviates says so:
 *
 * Errors.   Fallible calls return int or ssize_t: >= 0 on success, a negative errno
 *           otherwise. errno is left alone. Objects come back through a first **out
 *           parameter, which is NULL on failure.
 *           COMMON ERRORS: -ESHUTDOWN the engine or the session is gone, every later
 *           call fails alike; -EINVAL an argument, or a `size` this library does not
 *           know; -ENOMEM; -EPERM a change was asked of an observer session;
 *           -ESRCH the task has died or is not covered by the session;
 *           -EBUSY the task is not held by this session and the call needs that.
 * Sizes.    Structures start with `size`, set by the caller to sizeof; zero in every
 *           other field means the default. Bits that are not defined must be zero.
 * Ids.      Task and session ids are 64 bits wide and never used twice by an engine.
 *           Task id 0 stands for "all". A tid or pid is an attribute, in the caller's
 *           pid namespace, and may be reused by the kernel.
 * Time.     _ns is nanoseconds of CLOCK_MONOTONIC for points in time. A timeout of 0
 *           polls, a negative one waits for ever.
 * Threads.  Any thread may make any call; calls on different sessions share nothing.
 *           No globals, no signal handlers, no SIGCHLD, no wait(). After fork() the
 *           child may only close the session fd; fds are close-on-exec.
 * Blocking. "never", "round trip" (to the engine, microseconds) or "until event".
 */
#ifndef COTRACE_H
#define COTRACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COTRACE_VERSION_MAJOR 0
#define COTRACE_VERSION_MINOR 1
#define COTRACE_VERSION_PATCH 0

/*
 * struct cotrace - a session. Closing the last copy of its fd withdraws its holds,
 * subscriptions and requests; the target then runs on as if never traced by it,
 * unless COTRACE_CLOSE_KILL or COTRACE_CLOSE_STOP was chosen.
 */
struct cotrace;

/* ---- Enumerations. Values are fixed for ever; 0 is never an event kind. ---- */

enum cotrace_event_kind {
	COTRACE_EVENT_TASK_START = 1,	  /* a task is about to run for the first time */
	COTRACE_EVENT_TASK_EXIT = 2,	  /* .exit; as a stop: the task is about to exit */
	COTRACE_EVENT_FORK = 3,		  /* .child; a new process */
	COTRACE_EVENT_VFORK = 4,	  /* .child; a new process that borrows this one's memory */
	COTRACE_EVENT_VFORK_DONE = 5,	  /* .child; memory is the parent's own again */
	COTRACE_EVENT_CLONE = 6,	  /* .child; a new thread of the same process */
	COTRACE_EVENT_EXEC = 7,		  /* .exec */
	COTRACE_EVENT_PROCESS_EXIT = 8,	  /* .exit; note only; outlives the reap */
	COTRACE_EVENT_SIGNAL = 9,	  /* .signal; about to be delivered */
	COTRACE_EVENT_JOB_STOP = 10,	  /* .job; job control stopped the task */
	COTRACE_EVENT_JOB_CONTINUE = 11,  /* .job; note only */
	COTRACE_EVENT_SYSCALL_ENTRY = 12, /* .syscall */
	COTRACE_EVENT_SYSCALL_EXIT = 13,  /* .syscall */
	COTRACE_EVENT_BREAKPOINT = 14,	  /* .breakpoint; pc is its address, not executed yet */
	COTRACE_EVENT_WATCHPOINT = 15,	  /* .watchpoint; the access has been made */
	COTRACE_EVENT_STEP = 16,	  /* .step; stop only: what cotrace_step() asked for */
	COTRACE_EVENT_STOP_DONE = 17,	  /* .stop; what cotrace_stop() asked for has happened */
	COTRACE_EVENT_CHANGED = 18,	  /* .changed; another session changed or held something */
	COTRACE_EVENT_LOST = 19,	  /* .lost; notes were dropped; see cotrace_tasks() */
	COTRACE_EVENT_ENGINE_GONE = 20,	  /* made by the library when the engine ends */
	COTRACE_EVENT_REFUSED = 21,	  /* .refused; a call that has no reply was refused */
	COTRACE_EVENT_SESSION_END = 22,	  /* .end; the last event; why the session is over */
	COTRACE_EVENT_SECCOMP = 23,	  /* .seccomp; a filter leaves the call to a tracer */
	COTRACE_EVENT_MAX = 23
};

enum cotrace_mode {
	COTRACE_OFF = 0,
	COTRACE_NOTE = 1, /* tell, do not stop */
	COTRACE_STOP = 2  /* the task waits for this session's cotrace_resume() */
};

enum cotrace_role {
	COTRACE_CONTROLLER = 0,
	COTRACE_OBSERVER = 1 /* notes and reads; every change fails with -EPERM */
};

enum cotrace_scope {
	COTRACE_PROCESS = 0, /* the process; its new children are reported, not covered */
	COTRACE_TREE = 1     /* the process and all its descendants, present and future */
};

enum cotrace_close_action {
	COTRACE_CLOSE_RUN = 0,	/* the target runs on */
	COTRACE_CLOSE_KILL = 1, /* the target's processes get SIGKILL */
	COTRACE_CLOSE_STOP = 2	/* the target's processes get SIGSTOP */
};

/* Which tasks a call with a task id is about. */
enum cotrace_reach {
	COTRACE_ONE = 0,	 /* that task */
	COTRACE_ITS_PROCESS = 1, /* all tasks of its process, new ones included */
	COTRACE_ALL = 2		 /* the whole target, new tasks included; the id must be 0 */
};

enum cotrace_arch {
	COTRACE_ARCH_ANY = 0,
	COTRACE_ARCH_X86_64 = 1,
	COTRACE_ARCH_I386 = 2,
	COTRACE_ARCH_AARCH64 = 3
};

/* Phases of a system call, as bits. */
#define COTRACE_ENTRY 1u
#define COTRACE_EXIT 2u

/* Event flags. */
#define COTRACE_EV_STOP 0x1u	   /* this session holds the task until it resumes it */
#define COTRACE_EV_DENIED 0x2u	   /* a session has denied the call or the signal */
#define COTRACE_EV_REPLACED 0x4u   /* a session has replaced values; these are the new ones */
#define COTRACE_EV_RESTARTED 0x8u  /* the kernel or the engine restarted this call */
#define COTRACE_EV_REOFFER 0x10u   /* offered again because a session changed the target */
#define COTRACE_EV_NO_RETURN 0x20u /* exit record of a call that did not return */
#define COTRACE_EV_KERNEL 0x40u	   /* WATCHPOINT: the kernel itself, in a call of the task */

/* ---- Events ---- */

#define COTRACE_CAPTURES_MAX 6
#define COTRACE_CAPTURE_BYTES_MAX 4096

/* One piece of captured memory, in the data of cotrace_next_data(). */
struct cotrace_captured {
	uint8_t slot;	 /* index in the array given to cotrace_capture() */
	uint8_t flags;	 /* COTRACE_CAPTURED_* */
	uint16_t arg;	 /* argument number, from 0 */
	uint32_t offset; /* in the data buffer */
	uint32_t size;	 /* bytes stored */
};

#define COTRACE_CAPTURED_FAULT 0x1u /* memory ended, or could not be read, at `size` */
#define COTRACE_CAPTURED_MORE 0x2u  /* cut at the maximum asked for */

enum cotrace_exit_cause {
	COTRACE_EXIT_OWN = 0,	 /* the task called exit, or the last exit made the process end */
	COTRACE_EXIT_GROUP = 1,	 /* exit_group by some task */
	COTRACE_EXIT_SIGNAL = 2, /* a fatal signal; .signo */
	COTRACE_EXIT_EXEC = 3	 /* another task of the process called exec */
};

enum cotrace_end_reason {
	COTRACE_END_TARGET_GONE = 1,	  /* every process of the target has exited */
	COTRACE_END_BY_USER = 2,	  /* cotrace_end() */
	COTRACE_END_PRIVILEGE_GAINED = 3, /* an exec gained privilege; prove access again */
	COTRACE_END_PROTOCOL = 4	  /* the client broke the protocol */
};

enum cotrace_change {
	COTRACE_CHANGE_REGISTERS = 1,
	COTRACE_CHANGE_MEMORY = 2,
	COTRACE_CHANGE_HOLD = 3,
	COTRACE_CHANGE_RELEASE = 4,
	COTRACE_CHANGE_CALL = 5, /* had the task make a system call; .addr is its number */
	COTRACE_CHANGE_STATE = 6 /* .addr is which: enum cotrace_state */
};

enum cotrace_disposition {
	COTRACE_SIG_DEFAULT = 0,
	COTRACE_SIG_IGNORED = 1,
	COTRACE_SIG_HANDLED = 2
};

/*
 * struct cotrace_event - what happened, whole in one record
 * Values only: nothing to free, except a file descriptor in .child.fd when the
 * session was opened with COTRACE_CHILD_FDS.
 */
struct cotrace_event {
	uint32_t size;
	uint16_t kind;	/* enum cotrace_event_kind */
	uint16_t flags; /* COTRACE_EV_* */
	uint64_t seq;	/* order over all sessions of the engine */
	uint64_t time_ns;
	uint64_t task; /* 0 in records that are about no task */
	int32_t tid;
	int32_t pid;
	uint32_t arch; /* enum cotrace_arch of the task, or of this system call */
	uint32_t captured_count;
	uint64_t pc; /* 0 where not known */
	uint64_t sp;
	union {
		struct {
			int64_t nr;
			uint64_t args[6];
			int64_t result;	   /* exit only; -errno where is_error */
			uint32_t is_error; /* exit only */
		} syscall;
		struct {
			int64_t nr;
			uint64_t args[6];
			uint32_t data; /* what the filter gave with SECCOMP_RET_TRACE */
		} seccomp;
		struct {
			int32_t signo, code, error, sender_pid;
			uint32_t sender_uid;
			int32_t status;	      /* SIGCHLD */
			uint64_t addr;	      /* faults */
			uint64_t value;	      /* queued signals; a timer's overrun */
			uint32_t disposition; /* enum cotrace_disposition */
		} signal;
		struct {
			uint64_t task;	  /* TASK_START: the creator; else the new task */
			int32_t tid, pid; /* of that task */
			int32_t fd;	  /* session fd for the child, owned by the caller, or -1 */
		} child;
		struct {
			uint64_t generation; /* programs this process has run; from 1 */
			int32_t former_tid;  /* tid of the task that called exec */
		} exec;
		struct {
			uint32_t cause; /* enum cotrace_exit_cause */
			int32_t code;	/* exit code; 0 with a signal */
			int32_t signo;	/* fatal signal or 0 */
			uint32_t dumped_core;
			int32_t status; /* as waitpid() would give it */
		} exit;
		struct {
			int32_t signo; /* JOB_STOP: the signal that stopped */
		} job;
		struct {
			uint64_t id; /* as cotrace_break() gave it */
			uint64_t
				hits; /* of this breakpoint so far, this and ignored ones included */
		} breakpoint;
		struct {
			uint64_t id;
			uint64_t hits;
			uint64_t addr;
			uint64_t before, after; /* little end first, zero-extended */
			uint32_t length;	/* bytes, 1 to 8 */
		} watchpoint;
		struct {
			uint32_t kind; /* enum cotrace_step_kind */
		} step;
		struct {
			uint32_t where; /* the event kind at which it stands, or 0 */
		} stop;
		struct {
			uint32_t what;	       /* enum cotrace_change */
			uint64_t session;      /* whose doing */
			uint64_t addr, length; /* memory; calls: see above */
		} changed;
		struct {
			uint64_t notes;
		} lost;
		struct {
			int32_t error;	  /* negative errno */
			uint32_t request; /* message number, see cotrace-protocol(7) */
		} refused;
		struct {
			uint32_t reason; /* enum cotrace_end_reason */
		} end;
		uint64_t reserved_[12];
	};
	struct cotrace_captured captured[COTRACE_CAPTURES_MAX];
};

/* ---- Opening and closing ---- */

/* Options, as bits. */
#define COTRACE_POLICY 0x1u	     /* always nearest to the kernel (R2) */
#define COTRACE_LOSSY 0x2u	     /* a full queue drops notes instead of delaying tasks */
#define COTRACE_CHILD_FDS 0x4u	     /* FORK/VFORK events bring a session fd for the child, held */
#define COTRACE_CHILD_INHERITS 0x10u /* ... with this session's subscriptions and captures */
#define COTRACE_NO_ENGINE_START 0x8u /* join an engine that exists, else -ENOENT */

struct cotrace_options {
	uint32_t size;
	uint32_t role;	       /* enum cotrace_role */
	uint32_t scope;	       /* enum cotrace_scope */
	uint32_t flags;	       /* bits above */
	uint32_t close_action; /* enum cotrace_close_action */
	uint32_t reserved_;
	int64_t queue_deadline_ns; /* lossless: longest delay of a task; 0: 10 s; < 0: none */
	char *const *envp;	   /* cotrace_spawn(): environment; NULL: the caller's */
};

/**
 * cotrace_attach() - attach to a running process
 * @out:     the session
 * @pid:     a process, or any task of one
 * @options: NULL for the defaults
 *
 * Covers all tasks of the process, those that appear during the call included.
 * Stops none of them and disturbs no blocked system call. Starts an engine if the
 * process has none, joins it otherwise. Nothing is subscribed at first.
 *
 * Blocks:  round trip, longer with thousands of tasks.
 * Return:  0; or
 *          -ESRCH    no such process, or a zombie
 *          -EPERM    the kernel refuses; -EACCES the same for a non-dumpable target
 *          -EBUSY    traced by a program that is not cotrace
 *          -EDEADLK  two tracers could stop each other (R10)
 *          -ENOENT   cotrace-engine was not found
 *          -EMFILE   an engine may have fewer than 32 files open (RLIMIT_NOFILE)
 *          For the exact cause and the remedy call cotrace_explain().
 */
int cotrace_attach(struct cotrace **out, pid_t pid, const struct cotrace_options *options);

/**
 * cotrace_attach_beside() - as cotrace_attach(), with the engine of another session
 * @other: a session that is open; it gains nothing and loses nothing
 *
 * For who traces many processes that come one by one: a process that no engine has yet
 * comes to that of @other, so that one engine serves all of them.
 *
 * Blocks:  as cotrace_attach().
 * Return:  as cotrace_attach().
 */
int cotrace_attach_beside(struct cotrace **out, struct cotrace *other, pid_t pid,
			  const struct cotrace_options *options);

/**
 * cotrace_spawn() - start a program under trace
 * @out:  the session
 * @pid:  stores the new process's id; may be NULL
 * @file: a path, or a name to be found in PATH
 *
 * The program is the caller's own child: waitpid() and pidfds on it work as without
 * tracing. It is held by this session before its first instruction: subscribe, then
 * cotrace_resume(*out, 0). Caught signals are reset and the caller's signal mask is
 * inherited, as with posix_spawn(). set-user-ID bits take no effect, except where the
 * engine has CAP_SYS_PTRACE (execve(2)).
 *
 * Blocks:  until the program is loaded.
 * Return:  0; as cotrace_attach(); or as execve(2), and then no child is left.
 */
int cotrace_spawn(struct cotrace **out, pid_t *pid, const char *file, char *const argv[],
		  const struct cotrace_options *options);

/**
 * cotrace_from_fd() - adopt a session fd received from elsewhere
 * @fd: owned by the session on success, left alone on failure
 *
 * The one who hands the fd over must have taken all events first (cotrace_next()
 * returned 0): a batch of which a part was taken is seen again by the new owner.
 *
 * Blocks:  round trip.
 * Return:  0; -ENOTSOCK or -EPROTO: not a session fd; -ESHUTDOWN: a dead one.
 */
int cotrace_from_fd(struct cotrace **out, int fd);

/**
 * cotrace_open_engine() - look at an engine without attaching
 * @pid: a process that an engine traces, or an engine's own pid
 *
 * For cotrace_sessions(), cotrace_holds() and cotrace_end().
 *
 * Blocks:  round trip.
 * Return:  0; -ENOENT no engine there; -EPERM another user's.
 */
int cotrace_open_engine(struct cotrace **out, pid_t pid);

/** cotrace_close() - close the fd and free the session. NULL is allowed. Never blocks. */
void cotrace_close(struct cotrace *s);

/**
 * cotrace_fd() - the session's fd
 * Borrowed: poll it, pass a copy on, do not read or close it. Readable exactly as
 * long as an event can be taken; POLLHUP when the session is over. Close-on-exec.
 * Blocks: never. Return: the fd.
 */
int cotrace_fd(const struct cotrace *s);

/** cotrace_id() - the session's id, as others see it. Never blocks. */
uint64_t cotrace_id(const struct cotrace *s);

/** cotrace_engine_pid() - the pid of the session's engine. Never blocks. */
pid_t cotrace_engine_pid(const struct cotrace *s);

/**
 * cotrace_attenuate() - turn the session into an observer, for good
 * Gives up its holds, turns its stop subscriptions into notes; for every copy of the
 * fd. Do this before handing the fd to someone who shall only watch.
 * Blocks: round trip. Return: 0.
 */
int cotrace_attenuate(struct cotrace *s);

/** cotrace_set_close_action() - what the last close does. Blocks: round trip. Return: 0. */
int cotrace_set_close_action(struct cotrace *s, enum cotrace_close_action action);

/**
 * cotrace_add() - cover one more process with a TREE session
 * For descendants; cotrace_attach() has added those that existed at its time.
 * Blocks: round trip. Return: as cotrace_attach(); -EXDEV: another engine traces it.
 */
int cotrace_add(struct cotrace *s, pid_t pid);

/* ---- Subscriptions. Independent of each other; the last call for an event holds. ---- */

/**
 * cotrace_subscribe() - choose whether an event is off, a note or a stop
 * @kind: not a system call nor SIGNAL, which have sets of their own. STOP_DONE,
 *        LOST, REFUSED, ENGINE_GONE and SESSION_END come always.
 *
 * PROCESS_EXIT, JOB_CONTINUE and CHANGED can only be off or notes. SECCOMP as a stop makes
 * this session the tracer that decides for filters of the target; as a note it changes
 * nothing: without a tracer that decides the call fails with ENOSYS. A stop at
 * TASK_EXIT ends by itself after two seconds, and when the session ends (R6).
 *
 * Blocks: round trip. Return: 0; -EINVAL no such event or mode for it.
 */
int cotrace_subscribe(struct cotrace *s, enum cotrace_event_kind kind, enum cotrace_mode mode);

/* A set of system call numbers 0..1022; 1023 stands for all other numbers. */
struct cotrace_syscall_set {
	uint64_t bits[16];
};

void cotrace_syscall_set_clear(struct cotrace_syscall_set *set);
void cotrace_syscall_set_fill(struct cotrace_syscall_set *set);
void cotrace_syscall_set_add(struct cotrace_syscall_set *set, int nr);
int cotrace_syscall_set_has(const struct cotrace_syscall_set *set, int nr);

/**
 * cotrace_subscribe_syscalls() - subscribe to system calls by number
 * @arch:   the numbers' architecture; COTRACE_ARCH_ANY: the set is meant for each
 * @phases: COTRACE_ENTRY | COTRACE_EXIT
 * @set:    NULL: all. Numbers outside the set keep what they had.
 *
 * Takes effect in every task before the call returns or the task next enters the
 * kernel; a blocked call is put back and shows as one that was restarted.
 * The filter looks at the values as the sessions before this one have left them.
 *
 * Blocks: round trip. Return: 0.
 */
int cotrace_subscribe_syscalls(struct cotrace *s, enum cotrace_arch arch, unsigned phases,
			       const struct cotrace_syscall_set *set, enum cotrace_mode mode);

#define COTRACE_EXPRESSION_BYTES_MAX 1024

/* An agent expression (gdb's bytecode, see cotrace_compile()). */
struct cotrace_expression {
	const uint8_t *code;
	size_t size;
};

/**
 * cotrace_condition_syscalls() - see system calls only where a condition holds
 * @arch:      the registers' architecture, not COTRACE_ARCH_ANY
 * @phases:    COTRACE_ENTRY | COTRACE_EXIT; each phase is judged for itself
 * @set:       as in cotrace_subscribe_syscalls()
 * @condition: NULL: none any more. What was set for these numbers before is replaced
 *
 * Adds to the subscriptions: a call that is subscribed is a note or a stop if the condition
 * holds at this session's turn, evaluated in the engine on the registers and memory as the
 * sessions before have left them. One that cannot be evaluated holds.
 *
 * Blocks: round trip. Return: 0; -EINVAL; -ENOSPC more than 1,024 conditions.
 */
int cotrace_condition_syscalls(struct cotrace *s, enum cotrace_arch arch, unsigned phases,
			       const struct cotrace_syscall_set *set,
			       const struct cotrace_expression *condition);

/**
 * cotrace_subscribe_signals() - subscribe to signals about to be delivered
 * @set: bit n-1 stands for signal n. SIGKILL cannot be seen (R6).
 * Blocks: round trip. Return: 0.
 */
int cotrace_subscribe_signals(struct cotrace *s, uint64_t set, enum cotrace_mode mode);

enum cotrace_capture_kind {
	COTRACE_CAPTURE_STRING = 1,    /* at args[arg], up to a zero byte, which is not stored */
	COTRACE_CAPTURE_BYTES = 2,     /* max bytes at args[arg] */
	COTRACE_CAPTURE_COUNTED = 3,   /* args[count_arg] * unit bytes at args[arg] */
	COTRACE_CAPTURE_RESULT = 4,    /* result * unit bytes at args[arg]; exit only */
	COTRACE_CAPTURE_LENGTH_AT = 5, /* as many bytes as the 32-bit number at args[count_arg] */
	COTRACE_CAPTURE_STRINGS = 6,   /* array of string pointers at args[arg], ended by NULL;
					stored one after another, each with its zero byte; of
					  each at most unit bytes, 0: no limit */
	COTRACE_CAPTURE_IOVEC = 7,     /* bytes gathered from args[count_arg] iovecs at args[arg];
					at exit no more than result */
	/* A structure at args[arg], such as msghdr: its word number count_arg is a pointer,
	   the 32-bit number in the next word a length. */
	COTRACE_CAPTURE_MEMBER = 8,	 /* length * unit bytes at the pointer */
	COTRACE_CAPTURE_MEMBER_IOVEC = 9 /* bytes gathered from length iovecs at the pointer;
					    at exit no more than result */
};

struct cotrace_capture {
	uint8_t kind;	   /* enum cotrace_capture_kind */
	uint8_t phase;	   /* COTRACE_ENTRY or COTRACE_EXIT */
	uint8_t arg;	   /* 0..5 */
	uint8_t count_arg; /* 0..5 */
	uint16_t unit;	   /* 0 means 1; STRINGS: 0 means no limit */
	uint16_t max;	   /* bytes; 0: COTRACE_CAPTURE_BYTES_MAX */
};

/**
 * cotrace_capture() - have memory copied when a system call event happens
 * @slots: at most COTRACE_CAPTURES_MAX; replaces what was set for (arch, nr); 0 ends it
 *
 * Pointer size and layout are those of the call's architecture. A capture shows what
 * was there, not what the kernel will read: other tasks can write in between.
 *
 * Blocks: round trip. Return: 0.
 */
int cotrace_capture(struct cotrace *s, enum cotrace_arch arch, int nr,
		    const struct cotrace_capture *slots, size_t count);

/* The captures of one system call, as for cotrace_capture(). */
struct cotrace_captures {
	uint32_t arch; /* enum cotrace_arch */
	int32_t nr;
	const struct cotrace_capture *slots;
	size_t count;
};

/**
 * cotrace_capture_all() - as cotrace_capture(), for @n system calls at once
 * Blocks: round trip per 1024 calls. Return: 0; on failure some of them may have been set.
 */
int cotrace_capture_all(struct cotrace *s, const struct cotrace_captures *v, size_t n);

/* ---- Taking events ---- */

/**
 * cotrace_next() - take the next event
 * @ev:         filled on 1
 * @timeout_ns: longest wait
 *
 * A stop event hands you the stop: this session holds the task until it resumes it
 * or ends. Captured memory is skipped; see cotrace_next_data().
 *
 * Blocks:  until event.
 * Return:  1 event stored; 0 timed out; or
 *          -EINTR      a signal handler of the caller ran while waiting
 *          -ESHUTDOWN  the session is over and all events have been taken
 */
int cotrace_next(struct cotrace *s, struct cotrace_event *ev, int64_t timeout_ns);

/**
 * cotrace_next_data() - take the next event with what was captured for it
 * @data: receives the captured bytes; ev->captured[] says where each piece lies
 * @size: COTRACE_CAPTURES_MAX * COTRACE_CAPTURE_BYTES_MAX always suffices; with less
 *        the pieces are cut and flagged COTRACE_CAPTURED_MORE
 */
int cotrace_next_data(struct cotrace *s, struct cotrace_event *ev, void *data, size_t size,
		      int64_t timeout_ns);

/**
 * cotrace_next_soon() - take an event of any of several sessions that is about to come
 * @v, @n:  the sessions
 * @which:  on anything but 0 the index of the session that it is about
 * @ev:     filled on 1
 *
 * For who waits for the fds by poll() or the like, before that: after a task was let run its
 * next stop often comes faster than a program wakes up. Looks for some microseconds, where that
 * has lately been of use; else not at all. Call it until it returns 0: then, and only then, all
 * that is left to be taken shows at the fds.
 *
 * Blocks:  never.
 * Return:  1 event stored; 0 none; -ESHUTDOWN as cotrace_next()
 */
int cotrace_next_soon(struct cotrace *const v[], size_t n, size_t *which, struct cotrace_event *ev);

/* ---- Stopping and resuming ---- */

/**
 * cotrace_stop() - hold tasks
 * @task:       0 with COTRACE_ALL
 * @timeout_ns: longest wait for them to stand still; 0: do not wait
 *
 * A STOP_DONE event follows for each task once it stands. A blocked system call is
 * interrupted and put back when the task runs on (it starts a finite timeout anew
 * unless it is one the kernel itself restarts). New tasks are held from their start.
 *
 * Blocks:  until event, at most @timeout_ns.
 * Return:  0 all stand still; -ETIMEDOUT the hold is taken, but some task, such as a
 *          parent in vfork() or one in uninterruptible sleep, does not stand yet.
 */
int cotrace_stop(struct cotrace *s, uint64_t task, enum cotrace_reach reach, int64_t timeout_ns);

/**
 * cotrace_resume() - give up this session's hold
 * @task: 0: on every task of the target
 *
 * Answers a stop event, if one is open, with "pass". The task runs when no session
 * holds it any more.
 *
 * Blocks: never, unless the engine is far behind. Return: 0; -EAGAIN it stays so; a
 * refusal comes as a REFUSED event.
 */
int cotrace_resume(struct cotrace *s, uint64_t task);

/** cotrace_resume_all() - as cotrace_resume(), with a reach. Blocks: never. Return: 0. */
int cotrace_resume_all(struct cotrace *s, uint64_t task, enum cotrace_reach reach);

enum cotrace_step_kind {
	COTRACE_STEP_INSTRUCTION = 1, /* one instruction; with a rep prefix one round of it */
	COTRACE_STEP_BLOCK = 2,	      /* until a branch has been taken */
	COTRACE_STEP_RANGE = 3,	      /* until the pc is not in [from, to) */
	COTRACE_STEP_SYSCALL = 4      /* to the next entry or exit of a system call */
};

/**
 * cotrace_step() - give up this session's hold, and hold again after a step
 * @kind:     enum cotrace_step_kind
 * @from,@to: RANGE only, else 0
 *
 * As cotrace_resume() of one task: answers an open stop event with "pass". When no
 * session holds the task any more it steps, and a STEP event (always a stop) follows.
 * Sessions that did not ask see nothing of it (R5). A stop event of this session that
 * comes first takes the request back, and so does cotrace_resume(). A system call is
 * one instruction, whatever happens inside; with a signal that has a handler the step
 * ends at the handler's first instruction.
 *
 * SYSCALL: the task runs, and no STEP event follows: its next SYSCALL_ENTRY or SYSCALL_EXIT
 * is a stop event of this session, once, whatever it has subscribed. At an exit whose entry
 * nobody has seen, syscall.nr is -1 and the arguments are 0.
 *
 * Blocks: as cotrace_resume(). Return: 0; -EAGAIN; a refusal (-ESRCH, -EPERM, -EBUSY: this
 * session does not hold the task) comes as a REFUSED event.
 */
int cotrace_step(struct cotrace *s, uint64_t task, enum cotrace_step_kind kind, uint64_t from,
		 uint64_t to);

enum cotrace_action {
	COTRACE_PASS = 0,
	COTRACE_REPLACE = 1, /* go on with the values given here */
	COTRACE_DENY = 2     /* the call is not made; the signal is not delivered */
};

/*
 * struct cotrace_verdict - what a session says at a stop
 * SYSCALL_ENTRY: REPLACE takes nr and args; DENY makes the call return @result.
 * SECCOMP:       as SYSCALL_ENTRY.
 * SYSCALL_EXIT:  REPLACE takes result. SIGNAL: REPLACE takes signo and siginfo, DENY
 * suppresses. JOB_STOP: DENY lets this task run on though its process stays stopped, until
 * that continues or stops anew, or this session ends. Any other stop: PASS only. A denial cannot be undone by any session (R4).
 */
struct cotrace_verdict {
	uint32_t size;
	uint32_t action;
	int64_t nr;
	uint64_t args[6];
	int64_t result; /* as the kernel returns it: -errno for an error */
	int32_t signo;
	uint32_t siginfo_size; /* 0: made from signo; else that of the target's siginfo_t */
	uint8_t siginfo[128];
};

/**
 * cotrace_answer() - give up the hold that one stop event gave, with a verdict
 * @ev:      the stop event
 * @verdict: NULL: pass
 *
 * A hold taken by cotrace_stop() stays. An answer to an event that is no longer open
 * (its task died) is ignored.
 *
 * Blocks: as cotrace_resume(). Return: 0; -EAGAIN; -EINVAL @ev is no stop.
 */
int cotrace_answer(struct cotrace *s, const struct cotrace_event *ev,
		   const struct cotrace_verdict *verdict);

/**
 * cotrace_answer_step() - a verdict and a step in one message
 * @ev, @verdict: as for cotrace_answer()
 * @kind, @from, @to: as for cotrace_step()
 *
 * The verdict takes effect, then all of this session's hold is given up as by
 * cotrace_step(). Nothing happens if @ev is no longer open.
 *
 * Blocks: as cotrace_resume(). Return: 0; -EAGAIN; -EINVAL also: @ev is no stop; -ENOSYS
 * the engine is too old.
 */
int cotrace_answer_step(struct cotrace *s, const struct cotrace_event *ev,
			const struct cotrace_verdict *verdict, enum cotrace_step_kind kind,
			uint64_t from, uint64_t to);

/**
 * cotrace_signal() - send a signal
 * @reach:   COTRACE_ONE: to the task; COTRACE_ITS_PROCESS: to its process
 * @siginfo: NULL, or the siginfo_t to send; its si_code must be negative (tgkill(2))
 *
 * The signal is then delivered like any other: sessions see it as an event.
 * Blocks: round trip. Return: 0.
 */
int cotrace_signal(struct cotrace *s, uint64_t task, enum cotrace_reach reach, int signo,
		   const void *siginfo);

/** cotrace_kill() - SIGKILL to the task's process, 0: to the target. Blocks: round trip. */
int cotrace_kill(struct cotrace *s, uint64_t task);

/* ---- Registers. The task must stand still: held by any session, else -EBUSY. ---- */

/**
 * cotrace_regset_read() - read a register set in the kernel's layout
 * @set: NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE, ... of <elf.h>; NT_386_TLS: the areas that
 *       set_thread_area() sets, also of 64-bit tasks
 * Blocks: round trip. Return: bytes stored; -ENODEV no such set; -ENOBUFS @size too small.
 */
ssize_t cotrace_regset_read(struct cotrace *s, uint64_t task, unsigned set, void *buf, size_t size);

/* One of many sets that are read at once. */
struct cotrace_regset {
	uint64_t task;
	uint32_t set;
	uint32_t reserved_;
	void *buf;
	size_t size;
	ssize_t result; /* what cotrace_regset_read() would have returned */
};

/**
 * cotrace_regset_read_all() - as cotrace_regset_read(), for @n sets at once
 * @v: each receives its bytes and its result
 *
 * NT_SIGINFO is a set here, too: what cotrace_siginfo_read() reads.
 *
 * Blocks: round trip per 512 sets or 64 KiB of them. Return: 0, whatever the results are.
 */
int cotrace_regset_read_all(struct cotrace *s, struct cotrace_regset *v, size_t n);

/** cotrace_regset_write() - write one; this session must hold the task. Return: 0. */
int cotrace_regset_write(struct cotrace *s, uint64_t task, unsigned set, const void *buf,
			 size_t size);

/**
 * cotrace_register_read() - read a register by name, such as "rip", "eax", "fs_base"
 * "$pc" and "$sp" are the program counter and the stack pointer of any architecture.
 * Blocks: round trip. Return: the register's width in bytes; -ENOENT no such name;
 * -ENOBUFS @size too small.
 */
ssize_t cotrace_register_read(struct cotrace *s, uint64_t task, const char *name, void *buf,
			      size_t size);

/** cotrace_register_write() - write one; this session must hold the task. Return: 0. */
int cotrace_register_write(struct cotrace *s, uint64_t task, const char *name, const void *buf,
			   size_t size);

/**
 * cotrace_regsets() - which register sets tasks of an architecture have
 * @v: receives the first @max, in the order of a core file: NT_PRSTATUS comes first
 *
 * A task need not have all of them: -ENODEV says so.
 * Blocks: never. Return: how many there are; -EINVAL no such architecture.
 */
int cotrace_regsets(enum cotrace_arch arch, unsigned *v, size_t max);

/**
 * cotrace_register_extract() - take a register by name out of a set that was read
 * @set, @bytes, @count: the set and what cotrace_regset_read() stored
 *
 * For several registers of one set with one round trip.
 * Blocks: never. Return: the register's width in bytes; -ENOENT no such name;
 * -ENODATA it does not lie in those bytes; -ENOBUFS @size too small.
 */
ssize_t cotrace_register_extract(enum cotrace_arch arch, const char *name, unsigned set,
				 const void *bytes, size_t count, void *buf, size_t size);

/* ---- Memory ---- */

/**
 * cotrace_read_memory() - read the memory of a process, directly, running or not
 * Never returns another program's bytes: once the process has called exec, reads fail
 * with -ESTALE until this session has taken the EXEC event, or, when it has not
 * subscribed to EXEC, once.
 *
 * Blocks:  never, or one round trip for the first read after attach, fork or exec.
 * Return:  bytes read, fewer than asked where readable memory ends;
 *          -EFAULT nothing is readable at @addr; -ESTALE an exec overtook the read.
 */
ssize_t cotrace_read_memory(struct cotrace *s, pid_t pid, uint64_t addr, void *buf, size_t size);

/**
 * cotrace_write_memory() - write, through the engine; also read-only private pages
 * Blocks: round trip per 32 KiB. Return: bytes written; -EFAULT; -ESTALE as above.
 */
ssize_t cotrace_write_memory(struct cotrace *s, pid_t pid, uint64_t addr, const void *buf,
			     size_t size);

/* ---- Breakpoints and watchpoints. Private to the session (R7). ---- */

enum cotrace_break_kind {
	COTRACE_BREAK_SOFTWARE = 0, /* a trap instruction; any number of them */
	COTRACE_BREAK_HARDWARE = 1, /* a debug register */
	COTRACE_WATCH_WRITE = 2,    /* after a write */
	COTRACE_WATCH_ACCESS = 3    /* after a read or a write */
};

/* Flags of a breakpoint, as bits. */
#define COTRACE_BREAK_INHERIT 0x1u  /* children by fork that this session covers have it too */
#define COTRACE_BREAK_REPLANT 0x2u  /* put it in again after exec, mmap and the like: slow */
#define COTRACE_BREAK_ONCE 0x4u	    /* gone after its first event */
#define COTRACE_WATCH_SOFTWARE 0x8u /* when debug registers are used up, by stepping: very slow */

#define COTRACE_BREAK_VALUES_MAX 6

struct cotrace_breakpoint {
	uint32_t size;
	uint32_t kind;	 /* enum cotrace_break_kind */
	uint32_t mode;	 /* COTRACE_NOTE or COTRACE_STOP */
	uint32_t flags;	 /* bits above */
	int32_t pid;	 /* the process */
	uint32_t length; /* WATCH: 1 to 8 bytes */
	uint64_t addr;
	uint64_t task;	 /* 0: all tasks of the process, new ones included */
	uint64_t ignore; /* so many hits with a true condition pass without a word */
	/* No code: always true. One that cannot be evaluated (memory not there) is true. */
	struct cotrace_expression condition;
	/*
	 * Evaluated at a hit and given as captured data: 8 bytes each, slot is the index;
	 * COTRACE_CAPTURED_FAULT and no bytes where that failed.
	 */
	struct cotrace_expression values[COTRACE_BREAK_VALUES_MAX];
	uint32_t value_count;
	uint32_t reserved_;
};

/**
 * cotrace_break() - set a breakpoint or watchpoint
 * @id: stores its id, never used twice by an engine
 *
 * Takes effect before the call returns, in every task of the process. A hit is an
 * event of this session only, before the instruction at @addr is executed; its pc is
 * @addr. Memory read through cotrace shows no trace of it, nor do children. A program
 * that reads its own code sees it. A breakpoint ends with its program (exec) or its
 * process, unless flags say otherwise.
 *
 * A watchpoint also sees what the kernel accesses in system calls of the process
 * (COTRACE_EV_KERNEL), where perf_event_open(2) lets the engine look into the kernel
 * and as many debug registers again are free; cotrace_breakpoints() says so.
 *
 * Blocks:  round trip; a watchpoint until all tasks have been reached.
 * Return:  0; or
 *          -EFAULT  no code is mapped there that can be changed (with
 *                   COTRACE_BREAK_REPLANT it is put in as soon as there is)
 *          -ENOSPC  the debug registers, shared by all sessions (R8), are used up
 *          -EINVAL  also: an expression that fails cotrace_check_expression()
 *          -E2BIG   more than 65,536 breakpoints in one session
 *          -ENODEV  not on this architecture
 */
int cotrace_break(struct cotrace *s, uint64_t *id, const struct cotrace_breakpoint *b);

/**
 * cotrace_clear() - remove a breakpoint or watchpoint
 * No event of it follows, except those already taken from the engine's queue.
 * Blocks: round trip. Return: 0; -ENOENT.
 */
int cotrace_clear(struct cotrace *s, uint64_t id);

struct cotrace_break_info {
	uint64_t id;
	uint64_t addr, hits;
	int32_t pid;
	uint32_t kind;
	uint32_t length;
	uint32_t planted; /* 0: waits for memory to be mapped there; else 1, or as below */
};

#define COTRACE_PLANTED_STEPPING 2u /* a watchpoint without debug registers: very slow */
#define COTRACE_PLANTED_KERNEL 3u   /* one that sees what system calls access, too */

/** cotrace_breakpoints() - list this session's breakpoints; as cotrace_tasks(). */
int cotrace_breakpoints(struct cotrace *s, struct cotrace_break_info *v, size_t max);

/**
 * cotrace_breakpoints_of() - list those of any session; as cotrace_tasks()
 * For a session of cotrace_open_engine(), which has no target.
 * Return: how many there are; -ENOENT no such session; -EPERM this one has a target, and
 * is another one: breakpoints are private (R7).
 */
int cotrace_breakpoints_of(struct cotrace *s, uint64_t session, struct cotrace_break_info *v,
			   size_t max);

/**
 * cotrace_compile() - make an agent expression of a C-like one
 * @out, @size: the code and its length; freed by the caller with free()
 * @message:    on failure what is wrong and where, for people; may be NULL
 *
 * The operators of C, but for those that assign, on integers of C's types and pointers to
 * them: "$rdi == 5 && *(int *)$rsi != 0". Registers are $name, memory is dereferenced
 * with its type; names of the program are the caller's to replace. The result is extended
 * to 64 bits as its type is signed or not.
 *
 * Blocks: never. Return: 0; -EINVAL; -ENOMEM.
 */
int cotrace_compile(uint8_t **out, size_t *size, enum cotrace_arch arch, const char *text,
		    char *message, size_t message_size);

/**
 * cotrace_check_expression() - verify an agent expression as the engine does
 * Bounded length and stack, jumps that lead to instructions, known opcodes.
 * Blocks: never. Return: 0; -EINVAL; -E2BIG.
 */
int cotrace_check_expression(enum cotrace_arch arch, const uint8_t *code, size_t size);

/* ---- Calls into the target ---- */

/**
 * cotrace_syscall() - have a held task make a system call
 * @nr, @args: of the architecture the task runs now
 * @result:    what the kernel returned, -errno for an error
 *
 * The task is as it was afterwards: registers, an interrupted call, a signal under way,
 * its signal mask, a job stop. Sessions nearer to the kernel judge the call as one of the
 * task (R2); a denial is the result. Other holds stay. Signals wait until it is over.
 *
 * Blocks:  until the call returns, at most @timeout_ns; then it is interrupted.
 * Return:  0; -EBUSY this session does not hold the task, another call is under way in it,
 *          or it stands in vfork(), at a SECCOMP event or at its exit; also nanosleep() into
 *          a call that the kernel would then forget to go on with; -ETIMEDOUT; -ENOSYS no
 *          place to make calls from was found; -EPERM also: the program's own filter refuses it;
 *          -EOPNOTSUPP exec, exit, sigreturn and calls that create tasks
 */
int cotrace_syscall(struct cotrace *s, uint64_t task, int64_t nr, const uint64_t args[6],
		    int64_t *result, int64_t timeout_ns);

/**
 * cotrace_siginfo_read() - the siginfo_t of the signal at which a task stands
 * Whoever holds it; in the 64-bit layout of the engine.
 * Blocks: round trip. Return: bytes stored; -ENODATA it stands at no signal; -EBUSY it runs.
 */
ssize_t cotrace_siginfo_read(struct cotrace *s, uint64_t task, void *buf, size_t size);

/* What the kernel knows of a task beside its registers. */
enum cotrace_state {
	COTRACE_STATE_SIGNAL_MASK = 1,	  /* 8 bytes: bit n-1 stands for signal n */
	COTRACE_STATE_PENDING = 2,	  /* siginfo_t's of signals that wait for the task */
	COTRACE_STATE_PENDING_SHARED = 3, /* ... for any task of its process */
	COTRACE_STATE_RSEQ = 4,		  /* struct ptrace_rseq_configuration */
	COTRACE_STATE_FILTER = 5	  /* struct sock_filter's of a seccomp filter */
};

/**
 * cotrace_state_read() - read what the kernel knows of a task that stands still
 * @what: enum cotrace_state
 * @from: PENDING: so many signals are passed over; FILTER: which one, 0 is the oldest
 *
 * Whichever session holds the task. All is the program's own, also while a call into the
 * task is under way, in the 64-bit layout of the engine. Of the signals as many are stored
 * as @size has room for.
 *
 * Blocks: round trip. Return: bytes stored; or
 *         -EBUSY    the task runs
 *         -ENOBUFS  @size is too small
 *         -ENOENT   there is no such filter
 *         -EACCES   only CAP_SYS_ADMIN may read filters
 *         -EMEDIUMTYPE  that filter is of a kind that cannot be read
 *         -ENODEV   this kernel does not tell
 */
ssize_t cotrace_state_read(struct cotrace *s, uint64_t task, enum cotrace_state what, uint64_t from,
			   void *buf, size_t size);

/**
 * cotrace_state_write() - write it: SIGNAL_MASK only; this session must hold the task
 * Blocks: round trip. Return: 0; -EINVAL also: not to be written, or @size is wrong.
 */
int cotrace_state_write(struct cotrace *s, uint64_t task, enum cotrace_state what, const void *buf,
			size_t size);

/* ---- Looking around ---- */

enum cotrace_task_state {
	COTRACE_TASK_RUNNING = 1,     /* or blocked in the kernel */
	COTRACE_TASK_STOPPED = 2,     /* held */
	COTRACE_TASK_JOB_STOPPED = 3, /* stopped by job control */
	COTRACE_TASK_EXITED = 4	      /* a leader whose other tasks live on */
};

struct cotrace_task_info {
	uint64_t task;
	int32_t tid, pid;
	uint32_t state; /* enum cotrace_task_state */
	uint32_t arch;
	uint32_t holds; /* sessions that hold it */
	uint32_t held;	/* 1: this session does */
};

/**
 * cotrace_tasks() - list the target's tasks
 * @v: receives the first @max; Blocks: round trip. Return: how many there are.
 */
int cotrace_tasks(struct cotrace *s, struct cotrace_task_info *v, size_t max);

struct cotrace_hold {
	uint64_t task;
	uint64_t session;
	int32_t tid, pid;
	int32_t owner_pid; /* of the program that opened the session */
	uint32_t reason;   /* event kind of the stop; STOP_DONE: cotrace_stop() */
	uint64_t since_ns;
	char owner_command[16];
};

/** cotrace_holds() - who holds which task, for the whole engine; as cotrace_tasks(). */
int cotrace_holds(struct cotrace *s, struct cotrace_hold *v, size_t max);

struct cotrace_session_info {
	uint64_t session;
	int32_t owner_pid;
	uint32_t owner_uid;
	uint32_t role, scope, flags;
	int32_t root_pid; /* first process of the target; 0: only looks */
	uint32_t processes, tasks, holds;
	uint64_t notes, stops, lost;
	uint64_t queued_bytes;
	uint64_t since_ns;
	char owner_command[16];
};

/** cotrace_sessions() - the engine's sessions; as cotrace_tasks(). */
int cotrace_sessions(struct cotrace *s, struct cotrace_session_info *v, size_t max);

/**
 * cotrace_end() - end another session as if its owner had closed it
 * Blocks: round trip. Return: 0; -ENOENT no such session; -EPERM a POLICY session:
 * only its owner ends that.
 */
int cotrace_end(struct cotrace *s, uint64_t session);

/** cotrace_engines() - pids of the engines that can be seen. Return: how many. */
int cotrace_engines(pid_t *v, size_t max);

enum cotrace_reason {
	COTRACE_REASON_NONE = 0, /* nothing is in the way */
	COTRACE_REASON_NO_PROCESS = 1,
	COTRACE_REASON_ZOMBIE = 2,
	COTRACE_REASON_KERNEL_THREAD = 3,
	COTRACE_REASON_SELF = 4, /* the caller's own process */
	COTRACE_REASON_OTHER_USER = 5,
	COTRACE_REASON_NOT_DUMPABLE = 6,
	COTRACE_REASON_YAMA = 7,	    /* detail: the scope */
	COTRACE_REASON_SECCOMP = 8,	    /* ptrace is filtered for the caller */
	COTRACE_REASON_CAPABILITY = 9,	    /* capabilities or user namespace exceed the caller's */
	COTRACE_REASON_FOREIGN_TRACER = 10, /* detail: the tracer's pid */
	COTRACE_REASON_OTHER_ENGINE = 11,   /* another user's engine; detail: its pid */
	COTRACE_REASON_NO_ENGINE = 12,	    /* cotrace-engine is not installed */
	COTRACE_REASON_CYCLE = 13,
	COTRACE_REASON_OTHER = 14 /* detail: errno */
};

struct cotrace_explanation {
	uint32_t size;
	uint32_t reason; /* enum cotrace_reason */
	int32_t detail;
	int32_t engine_pid; /* NONE: the engine that already traces it, or 0 */
	char sentence[400]; /* the cause and the remedy, for people */
};

/**
 * cotrace_explain() - why attaching fails, or would fail
 * Blocks: never for long; attaches to nothing. Return: 0; @e is filled.
 */
int cotrace_explain(pid_t pid, struct cotrace_explanation *e);

/* ---- Names, versions, features ---- */

/** cotrace_event_name() - "syscall-entry"; NULL for an unknown kind. Static storage. */
const char *cotrace_event_name(enum cotrace_event_kind kind);

/** cotrace_arch_name() - "x86_64"; NULL for an unknown one. Static storage. */
const char *cotrace_arch_name(enum cotrace_arch arch);

/** cotrace_version() - of the library in use: major * 10000 + minor * 100 + patch. */
unsigned cotrace_version(void);

enum cotrace_feature {
	COTRACE_FEATURE_I386 = 1,	  /* 32-bit x86 tasks */
	COTRACE_FEATURE_SYSCALL_INFO = 2, /* the kernel tells entry from exit: required */
	COTRACE_FEATURE_BREAKPOINTS = 3,  /* cotrace_break() in software */
	COTRACE_FEATURE_PLACEMENT = 4,	  /* the engine steers which CPU tasks wake on */
	COTRACE_FEATURE_WATCHPOINTS = 5	  /* debug registers */
};

/** cotrace_has_feature() - 1 or 0; of this library, engine and kernel. Blocks: never. */
int cotrace_has_feature(enum cotrace_feature feature);

#ifdef __cplusplus
}
#endif

#endif
