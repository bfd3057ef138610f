/* SPDX-License-Identifier: MIT */
/*
 * holder PID [signal N | break ADDR]: another session for the tests in Python. Holds the
 * process at once, at a signal, or at a breakpoint; prints "set" when that is arranged, "held"
 * when it stands, "holds N" for each line of its stdin, and ends with it.
 */
#include <cotrace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, int error)
{
	fprintf(stderr, "holder: %s: %s\n", what, strerror(-error));
	return 1;
}

static int arrange(struct cotrace *s, pid_t pid, const char *what, const char *value)
{
	struct cotrace_breakpoint b = { .size = sizeof b, .mode = COTRACE_STOP, .pid = pid };
	uint64_t id;

	if (strcmp(what, "signal") == 0)
		return cotrace_subscribe_signals(s, 1ull << (atoi(value) - 1), COTRACE_STOP);
	b.addr = strtoull(value, NULL, 0);
	return cotrace_break(s, &id, &b);
}

static int wait_for_stop(struct cotrace *s)
{
	struct cotrace_event ev = { .size = sizeof ev };
	int r;

	do
		r = cotrace_next(s, &ev, 30000000000ll);
	while (r == 1 && !(ev.flags & COTRACE_EV_STOP));
	return r == 1 ? 0 : r;
}

int main(int argc, char **argv)
{
	pid_t pid = argc > 1 ? (pid_t)atoi(argv[1]) : 0;
	struct cotrace *s;
	int r = cotrace_attach(&s, pid, NULL);

	if (r < 0)
		return fail("attach", r);
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = argc > 3 ? arrange(s, pid, argv[2], argv[3]) : 0;
	if (r < 0)
		return fail("arrange", r);
	puts("set");
	r = argc > 3 ? wait_for_stop(s) : cotrace_stop(s, 0, COTRACE_ALL, 30000000000ll);
	if (r < 0)
		return fail("wait", r);
	puts("held");
	while (getchar() == '\n')
		printf("holds %d\n", cotrace_holds(s, NULL, 0));
	cotrace_close(s);
	return 0;
}
