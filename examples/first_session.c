/* SPDX-License-Identifier: MIT */
/* The shortest useful session: the system calls of a running process, until it exits. */
#include <cotrace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct cotrace *s;
	struct cotrace_event ev = { .size = sizeof ev };
	int r;

	if (argc != 2) {
		fprintf(stderr, "Usage: first_session PID\n");
		return 2;
	}
	r = cotrace_attach(&s, atoi(argv[1]), NULL);
	if (r < 0) {
		fprintf(stderr, "first_session: %s: %s; `cotrace why %s` says more\n", argv[1],
			strerror(-r), argv[1]);
		return 1;
	}
	cotrace_subscribe_syscalls(s, COTRACE_ARCH_ANY, COTRACE_ENTRY, NULL, COTRACE_NOTE);
	cotrace_subscribe(s, COTRACE_EVENT_PROCESS_EXIT, COTRACE_NOTE);
	while (cotrace_next(s, &ev, -1) == 1 && ev.kind != COTRACE_EVENT_PROCESS_EXIT)
		printf("%d: system call %lld\n", ev.tid, (long long)ev.syscall.nr);
	cotrace_close(s);
	return 0;
}
