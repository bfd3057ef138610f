/* SPDX-License-Identifier: MIT */
/*
 * Runs a program and forbids it one file: opening it fails with EACCES. A POLICY session
 * sits nearest to the kernel, so what debuggers attached later make of the call is seen
 * here, and a denial cannot be undone by them.
 *
 * The path is memory that other threads of the program can change between this look and
 * the kernel's (cotrace-semantics(7)): good against mistakes, not against malice.
 */
#include <cotrace.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Ways to open a file, and which argument the path is. */
static const struct {
	enum cotrace_arch arch;
	int nr, path;
} opens[] = {
	{ COTRACE_ARCH_X86_64, 2, 0 },	 /* open */
	{ COTRACE_ARCH_X86_64, 85, 0 },	 /* creat */
	{ COTRACE_ARCH_X86_64, 257, 1 }, /* openat */
	{ COTRACE_ARCH_X86_64, 437, 1 }, /* openat2 */
	{ COTRACE_ARCH_I386, 5, 0 },	 { COTRACE_ARCH_I386, 8, 0 },
	{ COTRACE_ARCH_I386, 295, 1 },	 { COTRACE_ARCH_I386, 437, 1 },
};

static int guard(struct cotrace *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof opens / sizeof *opens; i++) {
		struct cotrace_capture path = { .kind = COTRACE_CAPTURE_STRING,
						.phase = COTRACE_ENTRY,
						.arg = (uint8_t)opens[i].path };
		struct cotrace_syscall_set set;

		cotrace_syscall_set_clear(&set);
		cotrace_syscall_set_add(&set, opens[i].nr);
		r = cotrace_capture(s, opens[i].arch, opens[i].nr, &path, 1);
		if (r == 0)
			r = cotrace_subscribe_syscalls(s, opens[i].arch, COTRACE_ENTRY, &set,
						       COTRACE_STOP);
	}
	return r;
}

static int is_forbidden(const struct cotrace_event *ev, const char *data, const char *path)
{
	const struct cotrace_captured *c = &ev->captured[0];

	return ev->captured_count > 0 && c->size == strlen(path) &&
	       memcmp(data + c->offset, path, c->size) == 0;
}

static void judge(struct cotrace *s, const char *path)
{
	static char data[COTRACE_CAPTURE_BYTES_MAX];
	struct cotrace_verdict deny = { .size = sizeof deny,
					.action = COTRACE_DENY,
					.result = -EACCES };
	struct cotrace_event ev = { .size = sizeof ev };

	while (cotrace_next_data(s, &ev, data, sizeof data, -1) == 1)
		if (ev.flags & COTRACE_EV_STOP)
			cotrace_answer(s, &ev, is_forbidden(&ev, data, path) ? &deny : NULL);
}

int main(int argc, char **argv)
{
	/* Should this program die, its prisoners shall not run on unguarded. */
	struct cotrace_options options = { .size = sizeof options,
					   .scope = COTRACE_TREE,
					   .flags = COTRACE_POLICY,
					   .close_action = COTRACE_CLOSE_KILL };
	struct cotrace *s;
	int r, status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "Usage: sandbox FORBIDDEN-PATH COMMAND...\n");
		return 2;
	}
	r = cotrace_spawn(&s, &pid, argv[2], argv + 2, &options);
	if (r == 0)
		r = guard(s);
	if (r < 0) {
		fprintf(stderr, "sandbox: %s: %s\n", argv[2], strerror(-r));
		return 1;
	}
	cotrace_resume(s, 0);
	judge(s, argv[1]);
	cotrace_close(s);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
