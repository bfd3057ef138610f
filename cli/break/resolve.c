/* SPDX-License-Identifier: MIT */
/* From what the user named to addresses in images. */
#include <stdlib.h>
#include <string.h>

#include "cli/break/breaker.h"
#include "cli/command.h"

/* What a point is in an image; kept, since many processes have the same. */
struct answer {
	struct answer *next;
	const struct point *point;
	const struct image *image; /* images are never forgotten */
	struct functions functions;
	int used_line; /* LINE: that of the code */
};

static struct answer *answers;

static struct answer *ask(const struct point *point, struct image *image)
{
	const struct location *l = &point->location;
	struct answer *a;

	for (a = answers; a; a = a->next)
		if (a->point == point && a->image == image)
			return a;
	a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	a->point = point;
	a->image = image;
	if (l->kind == LOCATION_LINE)
		image_lines(image, l->name, l->line, &a->functions.code, &a->used_line);
	else
		image_functions(image, l->name, &a->functions);
	a->next = answers;
	answers = a;
	return a;
}

/* What the chosen code of an indirect function is, or how we shall know of it. */
static int place_chosen(struct breaker *b, struct field *f, struct process *p, struct point *point,
			const struct module *m, const struct answer *a)
{
	const struct location *l = &point->location;
	struct addresses found = { 0 };
	int status = 0;

	for (size_t i = 0; i < a->functions.resolvers.count; i++)
		modules_resolve(&p->modules, m, a->functions.resolvers.v[i], l->name, f->session,
				p->pid, &found);
	for (size_t i = 0; i < found.count && !status; i++)
		status = place_point(b, f, p, point, m, found.v[i] + l->addr);
	for (size_t i = 0; i < a->functions.resolvers.count && !found.count; i++)
		if (!place_indirect(f, p, point, m, a->functions.resolvers.v[i] + m->bias, 0))
			point->found = true;
	addresses_free(&found);
	return status;
}

/* Code of another line only where none is known for the line itself. */
static bool is_better_elsewhere(const struct field *f, const struct process *p,
				const struct point *point, const struct answer *a)
{
	if (point->location.kind != LOCATION_LINE || a->used_line == point->location.line)
		return false;
	for (const struct placement *at = f->placements; at; at = at->next)
		if (at->point == point && at->pid == p->pid)
			return true;
	return false;
}

static void tell_line(struct breaker *b, struct point *point, const struct answer *a)
{
	if (point->location.kind != LOCATION_LINE || point->moved_told || b->options.common.quiet ||
	    a->used_line == point->location.line)
		return;
	point->moved_told = true;
	complain(0, "breakpoint %s: that line has no code; line %d, the next that has, is used",
		 point->location.text, a->used_line);
}

static int resolve(struct breaker *b, struct field *f, struct process *p, struct point *point,
		   const struct module *m)
{
	const struct location *l = &point->location;
	const struct answer *a;
	int status = 0;

	if (l->module && !image_is_called(m->image, l->module))
		return 0;
	a = ask(point, m->image);
	if (!a || is_better_elsewhere(f, p, point, a))
		return 0;
	if (a->functions.code.count)
		tell_line(b, point, a);
	point->used_line = a->used_line;
	for (size_t i = 0; i < a->functions.code.count && !status; i++)
		status = place_point(b, f, p, point, m, a->functions.code.v[i] + l->addr);
	if (!status && a->functions.resolvers.count)
		status = place_chosen(b, f, p, point, m, a);
	if (!status && b->opening && a->functions.is_data && !a->functions.code.count)
		status = complain(EXIT_FAILURE,
				  "breakpoint %s: that is data, not code; a watchpoint would be "
				  "needed",
				  l->text);
	return status;
}

/* The resolver of an indirect function returns what it has chosen. */
static void take_result(struct breaker *b, struct field *f, struct process *p, struct point *point,
			uint64_t chosen)
{
	const struct module *m = process_module(p, chosen);
	struct placement *next;

	if (!m || place_point(b, f, p, point, m, chosen - m->bias + point->location.addr))
		return;
	/* It would choose the same again. */
	for (struct placement *at = f->placements; at; at = next) {
		next = at->next;
		if (at->kind == PLACEMENT_RESOLVER && at->point == point && at->pid == p->pid)
			placement_remove(f, at, true);
	}
}

void resolve_indirect(struct breaker *b, struct field *f, struct placement *at,
		      const struct cotrace_event *ev)
{
	struct process *p = process_find(f, ev->pid);
	struct hit hit = { ev, at, f };
	struct module m = { at->image, at->bias };
	struct point *point = at->point;
	uint64_t value;

	if (!p || !value_get(b, &hit, 0, &value))
		return;
	if (at->kind == PLACEMENT_RESOLVER) {
		place_indirect(f, p, point, &m, value, ev->task);
		return;
	}
	placement_remove(f, at, true);
	take_result(b, f, p, point, value);
}

int resolve_points(struct breaker *b, struct field *f, struct process *p, const struct module *m)
{
	int status = 0;

	for (unsigned i = 0; i < b->options.point_count && !status; i++) {
		struct point *point = &b->options.points[i];
		const struct location *l = &point->location;
		const struct module *at;

		if (l->kind != LOCATION_ADDRESS) {
			if (m)
				status = resolve(b, f, p, point, m);
		} else if (!m) {
			at = process_module(p, l->addr);
			status = place_point(b, f, p, point, at, l->addr - (at ? at->bias : 0));
		}
	}
	return status;
}

void resolve_tell(struct breaker *b)
{
	for (unsigned i = 0; i < b->options.point_count; i++) {
		struct point *point = &b->options.points[i];
		const struct location *l = &point->location;

		if (point->found || point->waits_told || b->options.common.quiet ||
		    l->kind == LOCATION_ADDRESS)
			continue;
		point->waits_told = true;
		if (l->kind == LOCATION_LINE)
			complain(0,
				 "breakpoint %s: no code of that line is known; waiting for a "
				 "%s that has it, with debug information",
				 l->text,
				 b->options.common.follow ? "library or program" : "library");
		else
			complain(0,
				 "breakpoint %s: there is no such function yet; waiting for a "
				 "%s that has it",
				 l->text,
				 b->options.common.follow ? "library or program" : "library");
	}
}
