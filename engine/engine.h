/* SPDX-License-Identifier: MIT */
/*
 * The engine's objects. One thread, no locks.
 *
 *	session --cover-- process -- task -- rules (who holds it, whose turn it is)
 *	   |
 *	  conn (main socket, reply channels), queue (events under way)
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <cotrace.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/code.h"
#include "base/list.h"
#include "base/map.h"
#include "engine/backend.h"
#include "engine/queue.h"
#include "rules/rules.h"
#include "engine/timer.h"
#include "wire/wire.h"

#define ENGINE_ARCHS 4 /* enum cotrace_arch, ANY included */
#define TASK_EXTRA_UNKNOWN ~0u
#define ENGINE_SET_WORDS 16    /* words of a set of system calls */
#define SIGTRAP_ACTION_MAX 32  /* bytes of what rt_sigaction() takes */
#define TASK_UNFINISHED_MAX 4  /* handlers one in another */
#define TASK_REGS_MAX 512      /* bytes of general registers of any architecture */
#define ENGINE_FDS_RESERVED 16 /* what one event and one request can take at a time */
#define ENGINE_EXIT_STOP_NS (2 * CLOCK_SECOND)
#define ENGINE_QUEUE_DEADLINE_NS (10 * (int64_t)CLOCK_SECOND)

struct session;
struct mailbox;
struct call;

/* The process that cleans up after this one: keeper.c. */
struct keeper {
	pid_t (*start)(int fd); /* NULL: there is to be none */
	int fd;			/* -1: it does not run */
	uint64_t started;
	uint64_t last_space;
	struct timer timer;
};

struct engine {
	struct backend *backend;
	struct keeper keeper;
	int epoll, listener;
	struct map tasks_by_tid, tasks_by_id, processes, sessions_by_id;
	struct list sessions; /* in the order they were opened */
	struct list conns;
	struct conn *first;   /* whom the engine was started for; NULL: gone */
	struct list backlog;  /* of them, whose turn was over before their requests were */
	struct conn *asked;   /* on which the next request is expected at once; or NULL */
	unsigned awaited;     /* so many times in a row it has come so */
	struct list dirty;    /* sessions with events not sent yet */
	struct list releases; /* processes that no session covers */
	struct list orphans;  /* tasks whose parent's event is still to come */
	struct list deaths;   /* tasks that died before that; told of at the end of the turn */
	struct timers timers;
	struct timer flush_timer;
	struct timer listen_timer;
	uint64_t seq, last_task, last_session;
	size_t pokes;	  /* tasks interrupted so that a subscription takes effect */
	size_t disturbed; /* tasks that are */
	size_t stopping_at_calls;
	size_t armed;	    /* tasks with debug registers in use */
	size_t spaces_used; /* spaces whose tasks may carry traps of the engine */
	uint64_t last_breakpoint;
	struct list ghosts; /* spaces that everybody has left a moment ago */
	struct list wakes;  /* spaces whose tasks may go on */
	int fds_max;	    /* fds from here on are kept free, for what must not fail */
	struct list waiters;
	struct list injections; /* calls into targets that sessions wait for */
	struct list readers;	/* who waits for their end */
	size_t calls;		/* into targets, under way */
	bool io_again;		/* a socket was left before it was empty */
	bool sweep;		/* a connection is to be closed */
	bool corked;		/* nothing is sent: that can let tasks run */
};

/* A process that the engine traces. */
struct process {
	struct engine *engine;
	pid_t pid;
	struct list tasks;
	size_t task_count;
	struct list covers; /* sessions whose target it is in */
	struct list breakpoints;
	struct list watches;
	struct backend_debug debug[BACKEND_DEBUG_MAX]; /* what its tasks are to have armed */
	unsigned debug_users[BACKEND_DEBUG_MAX];
	unsigned kernel_wanted; /* of these, as bits: what the kernel accesses itself, too */
	uint64_t debug_version; /* changes of that */
	bool debug_armed;	/* some task has had them */
	bool kept_armed;	/* ... and the keeper knows */
	unsigned stepped;	/* watches that are in no registers */
	struct space *space;
	struct list in_space;
	uint64_t generation;	 /* programs it has run */
	int mem_read, mem_write; /* of the program of this generation; -1: none */
	uint64_t changes;	 /* writes by sessions */
	struct session *spawner; /* holds it at its first exec */
	bool wants_syscalls;	 /* of any session */
	unsigned wants_extra;	 /* BACKEND_EXTRA_*, of all */
	bool replants;		 /* has breakpoints that follow what is mapped */
	bool group_exiting;
	bool partial; /* tasks of it were let go */
	struct list in_releases;
	struct list late_exits; /* TASK_EXIT records whose cause is not known yet */
	struct {
		enum backend_disposition what; /* when last seen */
		uint64_t looked_ns;
		bool due;     /* a task that stands is to tell the action */
		bool fetched; /* `action` is it, as the kernel has it */
		bool fails;   /* it cannot be had */
		uint8_t action[SIGTRAP_ACTION_MAX];
	} sigtrap;
};

