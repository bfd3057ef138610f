/* SPDX-License-Identifier: MIT */
/* From system call events to text. Nothing here makes a system call. */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include "cli/decode/table.h"
#include "cli/out.h"

/* What is shown, and to whom an fd's path is asked. */
struct decode_style {
	unsigned string_limit;
	bool verbose;	/* whole structures */
	bool whole;	/* the exit shows all arguments, not only those left by the entry */
	char separator; /* between arguments; 0: ", " */
	/* Adds "<path>" for an fd of a process; NULL: nothing. */
	void (*fd_path)(void *ctx, struct out *out, int32_t pid, int32_t fd);
	void *ctx;
};

/* A call in progress of one task; kept from its entry to its exit. */
struct decode_call {
	const struct syscall *syscall; /* NULL: unknown */
	const struct call *call;
	struct syscall unwrapped; /* what a socketcall() is about */
	uint64_t args[ARGS_MAX];
	int64_t nr;
	uint32_t arch;
	bool entered;	/* its entry was seen */
	unsigned shown; /* arguments that the entry has shown */
	/* What the entry captured for arguments that are shown at the exit. */
	struct out kept;
	uint32_t kept_at[ARGS_MAX], kept_size[ARGS_MAX];
	uint32_t kept_mask;
};

/* One event being shown. */
struct decode {
	const struct decode_style *style;
	struct out *out;
	const struct cotrace_event *ev;
	const uint8_t *data; /* of cotrace_next_data() */
	const struct syscall *syscall;
	const struct call *call;
	const uint64_t *args;
	unsigned word; /* 4 or 8 */
	bool exit;
	bool failed; /* the call returned an error */
};

/* Name of a call; unknown ones are written to @buf as syscall_0x.. */
const char *decode_name(uint32_t arch, int64_t nr, char buf[32]);
/* The same for a call that has begun. */
const char *decode_call_name(const struct decode_call *c, char buf[32]);
/* Begins a call: remembers what the exit will need. Shows nothing. */
void decode_enter(struct decode_call *c, const struct cotrace_event *ev, const void *data);
/* At entry: the arguments that are known now, with ", " before the next one. */
void decode_entry_args(struct decode_call *c, const struct decode_style *style, struct out *out,
		       const struct cotrace_event *ev, const void *data);
/* At exit: the other arguments. */
void decode_exit_args(struct decode_call *c, const struct decode_style *style, struct out *out,
		      const struct cotrace_event *ev, const void *data);
/* "3", "-1 ENOENT (No such file or directory)", with what belongs behind it. */
void decode_result(struct decode_call *c, const struct decode_style *style, struct out *out,
		   const struct cotrace_event *ev, const void *data);
/* How many arguments, and registers, the call has. */
unsigned decode_arg_count(const struct decode_call *c);
void decode_call_deinit(struct decode_call *c);

/* {si_signo=SIGCHLD, si_code=CLD_EXITED, ...} of a signal event. */
void decode_signal(struct out *out, const struct cotrace_event *ev);
/* "SIGTERM"; SIGRT_3; the number when there is none. */
void decode_signal_name(struct out *out, int64_t signo);
/* "ENOENT", or NULL */
const char *decode_error_name(int64_t error);

#endif
