/* SPDX-License-Identifier: MIT */
/* The ptrace backend's own view of itself. */
#ifndef BACKEND_PTRACE_INTERNAL_H
#define BACKEND_PTRACE_INTERNAL_H

#include <linux/ptrace.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/list.h"
#include "base/map.h"
#include "engine/backend.h"

/* What the task's own system call is, or was. */
struct ptrace_put_back {
	bool active; /* a call was put back and has not been made again yet */
	uint64_t pc; /* where it will be made */
};

struct ptrace_entry {
	bool at; /* it stands at the entry of this call */
	uint32_t arch;
	int64_t nr; /* -1: a session may have made another one of it */
	uint64_t arg;
};

/* All registers of a task, as regs_<isa>.c keeps them. */
struct ptrace_registers {
	uint64_t words[32];
};

/* A call into the task: what is to be put back, and how far that is. See call.c. */
struct ptrace_call {
	struct ptrace_registers regs;
	struct backend_syscall call;
	enum { PTRACE_CALL_PLAIN, PTRACE_CALL_AT_ENTRY, PTRACE_CALL_AT_SIGNAL } from;
	uint64_t mask;	    /* of signals, to which the task will return */
	uint64_t effective; /* AT_SIGNAL: the mask that held, for the time of a call perhaps */
	siginfo_t siginfo;
	struct ptrace_put_back put_back;
	struct ptrace_entry entry;
	uint64_t rseq_at, rseq; /* the critical section it stood in */
	bool refused;		/* by a signal that is still to come */
	bool forgetful;		/* how an interrupted call goes on has been forgotten */
	enum { PTRACE_CALL_OUT, PTRACE_CALL_SUSPENDING, PTRACE_CALL_LAST } way;
	uint64_t lent_at, lent; /* memory that rt_sigsuspend() reads its mask from */
};

/* A register of perf's: see perf.c. */
struct ptrace_perf {
	struct backend_debug what;
	int fd;
	uint64_t count; /* when last seen */
};

struct ptrace_perfs {
	struct ptrace_perf registers[BACKEND_DEBUG_MAX];
	unsigned hits; /* that were found on the way, and are not asked for yet */
	bool quiet;    /* they make the task no signal */
	bool heard;    /* that it has hit one: it is to stop, or does so itself */
};

/* One attached kernel thread. */
struct ptrace_task {
	pid_t tid;
	uint32_t arch;	  /* of its system calls, at the last stop; 0 before the first */
	uint32_t runs;	  /* what its instructions were when it was last asked for; 0: not known */
	uint64_t runs_at; /* ... at which stop */
	uint64_t rseq;	  /* its struct rseq; 0: none known */
	bool interrupted; /* a stop was asked for and has not come */
	bool stepped;	  /* as it was resumed last */
	uint64_t stopped_at; /* number of its last stop among all */
	struct list likely;  /* to stop next: in ptrace_wait.expected or .recent */
	struct ptrace_put_back put_back;
	struct ptrace_entry entry;
	uint64_t call_place; /* where an instruction that enters the kernel was found; 0: none */
	struct ptrace_call *calling;
	struct ptrace_perfs *perf; /* NULL: none */
	bool unmasked;		   /* SIGTRAP, up to its next stop */
	uint64_t mask;		   /* ... of signals, before */
};

/* Which task stopped: see wait.c. */
struct ptrace_wait {
	sigset_t signals;
	timer_t timer;
	uint64_t armed; /* when the timer fires; CLOCK_NEVER: not armed */
	bool scan_due;	/* a stop may have been hidden behind another's SIGCHLD */
	uint64_t scan_not_before;
	struct list expected; /* tasks that were interrupted, or are to be looked at once */
	struct list recent;   /* tasks that stopped of late, in that order */
	uint64_t stops;	      /* so far */
	unsigned since_io;    /* events since fds were last looked at */
	bool signals_due;     /* ... and signals are to be looked at too */
	unsigned yields;      /* how often giving the CPU away for a moment brought a stop */
	unsigned since_yield; /* chances to do so that were not taken */
	unsigned early; /* how often a stop was there before the engine could sleep, of late */
};

/* Where tasks wake: see place.c. */
struct ptrace_place {
	bool enabled;
	int online;	 /* CPUs */
	int cpu;	 /* the engine is pinned there; -1: it is not */
	cpu_set_t own;	 /* the engine's mask before */
	pid_t last;	 /* the task of the last stop */
	unsigned streak; /* stops of that task in a row */
	bool worth;	 /* left alone, stops came slowly */
	unsigned left;	 /* stops until that is decided anew */
	uint64_t since;	 /* when the present trial began */
	pid_t companion; /* goes where the engine goes; 0: none */
	int companion_cpu;
};

