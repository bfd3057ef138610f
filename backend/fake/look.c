/* SPDX-License-Identifier: MIT */
/* Calls, registers and memory of the fake tasks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/fake/internal.h"

static struct fake_task *at_kind(struct fake *f, pid_t tid, enum backend_kind kind,
				 const char *what)
{
	struct fake_task *t = fake_expect(f, tid, true, what);

	if (t != NULL && t->kind != kind)
		fake_complain(f, "%s of %d at a stop of kind %d", what, (int)tid, (int)t->kind);
	return t;
}

/* Before the kernel makes its call. */
static struct fake_task *at_call(struct fake *f, pid_t tid, const char *what)
{
	struct fake_task *t = fake_task(f, tid);

	return at_kind(f, tid,
		       t && t->kind == BACKEND_SECCOMP ? BACKEND_SECCOMP : BACKEND_SYSCALL_ENTRY,
		       what);
}

int fake_syscall_get(struct backend *b, pid_t tid, struct backend_syscall *call)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_task(f, tid);
	int r = fake_called(f, (struct fake_call){ FAKE_SYSCALL_GET, tid }, t ? 0 : -ESRCH);

	if (r == 0 && t != NULL && t->kind != BACKEND_SYSCALL_ENTRY && t->kind != BACKEND_SECCOMP)
		return -EBUSY;
	if (r == 0 && t != NULL)
		*call = t->call;
	return r;
}

int fake_syscall_set(struct backend *b, pid_t tid, const struct backend_syscall *call)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = at_call(f, tid, "syscall_set");
	int r = fake_called(f, (struct fake_call){ FAKE_SYSCALL_SET, tid, .value = call->nr },
			    t ? 0 : -ESRCH);

	if (r == 0)
		t->call = *call;
	return r;
}

int fake_syscall_restore(struct backend *b, pid_t tid, const struct backend_syscall *made,
			 const struct backend_syscall *original)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = at_kind(f, tid, BACKEND_SYSCALL_EXIT, "syscall_restore");

	(void)made;
	return fake_called(f,
			   (struct fake_call){ FAKE_SYSCALL_RESTORE, tid, .value = original->nr },
			   t ? 0 : -ESRCH);
}

int fake_syscall_deny(struct backend *b, pid_t tid, int64_t result)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = at_call(f, tid, "syscall_deny");

	return fake_called(f, (struct fake_call){ FAKE_SYSCALL_DENY, tid, .value = result },
			   t ? 0 : -ESRCH);
}

int fake_result_set(struct backend *b, pid_t tid, int64_t result)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = at_kind(f, tid, BACKEND_SYSCALL_EXIT, "result_set");
	int r = fake_called(f, (struct fake_call){ FAKE_RESULT_SET, tid, .value = result },
			    t ? 0 : -ESRCH);

	if (r == 0)
		t->call.result = result;
	return r;
}

int fake_siginfo_set(struct backend *b, pid_t tid, const siginfo_t *info)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = at_kind(f, tid, BACKEND_SIGNAL, "siginfo_set");
	int r = fake_called(f, (struct fake_call){ FAKE_SIGINFO_SET, tid, .signo = info->si_signo },
			    t ? 0 : -ESRCH);

	if (r == 0)
		t->siginfo = *info;
	return r;
}

ssize_t fake_regset_get(struct backend *b, pid_t tid, unsigned set, void *buf, size_t size)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "regset_get");
	int r = fake_called(f, (struct fake_call){ FAKE_REGSET_GET, tid },
			    t == NULL		 ? -ESRCH
			    : set != FAKE_REGSET ? -ENODEV
						 : 0);

	if (r < 0)
		return r;
	if (size > FAKE_REGS)
		size = FAKE_REGS;
	memcpy(buf, t->regs, size); /* NOLINT(clang-analyzer-core.NonNullParamChecker) */
	return (ssize_t)size;
}

int fake_regset_set(struct backend *b, pid_t tid, unsigned set, const void *buf, size_t size)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "regset_set");
	int r = fake_called(f, (struct fake_call){ FAKE_REGSET_SET, tid },
			    t == NULL					      ? -ESRCH
			    : set != FAKE_REGSET || size > FAKE_REGS || !size ? -ENODEV
									      : 0);

	if (r == 0)
		memcpy(t->regs, buf, size); /* NOLINT(clang-analyzer-core.NonNullParamChecker) */
	return r;
}

