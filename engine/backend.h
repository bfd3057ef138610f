/* SPDX-License-Identifier: MIT */
/*
 * What the engine needs of a kernel. Tasks are named by tid here; identity, holds and
 * sessions are the engine's business. All calls come from one thread and none blocks,
 * except next().
 */
#ifndef ENGINE_BACKEND_H
#define ENGINE_BACKEND_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What a task did. After every kind but DEAD and KERNEL_HIT the task stands and waits for
 * resume() or detach(). Kinds and the only legal next steps:
 */
enum backend_kind {
	BACKEND_NONE = 0,
	BACKEND_SYSCALL_ENTRY, /* syscall_set, syscall_deny, resume */
	BACKEND_SECCOMP,       /* after its entry, where that is seen; as SYSCALL_ENTRY */
	BACKEND_SYSCALL_EXIT,  /* result_set, resume */
	BACKEND_SIGNAL,	       /* siginfo_set; resume with the signal to deliver or 0 */
	BACKEND_TRAP,	       /* a SIGNAL, SIGTRAP, that the processor made; see trap */
	BACKEND_JOB_STOP,      /* resume with BACKEND_LISTEN, or the job stop is undone */
	BACKEND_INTERRUPTED,   /* by interrupt(), the first stop of a new task, or SIGCONT */
	BACKEND_FORK,
	BACKEND_VFORK,
	BACKEND_CLONE,
	BACKEND_VFORK_DONE,
	BACKEND_EXEC,
	BACKEND_EXITING, /* only after extra_stops() */
	BACKEND_KERNEL_HIT, /* it runs: see kernel_set(). interrupt(), for it does not stop by itself */
	BACKEND_DEAD,	    /* reaped; the tid means nothing any more */
	BACKEND_SPURIOUS /* a stop of no interest; resume */
};

struct backend_syscall {
	uint32_t arch; /* of the call, which need not be the task's */
	int64_t nr;
	uint64_t args[6];
	int64_t result;
	bool is_error;
	bool restart;	  /* entry: the kernel goes on with a call it had interrupted */
	bool interrupted; /* exit: ended by an interruption, not by itself */
	uint32_t data;	  /* SECCOMP: of the filter's */
};

/* What made a TRAP. */
enum backend_trap {
	BACKEND_TRAP_STEP,   /* an instruction was single-stepped */
	BACKEND_TRAP_CALL,   /* ... a system call came to its end */
	BACKEND_TRAP_NOTICE, /* ... and a signal handler entered; no signal can be delivered now */
	BACKEND_TRAP_CODE,   /* a trap instruction */
	BACKEND_TRAP_DEBUG,  /* a debug register */
	BACKEND_TRAP_KERNEL  /* what kernel_set() has set: no instruction did it */
};

/* Events that happen only where they are asked for, as bits. */
#define BACKEND_EXTRA_EXITING 0x1u
#define BACKEND_EXTRA_SECCOMP 0x2u /* else what a filter would have traced fails with ENOSYS */

/* What is known of a task beside its registers; numbers as in enum cotrace_state. */
enum backend_state {
	BACKEND_STATE_SIGNAL_MASK = 1,
	BACKEND_STATE_PENDING,
	BACKEND_STATE_PENDING_SHARED,
	BACKEND_STATE_RSEQ,
	BACKEND_STATE_FILTER
};

/* How a task left when it is EXITING. */
enum backend_exit_call { BACKEND_EXIT_OTHER, BACKEND_EXIT_TASK, BACKEND_EXIT_GROUP };

struct backend_event {
	enum backend_kind kind;
	pid_t tid;
	uint64_t pc, sp; /* 0 where not known */
	union {
		struct backend_syscall syscall;
		struct {
			siginfo_t siginfo;
			enum backend_trap trap; /* TRAP only */
			bool unsaid; /* DEBUG: the processor lost which register it was */
		};
		struct {
			pid_t tid;
		} child;
		struct {
			pid_t former_tid;
		} exec;
		struct {
			int status; /* as waitpid() gives it */
			enum backend_exit_call call;
		} exit;
		struct {
			int signo;
		} job;
	};
};

