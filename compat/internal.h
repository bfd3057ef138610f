/* SPDX-License-Identifier: MIT */
#ifndef COMPAT_INTERNAL_H
#define COMPAT_INTERNAL_H

#include <cotrace.h>
#include <signal.h>

#include "base/list.h"
#include "compat/status.h"
#include "compat/tracer.h"

#define DEBUG_REGISTERS 8
#define WATCHES 4

struct personality {
	const struct host *host;
	void *arg;
	int epoll;
	uint64_t pumped_ns;	/* when it was last looked what there is */
	struct cotrace *anchor; /* covers a process of our own: keeps one engine for all */
	pid_t anchor_pid;	/* 0: none, @anchor covers nothing, or is NULL */
	bool in_tracer;		/* it ends with its tracer, and its sessions do */
	int signo;		/* that tells of events; 0: none */
	struct list tracers;
};

struct tracer {
	struct list in_personality;
	struct personality *p;
	pid_t pid;
	struct list covered;
	struct list tracees; /* in the order in which they became ours */
};

/* A process with tracees of one tracer. */
struct covered {
	struct list in_tracer;
	struct tracer *tracer;
	pid_t pid;
	uid_t uid;
	bool child;	     /* of the tracer: the kernel tells of its end */
	struct cotrace *s;   /* NULL once it is over */
	struct list traps;   /* breakpoints that the tracer has written: struct trap */
	uint64_t entry;	     /* of its program; 0: not known yet */
	uint8_t scratch[64]; /* what the tracer has written there, for itself alone */
	bool scratch_used;
	uint32_t options;  /* of all tracees together, as subscribed */
	bool sees_entries; /* of system calls, subscribed for those that step */
	bool job_stopped;
	bool continued; /* and nobody has waited for that */
	bool dying;	/* all its tasks are about to end */
	bool over;	/* to be freed when its last tracee is */
};

enum tracee_state {
	TRACEE_RUNS,
	TRACEE_STANDS,	/* in a ptrace stop, as its tracer sees it */
	TRACEE_LISTENS, /* in a group stop, after PTRACE_LISTEN */
	TRACEE_DEAD	/* waited for by nobody yet */
};

/* What kind of ptrace stop. */
enum stop_kind {
	STOP_SIGNAL, /* about to be delivered */
	STOP_TRAP,   /* SIGTRAP of a step, breakpoint or watchpoint; and SIGSTOP, made by us */
	STOP_CALL,
	STOP_EVENT, /* PTRACE_EVENT_*, EVENT_STOP of a seized tracee among them */
	STOP_GROUP
};

enum resume_mode { MODE_CONT, MODE_CALL, MODE_STEP, MODE_EMULATE, MODE_EMULATE_STEP };

/* Stops of our own making that are due, as bits: next_due() says in which order. */
#define DUE_TRAP 1u	 /* SIGTRAP after an exec */
#define DUE_GROUP 2u	 /* of a task that is stopped by job control */
#define DUE_SIGSTOP 4u	 /* after PTRACE_ATTACH */
#define DUE_INTERRUPT 8u /* PTRACE_EVENT_STOP */
#define DUE_BIRTH 16u	 /* SIGSTOP of a new task */
#define DUE_SENT 32u	 /* SIGSTOP that its tracer has sent it */
#define DUE_SIGNAL 64u	 /* the open event's: something else came first */

struct tracee {
	struct list in_tracer;
	struct covered *covered;
	pid_t tid;
	uint64_t task;
	pid_t owner; /* the tracer's thread; 0: the first that asks */
	bool seized;
	uint32_t options;
	enum tracee_state state;

