/* SPDX-License-Identifier: MIT */
/* cotrace why */
#include <cotrace.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/look.h"
#include "cli/options.h"

const char why_help[] =
	"Usage: cotrace why PID\n"
	"\n"
	"Says whether a process can be traced, and if not, why not and what helps. Attaches to\n"
	"nothing. When cotrace already traces it, tells by whom, and which of its tasks are\n"
	"held, by whom, since when and why.\n"
	"\n"
	"Exit status: 0 when attaching would work, 1 when it would not, 2 for wrong usage.\n";

static bool covers(const struct look *l, const struct cotrace_session_info *s, pid_t pid)
{
	(void)l;
	return s->root_pid == pid || (s->root_pid && s->scope == COTRACE_TREE);
}

static void tell_sessions(const struct look *l, pid_t pid)
{
	for (int i = 0; i < l->session_count; i++) {
		const struct cotrace_session_info *s = &l->sessions[i];
		char age[24];

		if (!covers(l, s, pid))
			continue;
		printf("session %d:%llu of process %d (%.16s) traces %s%d for %s\n",
		       (int)cotrace_engine_pid(l->engine), (unsigned long long)s->session,
		       (int)s->owner_pid, s->owner_command,
		       s->scope == COTRACE_TREE ? "the tree of " : "", (int)s->root_pid,
		       look_age(s->since_ns, age));
	}
}

static void tell_holds(const struct look *l, pid_t pid)
{
	for (int i = 0; i < l->hold_count; i++) {
		const struct cotrace_hold *h = &l->holds[i];
		char age[24];

		if (h->pid == pid || h->tid == pid)
			printf("task %d is held by session %d:%llu of process %d (%.16s) for %s: "
			       "%s\n",
			       (int)h->tid, (int)cotrace_engine_pid(l->engine),
			       (unsigned long long)h->session, (int)h->owner_pid, h->owner_command,
			       look_age(h->since_ns, age), look_reason(h));
	}
}

int why_main(int argc, char **argv)
{
	struct cotrace_explanation e = { .size = sizeof e };
	struct look l;
	int status, r;
	pid_t pid;

	if (!options_none(argc, argv, why_help, &status))
		return status;
	status = options_pid(argc, argv, &pid);
	if (status)
		return status;
	r = cotrace_explain(pid, &e);
	if (r)
		return complain(EXIT_FAILURE, "process %d cannot be looked at: %s", (int)pid,
				strerror(-r));
	r = e.engine_pid ? look_open(&l, e.engine_pid) : -ENOENT;
	if (r == -ETIMEDOUT)
		return complain_of_silence(e.engine_pid);
	puts(e.sentence);
	if (!r) {
		tell_sessions(&l, pid);
		tell_holds(&l, pid);
		look_close(&l);
	}
	return e.reason == COTRACE_REASON_NONE ? 0 : EXIT_FAILURE;
}
