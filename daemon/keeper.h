/* SPDX-License-Identifier: MIT */
/* The keeper as a process: cotrace-engine once more, by another name. See engine/keeper.h. */
#ifndef DAEMON_KEEPER_H
#define DAEMON_KEEPER_H

#include <sys/types.h>

/* Starts one for this process, as nobody's child; @fd is its end of a socket. A pid or -errno. */
pid_t keeper_start(int fd);
/* Is one, for the process that made the socket @fd, until that has ended. The exit status. */
int keeper_run(int fd);

#endif
