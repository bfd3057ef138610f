/* SPDX-License-Identifier: MIT */
#include "cli/decode/table.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/decode/capture.h"
#include "cli/decode/dsl.h"

#define CALL(name, classes, result, ...) { #name, classes, result, { __VA_ARGS__ } },
#define CALL32(...)
static const struct call calls[] = {
#include "cli/decode/calls.def"
};
#undef CALL
#undef CALL32

#define CALL(...)
#define CALL32(name, classes, result, ...) { #name, classes, result, { __VA_ARGS__ } },
static const struct call calls32[] = {
#include "cli/decode/calls.def"
};

#define SELECT(...)
#define VARIANT(name, value, result, ...) { #name, value, { #name, 0, result, { __VA_ARGS__ } } },
static const struct variant variants[] = {
#include "cli/decode/variants.def"
};
#undef SELECT
#undef VARIANT

#define SELECT(name, arg, mask) { #name, arg, mask },
#define VARIANT(...)
static const struct selector selectors[] = {
#include "cli/decode/variants.def"
};

#define COUNT(v) (sizeof(v) / sizeof(v)[0])

/*
 * Numbers that libseccomp does not tell: those younger than it, and for i386 those of
 * calls that it takes for parts of socketcall() and ipc().
 */
static const struct {
	const char *name;
	int x86_64, i386; /* 0: none */
} more_numbers[] = {
#define BOTH(name, nr)        \
	{                     \
#name, nr, nr \
	}
	{ "uretprobe", 335, 0 },      { "uprobe", 336, 0 },
	BOTH(cachestat, 451),	      BOTH(fchmodat2, 452),
	BOTH(map_shadow_stack, 453),  BOTH(futex_wake, 454),
	BOTH(futex_wait, 455),	      BOTH(futex_requeue, 456),
	BOTH(statmount, 457),	      BOTH(listmount, 458),
	BOTH(lsm_get_self_attr, 459), BOTH(lsm_set_self_attr, 460),
	BOTH(lsm_list_modules, 461),  BOTH(mseal, 462),
	BOTH(setxattrat, 463),	      BOTH(getxattrat, 464),
	BOTH(listxattrat, 465),	      BOTH(removexattrat, 466),
	BOTH(open_tree_attr, 467),    BOTH(file_getattr, 468),
	BOTH(file_setattr, 469),      { "recvmmsg", 0, 337 },
	{ "sendmmsg", 0, 345 },	      { "socket", 0, 359 },
	{ "socketpair", 0, 360 },     { "bind", 0, 361 },
	{ "connect", 0, 362 },	      { "listen", 0, 363 },
	{ "accept4", 0, 364 },	      { "getsockopt", 0, 365 },
	{ "setsockopt", 0, 366 },     { "getsockname", 0, 367 },
	{ "getpeername", 0, 368 },    { "sendto", 0, 369 },
	{ "sendmsg", 0, 370 },	      { "recvfrom", 0, 371 },
	{ "recvmsg", 0, 372 },	      { "shutdown", 0, 373 },
	{ "semget", 0, 393 },	      { "semctl", 0, 394 },
	{ "shmget", 0, 395 },	      { "shmctl", 0, 396 },
	{ "shmat", 0, 397 },	      { "shmdt", 0, 398 },
	{ "msgget", 0, 399 },	      { "msgsnd", 0, 400 },
	{ "msgrcv", 0, 401 },	      { "msgctl", 0, 402 },
};

/* All calls: x86_64, then i386. */
static struct syscall table[2][SYSCALL_MAX];

static int index_of(uint32_t arch)
{
	return arch == COTRACE_ARCH_X86_64 ? 0 : arch == COTRACE_ARCH_I386 ? 1 : -1;
}

int table_number(uint32_t arch, const char *name)
{
	int nr;

	nr = seccomp_syscall_resolve_name_arch(
		arch == COTRACE_ARCH_I386 ? SCMP_ARCH_X86 : SCMP_ARCH_X86_64, name);
	if (nr >= 0 && nr < SYSCALL_MAX)
		return nr;
	for (unsigned i = 0; i < COUNT(more_numbers); i++) {
		nr = arch == COTRACE_ARCH_I386 ? more_numbers[i].i386 : more_numbers[i].x86_64;
		if (nr && !strcmp(more_numbers[i].name, name))
			return nr;
	}
	return -1;
}

const struct syscall *table_get(uint32_t arch, int64_t nr)
{
	int i = index_of(arch);

	if (i < 0 || nr < 0 || nr >= SYSCALL_MAX || !table[i][nr].call)
		return NULL;
	return &table[i][nr];
}

const struct call *table_call(const char *name)
{
	for (unsigned i = 0; i < COUNT(calls); i++)
		if (!strcmp(calls[i].name, name))
			return &calls[i];
	return NULL;
}

