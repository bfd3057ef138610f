/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat/preload/preload.h"

typedef long raw_function(long nr, ...);

static raw_function *function;

/* The C library's, since ours stands before it. */
static raw_function *find(void)
{
	if (function == NULL)
		*(void **)&function = dlsym(RTLD_NEXT, "syscall");
	return function;
}

long raw_call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	int saved = errno;
	long r = find()(nr, a, b, c, d, e, f);

	if (r == -1) {
		r = -errno;
		errno = saved;
	}
	return r;
}

long raw_past(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	return raw_call(nr, a, b, c, d, e, HOSTED_COOKIE);
}

long raw_result(long result)
{
	if (result >= 0 || result < -4095)
		return result;
	errno = (int)-result;
	return -1;
}

/* The C library's own signals, too, which its functions leave out. */
uint64_t raw_mask(uint64_t mask)
{
	uint64_t before = 0;

	raw_call(SYS_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&mask, (uintptr_t)&before, sizeof mask,
		 0, 0);
	return before;
}