	enum stop_kind kind;
	bool event_open; /* @ev waits for an answer */
	bool only_told;	 /* @ev does not: the task goes on, as it was asked to */
	bool has_later;
	bool held;	/* by cotrace_stop(), or since its start */
	unsigned dones; /* STOP_DONE events to come that mean nothing */
	unsigned due;
	unsigned looked; /* for a stop that is due: so often */
	struct cotrace_event ev;
	struct cotrace_event later; /* came while it stood by our own hold: told when that ends */
	/* It stands at pc_at, and its tracer is shown pc_shown. 0: that is the same. */
	uint64_t pc_at, pc_shown;
	/* The instruction at moved_from is executed; its tracer had sent it to moved_to. Or 0. */
	uint64_t moved_from, moved_to;
	siginfo_t info;
	bool has_info, info_set; /* set: by the tracer, to be delivered */
	bool touched;		 /* its registers, at this stop: @ev is not the truth any more */
	uint64_t message;

	enum resume_mode mode;
	bool emulated;	/* the call under way is not made */
	bool kernels;	/* dead, a child of the tracer: its status is the kernel's to give */
	bool exec_exit; /* SIGTRAP comes at the end of its exec */
	bool at_end;	/* what is due comes at the end of its call */
	int given;	/* as injected, but at a call: it is asked about */
	int injected;	/* a signal that the tracer gave it; it is not asked about again */
	bool fresh;	/* @status has not been waited for */
	int status;

	uint64_t debug[DEBUG_REGISTERS];
	uint64_t watch_ids[WATCHES];
};

/* tracer.c */
struct tracer *tracer_by_pid(const struct personality *p, pid_t pid);
struct tracer *tracer_get(struct personality *p, pid_t pid);
/* Of SIGCHLD. */
bool tracer_ignores_children(const struct tracer *t);
struct tracee *tracee_by_tid(const struct tracer *t, pid_t tid);
struct covered *covered_by_pid(const struct tracer *t, pid_t pid);
struct tracee *tracee_new(struct covered *c, pid_t tid, uint64_t task);
void tracee_free(struct tracee *t);
/* Lets the process go when none of its tasks is a tracee any more. */
void covered_release(struct covered *c);
/* The session is over; dead tracees stay. */
void covered_over(struct covered *c);
struct covered *covered_new(struct tracer *tracer, pid_t pid, struct cotrace *s);

/* attach.c: each returns what ptrace() would. */
int attach_traceme(struct personality *p, const struct caller *c);
int attach_task(struct tracer *tracer, const struct caller *c, pid_t tid, bool seize,
		uint32_t options);
/* The letter that /proc has for it; 0: it is gone. */
char task_state(pid_t tid);
/* A task that @parent made is or becomes a tracee; a stop is due. NULL: no memory. */
struct tracee *attach_new(struct covered *c, const struct tracee *parent, pid_t tid, uint64_t task);
/* A child that came with a session of its own. */
void attach_child(const struct tracee *parent, pid_t pid, uint64_t task, int fd);
/* Follows the options of its tracees. 0 or -errno. */
int attach_follow_options(struct covered *c);

/* event.c */
void covered_event(struct covered *c, const struct cotrace_event *ev);
/* Reports what is due. False: nothing is. */
bool event_next_due(struct tracee *t);
/* It has come to the trap at @addr. */
void event_hit(struct tracee *t, uint64_t addr);
/* Told now, what came while it stood. */
void event_later(struct tracee *t);
void event_dead(struct tracee *t, int status);
/* Its end, which was not to be told before. */
void event_dead_again(struct tracee *t);

/* resume.c */
int resume_go_on(struct tracee *t, enum resume_mode mode, int signo);
int resume_detach(struct tracee *t, int signo);
int resume_interrupt(struct tracee *t);
int resume_listen(struct tracee *t);
/* Gives up the hold until the call in which it stands is done. */
void resume_to_end(struct tracee *t);
/* Takes a hold, and a stop of our own making is due once it stands. */
int resume_make_stand(struct tracee *t, unsigned due);
/* A hold beside that of the open event, whose STOP_DONE means nothing. */
int resume_hold(struct tracee *t);
/* Its tracer is not asked about @ev: it goes on as it did. */
void resume_carry_on(struct tracee *t, const struct cotrace_event *ev);

