/* SPDX-License-Identifier: MIT */
/* Hits as JSON: one object a line. The keys are described in break_help. */
#include <string.h>

#include "cli/break/breaker.h"
#include "cli/json.h"

static void show_number(struct breaker *b, const struct hit *hit, uint64_t value, char format)
{
	char buf[COTRACE_CAPTURE_BYTES_MAX];
	struct out *out = &b->out;
	bool more = false;
	ssize_t n;

	json_key(out, "value");
	if (format == 'u' || format == 'x' || format == 'p' || format == 's')
		out_u64(out, value);
	else
		out_i64(out, (int64_t)value);
	n = format == 's' && value ? value_string(b, hit, value, buf, &more) : -1;
	if (n >= 0) {
		json_key(out, "string");
		json_string(out, buf, (size_t)n);
		json_flag(out, "cut", more);
	}
}

static void show_value(struct breaker *b, const struct hit *hit, unsigned i)
{
	const struct print *print = &hit->placement->point->prints->v[i];
	struct out *out = &b->out;
	uint64_t value;

	out_str(out, "{\"expression\":");
	json_string(out, print->text, strlen(print->text));
	if (value_get(b, hit, i, &value))
		show_number(b, hit, value, hit->placement->formats[i]);
	else
		out_str(out, ",\"value\":null");
	out_char(out, '}');
}

static void show_place(struct breaker *b, const struct hit *hit)
{
	const struct placement *p = hit->placement;
	struct out *out = &b->out;

	json_text(out, "breakpoint", p->point->location.text);
	json_key(out, "addr");
	out_char(out, '"');
	out_hex(out, p->addr);
	out_char(out, '"');
	if (p->symbol)
		json_text(out, "symbol", p->symbol);
	if (p->image)
		json_text(out, "module", p->image->path);
	if (p->file) {
		json_text(out, "file", p->file);
		json_i64(out, "line", p->line);
	}
}

static void show_frame(struct out *out, const struct modules *m, const struct frame *frame)
{
	const struct module *module = frame_module(m, frame);
	struct out text = OUT_NULL;

	out_str(out, "{\"addr\":\"");
	out_hex(out, frame->pc);
	out_char(out, '"');
	frame_show(m, frame, &text);
	if (!text.error) {
		json_key(out, "text");
		json_string(out, text.buf, text.len);
	}
	if (module)
		json_text(out, "module", module->image->path);
	out_char(out, '}');
	out_deinit(&text);
}

static void show_stack(struct breaker *b, const struct hit *hit)
{
	const struct process *p = process_find(hit->field, hit->ev->pid);
	struct frame frames[FRAMES_MAX];
	int n = stack_frames(hit, frames);

	json_key(&b->out, "stack");
	out_char(&b->out, '[');
	for (int i = 0; i < n; i++) {
		if (i)
			out_char(&b->out, ',');
		show_frame(&b->out, &p->modules, &frames[i]);
	}
	out_char(&b->out, ']');
}

static void begin(struct breaker *b, const struct hit *hit, const char *event)
{
	const struct cotrace_event *ev = hit->ev;
	struct out *out = &b->out;

	out_str(out, "{\"event\":\"");
	out_str(out, event);
	out_char(out, '"');
	json_i64(out, "seq", (int64_t)ev->seq);
	json_key(out, "time");
	json_seconds(out, stamp_real(&b->stamp, ev->time_ns));
	json_i64(out, "pid", ev->pid);
	json_i64(out, "tid", ev->tid);
	json_i64(out, "task", (int64_t)ev->task);
	show_place(b, hit);
}

void json_return(struct breaker *b, const struct hit *hit, uint64_t value)
{
	char format;

	begin(b, hit, "return");
	if (value_result(hit->placement, &value, &format))
		show_number(b, hit, value, format);
	out_char(&b->out, '}');
	out_newline(&b->out);
}

void json_hit(struct breaker *b, const struct hit *hit)
{
	struct out *out = &b->out;

	begin(b, hit, "breakpoint");
	json_i64(out, "hits", (int64_t)hit->ev->breakpoint.hits);
	json_key(out, "values");
	out_char(out, '[');
	for (unsigned i = 0; i < hit->placement->point->prints->count; i++) {
		if (i)
			out_char(out, ',');
		show_value(b, hit, i);
	}
	out_char(out, ']');
	if (b->options.stack)
		show_stack(b, hit);
	out_char(out, '}');
	out_newline(out);
}
