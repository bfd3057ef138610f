/* SPDX-License-Identifier: MIT */
/*
 * Memory of tracees, read and written by other ways than ptrace(): as the personality shows it
 * to their tracer. What is no such memory is the kernel's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "compat/supervise/supervise.h"

enum { CHUNK = 64 * 1024 };

struct span {
	uint64_t addr, size;
};

/* Where in a list of spans a transfer is. */
struct spans {
	struct span *v;
	size_t count, at;
	uint64_t done; /* of v[at] */
};

struct transfer {
	struct supervisor *s;
	struct notice *n;
	pid_t target;
	bool to_target;
	int nothing; /* what is returned when not one byte was moved */
	struct spans local, remote;
};

/* Native ones, or two 32-bit words each. */
static int read_spans(struct transfer *t, struct spans *out, uint64_t addr, uint64_t count)
{
	struct span wide[UIO_MAXIOV];
	uint32_t narrow[2 * UIO_MAXIOV];
	bool compat = t->n->caller.compat;
	int r;

	*out = (struct spans){ .v = calloc(count + 1, sizeof(struct span)), .count = count };
	if (!out->v)
		return -ENOMEM;
	r = !count ? 0
		   : caller_read(t->s, &t->n->caller, addr, compat ? (void *)narrow : (void *)wide,
				 count * (compat ? 2 * sizeof narrow[0] : sizeof wide[0]));
	for (size_t i = 0; i < count && r == 0; i++)
		out->v[i] = compat ? (struct span){ narrow[2 * i], narrow[2 * i + 1] } : wide[i];
	return r;
}

static int one_span(struct spans *out, uint64_t addr, uint64_t size)
{
	*out = (struct spans){ .v = malloc(sizeof(struct span)), .count = 1 };
	if (!out->v)
		return -ENOMEM;
	out->v[0] = (struct span){ addr, size };
	return 0;
}

/* The piece at which it is, at most @size bytes; false at the end. */
static bool piece_at(struct spans *s, uint64_t *addr, size_t *size)
{
	while (s->at < s->count && s->done == s->v[s->at].size) {
		s->at++;
		s->done = 0;
	}
	if (s->at == s->count)
		return false;
	*addr = s->v[s->at].addr + s->done;
	if (s->v[s->at].size - s->done < *size)
		*size = (size_t)(s->v[s->at].size - s->done);
	return true;
}

/*
 * process_vm_writev() writes where the program could; /proc/PID/mem, and so the personality,
 * anywhere. How many of @size bytes.
 */
static size_t writable(pid_t pid, uint64_t addr, size_t size)
{
	unsigned long long from, to;
	size_t most = 0;
	char path[32], line[4352], mode;
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	while (maps && most < size && fgets(line, sizeof line, maps))
		if (sscanf(line, "%llx-%llx %*c%c", &from, &to, &mode) == 3 && mode == 'w' &&
		    from <= addr + most && addr + most < to)
			most = (size_t)(to - addr);
	if (maps)
		fclose(maps);
	return most < size ? most : size;
}

static ssize_t move(struct transfer *t, uint64_t local, uint64_t remote, uint8_t *buf, size_t size)
{
	struct personality *p = t->s->personality;
	const struct caller *c = &t->n->caller;
	ssize_t n;
	int r;

	if (t->n->call == CALL_VM_WRITE) {
		size = writable(t->target, remote, size);
		if (!size)
			return -EFAULT;
	}
	if (t->to_target) {
		r = caller_read(t->s, c, local, buf, size);
		return r < 0 ? r : personality_write(p, c->pid, t->target, remote, buf, size);
	}
	n = personality_read(p, c->pid, t->target, remote, buf, size);
	r = n > 0 ? caller_write(t->s, c, local, buf, (size_t)n) : 0;
	return r < 0 ? r : n;
}

static int64_t run(struct transfer *t)
{
	uint8_t *buf = malloc(CHUNK);
	int64_t total = 0;
	ssize_t n = 0;

	for (;;) {
		uint64_t local, remote;
		size_t size = CHUNK;

		if (!buf || !piece_at(&t->local, &local, &size) ||
		    !piece_at(&t->remote, &remote, &size))
			break;
		n = move(t, local, remote, buf, size);
		if (n <= 0)
			break;
		total += n;
		t->local.done += (uint64_t)n;
		t->remote.done += (uint64_t)n;
		if ((size_t)n < size)
			break;
	}
	if (!buf)
		n = -ENOMEM;
	free(buf);
	return total ? total : n == 0 ? 0 : n == -EIO || n == -EFAULT ? t->nothing : n;
}