/* memory.c */
struct trap {
	struct list in_covered;
	uint64_t addr, id;
};
ssize_t memory_read(struct covered *c, uint64_t addr, void *buf, size_t size);
ssize_t memory_write(struct covered *c, uint64_t addr, const void *buf, size_t size);
bool memory_has_trap(const struct covered *c, uint64_t addr);
/* They went with the program. */
void memory_forget_traps(struct covered *c);
/* What the tracer has for itself at the program's entry, and that it is there for all. */
bool memory_is_scratch(const struct covered *c, uint64_t addr);
void memory_keep_scratch(struct covered *c);
void memory_inherit_traps(struct covered *c, const struct covered *parent);

/* user_x86_64.c: what this architecture has of its own. Each returns what ptrace() would. */
int user_peek(struct tracee *t, uint64_t offset, uint64_t *value);
int user_poke(struct tracee *t, uint64_t offset, uint64_t value);
int user_get_registers(struct tracee *t, void *buf, size_t *size);
int user_set_registers(struct tracee *t, const void *buf, size_t size);
size_t user_registers_size(void);
int user_arch_prctl(struct tracee *t, const struct caller *c, uint64_t code, uint64_t addr);
/* Whether a set of registers has parts of which @size bytes are whole ones. */
bool user_regset_fits(struct tracee *t, unsigned set, size_t size);
int user_get_thread_area(struct tracee *t, const struct caller *c, uint64_t index, uint64_t to);
int user_set_thread_area(struct tracee *t, const struct caller *c, uint64_t index, uint64_t from);
uint32_t user_audit_arch(uint32_t arch);
/* What its registers say of the call at which it stands, into its event. */
int user_load_call(struct tracee *t);
int user_set_call(struct tracee *t, int nr, const uint64_t args[6]);
int user_set_result(struct tracee *t, int64_t result);
/* The value that a call returns which the tracer emulates. */
int64_t user_result(struct tracee *t);
/* General registers as they are, to what its tracer is shown. */
void user_show_registers(const struct tracee *t, void *set, size_t size);
/* The other way. @now: the program counter as it is. */
void user_hide_registers(struct tracee *t, void *set, size_t size, uint64_t now);
uint64_t user_pc_of(const void *set, size_t size);
/* It goes on from where its tracer believes it to be; at a copy of an instruction as if. */
void user_move(struct tracee *t);
/* It was sent to a copy of an instruction, and has stopped: its tracer is shown that it was there. */
void user_moved(struct tracee *t);
/* It is making a child with CLONE_PTRACE. */
bool user_clones_traced(struct tracee *t, uint32_t arch);
/* What it executes next. False: it is in a system call first. */
bool user_next_pc(struct tracee *t, uint64_t *pc);
/* A breakpoint or watchpoint has been hit. False: it is none of its debug registers. */
bool user_debug_hit(struct tracee *t, uint64_t id);
/* After a step to @pc. Returns si_code. */
int user_stepped(struct tracee *t, uint64_t pc);
void user_forget_debug(struct tracee *t);
void user_clear_debug(struct tracee *t);
extern const uint8_t user_trap; /* the instruction */

static inline struct tracer *tracer_of(const struct tracee *t)
{
	return t->covered->tracer;
}

static inline int caller_read(struct personality *p, const struct caller *c, uint64_t addr,
			      void *buf, size_t size)
{
	return p->host->read(p->arg, c, addr, buf, size);
}

static inline bool caller_is_admin(struct personality *p, const struct caller *c)
{
	return p->host->is_admin == NULL || p->host->is_admin(p->arg, c);
}

static inline int caller_write(struct personality *p, const struct caller *c, uint64_t addr,
			       const void *buf, size_t size)
{
	return p->host->write(p->arg, c, addr, buf, size);
}

#endif