enum backend_resume {
	BACKEND_RUN,
	BACKEND_STEP,	  /* one instruction */
	BACKEND_SYSCALLS, /* stop at the next system call's entry or exit */
	BACKEND_LISTEN	  /* stay stopped by job control, but hear of its end */
};

enum backend_disposition { BACKEND_SIG_DEFAULT, BACKEND_SIG_IGNORED, BACKEND_SIG_HANDLED };

/* What a debug register, number of its place, is to catch. */
#define BACKEND_DEBUG_MAX 8
#define BACKEND_DEBUG_BYTES 8 /* the most that one can watch */

enum backend_debug_kind {
	BACKEND_DEBUG_NONE = 0,
	BACKEND_DEBUG_EXECUTE, /* before the instruction; going on from there does not hit it again */
	BACKEND_DEBUG_WRITE,
	BACKEND_DEBUG_ACCESS
};

struct backend_debug {
	uint64_t addr;
	uint32_t length; /* a power of two that @addr is a multiple of; EXECUTE: 1 */
	uint32_t kind;
};

struct backend;

struct backend_ops {
	/*
	 * The next event, waiting until @deadline (CLOCK_MONOTONIC ns). Returns 1; 0 when
	 * the deadline has passed or a watched fd became ready.
	 */
	int (*next)(struct backend *b, struct backend_event *ev, uint64_t deadline);
	/* Lets whoever else wants this CPU run, if anybody does. May be NULL. */
	void (*make_way)(struct backend *b);
	/* Makes readiness of @fd end next(). */
	int (*watch_fd)(struct backend *b, int fd);
	/* @pid (0: none) is to be woken soon at the caller's end: it stays near. May be NULL. */
	void (*companion)(struct backend *b, pid_t pid);

	/*
	 * Checks that @fd is an open memory file of @pid. 0; -EACCES; -ESTALE: of a program
	 * that @pid runs no more.
	 */
	int (*check_access)(struct backend *b, pid_t pid, int fd);
	/* The process of a task, or -ESRCH. */
	pid_t (*process_of)(struct backend *b, pid_t tid);
	/* The process that made a process, or -ESRCH. */
	pid_t (*parent_of)(struct backend *b, pid_t pid);
	/*
	 * Attaches all tasks of @pid without stopping them; calls attached() for each.
	 * Returns 0; -ESRCH; -EPERM; -EAGAIN when another tracer has it (*tracer).
	 */
	int (*attach)(struct backend *b, pid_t pid, void (*attached)(void *arg, pid_t tid),
		      void *arg, pid_t *tracer);
	/* A task that the kernel attached by itself, as a child of an attached one. */
	void (*adopted)(struct backend *b, pid_t tid);
	/* After exec() by another task than the leader: @tid is now what @former was. */
	void (*renamed)(struct backend *b, pid_t former, pid_t tid);
	/* Has the task stop soon: INTERRUPTED, or whatever comes first. */
	int (*interrupt)(struct backend *b, pid_t tid);
	int (*resume)(struct backend *b, pid_t tid, enum backend_resume how, int signo);
	int (*detach)(struct backend *b, pid_t tid, int signo);
	/*
	 * The task stands at a TRAP after a STEP, and if the tracer died now it would go on
	 * being stepped, and die of that. Has it stand without: 0. -EAGAIN: it is on its way
	 * there, and INTERRUPTED, or whatever else came between, follows. May be NULL.
	 */
	int (*rest)(struct backend *b, pid_t tid);
	/*
	 * Whether a task that runs has exited though its death is not reported yet: a leader
	 * whose other tasks live on. May be NULL.
	 */
	bool (*has_exited)(struct backend *b, pid_t tid);
	/* The task stands: of these kinds of events it has those in @which, and its children too. */
	int (*extra_stops)(struct backend *b, pid_t tid, unsigned which);

