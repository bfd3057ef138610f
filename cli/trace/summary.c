/* SPDX-License-Identifier: MIT */
/* The table of -c. */
#include <stdlib.h>
#include <string.h>

#include "cli/trace/tracer.h"

struct line {
	const char *name;
	char buf[32];
	struct summary_row row;
};

static unsigned arch_index(uint32_t arch)
{
	return arch == COTRACE_ARCH_I386;
}

void summary_count(struct tracer *tr, struct task *task, const struct cotrace_event *ev)
{
	int64_t nr = ev->syscall.nr;
	struct summary_row *row;

	if (nr < 0 || nr > SYSCALL_MAX)
		nr = SYSCALL_MAX;
	row = &tr->summary[arch_index(ev->arch)][nr];
	row->calls++;
	row->errors += ev->syscall.is_error;
	if (task->in_call && ev->time_ns > task->entry_ns)
		row->time_ns += ev->time_ns - task->entry_ns;
}

static const char *sort_key;

static uint64_t key_of(const struct summary_row *row)
{
	switch (sort_key[0]) {
	case 'c':
		return row->calls;
	case 'e':
		return row->errors;
	case 'a':
		return row->calls ? row->time_ns / row->calls : 0;
	default:
		return row->time_ns;
	}
}

static int compare(const void *x, const void *y)
{
	const struct line *a = x, *b = y;
	uint64_t ka = key_of(&a->row), kb = key_of(&b->row);

	if (!strcmp(sort_key, "name") || ka == kb)
		return strcmp(a->name, b->name);
	return ka < kb ? 1 : -1;
}

/* @places digits behind the point, @width characters in all. */
static void fixed(struct out *out, double v, int width, int places)
{
	out_format(out, "%*.*f", width, places, v);
}

static void print_line(struct out *out, const struct summary_row *row, uint64_t total_ns,
		       const char *name)
{
	fixed(out, total_ns ? 100.0 * (double)row->time_ns / (double)total_ns : 0, 6, 2);
	out_char(out, ' ');
	fixed(out, (double)row->time_ns / 1e9, 11, 6);
	out_char(out, ' ');
	out_u64_width(out, row->calls ? row->time_ns / 1000 / row->calls : 0, 11, ' ');
	out_char(out, ' ');
	out_u64_width(out, row->calls, 9, ' ');
	out_char(out, ' ');
	if (row->errors)
		out_u64_width(out, row->errors, 9, ' ');
	else
		out_str(out, "         ");
	out_char(out, ' ');
	out_str(out, name);
	out_newline(out);
}

static size_t collect(struct tracer *tr, struct line *lines, struct summary_row *total)
{
	static const uint32_t arches[] = { COTRACE_ARCH_X86_64, COTRACE_ARCH_I386 };
	size_t n = 0;

	for (unsigned a = 0; a < 2; a++)
		for (int nr = 0; nr <= SYSCALL_MAX; nr++) {
			const struct summary_row *row = &tr->summary[a][nr];
			struct line *line = &lines[n];

			if (!row->calls)
				continue;
			line->row = *row;
			line->name = nr == SYSCALL_MAX ? "(others)"
						       : decode_name(arches[a], nr, line->buf);
			total->calls += row->calls;
			total->errors += row->errors;
			total->time_ns += row->time_ns;
			n++;
		}
	return n;
}

static const char rule[] = "------ ----------- ----------- --------- --------- ----------------";

void summary_print(struct tracer *tr)
{
	struct line *lines = calloc(2 * (SYSCALL_MAX + 1), sizeof *lines);
	struct summary_row total = { 0 };
	struct out *out = &tr->out;
	size_t n;

	if (!lines)
		return;
	line_interrupt(tr);
	n = collect(tr, lines, &total);
	sort_key = tr->options.sort;
	/* Names in buf move along with their line. */
	if (strcmp(sort_key, "none"))
		qsort(lines, n, sizeof *lines, compare);
	out_str(out, "% time     seconds  usecs/call     calls    errors syscall\n");
	out_str(out, rule);
	out_newline(out);
	for (size_t i = 0; i < n; i++) {
		bool own = !strncmp(lines[i].buf, "syscall_", 8);

		print_line(out, &lines[i].row, total.time_ns, own ? lines[i].buf : lines[i].name);
	}
	out_str(out, rule);
	out_newline(out);
	print_line(out, &total, total.time_ns, "total");
	free(lines);
}