static uint64_t size_of(const struct spans *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->count; i++)
		sum += s->v[i].size;
	return sum;
}

/* ---- process_vm_readv(), process_vm_writev() ---- */

static bool open_vm(struct transfer *t)
{
	const uint64_t *a = t->n->args;
	long process;

	if (a[5] || a[2] > UIO_MAXIOV || a[4] > UIO_MAXIOV)
		return false;
	process = fd_status_number((pid_t)a[0], "Tgid");
	if (process <= 0)
		return false;
	t->target = (pid_t)process;
	t->to_target = t->n->call == CALL_VM_WRITE;
	t->nothing = -EFAULT;
	return personality_has_tracee(t->s->personality, t->n->caller.pid, t->target) &&
	       read_spans(t, &t->local, a[1], a[2]) == 0 &&
	       read_spans(t, &t->remote, a[3], a[4]) == 0;
}

/* ---- pread() and the like ---- */

/* The process whose memory an fd of the caller is; 0: it is something else. */
static pid_t process_of_fd(const struct notice *n)
{
	char path[64], link[64], end[8];
	ssize_t length;
	int pid, tid;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)n->caller.tid, (int)n->args[0]);
	length = readlink(path, link, sizeof link - 1);
	if (length < 0)
		return 0;
	link[length] = '\0';
	if (sscanf(link, "/proc/%d/task/%d/%7s", &pid, &tid, end) == 3 && !strcmp(end, "mem"))
		return pid;
	if (sscanf(link, "/proc/%d/%7s", &pid, end) == 2 && !strcmp(end, "mem"))
		return pid;
	return 0;
}

/* Opened for what it is used for: else the kernel has an error for that. */
static bool fd_allows(const struct notice *n, bool writing)
{
	char path[64], text[512], *at;
	unsigned flags;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)n->caller.tid, (int)n->args[0]);
	if (fd_read_file(path, text, sizeof text) < 0)
		return false;
	at = strstr(text, "flags:");
	if (!at || sscanf(at + 6, "%o", &flags) != 1)
		return false;
	flags &= O_ACCMODE;
	return flags == O_RDWR || flags == (writing ? O_WRONLY : O_RDONLY);
}

static uint64_t offset_of(const struct notice *n)
{
	return n->caller.compat ? n->args[3] | n->args[4] << 32 : n->args[3];
}

static bool open_file(struct transfer *t)
{
	const uint64_t *a = t->n->args;
	enum call call = t->n->call;
	bool vector = call == CALL_PREADV || call == CALL_PWRITEV;

	t->to_target = call == CALL_PWRITE || call == CALL_PWRITEV;
	t->target = process_of_fd(t->n);
	t->nothing = -EIO;
	if (!t->target || (vector && a[2] > UIO_MAXIOV) ||
	    !personality_has_tracee(t->s->personality, t->n->caller.pid, t->target) ||
	    !fd_allows(t->n, t->to_target))
		return false;
	if ((vector ? read_spans(t, &t->local, a[1], a[2]) : one_span(&t->local, a[1], a[2])) < 0)
		return false;
	return one_span(&t->remote, offset_of(t->n), size_of(&t->local)) == 0;
}

static bool begin(struct transfer *t)
{
	/* Most programs that come here trace nothing. */
	if (!t->s->tools.count || !notice_process(t->s, t->n) || !tool_find(t->s, t->n->caller.pid))
		return false;
	return t->n->call >= CALL_PREAD ? open_file(t) : open_vm(t);
}

void transfer_begin(struct supervisor *s, struct notice *n)
{
	struct transfer t = { .s = s, .n = n };

	if (begin(&t)) {
		uint64_t at = t.remote.count ? t.remote.v[0].addr : 0;
		int64_t result = run(&t);

		log_debug("%d: %s %d at %#llx = %lld", n->caller.tid,
			  t.to_target ? "write to" : "read of", t.target, (unsigned long long)at,
			  (long long)result);
		notice_answer(s, n, result);
	} else
		notice_continue(s, n);
	free(t.local.v);
	free(t.remote.v);
}
