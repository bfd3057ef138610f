/* SPDX-License-Identifier: MIT */
/* Putting events into sessions' queues. */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include "engine/engine.h"

/* An event about to be put in. */
struct event {
	uint32_t kind;
	uint32_t flags;
	const struct task *task; /* NULL: about none */
	pid_t tid, pid;		 /* used when there is no task */
	union {
		struct wire_e_syscall_exit syscall; /* entry too */
		struct wire_e_seccomp seccomp;
		struct wire_e_signal signal;
		struct wire_e_child child;
		struct wire_e_exec exec;
		struct wire_e_exit exit;
		struct wire_e_job job;
		struct wire_e_breakpoint breakpoint;
		struct wire_e_watchpoint watchpoint;
		struct wire_e_step step;
		struct wire_e_stop stop;
		struct wire_e_changed changed;
		struct wire_e_lost lost;
		struct wire_e_refused refused;
		struct wire_e_end end;
	};
	int fd; /* consumed; -1: none */
};

#define EVENT(k, t) ((struct event){ .kind = (k), .task = (t), .fd = -1 })

/* Returns the event's sequence number; 0: it was dropped (a lossy queue, no memory). */
uint64_t event_emit(struct session *s, struct event *ev);
/* The mode in which @s wants the kind of stop at which @t stands. */
enum cotrace_mode event_interest(const struct session *s, const struct task *t);
/* What is to be told about the stop at which @t stands. */
void event_of_stop(const struct task *t, struct event *ev);
/* Tells those of @p whom it concerns that @by did something (R9). */
void event_changed(struct process *p, const struct session *by, struct task *t, uint32_t what,
		   uint64_t addr, uint64_t length);
/* The exit record of a task or process from its wait status. */
struct wire_e_exit event_exit_record(uint32_t cause, int status);

/* capture.c: copies what @s has asked for at this stop; returns how many pieces. */
unsigned capture_take(struct session *s, const struct task *t, struct wire_writer *w);
int capture_set(struct session *s, uint32_t arch, int64_t nr, const struct wire_slot *slots,
		size_t count);
int captures_copy(struct session *to, const struct session *from);
bool capture_wanted(const struct session *s, const struct task *t);

#endif