	/*
	 * The task stands. If the only thing that ended its system call was this stop (or
	 * a signal that changes nothing), has the call made again on resume. Returns
	 * whether a call will be made again, by this or by the kernel itself.
	 */
	bool (*put_back)(struct backend *b, pid_t tid);
	/*
	 * SYSCALL_ENTRY: the call is not made now, but again, by itself, as soon as the task
	 * runs. For detach(), after which the kernel would break it.
	 */
	int (*put_off)(struct backend *b, pid_t tid);
	/* A signal with a handler is about to be delivered: undoes a put_back(). */
	void (*take_back)(struct backend *b, pid_t tid);
	/* Whether a signal waits that will be delivered when the task runs. */
	bool (*signal_waits)(struct backend *b, pid_t tid);
	/*
	 * Whether a TRAP waits that will be reported before the task does anything else: then it
	 * is to be let run into it. INTERRUPTED, JOB_STOP.
	 */
	bool (*trap_waits)(struct backend *b, pid_t tid);
	enum backend_disposition (*disposition)(struct backend *b, pid_t tid, int signo);

	int (*syscall_get)(struct backend *b, pid_t tid, struct backend_syscall *call);
	int (*syscall_set)(struct backend *b, pid_t tid, const struct backend_syscall *call);
	/*
	 * SYSCALL_EXIT: puts the registers of @original back that syscall_set() replaced by
	 * those of @made; programs rely on them. Nothing if that call has replaced them all.
	 */
	int (*syscall_restore)(struct backend *b, pid_t tid, const struct backend_syscall *made,
			       const struct backend_syscall *original);
	int (*syscall_deny)(struct backend *b, pid_t tid, int64_t result);
	int (*result_set)(struct backend *b, pid_t tid, int64_t result);
	int (*siginfo_set)(struct backend *b, pid_t tid, const siginfo_t *info);
	/* Returns bytes, or -errno (-ENODEV: no such set). */
	ssize_t (*regset_get)(struct backend *b, pid_t tid, unsigned set, void *buf, size_t size);
	int (*regset_set)(struct backend *b, pid_t tid, unsigned set, const void *buf, size_t size);
	/*
	 * The task stands: the program's own, whatever a call into it has changed. Bytes or -errno:
	 * -ENODEV the kernel does not tell; -ENOBUFS @size is too small; -ENOENT no such filter.
	 */
	ssize_t (*state_get)(struct backend *b, pid_t tid, enum backend_state what, uint64_t from,
			     void *buf, size_t size);
	/* SIGNAL_MASK only, else -EINVAL; no call into it is under way. */
	int (*state_set)(struct backend *b, pid_t tid, enum backend_state what, const void *buf,
			 size_t size);
	/*
	 * A call into a task that stands at @at. call_begin() takes note of all that is to be
	 * put back, keeps signals off, and prepares @call. Returns 0: resume() with SYSCALLS
	 * leads to its entry; 1: it stands there already; -ENOSYS no instruction to enter
	 * the kernel by was found, -EBUSY not from this stop.
	 */
	int (*call_begin)(struct backend *b, pid_t tid, const struct backend_event *at,
			  const struct backend_syscall *call);
	/* At its exit, made by an interruption: prepares @call, as it was made, once more, if that is right. */
	bool (*call_again)(struct backend *b, pid_t tid, const struct backend_syscall *call);
	/*
	 * At its exit: whether a filter of the program's has refused it by a signal; that
	 * signal is swallowed.
	 */
	bool (*call_refused)(struct backend *b, pid_t tid, const struct backend_syscall *call);
	/*
	 * At its exit, or at a signal that came instead of its entry (@ev): the way back.
	 * Returns 1: the task stands as before call_begin(); 0: resume() it as @how says and
	 * call again with its next event; -errno: it is gone.
	 */
	int (*call_end)(struct backend *b, pid_t tid, const struct backend_event *ev,
			enum backend_resume *how);
	/* How many debug registers a task has, at most BACKEND_DEBUG_MAX. */
	unsigned (*debug_count)(struct backend *b);
	/*
	 * The task stands: its registers are @now from here on, were @before. -ENOSPC or -EBUSY
	 * somebody else has them; -EINVAL an address that cannot be watched. On failure they
	 * are as before.
	 */
	int (*debug_set)(struct backend *b, pid_t tid, const struct backend_debug *before,
			 const struct backend_debug *now);
	/* Which of them, as bits, have been hit since this was last asked. */
	unsigned (*debug_hits)(struct backend *b, pid_t tid);
	/* The breakpoint of a debug register at its pc is not to hit when it runs on. */
	int (*debug_pass)(struct backend *b, pid_t tid);
	/*
	 * The task stands: @now are registers beside those of debug_set(), for accesses that the
	 * kernel makes itself in calls of the task. Returns those, as bits, that it has. After a
	 * hit it stops soon (TRAP_KERNEL) or makes a KERNEL_HIT; other stops can come before.
	 */
	unsigned (*kernel_set)(struct backend *b, pid_t tid, const struct backend_debug *now);
	/* Which of them, as bits, have been hit since this was last asked. */
	unsigned (*kernel_hits)(struct backend *b, pid_t tid);
	/* The signals that a task blocks, or will when its call is over. 0 or -errno. */
	int (*mask_get)(struct backend *b, pid_t tid, uint64_t *mask);
	int (*mask_set)(struct backend *b, pid_t tid, uint64_t mask);
	/* Another mask is in force for the time of a call, which mask_set() would end. */
	bool (*mask_lent)(struct backend *b, pid_t tid);
	/* Where the task stands. */
	int (*where)(struct backend *b, pid_t tid, uint64_t *pc, uint64_t *sp);
	/* The architecture the task runs now; 0 if not known. */
	uint32_t (*task_arch)(struct backend *b, pid_t tid);

