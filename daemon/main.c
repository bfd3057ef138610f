/* SPDX-License-Identifier: MIT */
/* cotrace-engine: owns the kernel attachment of a tree of targets, serves its sessions. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backend/ptrace/backend.h"
#include "base/log.h"
#include "daemon/keeper.h"
#include "engine/engine.h"

static void usage(FILE *out)
{
	fputs("Usage: cotrace-engine --session-fd N [--detach]\n"
	      "Serves tracing sessions; started by libcotrace when first needed.\n"
	      "  --session-fd N  connected SOCK_SEQPACKET Unix socket of the first session\n"
	      "  --detach        go on in the background, as nobody's child\n"
	      "  --keeper N      be the keeper of the engine at the other end of N\n"
	      "  --version       print the version\n",
	      out);
}

/* A file descriptor; negative: there is none. */
static int parse_fd(const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	return *end || end == text || fd < 0 || fd > INT_MAX ? -1 : (int)fd;
}

static int parse(int argc, char **argv, bool *detach, bool *keeper)
{
	static const struct option options[] = {
		{ "session-fd", required_argument, NULL, 's' },
		{ "keeper", required_argument, NULL, 'k' },
		{ "detach", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, fd = -1;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'k':
		case 's':
			*keeper = c == 'k';
			fd = parse_fd(optarg);
			break;
		case 'd':
			*detach = true;
			break;
		case 'v':
			puts("cotrace-engine " COTRACE_VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return -1;
		}
	}
	return optind == argc ? fd : -1;
}

/*
 * Nobody's signals: not the terminal's, nor those that a target has chosen to tell its parent
 * of its end. As a tracer the engine gets the latter when the last thread dies after the leader.
 */
static void ignore_signals(void)
{
	for (int n = 1; n <= SIGRTMAX; n++) {
		switch (n) {
		case SIGCHLD: /* the backend's own */
		case SIGALRM:
		case SIGIO:
		case SIGTERM: /* leave, if somebody says so */
		case SIGABRT:
		case SIGSEGV:
		case SIGBUS:
		case SIGILL:
		case SIGFPE:
		case SIGTRAP:
			break;
		default:
			signal(n, SIG_IGN);
		}
	}
}

/*
 * Belongs to no client: no directory, no signal of theirs. But it stays in the session it was
 * started in: one of its own would be a scheduler group of its own (autogroup), which waits for
 * its share at each stop of a task when the machine is busy.
 */
static void settle(bool detach)
{
	if (detach) {
		pid_t pid = fork();

		if (pid != 0)
			_exit(pid < 0);
	}
	setpgid(0, 0);
	if (chdir("/") < 0)
		log_debug("chdir: %s", strerror(errno));
	ignore_signals();
}

int main(int argc, char **argv)
{
	struct backend *backend = NULL;
	struct engine *engine = NULL;
	bool detach = false, keeper = false;
	int fd = parse(argc, argv, &detach, &keeper), r;

	if (fd < 0) {
		usage(stderr);
		return 2;
	}
	log_init();
	if (keeper)
		return keeper_run(fd);
	settle(detach);
	r = ptrace_backend_new(&backend);
	if (r == 0)
		r = engine_new(&engine, backend);
	if (r == 0) {
		engine->keeper.start = keeper_start;
		r = engine_listen(engine);
	}
	if (r == 0)
		r = engine_adopt(engine, fd);
	if (r == 0)
		r = engine_run(engine);
	if (r < 0)
		fprintf(stderr, "cotrace-engine: %s\n", strerror(-r));
	if (engine != NULL)
		engine_free(engine);
	if (backend != NULL)
		backend->ops->close(backend);
	return r < 0;
}
