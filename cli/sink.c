/* SPDX-License-Identifier: MIT */
#include "cli/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"

#define OUT_BYTES (1 << 20)

static bool wants_colour(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && (no_color == NULL || *no_color == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

static int open_path(struct sink *s, const char *path, bool append)
{
	if (*path != '|')
		return open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC),
			    0666);
	s->pipe = popen(path + 1, "we");
	return s->pipe ? fileno(s->pipe) : -1;
}

int sink_open(struct sink *s, struct out *out, const char *path, bool append)
{
	int fd = path ? open_path(s, path, append) : STDERR_FILENO;
	struct stat st;

	s->path = path;
	if (fd < 0)
		return complain(EXIT_FAILURE, "%s cannot be written: %s", path, strerror(errno));
	s->is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	s->colour = wants_colour(fd);
	if (out_init(out, fd, OUT_BYTES) < 0)
		return complain(EXIT_FAILURE, "out of memory");
	return 0;
}

int sink_close(struct sink *s, struct out *out, int status)
{
	int r = out->buf ? out_flush(out) : 0;

	if (r < 0 && r != -EPIPE)
		status = complain(EXIT_FAILURE, "%s cannot be written: %s",
				  s->path ? s->path : "stderr", strerror(-r));
	if (s->pipe)
		pclose(s->pipe);
	else if (s->path && out->buf)
		close(out->fd);
	return status;
}
