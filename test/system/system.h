/* SPDX-License-Identifier: MIT */
/* What system tests share: sessions that must open, puppets, and taking events. */
#ifndef TEST_SYSTEM_SYSTEM_H
#define TEST_SYSTEM_SYSTEM_H

#include <cotrace.h>

#include "test/runner/proc.h"
#include "test/runner/runner.h"
#include "test/runner/target.h"

#define EVENT_NULL ((struct cotrace_event){ .size = sizeof(struct cotrace_event) })
#define OPTIONS(...) \
	(&(struct cotrace_options){ .size = sizeof(struct cotrace_options), __VA_ARGS__ })
#define VERDICT(...) \
	(&(struct cotrace_verdict){ .size = sizeof(struct cotrace_verdict), __VA_ARGS__ })
#define SIGNAL_BIT(signo) (1ull << ((signo)-1))

/* Opens a session or fails the test. */
struct cotrace *attached(pid_t pid, const struct cotrace_options *options);
/* Spawns a target program; it is held. Its stdout and stdin are those of @t. */
struct cotrace *spawned(struct target *t, const struct cotrace_options *options,
			const char *const argv[]);
/* Starts a puppet (see test/targets/puppet.c) that is ready for orders. */
void puppet_start(struct target *t);
void puppet_start_as(struct target *t, const char *program);
/* Gives an order; takes the answer; both. */
void puppet_tell(struct target *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
long puppet_answer(struct target *t);
long puppet_ask(struct target *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* True when an answer comes within @ms. */
bool puppet_answers(struct target *t, unsigned ms);
/* Makes it end well. */
void puppet_end(struct target *t);

/* The next event, whatever it is; fails the test when none comes in five seconds. */
void take(struct cotrace *s, struct cotrace_event *ev);
/* The next event, which has to be of this kind. */
void take_kind(struct cotrace *s, struct cotrace_event *ev, enum cotrace_event_kind kind);
/* Passes over others (answering stops) until one of this kind comes. */
void skip_to(struct cotrace *s, struct cotrace_event *ev, enum cotrace_event_kind kind);
/* No event comes within @ms. */
void take_none(struct cotrace *s, unsigned ms);
/* Takes and answers events until the session ends. Gives the number taken. */
unsigned run_to_end(struct cotrace *s);
/* Takes what is there now, answering stops. */
unsigned drain(struct cotrace *s);

void subscribe(struct cotrace *s, enum cotrace_event_kind kind, enum cotrace_mode mode);
/* Every event kind that can be subscribed, system calls and signals included. */
void subscribe_all(struct cotrace *s, enum cotrace_mode mode);
/* One system call. */
void subscribe_call(struct cotrace *s, long nr, unsigned phases, enum cotrace_mode mode);

/* The task id of a tid in the session's target. */
uint64_t task_of(struct cotrace *s, pid_t tid);
/* Nobody traces any task of the process any more, and none is stopped, within two seconds. */
void check_untouched(pid_t pid);
bool is_traced_by(pid_t pid, pid_t tracer);

#endif
