/* SPDX-License-Identifier: MIT */
/* The state of one run of cotrace break. */
#ifndef BREAK_BREAKER_H
#define BREAK_BREAKER_H

#include <cotrace.h>

#include "cli/break/options.h"
#include "cli/out.h"
#include "cli/sink.h"
#include "cli/symbols/unwind.h"

enum placement_kind {
	PLACEMENT_POINT,    /* what the user asked for */
	PLACEMENT_LINKER,   /* the dynamic linker has loaded or unloaded something */
	PLACEMENT_START,    /* the dynamic linker is done: what it does can be followed now */
	PLACEMENT_RESOLVER, /* an indirect function's code is chosen; value 0: the caller */
	PLACEMENT_RESULT,   /* back there; value 0: the code */
	PLACEMENT_RETURN    /* a function may have returned to here; value 0: its result */
};

/* The format of what the compiler has kept no trace of. */
#define FORMAT_LOST '-'

/* A breakpoint in a process; those of its parent count for a child by fork too. */
struct placement {
	struct placement *next;
	enum placement_kind kind;
	uint64_t id;	     /* of cotrace_break() */
	pid_t pid;	     /* of the process it was set in */
	struct point *point; /* NULL: of none */
	struct image *image; /* held; NULL: an address */
	uint64_t bias;
	uint64_t addr;	/* in the process */
	uint64_t asked; /* where it would be, were it not for a prologue */
	uint64_t hits;
	char formats[COTRACE_BREAK_VALUES_MAX];
	bool has_return; /* the values behind those to be printed: caller, frame */
	struct result result;
	char *symbol;	  /* "ns::f(int)+0x4", or NULL */
	const char *file; /* borrowed from the image; NULL: not known */
	int line;
};

struct process {
	struct process *next;
	pid_t pid;
	struct modules modules;
	bool started;		    /* the libraries it is linked with are there */
	struct addresses inherited; /* ids of its parent's that count for it too */
	struct unwinder *unwinder;  /* NULL: not needed yet */
	bool followed;		    /* the dynamic linker tells what it does */
};

/* A session, with what was placed in it. */
struct field {
	struct cotrace *session;
	pid_t pid; /* of the first process */
	struct process *processes;
	struct placement *placements;
	struct pending *pending; /* calls whose return is awaited */
	bool over;
};

/* What to do with hits: as text, or as JSON. */
struct breaker;

struct hit {
	const struct cotrace_event *ev;
	const struct placement *placement;
	struct field *field;
};

struct breaker {
	struct break_options options;
	struct sink sink;
	struct stamp stamp;
	struct out out;
	struct field *fields;
	unsigned field_count, live;
	pid_t child;   /* of a command; 0: none */
	char *program; /* where the command was found */
	uint64_t hits;
	bool opening; /* complaints about expressions end the run */
	bool failed;  /* a session ended before its target did, and nobody asked for it */
	int stop_signal;
	int64_t flushed_ms; /* when the output was last known to be written */
	uint8_t data[COTRACE_CAPTURES_MAX * COTRACE_CAPTURE_BYTES_MAX];
};

/* session.c */
/* Attach to and start what the options name. Return 0 or the exit status. */
int break_open(struct breaker *b);
void break_close(struct breaker *b);

/* event.c */
void break_take(struct breaker *b, struct field *f, const struct cotrace_event *ev);

/* loop.c */
/* Until every target is gone, enough was hit, or a signal ends the run. */
int break_loop(struct breaker *b);
bool break_done(const struct breaker *b);

/* process.c */
struct process *process_find(struct field *f, pid_t pid);
/* The module whose code is at an address, or NULL. */
const struct module *process_module(const struct process *p, uint64_t addr);
/* Adds it and places in it what can be placed. Returns 0 or the exit status. */
int process_begin(struct breaker *b, struct field *f, pid_t pid);
/* A child by fork: it has its parent's breakpoints. */
void process_fork(struct field *f, pid_t parent, pid_t pid);
/* It runs another program: the breakpoints are gone. */
int process_exec(struct breaker *b, struct field *f, pid_t pid);
/* Its modules may have changed. */
int process_refresh(struct breaker *b, struct field *f, struct process *p);
void process_end(struct field *f, pid_t pid);
void processes_free(struct field *f);

