/* SPDX-License-Identifier: MIT */
/* Hits as lines of text, and the table of -c. */
#include <inttypes.h>
#include <string.h>

#include "cli/break/breaker.h"

#define COLOUR_NAME "\033[1m"
#define COLOUR_OFF "\033[m"

static void show_task(struct breaker *b, int32_t tid)
{
	struct out *out = &b->out;
	unsigned digits = 1;

	if (!b->options.common.output) {
		out_str(out, "[pid ");
		out_u64_width(out, (uint64_t)tid, 5, ' ');
		out_str(out, "] ");
		return;
	}
	out_u64(out, (uint64_t)tid);
	for (int32_t n = tid; n >= 10; n /= 10)
		digits++;
	do
		out_char(out, ' ');
	while (++digits <= 5);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "main (prog.c:12)", "malloc (libc.so.6)", "0x401000". */
static void show_place(struct out *out, const struct placement *p, const char *on, const char *off)
{
	out_colour(out, on);
	if (p->symbol)
		out_str(out, p->symbol);
	else
		out_hex(out, p->addr);
	out_colour(out, off);
	if (p->file) {
		out_str(out, " (");
		out_str(out, base_name(p->file));
		out_char(out, ':');
		out_i64(out, p->line);
		out_char(out, ')');
	} else if (p->image) {
		out_str(out, " (");
		out_str(out, image_name(p->image));
		out_char(out, ')');
	}
}

static void show_stack(struct breaker *b, const struct hit *hit)
{
	const struct process *p = process_find(hit->field, hit->ev->pid);
	struct frame frames[FRAMES_MAX];
	int n = stack_frames(hit, frames);
	struct out *out = &b->out;

	for (int i = 0; i < n; i++) {
		out_str(out, "    #");
		out_i64(out, i);
		out_str(out, i < 10 ? "  " : " ");
		frame_show(&p->modules, &frames[i], out);
		out_newline(out);
	}
}

void line_hit(struct breaker *b, const struct hit *hit)
{
	const struct placement *p = hit->placement;
	const struct prints *prints = p->point->prints;
	struct out *out = &b->out;

	show_task(b, hit->ev->tid);
	stamp_show(&b->stamp, out, hit->ev->time_ns);
	show_place(out, p, b->sink.colour ? COLOUR_NAME : "", b->sink.colour ? COLOUR_OFF : "");
	for (unsigned i = 0; i < prints->count; i++) {
		out_str(out, i ? ", " : ": ");
		out_str(out, prints->v[i].text);
		out_str(out, " = ");
		value_show(b, hit, i, out);
	}
	out_newline(out);
	if (b->options.stack)
		show_stack(b, hit);
}

void line_return(struct breaker *b, const struct hit *hit, uint64_t value)
{
	struct out *out = &b->out;
	char format;

	show_task(b, hit->ev->tid);
	stamp_show(&b->stamp, out, hit->ev->time_ns);
	show_place(out, hit->placement, b->sink.colour ? COLOUR_NAME : "",
		   b->sink.colour ? COLOUR_OFF : "");
	out_str(out, " returned");
	if (value_result(hit->placement, &value, &format)) {
		out_char(out, ' ');
		value_format(b, hit, value, format, out);
	} else if (hit->placement->result.kind != RESULT_NONE)
		out_str(out, " (neither an integer nor a pointer)");
	out_newline(out);
}

void line_lost(struct breaker *b, const struct cotrace_event *ev)
{
	struct out *out = &b->out;

	out_str(out, "+++ ");
	out_u64(out, ev->lost.notes);
	out_str(out, " hits were lost here: they came faster than they were taken +++");
	out_newline(out);
}

void break_summary(struct breaker *b)
{
	struct out *out = &b->out;

	out_str(out, "      hits  breakpoint");
	out_newline(out);
	for (unsigned i = 0; i < b->options.point_count; i++) {
		const struct point *point = &b->options.points[i];

		out_u64_width(out, point->hits, 10, ' ');
		out_str(out, "  ");
		out_str(out, point->location.text);
		if (point->location.condition) {
			out_str(out, " if ");
			out_str(out, point->location.condition);
		}
		if (!point->found)
			out_str(out, "  (was nowhere)");
		out_newline(out);
	}
}
