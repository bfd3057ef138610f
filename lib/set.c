/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "lib/session.h"

#define OTHERS 1023 /* stands for all numbers that have no bit of their own */

static unsigned bit_of(int nr)
{
	return nr < 0 || nr > OTHERS ? OTHERS : (unsigned)nr;
}

void cotrace_syscall_set_clear(struct cotrace_syscall_set *set)
{
	memset(set, 0, sizeof *set);
}

void cotrace_syscall_set_fill(struct cotrace_syscall_set *set)
{
	memset(set, 0xff, sizeof *set);
}

void cotrace_syscall_set_add(struct cotrace_syscall_set *set, int nr)
{
	set->bits[bit_of(nr) / 64] |= UINT64_C(1) << (bit_of(nr) % 64);
}

int cotrace_syscall_set_has(const struct cotrace_syscall_set *set, int nr)
{
	return (int)(set->bits[bit_of(nr) / 64] >> (bit_of(nr) % 64) & 1);
}
