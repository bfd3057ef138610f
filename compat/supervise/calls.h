/* SPDX-License-Identifier: MIT */
/* The system calls that are intercepted, in each way that the kernel can be called. */
#ifndef COMPAT_SUPERVISE_CALLS_H
#define COMPAT_SUPERVISE_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum call {
	CALL_OTHER,
	CALL_PTRACE,
	CALL_WAIT4,
	CALL_WAITPID,
	CALL_WAITID,
	CALL_VM_READ,
	CALL_VM_WRITE,
	CALL_TKILL, /* with SIGSTOP, as the next */
	CALL_TGKILL,
	CALL_PREAD, /* far into a file, as those behind it */
	CALL_PWRITE,
	CALL_PREADV,
	CALL_PWRITEV,
};

/* Offsets below are no addresses that a program has memory at: such calls are left alone. */
#define CALLS_LEAST_ADDRESS (4u << 20)

/* A request of ptrace() that no kernel has: the pid of the supervisor. */
#define CALLS_WHO_SUPERVISES 0x436f7472

/* Which call @nr of the architecture @arch is, and whether that is the 32-bit one. */
enum call calls_find(uint32_t arch, int nr, bool *compat);

/* The same where only the convention is known. */
enum call calls_find_any(int nr, bool compat);

/*
 * Puts the calling process under a filter that tells us of these calls. Returns the
 * listener, or -errno. @no_new_privs is set when that was needed.
 */
int filter_install(bool *no_new_privs);

/* Whether @code is that filter, as the kernel keeps it. */
bool filter_intercepts(void *unused, const void *code, size_t size);

#endif