struct ptrace_backend {
	struct backend base;
	struct map tasks; /* by tid */
	struct map perf;  /* tasks by fd of their registers */
	struct ptrace_wait wait;
	struct ptrace_place place;
};

static inline struct ptrace_backend *ptrace_backend(struct backend *b)
{
	return (struct ptrace_backend *)b;
}

static inline struct ptrace_task *ptrace_task(struct ptrace_backend *b, pid_t tid)
{
	return map_get(&b->tasks, (uint64_t)tid);
}

#define PTRACE_BACKEND_OPTIONS                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
	 PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORKDONE)

/* ops.c: forgets a task that is gone. */
void ptrace_task_forget(struct ptrace_backend *b, pid_t tid);
/* ptrace(2) as the kernel has it: the result, or -errno. */
long ptrace_call(long request, pid_t tid, uintptr_t address, uintptr_t data);

/* wait.c */
int wait_init(struct ptrace_backend *b);
void wait_deinit(struct ptrace_backend *b);
int wait_next(struct backend *base, struct backend_event *ev, uint64_t deadline);
void wait_make_way(struct backend *base);
int wait_watch_fd(struct backend *base, int fd);
int wait_rest(struct backend *base, pid_t tid);
/* @t has stopped. */
void wait_stopped(struct ptrace_backend *b, struct ptrace_task *t);
/* @t is to stop soon, or (not @sure) is worth one look. */
void wait_expect(struct ptrace_backend *b, struct ptrace_task *t, bool sure);

/* classify.c: turns a wait status into an event. False: nothing for the engine. */
bool classify(struct ptrace_backend *b, pid_t tid, int status, struct backend_event *ev);

/* attach.c */
int attach_process(struct backend *base, pid_t pid, void (*attached)(void *, pid_t), void *arg,
		   pid_t *tracer);

/* proc.c: what /proc tells */
int proc_check_access(struct backend *base, pid_t pid, int fd);
pid_t proc_process_of(struct backend *base, pid_t tid);
pid_t proc_parent_of(struct backend *base, pid_t pid);
bool proc_signal_waits(struct backend *base, pid_t tid);
/* Signals that wait for this task alone, and those it blocks at the moment. */
bool proc_signals(pid_t tid, uint64_t *pending, uint64_t *blocked);
enum backend_disposition proc_disposition(struct backend *base, pid_t tid, int signo);
/* 'R', 'S', 'Z', ... or 0. */
char proc_state(pid_t tid);
uint32_t proc_arch(pid_t tid);

/* mem.c */
int mem_open(struct backend *base, pid_t tid, bool writable);
ssize_t mem_read(struct backend *base, pid_t tid, uint64_t at, void *buf, size_t size);
int mem_restore(struct backend *base, int fd, uint64_t at, const uint8_t *trap,
		const uint8_t *original, size_t size);
ssize_t mem_write(struct backend *base, pid_t tid, int fd, uint64_t at, const void *buf,
		  size_t size);

ssize_t mem_store(struct backend *base, pid_t tid, uint64_t at, const void *buf, size_t size);

/* Whether @pc lies in the restartable sequence that the task is in. */
bool mem_in_sequence(struct backend *base, pid_t tid, uint64_t pc);

/* maps.c */
bool maps_may_plant(struct backend *base, pid_t tid, uint64_t at);
uint64_t maps_gap(struct backend *base, pid_t tid, uint64_t at, uint64_t size);
int maps_same_memory(struct backend *base, pid_t one, pid_t other);

/* regs_<isa>.c: the only places that know registers */
uint32_t regs_arch_of_audit(uint32_t audit_arch);
/* What a task that stands executes; 0: it does not stand. */
uint32_t regs_arch(pid_t tid);
uint32_t regs_arch_of_machine(unsigned elf_machine);
enum backend_trap regs_trap(const siginfo_t *info);
int regs_where(struct backend *base, pid_t tid, uint64_t *pc, uint64_t *sp);
bool regs_is_restart_call(const struct backend_syscall *call);
bool regs_is_interruption(int64_t result);
int regs_syscall_set(struct backend *base, pid_t tid, const struct backend_syscall *call);
int regs_syscall_restore(struct backend *base, pid_t tid, const struct backend_syscall *made,
			 const struct backend_syscall *original);
