/* SPDX-License-Identifier: MIT */
#include "test/system/inject.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define XSTATE_IN_USE 512 /* any switch of tasks can change that: not what the state is */

int64_t called(struct cotrace *s, uint64_t task, int64_t nr, const uint64_t args[6])
{
	int64_t result = -1;

	CHECK_EQ(cotrace_syscall(s, task, nr, args, &result, test_ns(5000)), 0);
	return result;
}

static void take_masks(pid_t tid, char *out, size_t size)
{
	static const char *const fields[] = { "SigBlk", "SigIgn", "SigCgt", "SigPnd" };
	char path[40], text[4096] = "";
	size_t used = 0;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_OP(read(fd, text, sizeof text - 1), >, 0);
	close(fd);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		char *at = strstr(text, fields[i]);

		CHECK(at != NULL);
		used += (size_t)snprintf(out + used, size - used, "%.24s;", at);
	}
}

void take_image(struct cotrace *s, const struct cotrace_event *ev, struct image *i)
{
	memset(i, 0, sizeof *i);
	i->regs_size = cotrace_regset_read(s, ev->task, NT_PRSTATUS, &i->regs, sizeof i->regs);
	CHECK_OP(i->regs_size, >, 0);
	i->xstate_size =
		cotrace_regset_read(s, ev->task, NT_X86_XSTATE, i->xstate, sizeof i->xstate);
	CHECK_OP(i->xstate_size, >, 500);
	i->info_size = cotrace_siginfo_read(s, ev->task, &i->info, sizeof i->info);
	take_masks(ev->tid, i->masks, sizeof i->masks);
}

void check_image(struct cotrace *s, const struct cotrace_event *ev, const struct image *was)
{
	struct image is;

	take_image(s, ev, &is);
	CHECK_EQ(is.regs_size, was->regs_size);
	if (is.regs_size == sizeof is.regs) {
		CHECK_EQ(is.regs.rip, was->regs.rip);
		CHECK_EQ(is.regs.rax, was->regs.rax);
		CHECK_EQ(is.regs.orig_rax, was->regs.orig_rax);
	}
	CHECK(memcmp(&is.regs, &was->regs, sizeof is.regs) == 0);
	CHECK_EQ(is.xstate_size, was->xstate_size);
	for (ssize_t i = 0; i < is.xstate_size; i++)
		if (is.xstate[i] != was->xstate[i] && i != XSTATE_IN_USE)
			FAIL("byte %zd of the extended state is %x, not %x", i, is.xstate[i],
			     was->xstate[i]);
	CHECK_EQ(is.info_size, was->info_size);
	CHECK(memcmp(&is.info, &was->info, sizeof is.info) == 0);
	CHECK_STR(is.masks, was->masks);
}

void check_calls(struct cotrace *s, const struct cotrace_event *ev)
{
	struct image was;
	uint64_t at;

	take_image(s, ev, &was);
	CHECK_EQ(called(s, ev->task, SYS_getpid, ARGS(0)), ev->pid);
	check_image(s, ev, &was);
	at = (uint64_t)called(s, ev->task, SYS_mmap,
			      ARGS(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   (uint64_t)-1, 0));
	CHECK_EQ(at % 4096, 0);
	CHECK_EQ(cotrace_write_memory(s, ev->pid, at, "/etc/passwd", 12), 12);
	CHECK_EQ(called(s, ev->task, SYS_access, ARGS(at, R_OK)), 0);
	CHECK_EQ(called(s, ev->task, SYS_access, ARGS(16, R_OK)), -EFAULT);
	CHECK_EQ(called(s, ev->task, SYS_munmap, ARGS(at, 4096)), 0);
	CHECK_EQ(called(s, ev->task, 1000, ARGS(0)), -ENOSYS);
	check_image(s, ev, &was);
}

struct cotrace *stopped_puppet(struct target *t, struct cotrace_event *ev)
{
	struct cotrace *s;

	puppet_start(t);
	CHECK_SOON(proc_blocked_in(t->pid) == SYS_read, 5000);
	s = attached(t->pid, NULL);
	CHECK_EQ(cotrace_stop(s, 0, COTRACE_ALL, test_ns(5000)), 0);
	take_kind(s, ev, COTRACE_EVENT_STOP_DONE);
	return s;
}

void finish_calls(struct cotrace *s, struct target *t)
{
	CHECK_EQ(cotrace_resume(s, 0), 0);
	CHECK_EQ(puppet_ask(t, "pid"), t->pid);
	cotrace_close(s);
	check_untouched(t->pid);
	puppet_end(t);
}
