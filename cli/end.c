/* SPDX-License-Identifier: MIT */
/* cotrace end */
#include <cotrace.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"

const char end_help[] =
	"Usage: cotrace end SESSION\n"
	"\n"
	"Ends a session as if its owner had closed it: its holds are given up and the target\n"
	"runs on. SESSION is ENGINE:ID as printed by 'cotrace ps'. A session that was opened\n"
	"as a policy can only be ended by its owner.\n"
	"\n"
	"Exit status: 0 when the session has ended, 1 when it could not be, 2 for wrong usage.\n";

/* ENGINE:ID */
static int parse(const char *text, pid_t *engine, uint64_t *session)
{
	const char *colon = strchr(text, ':');
	char *end;
	long pid;

	if (!colon || !colon[1] || colon[1] == '-' || colon[1] == '+')
		return -EINVAL;
	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || end != colon || pid <= 0 || pid > INT32_MAX)
		return -EINVAL;
	*session = strtoull(colon + 1, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*engine = (pid_t)pid;
	return 0;
}

static int failed(const char *text, pid_t engine, int error)
{
	switch (error) {
	case -ENOENT:
		return complain(EXIT_FAILURE, "there is no session %s; 'cotrace ps' lists them",
				text);
	case -EPERM:
		return complain(EXIT_FAILURE,
				"session %s is a policy: only its owner can end it, "
				"by closing it",
				text);
	default:
		return complain(EXIT_FAILURE, "session %s of engine %d cannot be ended: %s", text,
				(int)engine, strerror(-error));
	}
}

int end_main(int argc, char **argv)
{
	struct cotrace *looker;
	uint64_t session;
	pid_t engine;
	const char *text;
	int status, r;

	if (!options_none(argc, argv, end_help, &status))
		return status;
	text = options_operand(argc, argv, "session", &status);
	if (!text)
		return status;
	if (parse(text, &engine, &session) < 0)
		return complain(EXIT_USAGE,
				"a session is written ENGINE:ID as 'cotrace ps' prints "
				"it, not '%s'",
				text);
	r = cotrace_open_engine(&looker, engine);
	if (r == -EPERM)
		return complain(EXIT_FAILURE,
				"engine %d belongs to another user; ask them, or root",
				(int)engine);
	if (r == -ETIMEDOUT)
		return complain_of_silence(engine);
	if (r)
		return complain(EXIT_FAILURE, "there is no engine %d; 'cotrace ps' lists them",
				(int)engine);
	r = cotrace_end(looker, session);
	cotrace_close(looker);
	return r ? failed(text, engine, r) : 0;
}
