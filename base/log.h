/* SPDX-License-Identifier: MIT */
/* Messages for developers: to stderr when COTRACE_DEBUG is set, else nowhere. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

extern bool log_enabled;

void log_init(void);
void log_write(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define log_debug(...)                                \
	do {                                          \
		if (__builtin_expect(log_enabled, 0)) \
			log_write(__VA_ARGS__);       \
	} while (0)

#endif
