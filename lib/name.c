/* SPDX-License-Identifier: MIT */
/* Names, versions, features. */
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "arch/arch.h"
#include "lib/session.h"

static const char *const event_names[COTRACE_EVENT_MAX + 1] = {
	[COTRACE_EVENT_TASK_START] = "task-start",
	[COTRACE_EVENT_TASK_EXIT] = "task-exit",
	[COTRACE_EVENT_FORK] = "fork",
	[COTRACE_EVENT_VFORK] = "vfork",
	[COTRACE_EVENT_VFORK_DONE] = "vfork-done",
	[COTRACE_EVENT_CLONE] = "clone",
	[COTRACE_EVENT_EXEC] = "exec",
	[COTRACE_EVENT_PROCESS_EXIT] = "process-exit",
	[COTRACE_EVENT_SIGNAL] = "signal",
	[COTRACE_EVENT_JOB_STOP] = "job-stop",
	[COTRACE_EVENT_JOB_CONTINUE] = "job-continue",
	[COTRACE_EVENT_SYSCALL_ENTRY] = "syscall-entry",
	[COTRACE_EVENT_SYSCALL_EXIT] = "syscall-exit",
	[COTRACE_EVENT_BREAKPOINT] = "breakpoint",
	[COTRACE_EVENT_WATCHPOINT] = "watchpoint",
	[COTRACE_EVENT_STEP] = "step",
	[COTRACE_EVENT_STOP_DONE] = "stop-done",
	[COTRACE_EVENT_CHANGED] = "changed",
	[COTRACE_EVENT_LOST] = "lost",
	[COTRACE_EVENT_ENGINE_GONE] = "engine-gone",
	[COTRACE_EVENT_REFUSED] = "refused",
	[COTRACE_EVENT_SESSION_END] = "session-end",
	[COTRACE_EVENT_SECCOMP] = "seccomp",
};

const char *cotrace_event_name(enum cotrace_event_kind kind)
{
	return (unsigned)kind <= COTRACE_EVENT_MAX ? event_names[kind] : NULL;
}

const char *cotrace_arch_name(enum cotrace_arch arch)
{
	const struct arch *a = arch_by_id(arch);

	if (a != NULL)
		return a->name;
	return arch == COTRACE_ARCH_AARCH64 ? "aarch64" : NULL;
}

unsigned cotrace_version(void)
{
	return COTRACE_VERSION_MAJOR * 10000 + COTRACE_VERSION_MINOR * 100 + COTRACE_VERSION_PATCH;
}

/* PTRACE_GET_SYSCALL_INFO came with Linux 5.3. */
static int kernel_tells_entry_from_exit(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) < 2)
		return 0;
	return major > 5 || (major == 5 && minor >= 3);
}

int cotrace_has_feature(enum cotrace_feature feature)
{
	switch (feature) {
	case COTRACE_FEATURE_I386:
		return access("/proc/sys/abi/vsyscall32", F_OK) == 0;
	case COTRACE_FEATURE_SYSCALL_INFO:
		return kernel_tells_entry_from_exit();
	case COTRACE_FEATURE_BREAKPOINTS:
	case COTRACE_FEATURE_PLACEMENT:
	case COTRACE_FEATURE_WATCHPOINTS:
		return 1;
	default:
		return 0;
	}
}
