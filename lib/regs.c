/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "lib/session.h"

#define SETS_A_MESSAGE 512u
#define SET_MAX 16384u /* larger than any register set that has names here */

/* Copies the set out; its length, and the task's architecture in *arch_id. */
static ssize_t read_set(struct cotrace *s, uint64_t task, unsigned set, void *buf, size_t size,
			unsigned *arch_id)
{
	struct wire_r_regset_read reply;
	struct call c;
	ssize_t n = call_begin(&c, s, WIRE_REGSET_READ);

	if (n < 0)
		return n;
	wire_put_regset_read(&c.out, &(struct wire_regset_read){ task, set });
	n = call_run(&c, -1, CLOCK_NEVER);
	if (n == 0 && !wire_get_r_regset_read(&c.in, &reply))
		n = -EPROTO;
	if (n == 0) {
		*arch_id = reply.arch;
		n = (ssize_t)wire_left(&c.in);
		if ((size_t)n > size)
			n = -ENOBUFS;
		else
			memcpy(buf, wire_get_bytes(&c.in, (size_t)n), (size_t)n);
	}
	call_end(&c);
	return n;
}

ssize_t cotrace_regset_read(struct cotrace *s, uint64_t task, unsigned set, void *buf, size_t size)
{
	unsigned arch_id;

	return read_set(s, task, set, buf, size, &arch_id);
}

static ssize_t read_one(struct cotrace *s, const struct cotrace_regset *v)
{
	return v->set == NT_SIGINFO ? cotrace_siginfo_read(s, v->task, v->buf, v->size)
				    : cotrace_regset_read(s, v->task, v->set, v->buf, v->size);
}

static int take_set(struct wire_reader *in, struct cotrace_regset *v)
{
	struct wire_regset record;
	const void *bytes;

	if (!wire_get_regset(in, &record) || record.error > 0)
		return -EPROTO;
	bytes = wire_get_bytes(in, record.size);
	if (bytes == NULL)
		return -EPROTO;
	v->result = record.error < 0	    ? record.error
		    : record.size > v->size ? -ENOBUFS
					    : (ssize_t)record.size;
	if (v->result > 0)
		memcpy(v->buf, bytes, record.size);
	return 0;
}

/* As many as come with one reply; *done becomes how many. */
static int read_some(struct cotrace *s, struct cotrace_regset *v, size_t n, size_t *done)
{
	const size_t some = n < SETS_A_MESSAGE ? n : SETS_A_MESSAGE;
	struct wire_r_regsets_read reply;
	struct call c;
	int r = call_begin(&c, s, WIRE_REGSETS_READ);

	if (r < 0)
		return r;
	wire_put_regsets_read(&c.out, &(struct wire_regsets_read){ (uint32_t)some });
	for (size_t i = 0; i < some; i++)
		wire_put_regset_asked(&c.out, &(struct wire_regset_asked){ v[i].task, v[i].set });
	r = call_run(&c, -1, CLOCK_NEVER);
	if (r == 0 &&
	    (!wire_get_r_regsets_read(&c.in, &reply) || reply.count == 0 || reply.count > some))
		r = -EPROTO;
	for (*done = 0; r == 0 && *done < reply.count; ++*done)
		r = take_set(&c.in, &v[*done]);
	call_end(&c);
	return r;
}

int cotrace_regset_read_all(struct cotrace *s, struct cotrace_regset *v, size_t n)
{
	while (n > 0) {
		size_t done = 0;
		int r = read_some(s, v, n, &done);

		if (r == -ENOSYS) /* an engine that knows single ones only */
			for (; done < n; done++)
				v[done].result = -EAGAIN;
		else if (r < 0)
			return r;
		for (size_t i = 0; i < done; i++)
			if (v[i].result == -EAGAIN) /* a call into the task is waited for */
				v[i].result = read_one(s, &v[i]);
		v += done;
		n -= done;
	}
	return 0;
}

