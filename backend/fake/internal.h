/* SPDX-License-Identifier: MIT */
#ifndef BACKEND_FAKE_INTERNAL_H
#define BACKEND_FAKE_INTERNAL_H

#include "backend/fake/fake.h"

struct fake *fake_of(struct backend *b);
/* Logs the call; returns the error injected for it, or @error. */
int fake_called(struct fake *f, struct fake_call call, int error);
__attribute__((format(printf, 2, 3))) void fake_complain(struct fake *f, const char *format, ...);
/* The attached task, standing as @stands says; complains otherwise. */
struct fake_task *fake_expect(struct fake *f, pid_t tid, bool stands, const char *what);

/* The number of a process's memory. */
int fake_memory_of(const struct fake *f, pid_t pid);

/* look.c: reading and changing what stands. */
int fake_syscall_get(struct backend *b, pid_t tid, struct backend_syscall *call);
int fake_syscall_set(struct backend *b, pid_t tid, const struct backend_syscall *call);
int fake_syscall_restore(struct backend *b, pid_t tid, const struct backend_syscall *made,
			 const struct backend_syscall *original);
int fake_syscall_deny(struct backend *b, pid_t tid, int64_t result);
int fake_result_set(struct backend *b, pid_t tid, int64_t result);
int fake_siginfo_set(struct backend *b, pid_t tid, const siginfo_t *info);
ssize_t fake_regset_get(struct backend *b, pid_t tid, unsigned set, void *buf, size_t size);
int fake_regset_set(struct backend *b, pid_t tid, unsigned set, const void *buf, size_t size);
ssize_t fake_state_get(struct backend *b, pid_t tid, enum backend_state what, uint64_t from,
		       void *buf, size_t size);
int fake_state_set(struct backend *b, pid_t tid, enum backend_state what, const void *buf,
		   size_t size);
uint32_t fake_task_arch(struct backend *b, pid_t tid);
unsigned fake_debug_count(struct backend *b);
int fake_debug_set(struct backend *b, pid_t tid, const struct backend_debug *before,
		   const struct backend_debug *now);
unsigned fake_debug_hits(struct backend *b, pid_t tid);
int fake_debug_pass(struct backend *b, pid_t tid);
unsigned fake_kernel_set(struct backend *b, pid_t tid, const struct backend_debug *now);
unsigned fake_kernel_hits(struct backend *b, pid_t tid);
int fake_memory_restore(struct backend *b, int fd, uint64_t at, const uint8_t *trap,
			const uint8_t *original, size_t size);
int fake_memory_open(struct backend *b, pid_t pid, bool writable);
ssize_t fake_memory_read(struct backend *b, pid_t tid, uint64_t at, void *buf, size_t size);
ssize_t fake_memory_store(struct backend *b, pid_t tid, uint64_t at, const void *buf, size_t size);
ssize_t fake_memory_write(struct backend *b, pid_t tid, int fd, uint64_t at, const void *buf,
			  size_t size);

#endif
