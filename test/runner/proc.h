/* SPDX-License-Identifier: MIT */
/* What /proc tells of processes and tasks. */
#ifndef TEST_RUNNER_PROC_H
#define TEST_RUNNER_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads a file of /proc; adds a zero byte. Length, or -1. */
ssize_t proc_read(const char *path, char *text, size_t size);
/* A number in /proc/PID/status; -1 when there is none. */
long proc_status_number(pid_t pid, const char *field);
/* 'R', 'S', 'T', 't', 'Z', ... of a task; 0 when it is gone. */
char proc_state(pid_t tid);
/* The number of the system call in which a task is blocked; -1 when it runs, -2 unknown. */
long proc_blocked_in(pid_t tid);
/* Calls @each for every task; returns how many there are. */
unsigned proc_each_task(pid_t pid, void (*each)(pid_t tid, void *arg), void *arg);
unsigned proc_each_child(pid_t pid, void (*each)(pid_t pid, void *arg), void *arg);
/* Children, their children and so on, the nearest first. */
unsigned proc_each_descendant(pid_t pid, void (*each)(pid_t pid, void *arg), void *arg);
/* How many of its tasks are stopped (T or t); how many have that tracer. */
unsigned proc_stopped_tasks(pid_t pid);
unsigned proc_tasks_traced_by(pid_t pid, pid_t tracer);
/* "1234 comm: 1234=S(futex) 1235=t ..." */
void proc_describe(pid_t pid, char *text, size_t size);

#endif
