/* SPDX-License-Identifier: MIT */
/* The file a core is written to: with holes where it can have them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/core/core.h"

static char *volatile unfinished; /* removed when a signal ends us */

static void give_up(int signo)
{
	if (unfinished)
		unlink(unfinished);
	signal(signo, SIG_DFL);
	raise(signo);
}

static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* @set: receives the signals; to be blocked while a file is made and not remembered yet. */
static void catch_ends(sigset_t *set)
{
	struct sigaction action = { .sa_handler = give_up, .sa_flags = SA_NODEFER }, old;

	sigemptyset(set);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		sigaddset(set, ends[i]);
		if (!sigaction(ends[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
	}
	/* A file that may not grow is an error like others. */
	signal(SIGXFSZ, SIG_IGN);
}

static int cannot(const char *path, int error)
{
	if (error == -EEXIST)
		return complain(EXIT_FAILURE,
				"%s exists; remove it, name another file with -o, or replace it "
				"with -f",
				path);
	return complain(EXIT_FAILURE, "%s cannot be written: %s", path, strerror(-error));
}

static int open_stdout(struct core_file *f)
{
	if (isatty(STDOUT_FILENO))
		return complain(EXIT_USAGE,
				"a core is nothing for a terminal; redirect the output, "
				"or name a file with -o");
	f->fd = STDOUT_FILENO;
	f->is_stdout = true;
	f->path = "standard output";
	return 0;
}

/* A device or a pipe is written to; nothing is made, replaced or removed. */
static bool is_stream(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int make(struct core_file *f, const char *path, bool force)
{
	struct stat st;
	bool exists = !lstat(path, &st);

	if (asprintf(&f->made, exists && force ? "%s.XXXXXX" : "%s", path) < 0) {
		f->made = NULL;
		return -ENOMEM;
	}
	if (exists && S_ISDIR(st.st_mode))
		errno = EISDIR;
	else if (exists && force)
		f->fd = mkostemp(f->made, O_CLOEXEC);
	else
		f->fd = open(f->made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd >= 0) {
		unfinished = f->made;
		return 0;
	}
	free(f->made);
	f->made = NULL;
	return -errno;
}

int core_file_open(struct core_file *f, const char *path, bool force, size_t buffer)
{
	sigset_t blocked, before;
	int r = 0;

	*f = (struct core_file){ .fd = -1, .path = path };
	catch_ends(&blocked);
	if (!strcmp(path, "-"))
		r = open_stdout(f);
	else if (is_stream(path)) {
		f->fd = open(path, O_WRONLY | O_CLOEXEC);
		r = f->fd < 0 ? cannot(path, -errno) : 0;
	} else {
		sigprocmask(SIG_BLOCK, &blocked, &before);
		r = make(f, path, force);
		sigprocmask(SIG_SETMASK, &before, NULL);
		r = r ? cannot(path, r) : 0;
	}
	if (r)
		return r;
	f->seekable = lseek(f->fd, 0, SEEK_CUR) >= 0 && !(fcntl(f->fd, F_GETFL) & O_APPEND);
	if (buffer == CORE_BUFFER_DEFAULT)
		buffer = f->seekable ? 0 : (size_t)CORE_BUFFER_MIB << 20;
	f->buffer = buffer ? malloc(buffer) : NULL;
	f->buffer_size = buffer;
	return 0;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int fill_hole(struct core_file *f)
{
	static const uint8_t zeros[65536];
	uint64_t n = f->hole;
	int r = 0;

	f->hole = 0;
	if (n && f->seekable)
		return lseek(f->fd, (off_t)n, SEEK_CUR) < 0 ? -errno : 0;
	while (n && !r) {
		size_t piece = n < sizeof zeros ? (size_t)n : sizeof zeros;

		r = write_all(f->fd, zeros, piece);
		n -= piece;
	}
	return r;
}

static int put(struct core_file *f, const void *bytes, size_t n)
{
	int r = f->hole ? fill_hole(f) : 0;

	return r ? r : write_all(f->fd, bytes, n);
}

/* In the buffer: a hole, and bytes that follow it. */
struct piece {
	uint64_t hole, bytes;
};

static bool keep(struct core_file *f, const void *bytes, size_t n)
{
	struct piece p = { f->hole, n };

	if (!f->buffer || f->buffer_size - f->buffered < sizeof p + n)
		return false;
	memcpy(f->buffer + f->buffered, &p, sizeof p);
	memcpy(f->buffer + f->buffered + sizeof p, bytes, n);
	f->buffered += sizeof p + n;
	f->hole = 0;
	return true;
}

/* From here on all is written at once. */
static int drain(struct core_file *f)
{
	uint64_t last = f->hole;
	size_t at = 0;
	int r = 0;

	while (!r && at < f->buffered) {
		struct piece p;

		memcpy(&p, f->buffer + at, sizeof p);
		f->hole = p.hole;
		r = put(f, f->buffer + at + sizeof p, p.bytes);
		at += sizeof p + p.bytes;
	}
	free(f->buffer);
	f->buffer = NULL;
	f->buffered = 0;
	f->hole = last;
	return r;
}

int core_file_put(struct core_file *f, const void *bytes, size_t n)
{
	int r;

	if (keep(f, bytes, n))
		return 0;
	r = f->buffer ? drain(f) : 0;
	return r ? r : put(f, bytes, n);
}

void core_file_skip(struct core_file *f, uint64_t n)
{
	f->hole += n;
}

/* A hole at the end needs the file's length set. */
static int end(struct core_file *f)
{
	int r = f->buffer ? drain(f) : 0;
	bool trailing = f->hole > 0;
	struct stat st;
	off_t at;

	r = r ? r : fill_hole(f);
	at = r || !trailing || !f->seekable ? 0 : lseek(f->fd, 0, SEEK_CUR);
	if (at > 0 && !fstat(f->fd, &st) && S_ISREG(st.st_mode) && st.st_size < at &&
	    ftruncate(f->fd, at) < 0)
		r = -errno;
	return r;
}

int core_file_close(struct core_file *f, int status)
{
	int r = status ? 0 : end(f);

	if (f->fd >= 0 && !f->is_stdout && close(f->fd) < 0 && !r)
		r = -errno;
	if (!r && !status && f->made && strcmp(f->made, f->path) && rename(f->made, f->path) < 0)
		r = -errno;
	if (r)
		status = cannot(f->path, r);
	/* From here on it is whole, and nothing shall say otherwise. */
	for (size_t i = 0; i < sizeof ends / sizeof ends[0] && !status; i++)
		signal(ends[i], SIG_IGN);
	unfinished = NULL;
	if (status && f->made)
		unlink(f->made);
	free(f->buffer);
	free(f->made);
	f->buffer = NULL;
	f->made = NULL;
	f->fd = -1;
	return status;
}
