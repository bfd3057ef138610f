/* SPDX-License-Identifier: MIT */
/* The library that hosts the personality in the program itself: where it is, who gets it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/preload/program.h"
#include "compat/run.h"

static const char *find_library(char path[RUN_PATH_MAX])
{
	const char *given = secure_getenv("COTRACE_PRELOAD");
	const char *found = given && *given ? given : COTRACE_PRELOAD_PATH;

	if (access(found, R_OK) < 0 || strlen(found) >= RUN_PATH_MAX)
		return NULL;
	/* The variable has no way to quote. */
	return strpbrk(found, ": ") ? NULL : strcpy(path, found);
}

bool run_preload(const char *program, const char **why)
{
	const char *others = getenv("LD_PRELOAD");
	char path[RUN_PATH_MAX], text[2 * RUN_PATH_MAX];

	if (program_look(program, why) == PROGRAM_ALONE)
		return false;
	*why = "would need cotrace-preload.so, which is not installed";
	if (!find_library(path))
		return false;
	snprintf(text, sizeof text, "%s%s%s", path, others && *others ? ":" : "",
		 others ? others : "");
	setenv("LD_PRELOAD", text, 1);
	return true;
}