/* One process of one session's target. */
struct cover {
	struct list in_process, in_session;
	struct process *process;
	struct session *session;
	bool hold_new; /* new tasks are held from their start */
};

/* Where the kernel has it. */
enum task_state {
	TASK_UNBORN, /* known from its parent's event, has not stopped yet */
	TASK_RUNNING,
	TASK_STANDING
};

struct task {
	struct engine *engine;
	struct process *process; /* NULL: orphan */
	struct list in_process;
	struct list in_orphans; /* or in deaths */
	uint64_t id;
	pid_t tid;
	enum task_state state;
	struct rules rules;

	/* The stop it stands at. */
	uint32_t kind;	/* enum cotrace_event_kind, or 0 */
	uint32_t flags; /* COTRACE_EV_DENIED and the like, for the records to come */
	struct backend_event ev;
	int64_t denied_result;
	int signo;	 /* to be delivered */
	bool to_handler; /* ... to a handler */
	bool regs_written;

	/* The system call it is in. */
	struct backend_syscall call;
	struct backend_syscall asked; /* ... as the program made it */
	uint64_t call_changes;
	bool in_call;	    /* its entry was seen */
	bool steppers_only; /* the entry or exit is told to nobody but those who stepped to it */
	bool call_denied;
	bool call_replaced;
	bool call_suspended; /* interrupted by a stop; to be made again without a word */
	bool restarting;     /* the next call is one made again */
	bool call_broken;    /* it ended by an interruption: it may be made again */
	bool call_again;     /* it was judged before: what its filter says was told then */
	bool entry_due;	     /* changed at a SECCOMP event: those who judge entries come after it */
	uint64_t changer;    /* ... by this session; 0: they are all to judge it */
	uint64_t call_pc;

	/* Its registers at this stop, as far as they were looked at: regs.c. */
	struct {
		uint8_t set[TASK_REGS_MAX];
		size_t size; /* 0: not read */
		bool dirty;
	} regs;

	/* The step it is making: step.c. */
	struct {
		struct code_instruction insn;
		uint64_t pc, at; /* of the program, and where it is executed */
		uint8_t end;
		bool fix;      /* what it shows of being stepped is to be put right */
		bool virtual;  /* it was acted out */
		bool chain;    /* the kernel takes our trap flag for the program's own */
		bool own;      /* the program steps itself: a trap is its own as well */
		bool done;     /* it was made, and brought a signal */
		bool looked;   /* `insn` is the one it stands at */
		bool idle;     /* nothing was executed */
		uint64_t slot; /* where it must be executed; 0: in place */
		uint8_t before[TASK_REGS_MAX];
	} step;

	/* SIGTRAP: sigtrap.c. */
	uint64_t mask;	/* of signals, when last seen */
	bool unblocked; /* for the step it makes */
	bool requeue;	/* its stop is that of a SIGTRAP that is blocked, and goes on waiting */
	bool requeued;	/* ... as it ran */
	bool damaged;	/* a trap has reset what the program does about it */
	struct {
		uint64_t at;
		uint8_t bytes[SIGTRAP_ACTION_MAX];
	} lent; /* memory of the task for the call that makes it good */

	/* Traps: hit.c, past.c. */
	struct breakpoint *hit;		 /* to be told of */
	uint64_t passed;		 /* site that it stands at, and of which all were told */
	uint64_t slot_of;		 /* site whose slot it runs in */
	uint64_t slot_at;		 /* ... which may have another one by now */
	struct code_displaced slot_code; /* what is in it */
	uint64_t site_call;		 /* site whose system call it is in */
	struct {
		uint64_t at, sp;
		bool call; /* a system call: the end of the handler tells if it is made again */
	} unfinished[TASK_UNFINISHED_MAX]; /* sites whose instruction a handler keeps waiting */
	bool own_trap;			   /* it executed the program's own trap in a slot */
	bool listened;			   /* it ran, but was stopped by job control */
	bool rested;			   /* it stands where the engine's death does no harm */
	bool resting;			   /* ... or is about to */
	bool lifted;			   /* it steps in place, the trap is out */
	bool lift_due;			   /* others had their time to stand */
	pid_t in_vfork;			   /* the child that it waits for; 0: none */

	/* Debug registers: watch.c, struck.c. */
	struct backend_debug armed[BACKEND_DEBUG_MAX];
	bool is_armed;
	unsigned kernel_armed;	/* of these, as bits: see backend_ops.kernel_set() */
	bool kernel_had;	/* ... once: a SIGTRAP of theirs may wait */
	uint64_t debug_version; /* of the process, at the last attempt */
	struct struck *struck;	/* hit on the way to this stop */
	size_t struck_count;
	bool struck_told;			     /* ... as this stop, and not as one after it */
	struct code_touch touches[CODE_TOUCHES_MAX]; /* what the instruction it steps accesses */
	int touch_count;			     /* -1: that is not known */

