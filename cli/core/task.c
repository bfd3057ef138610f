/* SPDX-License-Identifier: MIT */
/* The notes of tasks, in the layouts of the kernel's <linux/elfcore.h>. */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/core/core.h"

#define SET_BYTES 16384 /* more than any register set has */
#define NAME_BYTES 16
#define ARGUMENT_BYTES 80

/* What /proc/TID/stat and status tell. */
struct facts {
	char state, name[NAME_BYTES];
	int parent, group, session;
	unsigned long flags;
	long nice;
	unsigned long times[4]; /* user, system, those of children; in clock ticks */
	uint64_t pending, blocked;
	unsigned uid, gid;
};

static void parse_stat(struct facts *f, const char *text)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');

	if (!open || !close || close < open)
		return;
	snprintf(f->name, sizeof f->name, "%.*s", (int)(close - open - 1), open + 1);
	sscanf(close + 1, " %c %d %d %d %*d %*d %lu %*u %*u %*u %*u %lu %lu %lu %lu %*d %ld",
	       &f->state, &f->parent, &f->group, &f->session, &f->flags, &f->times[0], &f->times[1],
	       &f->times[2], &f->times[3], &f->nice);
}

static const char *value(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) : "";
}

static void parse_status(struct facts *f, const char *text)
{
	f->pending = strtoull(value(text, "\nSigPnd:"), NULL, 16);
	f->blocked = strtoull(value(text, "\nSigBlk:"), NULL, 16);
	f->uid = (unsigned)strtoul(value(text, "\nUid:"), NULL, 10);
	f->gid = (unsigned)strtoul(value(text, "\nGid:"), NULL, 10);
}

/* What cannot be read stays zero: the registers count. */
static void read_facts(struct facts *f, pid_t tid)
{
	ssize_t size;
	char *text = maps_slurp(tid, "stat", &size);

	*f = (struct facts){ .state = 'R' };
	if (text)
		parse_stat(f, text);
	free(text);
	text = maps_slurp(tid, "status", &size);
	if (text)
		parse_status(f, text);
	free(text);
}

static void put_int(struct core *c, int32_t v)
{
	out_mem(&c->notes, &v, sizeof v);
}

static void put_time(struct core *c, unsigned long ticks)
{
	unsigned long per_second = (unsigned long)sysconf(_SC_CLK_TCK);

	core_put_word(c, ticks / per_second);
	core_put_word(c, ticks % per_second * 1000000 / per_second);
}

/* struct elf_prstatus */
static void put_prstatus(struct core *c, const struct core_task *t, const void *regs, size_t size)
{
	const size_t word = c->arch->word, head = 16 + 2 * word + 16 + 8 * word;
	const siginfo_t *info = &t->siginfo;
	struct facts f;
	int16_t signo = t->has_signal ? (int16_t)info->si_signo : 0;
	size_t total = (head + size + 4 + word - 1) / word * word;

	read_facts(&f, t->info->tid);
	core_note_begin(c, "CORE", NT_PRSTATUS, total);
	put_int(c, signo);
	put_int(c, t->has_signal ? info->si_code : 0);
	put_int(c, t->has_signal ? info->si_errno : 0);
	out_mem(&c->notes, &signo, sizeof signo);
	out_mem(&c->notes, "\0", 2);
	core_put_word(c, f.pending);
	core_put_word(c, f.blocked);
	put_int(c, t->info->tid);
	put_int(c, f.parent);
	put_int(c, f.group);
	put_int(c, f.session);
	for (size_t i = 0; i < 4; i++)
		put_time(c, f.times[i]);
	out_mem(&c->notes, regs, size);
	put_int(c, 1); /* the floating point registers are there */
	for (size_t n = head + size + 4; n < total; n++)
		out_char(&c->notes, '\0');
	core_note_end(c);
}

static void put_siginfo(struct core *c, const struct core_task *t)
{
	uint8_t siginfo[sizeof t->siginfo] = { 0 };

	if (!t->has_signal)
		return;
	core_convert_siginfo(c->arch, &t->siginfo, siginfo);
	core_note_begin(c, "CORE", NT_SIGINFO, sizeof siginfo);
	out_mem(&c->notes, siginfo, sizeof siginfo);
	core_note_end(c);
}