/* The mask; of anything else the numbers @from, @from + 1, ... up to 5. */
ssize_t fake_state_get(struct backend *b, pid_t tid, enum backend_state what, uint64_t from,
		       void *buf, size_t size)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "state_get");
	uint64_t v[6] = { t ? t->mask : 0 };
	size_t n = what == BACKEND_STATE_SIGNAL_MASK ? 1 : 0;
	int r = fake_called(f, (struct fake_call){ FAKE_STATE_GET, tid, (int)what },
			    t ? 0 : -ESRCH);

	for (; what != BACKEND_STATE_SIGNAL_MASK && from < 6; from++)
		v[n++] = from;
	if (r == 0 && n * sizeof *v > size)
		r = -ENOBUFS;
	if (r < 0)
		return r;
	memcpy(buf, v, n * sizeof *v);
	return (ssize_t)(n * sizeof *v);
}

int fake_state_set(struct backend *b, pid_t tid, enum backend_state what, const void *buf,
		   size_t size)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "state_set");
	bool wrong = what != BACKEND_STATE_SIGNAL_MASK || size != sizeof t->mask;
	int r = fake_called(f, (struct fake_call){ FAKE_STATE_SET, tid, (int)what },
			    t == NULL ? -ESRCH
			    : wrong   ? -EINVAL
				      : 0);

	if (r == 0)
		memcpy(&t->mask, buf, size); /* NOLINT(clang-analyzer-core.NonNullParamChecker) */
	return r;
}

uint32_t fake_task_arch(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_task(fake_of(b), tid);

	return t ? t->arch : 0;
}

unsigned fake_debug_count(struct backend *b)
{
	(void)b;
	return FAKE_DEBUG;
}

int fake_debug_set(struct backend *b, pid_t tid, const struct backend_debug *before,
		   const struct backend_debug *now)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_expect(f, tid, true, "debug_set");
	int r = fake_called(f, (struct fake_call){ FAKE_DEBUG_SET, tid }, t ? 0 : -ESRCH);

	if (t != NULL && memcmp(before, t->debug, sizeof t->debug) != 0)
		fake_complain(f, "debug_set of %d from registers that it has not", (int)tid);
	if (t != NULL && t->debug_hits)
		fake_complain(f, "debug_set of %d with hits that nobody has asked for", (int)tid);
	if (r == 0)
		memcpy(t->debug, now,
		       sizeof t->debug); /* NOLINT(clang-analyzer-core.NonNullParamChecker) */
	return r;
}

unsigned fake_debug_hits(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_expect(fake_of(b), tid, true, "debug_hits");
	unsigned hits = t ? t->debug_hits : 0;

	if (t != NULL)
		t->debug_hits = 0;
	return hits;
}

int fake_debug_pass(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_expect(fake_of(b), tid, true, "debug_pass");

	return fake_called(fake_of(b), (struct fake_call){ FAKE_DEBUG_PASS, tid }, t ? 0 : -ESRCH);
}

/* All or none of them, and one for each that is set. The task may be gone. */
unsigned fake_kernel_set(struct backend *b, pid_t tid, const struct backend_debug *now)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_task(f, tid);
	int r = fake_called(f, (struct fake_call){ FAKE_KERNEL_SET, tid }, t ? 0 : -ESRCH);
	unsigned has = 0, used = 0;

	if (t == NULL)
		return 0;
	memset(t->kernel, 0, sizeof t->kernel);
	for (unsigned i = 0; r == 0 && i < BACKEND_DEBUG_MAX; i++) {
		t->kernel[i] = now[i];
		has |= now[i].kind != BACKEND_DEBUG_NONE ? 1u << i : 0;
		used += t->debug[i].kind != BACKEND_DEBUG_NONE;
	}
	if (used + (unsigned)__builtin_popcount(has) > FAKE_DEBUG)
		fake_complain(f, "kernel_set of %d: more than there are", (int)tid);
	return has;
}

unsigned fake_kernel_hits(struct backend *b, pid_t tid)
{
	struct fake_task *t = fake_expect(fake_of(b), tid, true, "kernel_hits");
	unsigned hits = t ? t->kernel_hits : 0;

	if (t != NULL)
		t->kernel_hits = 0;
	return hits;
}

int fake_memory_of(const struct fake *f, pid_t pid)
{
	for (int i = 0; i < f->top; i++)
		if (f->tasks[i].tid && f->tasks[i].pid == pid && f->tasks[i].memory)
			return f->tasks[i].memory;
	return pid;
}

bool fake_shares(const struct fake *f, pid_t one, pid_t other)
{
	return fake_memory_of(f, one) == fake_memory_of(f, other);
}

static bool is_used(const struct fake *f, int id)
{
	for (int i = 0; i < f->top; i++)
		if (f->tasks[i].tid && f->tasks[i].memory == id)
			return true;
	return false;
}

