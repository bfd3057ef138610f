/* SPDX-License-Identifier: MIT */
/*
 * sequence N: says "ready ADDRESS" of an instruction within a restartable sequence (rseq(2)),
 * waits, and tries the sequence N times; says how many were "committed" and "aborted". One
 * that was interrupted must never commit. Exits with 77 where there is no rseq.
 */
#include <features.h>

#include "test/targets/common.h"

#if defined __x86_64__ && defined __GLIBC__ && __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>

extern char sequence_start[], sequence_place[], sequence_end[], sequence_abort[];
int sequence_variable = 1;

static struct rseq_cs descriptor __attribute__((aligned(32)));

static int try_once(void)
{
	struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	int committed;

	__asm__ volatile("	mov %1, (%2)\n"
			 "sequence_start:\n"
			 "	nop\n"
			 "sequence_place:\n"
			 "	mov sequence_variable(%%rip), %0\n"
			 "sequence_end:\n"
			 "	jmp 1f\n"
			 "	.byte 0x0f, 0xb9, 0x3d\n"
			 "	.long 0x53053053\n"
			 "sequence_abort:\n"
			 "	xor %0, %0\n"
			 "1:\n"
			 : "=&r"(committed)
			 : "r"(&descriptor), "r"(&r->rseq_cs)
			 : "memory");
	return committed;
}

int main(int argc, char **argv)
{
	unsigned n = number(argc, argv, 1, 100), committed = 0;

	if (__rseq_size == 0)
		return EXIT_UNSUPPORTED;
	descriptor.start_ip = (uintptr_t)sequence_start;
	descriptor.post_commit_offset = (uintptr_t)(sequence_end - sequence_start);
	descriptor.abort_ip = (uintptr_t)sequence_abort;
	say("ready %lx\n", (unsigned long)sequence_place);
	wait_for_go();
	for (unsigned i = 0; i < n; i++)
		committed += (unsigned)try_once();
	say("committed %u aborted %u\n", committed, n - committed);
	return 0;
}
#else
int main(void)
{
	return EXIT_UNSUPPORTED;
}
#endif