/* place.c */
/*
 * The user's breakpoint at an address of an image, 0 or the exit status; a complaint was made
 * then.
 */
int place_point(struct breaker *b, struct field *f, struct process *p, struct point *point,
		const struct module *m, uint64_t addr);
/* One of our own at an address of the process. Returns 0 or a negative errno. */
int place_own(struct field *f, struct process *p, enum placement_kind kind, const struct module *m,
	      uint64_t addr);
/*
 * Where an indirect function's code will be chosen by a resolver of @m; and, @task known,
 * where the choice is known.
 */
int place_indirect(struct field *f, struct process *p, struct point *point, const struct module *m,
		   uint64_t addr, uint64_t task);
/* The one that was hit; NULL: it counts no more. */
struct placement *placement_find(struct field *f, const struct cotrace_event *ev);
/* Frees it; @clear: the breakpoint is there still. */
void placement_remove(struct field *f, struct placement *p, bool clear);

/* Where a function will have returned. Returns 0 or a negative errno. */
int place_return(struct field *f, struct process *p, uint64_t addr);

/* return.c */
/* At a hit: has us told when the function returns. */
void return_expect(struct breaker *b, const struct hit *hit);
/* At a placement of its own: shows whose call has returned. */
void return_take(struct breaker *b, struct field *f, struct placement *at,
		 const struct cotrace_event *ev);
/* Forgets calls: @entry NULL, all. */
void return_forget(struct field *f, const struct placement *entry);

/* resolve.c */
/* Places all points, in one module or, @m NULL, by address. Returns 0 or the exit status. */
int resolve_points(struct breaker *b, struct field *f, struct process *p, const struct module *m);
/* At the placements of an indirect function. */
void resolve_indirect(struct breaker *b, struct field *f, struct placement *at,
		      const struct cotrace_event *ev);
/* Tells which points are nowhere. */
void resolve_tell(struct breaker *b);

/* linker.c */
/* Has us told when the process loads and unloads modules. */
void linker_follow(struct field *f, struct process *p);
/* Whether the libraries it is linked with are there. */
bool linker_has_loaded(struct field *f, struct process *p);

/* line.c, json.c */
void line_hit(struct breaker *b, const struct hit *hit);
void json_hit(struct breaker *b, const struct hit *hit);
/* @hit: of the return, with the placement of the entry. */
void line_return(struct breaker *b, const struct hit *hit, uint64_t value);
void json_return(struct breaker *b, const struct hit *hit, uint64_t value);
void line_lost(struct breaker *b, const struct cotrace_event *ev);
/* The table of -c. */
void break_summary(struct breaker *b);

/* stack.c */
#define FRAMES_MAX 256
/* The frames at a hit that stops. Returns how many. */
int stack_frames(const struct hit *hit, struct frame frames[FRAMES_MAX]);

/* value.c */
/* The value of expression @i at a hit. */
bool value_get(struct breaker *b, const struct hit *hit, unsigned i, uint64_t *value);
/* What a function has returned, cut to its type; false: it is no number. */
bool value_result(const struct placement *p, uint64_t *value, char *format);
/* In one of PRINT_FORMATS. */
void value_format(struct breaker *b, const struct hit *hit, uint64_t value, char format,
		  struct out *out);
/* As text, in the format that was asked for or fits. */
void value_show(struct breaker *b, const struct hit *hit, unsigned i, struct out *out);
/* The bytes of the string at @addr; -1: not readable. *more: it goes on. */
ssize_t value_string(struct breaker *b, const struct hit *hit, uint64_t addr, char *buf,
		     bool *more);

#endif