void fake_leave_memory(struct fake *f, pid_t pid)
{
	int id = fake_memory_of(f, pid);

	for (int i = 0; i < f->top; i++)
		if (f->tasks[i].pid == pid)
			f->tasks[i].memory = 0;
	if (is_used(f, id))
		id = --f->last_memory;
	for (int i = 0; i < f->top; i++)
		if (f->tasks[i].pid == pid)
			f->tasks[i].memory = id;
}

static int new_memory(struct fake *f)
{
	for (int i = 0; i < FAKE_TASKS; i++) {
		if (f->memory[i] == NULL)
			f->memory[i] = calloc(1, sizeof **f->memory);
		else if (is_used(f, f->memory[i]->id))
			continue;
		else
			memset(f->memory[i], 0, sizeof **f->memory);
		return f->memory[i] ? i : -1;
	}
	return -1;
}

static uint8_t *bytes_of(struct fake *f, int id)
{
	int i;

	for (i = 0; i < FAKE_TASKS && f->memory[i] != NULL; i++)
		if (f->memory[i]->id == id)
			return f->memory[i]->bytes;
	i = new_memory(f);
	if (i < 0)
		return NULL;
	f->memory[i]->id = id;
	return f->memory[i]->bytes;
}

uint8_t *fake_memory(struct fake *f, pid_t pid)
{
	return bytes_of(f, fake_memory_of(f, pid));
}

/* A file that says of which memory it is. */
static int memory_file(int id)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, &id, sizeof id) != (ssize_t)sizeof id) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -errno : fd;
}

int fake_memory_open(struct backend *b, pid_t pid, bool writable)
{
	struct fake *f = fake_of(b);
	const struct fake_task *t = fake_task(f, pid);
	int r = fake_called(f, (struct fake_call){ FAKE_MEMORY_OPEN, pid }, t ? 0 : -ESRCH);

	(void)writable;
	return r < 0 || t == NULL ? r : memory_file(fake_memory_of(f, t->pid));
}

/* Where @at is, and how much of @size lies there. NULL: nothing. */
static uint8_t *place(struct fake *f, int id, uint64_t at, size_t *size)
{
	uint8_t *bytes = bytes_of(f, id);

	if (bytes == NULL || at < FAKE_MEMORY_AT || at - FAKE_MEMORY_AT >= FAKE_MEMORY)
		return NULL;
	at -= FAKE_MEMORY_AT;
	if (*size > FAKE_MEMORY - at)
		*size = FAKE_MEMORY - at;
	return bytes + at;
}

ssize_t fake_memory_read(struct backend *b, pid_t tid, uint64_t at, void *buf, size_t size)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_task(f, tid);
	uint8_t *from = t ? place(f, fake_memory_of(f, t->pid), at, &size) : NULL;
	int r = fake_called(f, (struct fake_call){ FAKE_MEMORY_READ, tid },
			    t == NULL	   ? -ESRCH
			    : from == NULL ? -EFAULT
					   : 0);

	if (r < 0 || from == NULL)
		return r;
	memcpy(buf, from, size);
	return (ssize_t)size;
}

ssize_t fake_memory_write(struct backend *b, pid_t tid, int fd, uint64_t at, const void *buf,
			  size_t size)
{
	struct fake *f = fake_of(b);
	struct fake_task *t = fake_task(f, tid);
	uint8_t *to = t ? place(f, fake_memory_of(f, t->pid), at, &size) : NULL;
	int r = fake_called(f, (struct fake_call){ FAKE_MEMORY_WRITE, tid },
			    t == NULL	 ? -ESRCH
			    : to == NULL ? -EFAULT
					 : 0);

	(void)fd;
	(void)fd;
	if (r < 0 || to == NULL)
		return r;
	if (size)
		memcpy(to, buf, size);
	return (ssize_t)size;
}

int fake_memory_restore(struct backend *b, int fd, uint64_t at, const uint8_t *trap,
			const uint8_t *original, size_t size)
{
	struct fake *f = fake_of(b);
	uint8_t *to;
	int id;

	if (pread(fd, &id, sizeof id, 0) != (ssize_t)sizeof id || !is_used(f, id))
		return -ESTALE;
	to = place(f, id, at, &size);
	if (to != NULL && memcmp(to, trap, size) == 0)
		memcpy(to, original, size);
	return 0;
}

ssize_t fake_memory_store(struct backend *b, pid_t tid, uint64_t at, const void *buf, size_t size)
{
	return fake_memory_write(b, tid, -1, at, buf, size);
}
