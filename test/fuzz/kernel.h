/* SPDX-License-Identifier: MIT */
/* A kernel that does, on the fake backend, only what a real one may do. */
#ifndef TEST_FUZZ_KERNEL_H
#define TEST_FUZZ_KERNEL_H

#include "backend/fake/fake.h"
#include "engine/engine.h"
#include "test/fuzz/fuzz.h"

#define KERNEL_PID 100
/* Eight places by which all tasks come; instructions of two bytes. */
#define KERNEL_PLACE(i) (FAKE_MEMORY_AT + 2 * (uint64_t)(i))
#define KERNEL_PLACES 8
#define KERNEL_TRAP 0xcc

/* What the fake backend's task does not say, by index in fake.tasks. */
struct kernel_task {
	pid_t tid; /* whose facts these are */
	bool in_call, filtered, newborn, exiting, zombie, job_stopped;
	bool unknown;  /* the engine cannot know that its memory is that of a target */
	pid_t awaited; /* vfork() waits for it */
	pid_t child;   /* its fork is not reported yet */
	enum backend_kind fork_kind;
	struct backend_syscall call;
};

struct kernel {
	struct fake *fake;
	pid_t last_tid;
	struct kernel_task tasks[FAKE_TASKS];
};

/* Two processes, one of two tasks; nobody is attached. */
void kernel_init(struct kernel *k, struct fake *f);
/* Something happens, as the input says; often nothing can. */
void kernel_step(struct kernel *k, struct input *in);
/* No fork stays unreported for as long as a second. */
void kernel_report_forks(struct kernel *k);
/* Nobody is left alone with a trap in its memory. */
void kernel_check_alone(struct kernel *k);
/* After each turn of the engine: who was let go while nobody covered its memory is not known. */
void kernel_excuse_let_go(struct kernel *k, struct engine *e);
/* The engine cannot know of anybody whose memory it has. */
void kernel_excuse(struct kernel *k);
/* No trap is left in any memory. */
void kernel_check_clean(struct kernel *k);
/* Somebody is under trace. */
bool kernel_has_attached(const struct kernel *k);
/* Everybody is about to do what was asked of it: forks are reported, interrupts heeded. */
void kernel_finish(struct kernel *k);

#endif
