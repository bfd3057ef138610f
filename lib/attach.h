/* SPDX-License-Identifier: MIT */
#ifndef LIB_ATTACH_H
#define LIB_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cotrace;
struct cotrace_options;
struct wire_attach;

/* A session over the new connection @fd, which it owns in any case, after HELLO. */
int attach_open(struct cotrace **out, int fd, uint64_t deadline);
void attach_request(struct wire_attach *m, pid_t process, const struct cotrace_options *o,
		    bool spawning);

#endif
