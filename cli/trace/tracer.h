/* SPDX-License-Identifier: MIT */
/* The state of one run of cotrace trace. */
#ifndef TRACE_TRACER_H
#define TRACE_TRACER_H

#include <cotrace.h>

#include "cli/decode/decode.h"
#include "cli/out.h"
#include "cli/sink.h"
#include "cli/stamp.h"
#include "cli/trace/options.h"

struct task {
	uint64_t id;
	int32_t tid, pid;
	bool in_call;	/* its entry was shown, its exit was not */
	bool cut;	/* the line of its entry ended with "<unfinished ...>" */
	bool announced; /* told of on stderr */
	uint32_t arch;	/* of its calls so far; 0: none yet */
	uint64_t entry_ns;
	int64_t restarted_nr; /* what restart_syscall() goes on with; -1: not known */
	struct decode_call call;
	struct out name; /* with -y: the path that the call opens */
};

/* Open addressing by id; 0 marks a free slot. */
struct tasks {
	struct task **slots;
	size_t capacity, count;
	struct task *last; /* the one asked for most recently */
};

/* A session, with the tasks that were seen in it. */
struct target {
	struct cotrace *session;
	pid_t pid;
	struct tasks tasks;
	bool over;
};

struct tracer;

/* What to do with events: as text, or as JSON. */
struct renderer {
	void (*entry)(struct tracer *, struct task *, const struct cotrace_event *);
	void (*exit)(struct tracer *, struct task *, const struct cotrace_event *);
	void (*other)(struct tracer *, struct task *, const struct cotrace_event *);
};

struct summary_row {
	uint64_t calls, errors, time_ns;
};

struct paths;

struct tracer {
	struct options options;
	struct decode_style style;
	const struct renderer *renderer;
	struct out out;
	struct sink sink;
	struct stamp stamp;
	struct target *targets;
	unsigned target_count, live;
	pid_t child;	     /* of a command; 0: none */
	const char *program; /* where the command was found */
	bool several;	     /* more than one task was seen: lines name theirs */
	struct task *open;   /* whose line is unfinished */
	struct summary_row (*summary)[SYSCALL_MAX + 1]; /* by architecture */
	struct paths *paths;
	struct out scratch;
	int stop_signal; /* that ended the run */
	bool failed;	 /* a session ended before its target did, and nobody asked for it */
	uint8_t data[COTRACE_CAPTURES_MAX * COTRACE_CAPTURE_BYTES_MAX];
};

/* task.c */
struct task *tasks_get(struct tasks *t, uint64_t id);
struct task *tasks_add(struct tasks *t, uint64_t id);
void tasks_remove(struct tasks *t, uint64_t id);
void tasks_deinit(struct tasks *t);

/* session.c */
/* Attach to and start what the options name. Return 0 or the exit status. */
int sessions_open(struct tracer *tr);
void sessions_close(struct tracer *tr);

/* line.c, json.c, summary.c */
extern const struct renderer line_renderer, json_renderer, no_renderer;
/* Ends a line that waits for its call's exit. */
void line_interrupt(struct tracer *tr);
/* The same at the end of the run. */
void line_detach(struct tracer *tr);
void summary_count(struct tracer *tr, struct task *task, const struct cotrace_event *ev);
void summary_print(struct tracer *tr);

/* start.c */
/* Shows the execve() that started a spawned program: it was over before we could look. */
void start_show(struct tracer *tr, struct target *target);

/* event.c */
void event_take(struct tracer *tr, struct target *target, const struct cotrace_event *ev);
/* "cotrace: process 12 attached", unless -q. */
void event_announce(struct tracer *tr, int32_t tid, const char *what);

/* loop.c */
/* Until every target is gone or a signal ends the run. */
int loop_run(struct tracer *tr);

/* paths.c */
/* Whether what was read once holds until a call changes it: needs those calls' events. */
struct paths *paths_new(bool keep_fds, bool keep_cwd);
void paths_free(struct paths *p);
void paths_show(void *paths, struct out *out, int32_t pid, int32_t fd);
/* Keeps the paths in step with what a task's calls do; before they are shown. */
void paths_at_entry(struct paths *p, struct task *task, const struct cotrace_event *ev,
		    const uint8_t *data);
void paths_at_exit(struct paths *p, struct task *task, const struct cotrace_event *ev,
		   const uint8_t *data);
/* Reads those of a process that are open now. */
void paths_learn(struct paths *p, int32_t pid);
/* Those of a new process are its parent's. */
void paths_inherit(struct paths *p, int32_t parent, int32_t pid);
void paths_forget(struct paths *p, int32_t pid);

#endif