	bool announced;	   /* every session has its parent's event */
	bool must_not_run; /* it could not be taken in */
	bool died;	   /* before that; with exit_status */
	int exit_status;
	bool interrupted; /* interrupt() sent, no stop seen since */
	bool disturbed;	  /* ... and a blocking call may find itself broken by it */
	bool poked;	  /* ... so that a subscription takes effect */
	bool job_stopped;
	uint64_t job_denier;  /* session that has it run all the same */
	bool job_due;	      /* ... but a trap that waited is told first */
	bool exit_told;	      /* its TASK_EXIT is out */
	unsigned extra_stops; /* as set in the kernel; TASK_EXTRA_UNKNOWN */
	bool detaching;
	bool stops_at_calls;	  /* as it was resumed */
	bool steps;		  /* as it was resumed */
	bool steps_call;	  /* ... but so that its system call is seen */
	uint64_t creator;	  /* task id */
	struct task *parent;	  /* at whose stop it is to be announced */
	struct task *unannounced; /* the child that this stop announces */
	pid_t parent_pid;	  /* orphan: as /proc tells */
	struct timer timer;	  /* exit stop; orphan; standing after a step */
	struct timer leader_timer;
	uint64_t leader_pause; /* between two looks */

	struct call *calling;	    /* a call into it is under way */
	struct backend_event *kept; /* came to pass for such a call, and is not told yet */
};

struct capture_set {
	uint8_t count;
	struct wire_slot slots[COTRACE_CAPTURES_MAX];
};

/* Subscriptions to the system calls of one architecture in one phase. */
struct call_set {
	uint64_t note[ENGINE_SET_WORDS], stop[ENGINE_SET_WORDS];
};

struct session {
	struct engine *engine;
	struct list in_engine;
	struct list in_dirty;
	uint64_t id;
	struct conn *main;
	struct list channels;
	struct list covers;
	pid_t root_pid;
	pid_t owner_pid;
	uid_t owner_uid;
	char owner_command[16];
	uint64_t since_ns;

	uint32_t role, scope, flags, close_action;
	int64_t queue_deadline_ns;
	bool attached; /* it has, or had, a target */
	bool ended;    /* SESSION_END is queued */
	bool hold_new; /* new processes are held */

	uint8_t modes[COTRACE_EVENT_MAX + 1];
	uint64_t signal_note, signal_stop;
	struct call_set calls[ENGINE_ARCHS][2];
	bool wants_syscalls;
	struct list breakpoints;
	size_t breakpoint_count;
	struct map breakpoints_by_id; /* one of each ring */
	struct list conditions;	      /* for system calls */
	struct map captures;	      /* (arch, nr, phase) -> struct capture_set */

	struct queue queue;
	uint64_t seq_queued, seq_sent; /* of the last event put in, and of the last one sent */
	struct mailbox *box;	       /* shared with the client; or NULL */
	uint64_t heard;		       /* datagrams on the main socket since there is one */
	struct timer queue_timer;
	bool queue_full;
	size_t unstood; /* tasks it waits for to stand */
	uint32_t held;	/* tasks that it holds, when last counted */
	uint64_t notes, stops, lost, lost_untold;
};

/* A connection: a session's main socket or one of its reply channels. */
struct conn {
	struct engine *engine;
	struct list in_engine, in_session;
	struct session *session; /* NULL before HELLO */
	int fd;
	uint32_t events; /* as epoll has them */
	pid_t pid;
	uid_t uid;
	struct queue replies;
	unsigned waiters;
	struct list in_backlog;
	uint8_t *rest; /* of a datagram that is handled in part */
	size_t rest_size, rest_at;
	int rest_fd;
	unsigned misses; /* nothing came when it was expected: so often in a row */
	bool dead;
	struct timer timer; /* HELLO must come */
};

/* A reply that comes when something has happened. */
struct waiter {
	struct list in_engine;
	struct conn *conn;
	struct session *session;
	uint64_t cookie;
	unsigned request;    /* STOP, or a subscription that is to take effect */
	uint64_t breakpoint; /* BREAK */
	struct timer timer;
};

/* engine.c */
int engine_new(struct engine **out, struct backend *backend);
/* Serves @fd as the first session's socket; consumes it. */
int engine_adopt(struct engine *e, int fd);
/* 0 also where the name is taken: it is tried again then, now and then. */
int engine_listen(struct engine *e);
/* @fd, which may be an error; -EMFILE, and it is closed, if it is of the reserved ones. */
int engine_spare_fd(const struct engine *e, int fd);
/* Until the last session is gone; lets all targets go. */
int engine_run(struct engine *e);
void engine_free(struct engine *e);
/* One event, if there is one before @deadline, and all I/O. For tests. */
void engine_turn(struct engine *e, uint64_t deadline);

#endif
