/* SPDX-License-Identifier: MIT */
/* ptrace by hand, for tests of the facts that cotrace relies on. Errors are negative errno. */
#ifndef TEST_KERNEL_RAW_H
#define TEST_KERNEL_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "test/runner/proc.h"
#include "test/runner/runner.h"
#include "test/runner/target.h"

#define EVENT_STATUS(event, signo) ((event) << 16 | (signo) << 8 | 0x7f)

long raw(int request, pid_t tid, uintptr_t addr, uintptr_t data);
/* PTRACE_SEIZE; fails the test if refused. */
void raw_seize(pid_t tid, unsigned options);
/* The next status of a task; fails the test when none comes within five seconds. */
int raw_status(pid_t tid);
/* The status if there is one now, else -1. */
int raw_status_now(pid_t tid);
/* SEIZE (when asked), INTERRUPT, wait for the stop. */
void raw_stop(pid_t tid);
void raw_cont(pid_t tid, int signo);
/* Forks a process that runs @body and is killed with the test. */
pid_t raw_child(void (*body)(void));
/* The tid of the task of that rank, 0 being the leader. */
pid_t raw_task(pid_t pid, unsigned which);
/* A child that pauses for ever. */
pid_t raw_sleeper(void);
void raw_kill(pid_t pid);
/* Blocks SIGCHLD and makes sigtimedwait() find it: returns false when none came in @ms. */
bool raw_sigchld(int *pid, int *code, int *status, unsigned ms);

#endif