static unsigned chain_of(uint64_t value)
{
	return (unsigned)(value ^ value >> 6) % VARIANT_CHAINS;
}

/* Variants with the same hash are linked: 1 + index, 0 at the end. */
static uint16_t variant_next[COUNT(variants)];

static int link_variants(struct syscall *s, const struct selector *selector)
{
	const struct syscall *twin = NULL;

	s->selector = selector;
	for (unsigned i = 0; i < SYSCALL_MAX && !twin; i++)
		if (s->word == 4 && table[0][i].selector == selector)
			twin = &table[0][i];
	if (twin) {
		s->chains = twin->chains;
		return 0;
	}
	s->chains = calloc(VARIANT_CHAINS, sizeof *s->chains);
	if (!s->chains)
		return -ENOMEM;
	for (unsigned i = 0; i < COUNT(variants); i++) {
		unsigned chain = chain_of(variants[i].value);

		if (strcmp(variants[i].of, s->call->name))
			continue;
		variant_next[i] = s->chains[chain];
		s->chains[chain] = (uint16_t)(i + 1);
	}
	return 0;
}

const struct call *syscall_signature(const struct syscall *s, const uint64_t *args)
{
	uint64_t value;

	if (!s->selector)
		return s->call;
	value = args[s->selector->arg] & s->selector->mask;
	for (unsigned i = s->chains[chain_of(value)]; i; i = variant_next[i - 1])
		if (variants[i - 1].value == value)
			return &variants[i - 1].call;
	return s->call;
}

const struct call *syscall_each_signature(const struct syscall *s, unsigned *at)
{
	if (!(*at)++)
		return s->call;
	while (s->selector && *at - 2 < COUNT(variants)) {
		const struct variant *v = &variants[*at - 2];

		if (!strcmp(v->of, s->call->name))
			return &v->call;
		(*at)++;
	}
	return NULL;
}

static int add(uint32_t arch, const struct call *call)
{
	int nr = table_number(arch, call->name);
	struct syscall *s;

	if (nr < 0)
		return 0;
	s = &table[index_of(arch)][nr];
	s->call = call;
	s->nr = nr;
	s->word = arch == COTRACE_ARCH_I386 ? 4 : 8;
	for (unsigned i = 0; i < COUNT(selectors); i++)
		if (!strcmp(selectors[i].of, call->name))
			return link_variants(s, &selectors[i]);
	return 0;
}

int table_init(void)
{
	int r = 0;

	for (unsigned i = 0; i < COUNT(calls) && !r; i++) {
		r = add(COTRACE_ARCH_X86_64, &calls[i]);
		if (!r)
			r = add(COTRACE_ARCH_I386, &calls[i]);
	}
	for (unsigned i = 0; i < COUNT(calls32) && !r; i++)
		r = add(COTRACE_ARCH_I386, &calls32[i]);
	return r;
}

void table_capture(unsigned string_limit, bool verbose)
{
	for (unsigned i = 0; i < SYSCALL_MAX; i++)
		for (unsigned a = 0; a < 2; a++)
			if (table[a][i].call)
				capture_slots(&table[a][i], string_limit, verbose);
}

/* Edits that lead from @a to @b, up to 4. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], n = (unsigned)strlen(b);

	if (n >= 63 || strlen(a) >= 63)
		return 99;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

static const char *nearest_in(const char *name, const struct call *v, size_t count, unsigned *best)
{
	const char *found = NULL;

	for (size_t i = 0; i < count; i++) {
		unsigned d = distance(name, v[i].name);

		if (d < *best) {
			*best = d;
			found = v[i].name;
		}
	}
	return found;
}

const char *table_nearest(const char *name)
{
	unsigned best = (unsigned)strlen(name) / 2 + 1;
	const char *found = nearest_in(name, calls, COUNT(calls), &best);
	const char *found32 = nearest_in(name, calls32, COUNT(calls32), &best);

	return found32 ? found32 : found;
}

uint32_t table_class(const char *name)
{
	static const struct {
		const char *name;
		uint32_t class;
	} classes[] = {
		{ "file", CLASS_FILE },	      { "desc", CLASS_DESC },
		{ "process", CLASS_PROCESS }, { "network", CLASS_NETWORK },
		{ "net", CLASS_NETWORK },     { "signal", CLASS_SIGNAL },
		{ "memory", CLASS_MEMORY },   { "ipc", CLASS_IPC },
		{ "creds", CLASS_CREDS },     { "clock", CLASS_CLOCK },
		{ "stat", CLASS_STAT },	      { "statfs", CLASS_STATFS },
	};

	for (unsigned i = 0; i < COUNT(classes); i++)
		if (!strcmp(classes[i].name, name))
			return classes[i].class;
	return 0;
}
