/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

bool log_enabled;

void log_init(void)
{
	log_enabled = secure_getenv("COTRACE_DEBUG") != NULL;
}

void log_write(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (n > 0)
		dprintf(STDERR_FILENO, "cotrace[%d] %.6f %s\n", (int)getpid(),
			(double)clock_now_ns() / 1e9, line);
}
