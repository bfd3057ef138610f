/* SPDX-License-Identifier: MIT */
/* A siginfo_t in the layout of 32-bit programs. */
#include <signal.h>
#include <string.h>

#include "cli/core/core.h"

#define WORD 4u
#define PAYLOAD_32 12u /* where the union begins */

static void put(void *to, unsigned word, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	memcpy((uint8_t *)to + PAYLOAD_32 + word * WORD, &low, sizeof low);
}

static void put_sender(void *to, const siginfo_t *s)
{
	put(to, 0, (uint32_t)s->si_pid);
	put(to, 1, s->si_uid);
}

static void put_child(void *to, const siginfo_t *s)
{
	put_sender(to, s);
	put(to, 2, (uint32_t)s->si_status);
	put(to, 3, (uint64_t)s->si_utime);
	put(to, 4, (uint64_t)s->si_stime);
}

static void put_fault(void *to, const siginfo_t *s)
{
	put(to, 0, (uintptr_t)s->si_addr);
	put(to, 1, (uint16_t)s->si_addr_lsb);
	if (s->si_signo == SIGSEGV) {
		put(to, 2, (uintptr_t)s->si_lower);
		put(to, 3, (uintptr_t)s->si_upper);
	}
}

/* What the kernel itself says has a layout for each signal; what others say has one for all. */
static void put_kernels(void *to, const siginfo_t *s)
{
	switch (s->si_signo) {
	case SIGCHLD:
		put_child(to, s);
		break;
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
		put_fault(to, s);
		break;
	case SIGPOLL:
		put(to, 0, (uint64_t)s->si_band);
		put(to, 1, (uint32_t)s->si_fd);
		break;
	case SIGSYS:
		put(to, 0, (uintptr_t)s->si_call_addr);
		put(to, 1, (uint32_t)s->si_syscall);
		put(to, 2, s->si_arch);
		break;
	default:
		put_sender(to, s);
	}
}

void core_convert_siginfo(const struct core_arch *a, const siginfo_t *s, void *to)
{
	if (a->word != WORD) {
		memcpy(to, s, sizeof *s);
		return;
	}
	memset(to, 0, sizeof *s);
	memcpy(to, (int[]){ s->si_signo, s->si_errno, s->si_code }, PAYLOAD_32);
	if (s->si_code > 0 && s->si_code != SI_KERNEL) {
		put_kernels(to, s);
		return;
	}
	put_sender(to, s); /* a timer's id and overrun stand in the same place */
	if (s->si_code < 0)
		put(to, 2, (uintptr_t)s->si_value.sival_ptr);
}
