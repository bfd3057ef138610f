/* SPDX-License-Identifier: MIT */
/*
 * The host of the personality that intercepts by seccomp user notification.
 *
 *	notice   a call of a program that waits for our answer
 *	wait     a notice that asks for children: held without an answer, or gone on into the
 *	         kernel, from where it must be called back when a tracee of its caller reports
 *	tool     a process that has, or had, tracees
 *	source   an fd in the loop
 */
#ifndef COMPAT_SUPERVISE_SUPERVISE_H
#define COMPAT_SUPERVISE_SUPERVISE_H

#include <cotrace.h>

#include "base/list.h"
#include "base/map.h"
#include "compat/supervise/calls.h"
#include "compat/supervise/query.h"
#include "compat/tracer.h"

struct supervisor;

struct source {
	int fd;
	void (*ready)(struct supervisor *s, struct source *source);
};

struct notice {
	uint64_t id;
	struct caller caller; /* .pid is 0 until notice_process() */
	enum call call;
	uint64_t args[6];
	unsigned slot; /* in spare_page */
};

/* What a ptrace() call has written into its caller's memory. */
struct written {
	struct list in_call;
	uint64_t addr;
	size_t size;
	uint8_t bytes[];
};

/* What of a ptrace() call was done but not heard by its caller, which will ask again. */
struct done {
	enum call call;
	uint64_t args[4];
	int64_t result;
	struct list written; /* as far as it is not sure that the caller has it */
};

struct thread {
	struct source source; /* a pidfd, or none on old kernels */
	pid_t tid, pid;
};

struct tool {
	struct source source; /* a pidfd */
	pid_t pid;
	struct list waits; /* of its threads */
	struct list dirty; /* in supervisor.dirty: something has changed for it */
	/* SIGCHLD is owed; not before the waits that the same report ends have been answered. */
	bool sigchld;
	uint64_t sigchld_by_ns;
	/* To call threads back from the kernel; opened when first needed. */
	struct cotrace *session;
	struct source session_source;
	struct list idle; /* in supervisor.idle: the session is closed when it stays so */
	uint64_t idle_by_ns;
	unsigned calling; /* threads called back, and not heard of since */
};

struct wait {
	struct notice notice;
	struct wait_call how;
	struct list of_tool;  /* tool.waits; in none when the caller traces nothing */
	bool in_kernel;	      /* not held: CONTINUE was the answer */
	struct list children; /* struct child, watched for their end */
};

struct spare_page;

struct supervisor {
	int listener, epoll;
	struct source listener_source, personality_source, spare_source;
	bool over;
	struct host host;
	struct personality *personality;
	const struct notice *now; /* whose memory the personality asks for */
	bool lost;		  /* it is not there any more, and so neither is its memory */
	bool keeps;		  /* what is written for it, in @written */
	struct list written;
	struct map done, threads, tools, waits; /* by tid, tid, pid, tid */
	struct map hosted;			/* by pid */
	size_t waits_purge;			/* at that many, look which still live */
	struct list dirty;
	struct list idle; /* in order of tool.idle_by_ns */
	unsigned held;
	uint64_t rescan_ns;
	struct spare_page *page;
	pid_t spare;
};

/* ---- supervisor.c ---- */
int supervisor_open(struct supervisor *s);
/* The listener is the supervisor's, on success. */
int supervisor_serve(struct supervisor *s, int listener);
/* Until nobody is left who could ask. */
void supervisor_run(struct supervisor *s);
int source_add(struct supervisor *s, struct source *source, int fd);
/* Closes the fd, too. */
void source_remove(struct supervisor *s, struct source *source);

/* ---- notify.c ---- */
void notify_ready(struct supervisor *s, struct source *source);
/* Whether the caller still waits; only then its tid means what it did. */
bool notice_valid(struct supervisor *s, const struct notice *n);
/* As the kernel's return value. 0, or -ENOENT: the caller has not heard it. */
int notice_answer(struct supervisor *s, const struct notice *n, int64_t result);
/* The kernel answers itself. */
int notice_continue(struct supervisor *s, const struct notice *n);
/* Fills .caller.pid. False: it is gone. */
bool notice_process(struct supervisor *s, struct notice *n);

/* ---- ptrace.c ---- */
void ptrace_begin(struct supervisor *s, struct notice *n);
/* The thread is gone, and asks for nothing again; its tid may be another's soon. */
void ptrace_drop(struct supervisor *s, pid_t tid);
/* SIGSTOP to a thread. */
void stop_begin(struct supervisor *s, struct notice *n);

/* ---- hosted.c ---- */
/* A program claims its personality. */
void hosted_begin(struct supervisor *s, struct notice *n);
bool hosted_is(const struct supervisor *s, pid_t pid);
/* Its child @c asks to be traced. What ptrace() would return. */
int hosted_traceme(struct supervisor *s, const struct caller *c, pid_t parent);

/* ---- waiting.c ---- */
void wait_begin(struct supervisor *s, struct notice *n);
/* The thread made another call, or is gone. */
void wait_drop(struct supervisor *s, pid_t tid);
/* Whether it can be answered now; a held one that cannot stays. */
void wait_retry(struct supervisor *s, struct wait *w);
/* Once in a while: children that nobody told us about. */
void wait_rescan(struct supervisor *s);
void wait_free(struct supervisor *s, struct wait *w);

/* ---- tool.c ---- */
/* Finds it, or makes it. NULL: it is gone, or no memory. */
struct tool *tool_get(struct supervisor *s, pid_t pid);
/* Or NULL. */
struct tool *tool_find(const struct supervisor *s, pid_t pid);
void tool_changed(void *arg, pid_t pid, bool sigchld, const void *info);
/* What tool_changed() has heard since. */
void tools_settle(struct supervisor *s);
/* When tools_settle() has to look again, CLOCK_NEVER if not. */
uint64_t tools_deadline(const struct supervisor *s);
/* Thread group of a task; -ESRCH. */
pid_t thread_process(struct supervisor *s, pid_t tid);

/* ---- callback.c ---- */
/* Has a thread that waits in the kernel ask again. */
void callback(struct supervisor *s, struct tool *t, struct wait *w);
void callback_close(struct supervisor *s, struct tool *t);
/* Closes sessions that nothing was done with for a while. Returns when to look again. */
uint64_t callback_expire(struct supervisor *s);

/* ---- caller.c ---- */
int caller_read(void *arg, const struct caller *c, uint64_t addr, void *buf, size_t size);
int caller_write(void *arg, const struct caller *c, uint64_t addr, const void *buf, size_t size);
bool caller_is_admin(void *arg, const struct caller *c);

/* ---- transfer.c ---- */
/* process_vm_*(), and p*() on /proc/PID/mem. */
void transfer_begin(struct supervisor *s, struct notice *n);

/* ---- spare.c ---- */
/* Starts a spare, watched from now on. 0 or -errno. */
int spare_start(struct supervisor *s);
int spare_page_new(struct supervisor *s);
/* @id waits for an answer; the slot, to be given back when it has one. */
unsigned spare_page_add(struct supervisor *s, uint64_t id);
void spare_page_remove(struct supervisor *s, unsigned slot);

#endif