int regs_syscall_deny(struct backend *base, pid_t tid, int64_t result);
int regs_result_set(struct backend *base, pid_t tid, int64_t result);
enum backend_exit_call regs_exit_call(pid_t tid);
/* Whether the result of a call, or a task it makes, depends on the affinity of its task. */
enum regs_affinity { REGS_AFFINITY_UNUSED, REGS_AFFINITY_READS_FILE, REGS_AFFINITY_USED };
enum regs_affinity regs_affinity_use(uint32_t arch, int64_t nr);
bool regs_put_back(struct backend *base, pid_t tid);
int regs_put_off(struct backend *base, pid_t tid);
void regs_take_back(struct backend *base, pid_t tid);

/* regs_tls_<isa>.c: a register set that the kernel shows of some tasks only, or -ENODEV */
ssize_t regs_hidden_get(pid_t tid, unsigned set, void *buf, size_t size);
int regs_hidden_set(pid_t tid, unsigned set, const void *buf, size_t size);

/* regs_debug_<isa>.c */
unsigned debug_count(struct backend *base);
int debug_set(struct backend *base, pid_t tid, const struct backend_debug *before,
	      const struct backend_debug *now);
unsigned debug_hits(struct backend *base, pid_t tid);
/* What looks like another trap at @pc was one of them, lost by the processor. */
bool debug_unsaid(pid_t tid, uint64_t pc, const siginfo_t *info);
int debug_pass(struct backend *base, pid_t tid);

int regs_save(pid_t tid, struct ptrace_registers *regs);
int regs_load(pid_t tid, const struct ptrace_registers *regs);
/* With all other registers as in @regs: makes @call from @place when it runs on. */
int regs_call_from(pid_t tid, const struct ptrace_registers *regs, uint64_t place,
		   const struct backend_syscall *call);
/* At the entry of another call: makes @call of it. */
int regs_call_here(pid_t tid, const struct ptrace_registers *regs,
		   const struct backend_syscall *call);
/* Makes the call at whose entry @regs were saved once more, from @place. */
int regs_enter_again(pid_t tid, const struct ptrace_registers *regs, uint64_t place);
/* Whether @regs belong to a call that the kernel would go on with by itself, and by what it remembers. */
bool regs_goes_on(const struct ptrace_registers *regs, uint32_t arch);
/* ... has it made from its beginning instead. */
void regs_call_forget(struct ptrace_registers *regs);
/* At the end of a call: it may be made again, by this number; -1: it is over. */
int64_t regs_call_again(const struct backend_syscall *call, int64_t result);
/* An address of an instruction that enters the kernel, as calls of @arch do; 0: none. */
uint64_t regs_find_entry(struct backend *base, pid_t tid, uint32_t arch, uint64_t known);

/* perf.c: what the kernel accesses itself */
#define WAIT_PERF_SIGNAL SIGRTMIN
unsigned perf_set(struct backend *base, pid_t tid, const struct backend_debug *now);
unsigned perf_hits(struct backend *base, pid_t tid);
bool perf_trap_waits(struct backend *base, pid_t tid);
/* Of the register @fd. Whether it makes an event. */
bool perf_signal(struct ptrace_backend *b, int fd, struct backend_event *ev);
bool perf_is_ours(const siginfo_t *info);
/* @t has stopped; is about to run; is let go, or gone. */
void perf_stopped(struct ptrace_backend *b, struct ptrace_task *t);
void perf_runs(struct ptrace_backend *b, struct ptrace_task *t);
void perf_forget(struct ptrace_backend *b, struct ptrace_task *t);

/* call.c: calls into the task */
int call_begin(struct backend *base, pid_t tid, const struct backend_event *at,
	       const struct backend_syscall *call);
bool call_again(struct backend *base, pid_t tid, const struct backend_syscall *call);
bool call_refused(struct backend *base, pid_t tid, const struct backend_syscall *call);
int call_end(struct backend *base, pid_t tid, const struct backend_event *ev,
	     enum backend_resume *how);

int call_mask_get(struct backend *base, pid_t tid, uint64_t *mask);
int call_mask_set(struct backend *base, pid_t tid, uint64_t mask);
bool call_mask_lent(struct backend *base, pid_t tid);

/* state.c */
ssize_t state_read(struct backend *base, pid_t tid, enum backend_state what, uint64_t from,
		   void *buf, size_t size);
int state_write(struct backend *base, pid_t tid, enum backend_state what, const void *buf,
		size_t size);

/* place.c */
void place_init(struct ptrace_backend *b);
void place_stopped(struct ptrace_backend *b, pid_t tid);
/* Around the ptrace request that wakes the task. */
bool place_before_wake(struct ptrace_backend *b, pid_t tid);
void place_after_wake(struct ptrace_backend *b, pid_t tid);
void place_companion(struct backend *base, pid_t pid);
/* The engine is about to sleep. */
void place_before_sleep(struct ptrace_backend *b);

#endif
