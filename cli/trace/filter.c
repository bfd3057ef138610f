/* SPDX-License-Identifier: MIT */
#include "cli/trace/filter.h"

#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/decode/table.h"

void filter_init(struct filter *f)
{
	f->all = true;
	cotrace_syscall_set_fill(&f->x86_64);
	cotrace_syscall_set_fill(&f->i386);
	f->signals = UINT64_MAX;
}

static struct cotrace_syscall_set *set_of(struct filter *f, uint32_t arch)
{
	return arch == COTRACE_ARCH_I386 ? &f->i386 : &f->x86_64;
}

static const uint32_t arches[] = { COTRACE_ARCH_X86_64, COTRACE_ARCH_I386 };

/* Adds every call for which @match says so. Returns how many. */
static int add_matching(struct filter *f, bool (*match)(const struct call *, const void *),
			const void *context)
{
	int added = 0;

	for (unsigned a = 0; a < 2; a++)
		for (int nr = 0; nr < SYSCALL_MAX; nr++) {
			const struct syscall *s = table_get(arches[a], nr);

			if (s && match(s->call, context)) {
				cotrace_syscall_set_add(set_of(f, arches[a]), nr);
				added++;
			}
		}
	return added;
}

static bool has_name(const struct call *call, const void *name)
{
	return !strcmp(call->name, name);
}

static bool has_class(const struct call *call, const void *classes)
{
	return call->classes & *(const uint32_t *)classes;
}

static bool concerns_fds(const struct call *call, const void *unused)
{
	static const char *const names[] = { "close", "close_range", "chdir", "fchdir", "pipe",
					     "pipe2", "socketpair",  "fcntl", "fcntl64" };

	(void)unused;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (has_name(call, names[i]))
			return true;
	return call->result.show == SHOW_FD;
}

void filter_add_fd_calls(struct filter *f)
{
	add_matching(f, concerns_fds, NULL);
}

bool filter_has(const struct filter *f, uint32_t arch, int64_t nr)
{
	const struct cotrace_syscall_set *set = arch == COTRACE_ARCH_I386 ? &f->i386 : &f->x86_64;

	/* What has no place in a set is seen only by those who asked for all. */
	return f->all || nr < 0 || nr >= SYSCALL_MAX || cotrace_syscall_set_has(set, (int)nr);
}

static bool has_pattern(const struct call *call, const void *regex)
{
	return !regexec(regex, call->name, 0, NULL, 0);
}

static int add_regex(struct filter *f, const char *pattern)
{
	regex_t regex;
	int added;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return complain(EXIT_USAGE, "/%s is not a regular expression (see regex(7))",
				pattern);
	added = add_matching(f, has_pattern, &regex);
	regfree(&regex);
	if (!added)
		return complain(EXIT_USAGE, "no system call matches /%s", pattern);
	return 0;
}

static int unknown_name(const char *name)
{
	const char *nearest = table_nearest(name);

	if (nearest)
		return complain(EXIT_USAGE, "%s is no system call and no class; did you mean %s?",
				name, nearest);
	return complain(EXIT_USAGE,
			"%s is no system call and no class (file, desc, process, network, "
			"signal, memory, ipc, creds, clock, stat, statfs)",
			name);
}

/* A name, a class with or without %, /regex, a number; ?name may be unknown. */
static int add_call(struct filter *f, const char *name)
{
	bool optional = *name == '?';
	uint32_t classes;
	long nr;

	name += optional;
	if (*name == '/')
		return add_regex(f, name + 1);
	if (*name >= '0' && *name <= '9') {
		nr = *name == '0' && !name[1] ? 0 : parse_number(name);
		if (nr < 0 || nr >= SYSCALL_MAX)
			return unknown_name(name);
		cotrace_syscall_set_add(&f->x86_64, (int)nr);
		cotrace_syscall_set_add(&f->i386, (int)nr);
		return 0;
	}
	if (*name != '%' && add_matching(f, has_name, name))
		return 0;
	classes = table_class(*name == '%' ? name + 1 : name);
	if (classes)
		return add_matching(f, has_class, &classes) ? 0 : unknown_name(name);
	return optional ? 0 : unknown_name(name);
}

static int signal_number(const char *name)
{
	if (*name >= '0' && *name <= '9') {
		long n = parse_number(name);

		return n > 0 && n <= 64 ? (int)n : -1;
	}
	if (!strncasecmp(name, "SIG", 3))
		name += 3;
	for (int n = 1; n < 32; n++)
		if (sigabbrev_np(n) && !strcasecmp(sigabbrev_np(n), name))
			return n;
	if (!strcasecmp(name, "IO"))
		return SIGIO;
	if (!strcasecmp(name, "RTMIN"))
		return 32;
	if (!strncasecmp(name, "RT_", 3) && parse_number(name + 3) > 0 &&
	    parse_number(name + 3) <= 32)
		return 32 + (int)parse_number(name + 3);
	return -1;
}

static int add_signal(struct filter *f, const char *name)
{
	int n = signal_number(name);

	if (n < 0)
		return complain(EXIT_USAGE, "%s is no signal; kill -l lists them", name);
	f->signals |= 1ull << (n - 1);
	return 0;
}

/* Calls @add for each element of a comma-separated list. */
static int add_list(struct filter *f, const char *list, int (*add)(struct filter *, const char *))
{
	char *copy = strdup(list), *rest = copy, *item;
	int status = copy ? 0 : complain(EXIT_FAILURE, "out of memory");

	while (!status && copy && (item = strsep(&rest, ",")))
		if (*item)
			status = add(f, item);
	free(copy);
	return status;
}

static void invert(struct cotrace_syscall_set *set)
{
	for (unsigned i = 0; i < sizeof set->bits / sizeof set->bits[0]; i++)
		set->bits[i] = ~set->bits[i];
}

static int parse_calls(struct filter *f, const char *set)
{
	bool not = *set == '!';
	int status = 0;

	set += not ;
	cotrace_syscall_set_clear(&f->x86_64);
	cotrace_syscall_set_clear(&f->i386);
	if (!strcmp(set, "all"))
		not = !not ;
	else if (strcmp(set, "none"))
		status = add_list(f, set, add_call);
	f->all = not &&(!strcmp(set, "all") || !strcmp(set, "none"));
	if (not ) {
		invert(&f->x86_64);
		invert(&f->i386);
	}
	return status;
}

static int parse_signals(struct filter *f, const char *set)
{
	bool not = *set == '!';
	int status = 0;

	set += not ;
	f->signals = 0;
	if (!strcmp(set, "all"))
		f->signals = UINT64_MAX;
	else if (strcmp(set, "none"))
		status = add_list(f, set, add_signal);
	if (not )
		f->signals = ~f->signals;
	return status;
}

int filter_parse(struct filter *f, const char *expression)
{
	static const struct {
		const char *prefix;
		int (*parse)(struct filter *, const char *);
	} forms[] = { { "trace=", parse_calls },
		      { "t=", parse_calls },
		      { "signal=", parse_signals },
		      { "signals=", parse_signals },
		      { "s=", parse_signals } };
	const char *equals = strchr(expression, '=');

	for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++)
		if (!strncmp(expression, forms[i].prefix, strlen(forms[i].prefix)))
			return forms[i].parse(f, expression + strlen(forms[i].prefix));
	if (equals && *expression != '/')
		return complain(EXIT_USAGE, "-e %.*s= is not known; use trace=SET or signal=SET",
				(int)(equals - expression), expression);
	return parse_calls(f, expression);
}
