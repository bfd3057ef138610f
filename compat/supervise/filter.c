/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "compat/hosted.h"
#include "compat/supervise/calls.h"

static const struct {
	const char *name;
	enum call call;
} intercepted[] = {
	{ "ptrace", CALL_PTRACE },
	{ "wait4", CALL_WAIT4 },
	{ "waitpid", CALL_WAITPID },
	{ "waitid", CALL_WAITID },
	{ "process_vm_readv", CALL_VM_READ },
	{ "process_vm_writev", CALL_VM_WRITE },
	{ "tkill", CALL_TKILL },
	{ "tgkill", CALL_TGKILL },
	{ "pread64", CALL_PREAD },
	{ "pwrite64", CALL_PWRITE },
	{ "preadv", CALL_PREADV },
	{ "preadv2", CALL_PREADV },
	{ "pwritev", CALL_PWRITEV },
	{ "pwritev2", CALL_PWRITEV },
};

#define INTERCEPTED (sizeof intercepted / sizeof intercepted[0])

static const uint32_t arches[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86 };

#define ARCHES (sizeof arches / sizeof arches[0])

static bool is_compat(uint32_t arch)
{
	return arch != seccomp_arch_native();
}

enum call calls_find(uint32_t arch, int nr, bool *compat)
{
	static int numbers[ARCHES][INTERCEPTED];

	if (!numbers[0][0])
		for (size_t a = 0; a < ARCHES; a++)
			for (size_t i = 0; i < INTERCEPTED; i++)
				numbers[a][i] = seccomp_syscall_resolve_name_arch(
					arches[a], intercepted[i].name);
	*compat = is_compat(arch);
	for (size_t a = 0; a < ARCHES; a++)
		for (size_t i = 0; i < INTERCEPTED; i++)
			if (arches[a] == arch && numbers[a][i] == nr)
				return intercepted[i].call;
	return CALL_OTHER;
}

enum call calls_find_any(int nr, bool compat)
{
	return calls_find(arches[compat], nr, &compat);
}

/* An offset is the fourth argument; with 32 bits its upper half is the fifth. */
static int add_offset_rules(scmp_filter_ctx f, int nr, bool compat)
{
	int r = seccomp_rule_add_exact(f, SCMP_ACT_NOTIFY, nr, 1,
				       SCMP_A3(SCMP_CMP_GE, CALLS_LEAST_ADDRESS));

	if (r == 0 && compat)
		r = seccomp_rule_add_exact(f, SCMP_ACT_NOTIFY, nr, 1, SCMP_A4(SCMP_CMP_NE, 0));
	return r;
}

/* Calls with six arguments have no room for a cookie. */
static bool may_have_cookie(enum call call, bool compat)
{
	return !compat && call != CALL_VM_READ && call != CALL_VM_WRITE && call != CALL_PREADV &&
	       call != CALL_PWRITEV;
}

static int add_rule(scmp_filter_ctx f, int nr, enum call call, bool compat)
{
	struct scmp_arg_cmp args[2];
	unsigned count = 0;

	if (may_have_cookie(call, compat))
		args[count++] = SCMP_A5(SCMP_CMP_NE, HOSTED_COOKIE);
	else if (call >= CALL_PREAD)
		return add_offset_rules(f, nr, compat);
	if (call >= CALL_PREAD)
		args[count++] = SCMP_A3(SCMP_CMP_GE, CALLS_LEAST_ADDRESS);
	else if (call == CALL_TKILL)
		args[count++] = SCMP_A1_32(SCMP_CMP_EQ, SIGSTOP);
	else if (call == CALL_TGKILL)
		args[count++] = SCMP_A2_32(SCMP_CMP_EQ, SIGSTOP);
	return seccomp_rule_add_exact_array(f, SCMP_ACT_NOTIFY, nr, count, args);
}

/* libseccomp wants numbers as they are natively, or its own where there is none. */
static int add_rules(scmp_filter_ctx f, uint32_t arch)
{
	int r = 0;

	for (size_t i = 0; i < INTERCEPTED && r == 0; i++) {
		int nr = seccomp_syscall_resolve_name(intercepted[i].name);

		if (seccomp_syscall_resolve_name_arch(arch, intercepted[i].name) < 0)
			continue;
		r = add_rule(f, nr, intercepted[i].call, is_compat(arch));
	}
	return r;
}

/* What is no call of these architectures is the kernel's to judge, as everything else. */
static int filter_new(scmp_filter_ctx *out, uint32_t arch)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW) : -ENOMEM;

	if (r == 0 && is_compat(arch)) {
		r = seccomp_arch_remove(f, SCMP_ARCH_NATIVE);
		if (r == 0)
			r = seccomp_arch_add(f, arch);
	}
	if (r == 0)
		r = add_rules(f, arch);
	if (r < 0 && f) {
		seccomp_release(f);
		f = NULL;
	}
	*out = f;
	return r;
}

static int filter_of_all(scmp_filter_ctx *out)
{
	int r = filter_new(out, arches[0]);

	for (size_t a = 1; a < ARCHES && r == 0; a++) {
		scmp_filter_ctx more;

		r = filter_new(&more, arches[a]);
		if (r == 0)
			r = seccomp_merge(*out, more);
		if (r < 0 && more)
			seccomp_release(more);
	}
	/* The filter guards against nothing, so the CPU need not either. */
	if (r == 0)
		r = seccomp_attr_set(*out, SCMP_FLTATR_CTL_SSB, 1);
	if (r == 0)
		r = seccomp_attr_set(*out, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (r < 0 && *out)
		seccomp_release(*out);
	return r;
}

int filter_install(bool *no_new_privs)
{
	scmp_filter_ctx f;
	int r = filter_of_all(&f);

	if (r < 0)
		return r;
	*no_new_privs = false;
	r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0)
		r = seccomp_load(f);
	if (r == -EACCES || r == -EPERM) {
		*no_new_privs = true;
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
		if (r == 0)
			r = seccomp_load(f);
	}
	if (r == 0)
		r = seccomp_notify_fd(f);
	seccomp_release(f);
	return r;
}

/* The instructions, with which the caller compares. 0: not known. */
static size_t export(uint8_t *code, size_t size)
{
	int fd = fd_memory("filter", 0);
	scmp_filter_ctx f;
	ssize_t n = -1;

	if (fd >= 0 && filter_of_all(&f) == 0) {
		if (seccomp_export_bpf(f, fd) == 0)
			n = pread(fd, code, size, 0);
		seccomp_release(f);
	}
	fd_close(fd);
	return n > 0 ? (size_t)n : 0;
}

bool filter_intercepts(void *unused, const void *code, size_t size)
{
	static uint8_t ours[BPF_MAXINSNS * sizeof(struct sock_filter)];
	static size_t ours_size;

	(void)unused;
	if (!ours_size)
		ours_size = export(ours, sizeof ours);
	return size == ours_size && !memcmp(code, ours, size);
}