int cotrace_regset_write(struct cotrace *s, uint64_t task, unsigned set, const void *buf,
			 size_t size)
{
	struct call c;
	int r = call_begin(&c, s, WIRE_REGSET_WRITE);

	if (r < 0)
		return r;
	wire_put_regset_write(&c.out, &(struct wire_regset_write){ task, set });
	wire_put_bytes(&c.out, buf, size);
	return call_finish(&c);
}

static const struct arch_register *find(unsigned arch_id, const char *name)
{
	const struct arch *a = arch_by_id(arch_id);

	if (a == NULL)
		return NULL;
	/* The same in every architecture; no register has a name with a dollar. */
	if (strcmp(name, "$pc") == 0)
		name = a->pc;
	else if (strcmp(name, "$sp") == 0)
		name = a->sp;
	return arch_find_register(a, name);
}

/*
 * The set that holds the named register, read into @buf. The task's architecture comes
 * with the first set read: most often that of the engine, so this is one round trip.
 */
static ssize_t read_set_of(struct cotrace *s, uint64_t task, const char *name, void *buf,
			   const struct arch_register **out)
{
	const struct arch_register *r = find(s->arch, name);
	unsigned set = r != NULL ? r->set : NT_PRSTATUS, arch_id = 0;
	ssize_t n = read_set(s, task, set, buf, SET_MAX, &arch_id);

	/* A set that this architecture does not have: learn which one it is. */
	if (n == -ENODEV && set != NT_PRSTATUS)
		n = read_set(s, task, set = NT_PRSTATUS, buf, SET_MAX, &arch_id);
	if (n < 0)
		return n;
	r = find(arch_id, name);
	if (r == NULL)
		return -ENOENT;
	if (r->set != set)
		n = read_set(s, task, r->set, buf, SET_MAX, &arch_id);
	*out = r;
	return n;
}

ssize_t cotrace_register_read(struct cotrace *s, uint64_t task, const char *name, void *buf,
			      size_t size)
{
	const struct arch_register *r;
	uint8_t set[SET_MAX];
	ssize_t n = read_set_of(s, task, name, set, &r);
	int error;

	if (n < 0)
		return n;
	if (r->width > size)
		return -ENOBUFS;
	error = arch_register_get(r, set, (size_t)n, buf);
	return error < 0 ? -ENODEV : r->width;
}

int cotrace_register_write(struct cotrace *s, uint64_t task, const char *name, const void *buf,
			   size_t size)
{
	const struct arch_register *r;
	uint8_t set[SET_MAX];
	ssize_t n = read_set_of(s, task, name, set, &r);

	if (n == -EBUSY) /* whoever may not write at all shall learn that instead */
		return cotrace_regset_write(s, task, NT_PRSTATUS, set, 0);
	if (n < 0)
		return (int)n;
	if (r->width != size)
		return -EINVAL;
	if (arch_register_put(r, set, (size_t)n, buf) < 0)
		return -ENODEV;
	return cotrace_regset_write(s, task, r->set, set, (size_t)n);
}

int cotrace_regsets(enum cotrace_arch arch, unsigned *v, size_t max)
{
	const struct arch *a = arch_by_id(arch);

	if (a == NULL)
		return -EINVAL;
	for (size_t i = 0; i < a->regset_count && i < max; i++)
		v[i] = a->regsets[i];
	return (int)a->regset_count;
}

ssize_t cotrace_register_extract(enum cotrace_arch arch, const char *name, unsigned set,
				 const void *bytes, size_t count, void *buf, size_t size)
{
	const struct arch_register *r = find(arch, name);

	if (r == NULL)
		return -ENOENT;
	if (r->set != set)
		return -ENODATA;
	if (r->width > size)
		return -ENOBUFS;
	return arch_register_get(r, bytes, count, buf) < 0 ? -ENODATA : r->width;
}
