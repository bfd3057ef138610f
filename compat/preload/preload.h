/* SPDX-License-Identifier: MIT */
/*
 * The host of the personality inside the program that traces: a library that is preloaded.
 *
 *	claim   the process becomes its own host; the supervisor knows, and nobody else answers
 *	visit   a call of the program inside of the library: one at a time, all signals blocked
 *	ours    an fd of the library's, which the program does not know of and cannot close
 *
 * A forked child starts as one that has traced nothing. A vfork child shares our memory: what
 * is called there must change nothing.
 */
#ifndef COMPAT_PRELOAD_PRELOAD_H
#define COMPAT_PRELOAD_PRELOAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "base/list.h"
#include "compat/hosted.h"
#include "compat/tracer.h"

#define PRELOAD_EXPORT __attribute__((visibility("default")))

enum owner {
	OWNER_UNKNOWN,
	OWNER_OURS,
	OWNER_KERNEL, /* or the supervisor: whoever gets the system calls */
};

enum { FDS_MAX = 65536, HEAP_CLASSES = 20 };

struct heap {
	void *free[HEAP_CLASSES];
	char *at, *end;
};

/* All that a forked child must not have. It finds zeros here. */
struct state {
	pid_t pid; /* 0: nothing is known yet */
	enum owner owner;
	pthread_mutex_t lock;
	int control; /* the socket to the supervisor, or -1 */
	pid_t engine;
	struct personality *personality; /* from the first tracee on */
	struct list waiters;
	int signals; /* a signalfd, kept for the next wait; 0: none */
	uint64_t signals_mask;
	bool handles_sigchld; /* the program has a handler, or may take it otherwise */
	bool async;	      /* we are told of events by a signal */
	uint64_t ours[FDS_MAX / 64];
	struct heap heap;
};

extern struct state *state;
/* The program, or a library of its, can call ptrace(). */
extern bool program_traces;
/* It is made for that: the program itself calls it. */
extern bool program_is_tool;
/* Where this library is, as in LD_PRELOAD. */
extern const char *library_path;

/* ---- raw.c: system calls past our own functions ---- */
/* To the kernel, without notice of the supervisor's where it can be had. -errno. */
long raw_past(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
/* As any program makes it. */
long raw_call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
/* -1 and errno for an error. */
long raw_result(long result);
uint64_t raw_mask(uint64_t mask);

/* ---- state.c ---- */
struct visit {
	struct caller caller;
	uint64_t mask; /* signals that the program blocks */
	int error;     /* its errno, which success leaves alone */
};

/* Whether a call of the program's is ours to answer. Claims the process if nobody has. */
bool state_is_ours(void);
/* False in a vfork child, whose memory is its parent's. Makes a system call. */
bool state_is_of_caller(void);
/* The library itself is at work, in this thread. */
bool state_inside(void);
void visit_begin(struct visit *v);
void visit_end(const struct visit *v);
/* This thread makes requests of ptrace(). */
void visit_traces(void);
/* In the middle of one: lets others in, and back. Signals stay blocked. */
void visit_pause(const struct visit *v);
void visit_go_on(const struct visit *v);
/* Sessions that the supervisor has sent. */
void state_take_tracees(void);
/* The personality, made when it is needed first. 0 or -errno. */
int state_personality(struct personality **out);

/* ---- fds.c ---- */
bool fd_is_ours(int fd);
/* To a number that the program does not use. Returns the new one. */
int fd_hide(int fd);
void fds_close_all(void);

/* ---- shown.c: what the program reads in /proc ---- */
int shown_open(int folder, const char *path, int flags, mode_t mode);

/* ---- own.c: memory of the program's. 0; -EFAULT ---- */
int own_read(uint64_t addr, void *buf, size_t size);
int own_write(uint64_t addr, const void *buf, size_t size);

/* ---- wait.c ---- */
/* As the system call; the C library's waitid() tells nothing of resources. */
long wait_by_id(idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *usage);
/* Threads that wait are to look again. */
void waiters_wake(void);

/* ---- child_signal.c ---- */
void child_signal_init(void);
/* There is a personality now. */
void child_signal_renew(void);
/* At the end of a visit: whether events are to interrupt the program from now on. */
void child_signal_follow(const struct visit *v);
/* As the kernel does, for a report. */
void child_signal_send(const void *info);
/* Its sessions end: no more signals. */
void child_signal_off(void);

#endif