	/* Opens the memory file of the program that @pid runs now. An fd or -errno. */
	int (*memory_open)(struct backend *b, pid_t pid, bool writable);
	/* Reads memory of a task, standing or not; as much as there is. Bytes or -errno. */
	ssize_t (*memory_read)(struct backend *b, pid_t tid, uint64_t at, void *buf, size_t size);
	/* Writes memory of a task that stands with its own rights; all or an error. */
	ssize_t (*memory_store)(struct backend *b, pid_t tid, uint64_t at, const void *buf,
				size_t size);
	/* Whether code is mapped at @at that can be changed without anybody else seeing it. */
	bool (*may_plant)(struct backend *b, pid_t tid, uint64_t at);
	/* Where @size bytes are free as near as possible to @at; 0: nowhere. */
	uint64_t (*gap)(struct backend *b, pid_t tid, uint64_t at, uint64_t size);
	/* Whether @pc lies in the restartable sequence (rseq) that the task is in. */
	bool (*in_sequence)(struct backend *b, pid_t tid, uint64_t pc);
	/* 1: both tasks have the same memory; 0: they do not; negative: not known. */
	int (*same_memory)(struct backend *b, pid_t one, pid_t other);
	/* Writes through @fd of memory_open(), or by whatever else the kernel allows. */
	ssize_t (*memory_write)(struct backend *b, pid_t tid, int fd, uint64_t at, const void *buf,
				size_t size);
	/*
	 * Takes a trap out of memory in which nobody is known to run, through @fd of
	 * memory_open(), if it is there. -ESTALE: that memory is gone.
	 */
	int (*memory_restore)(struct backend *b, int fd, uint64_t at, const uint8_t *trap,
			      const uint8_t *original, size_t size);
	/* Sends a signal to a task, or with @tid 0 to the process. */
	int (*signal)(struct backend *b, pid_t pid, pid_t tid, int signo, const siginfo_t *info);
	/* Lets everything go at once, without stopping anything, and frees the backend. */
	void (*close)(struct backend *b);
};

struct backend {
	const struct backend_ops *ops;
};

#endif