static void put_set(struct core *c, unsigned set, const void *bytes, size_t size)
{
	core_note_begin(c, set == NT_PRFPREG ? "CORE" : "LINUX", set, size);
	out_mem(&c->notes, bytes, size);
	core_note_end(c);
}

int core_sets_init(struct core_sets *sets, const struct core *c, size_t tasks)
{
	int count = cotrace_regsets(c->arch->id, sets->kinds, CORE_SETS_MAX);

	sets->count = count < 0 ? 0 : count < (int)CORE_SETS_MAX ? (size_t)count : CORE_SETS_MAX;
	sets->v = calloc(tasks * sets->count + 1, sizeof *sets->v);
	sets->bytes = malloc(tasks * sets->count * SET_BYTES + 1);
	return sets->v && sets->bytes ? 0 : -ENOMEM;
}

void core_sets_deinit(struct core_sets *sets)
{
	free(sets->v);
	free(sets->bytes);
}

int core_sets_read(struct core_sets *sets, const struct core *c, const struct core_task *tasks,
		   size_t n)
{
	for (size_t i = 0; i < n * sets->count; i++)
		sets->v[i] = (struct cotrace_regset){ .task = tasks[i / sets->count].info->task,
						      .set = sets->kinds[i % sets->count],
						      .buf = sets->bytes + i * SET_BYTES,
						      .size = SET_BYTES };
	return cotrace_regset_read_all(c->snapshot.session, sets->v, n * sets->count);
}

int core_put_task(struct core *c, const struct core_task *t, const struct cotrace_regset *sets,
		  size_t count)
{
	/* A task in the other mode of its CPU has registers that this core has no room for. */
	if (t->info->arch != c->arch->id)
		return -EBUSY;
	for (size_t i = 0; i < count; i++) {
		ssize_t n = sets[i].result;

		if (n < 0 && (i == 0 || n == -ESRCH))
			return (int)n;
		if (n <= 0)
			continue;
		if (i == 0) {
			put_prstatus(c, t, sets[i].buf, (size_t)n);
			put_siginfo(c, t);
		} else
			put_set(c, sets[i].set, sets[i].buf, (size_t)n);
	}
	return 0;
}

static void put_id(struct core *c, unsigned id)
{
	uint16_t low = id > UINT16_MAX ? UINT16_MAX - 1 : (uint16_t)id; /* as the kernel says it */

	if (c->arch->user_bytes == sizeof low)
		out_mem(&c->notes, &low, sizeof low);
	else
		out_mem(&c->notes, &id, sizeof id);
}

static void put_text(struct core *c, const char *text, size_t size)
{
	size_t n = text ? strnlen(text, size - 1) : 0;

	out_mem(&c->notes, text, n);
	for (; n < size; n++)
		out_char(&c->notes, '\0');
}

static char *arguments(pid_t tid)
{
	ssize_t size;
	char *text = maps_slurp(tid, "cmdline", &size);

	for (ssize_t i = 0; text && i + 1 < size; i++)
		if (!text[i])
			text[i] = ' ';
	return text;
}

/* struct elf_prpsinfo */
void core_put_process(struct core *c)
{
	static const char states[] = "RSDTZW";
	const size_t word = c->arch->word, ids = 2 * c->arch->user_bytes;
	char *command = arguments(c->snapshot.tid);
	const char *at;
	struct facts f;

	read_facts(&f, c->snapshot.pid);
	at = strchr(states, f.state == 't' ? 'T' : f.state);
	core_note_begin(c, "CORE", NT_PRPSINFO, 2 * word + ids + 16 + NAME_BYTES + ARGUMENT_BYTES);
	out_char(&c->notes, (char)(at && *at ? at - states : 0));
	out_char(&c->notes, at && *at ? *at : '.');
	out_char(&c->notes, f.state == 'Z');
	out_char(&c->notes, (char)f.nice);
	for (size_t n = 4; n < word; n++)
		out_char(&c->notes, '\0');
	core_put_word(c, f.flags);
	put_id(c, f.uid);
	put_id(c, f.gid);
	put_int(c, c->snapshot.pid);
	put_int(c, f.parent);
	put_int(c, f.group);
	put_int(c, f.session);
	put_text(c, f.name, NAME_BYTES);
	put_text(c, command, ARGUMENT_BYTES);
	core_note_end(c);
	free(command);
}
