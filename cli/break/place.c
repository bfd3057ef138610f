/* SPDX-License-Identifier: MIT */
/* Setting one breakpoint. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/break/code.h"
#include "cli/command.h"

static struct placement *add(struct field *f, struct process *p, enum placement_kind kind,
			     const struct module *m, const struct cotrace_breakpoint *bp)
{
	struct placement *placement = calloc(1, sizeof *placement);

	if (!placement)
		return NULL;
	*placement = (struct placement){ .next = f->placements,
					 .kind = kind,
					 .pid = p->pid,
					 .image = m ? image_hold(m->image) : NULL,
					 .bias = m ? m->bias : 0,
					 .addr = bp->addr };
	f->placements = placement;
	return placement;
}

void placement_remove(struct field *f, struct placement *p, bool clear)
{
	for (struct placement **at = &f->placements; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	return_forget(f, p);
	if (clear)
		cotrace_clear(f->session, p->id);
	if (p->image)
		image_release(p->image);
	free(p->symbol);
	free(p);
}

struct placement *placement_find(struct field *f, const struct cotrace_event *ev)
{
	const struct process *process = process_find(f, ev->pid);

	for (struct placement *p = f->placements; p && process; p = p->next)
		if (p->id == ev->breakpoint.id)
			return p->pid == ev->pid || addresses_have(&process->inherited, p->id)
				       ? p
				       : NULL;
	return NULL;
}

/* The name that was asked for, where a function has several. */
static bool is_asked_for(const struct placement *p, const char *symbol)
{
	const struct location *l = &p->point->location;

	return l->kind == LOCATION_SYMBOL && !l->addr && !strpbrk(symbol, ":(+ ") &&
	       !strchr(l->name, ':');
}

static void describe(struct placement *p)
{
	const struct location *l = &p->point->location;
	struct out out = OUT_NULL;

	if (!p->image)
		return;
	if (image_show_symbol(p->image, p->asked - p->bias, &out)) {
		out_char(&out, '\0');
		p->symbol = out.error ? NULL : strdup(is_asked_for(p, out.buf) ? l->name : out.buf);
	}
	out_deinit(&out);
	if (!image_source(p->image, p->addr - p->bias, &p->file, &p->line))
		p->file = NULL;
	/* Several lines may begin at one address. */
	else if (l->kind == LOCATION_LINE && p->addr == p->asked)
		p->line = p->point->used_line;
}

static int refused(const struct point *point, uint64_t addr, int error)
{
	if (error == -EFAULT)
		return complain(EXIT_FAILURE, "breakpoint %s: there is no code at 0x%llx",
				point->location.text, (unsigned long long)addr);
	if (error == -ENOSYS)
		return complain(EXIT_FAILURE, "this engine knows no breakpoints");
	return complain(EXIT_FAILURE, "breakpoint %s: cannot be set at 0x%llx: %s",
			point->location.text, (unsigned long long)addr, strerror(-error));
}

/* @asked: the address itself, or the entry of the function behind whose prologue it is. */
static bool is_placed(const struct field *f, const struct process *p, const struct point *point,
		      uint64_t asked)
{
	for (const struct placement *at = f->placements; at; at = at->next)
		if (at->kind == PLACEMENT_POINT && at->point == point && at->pid == p->pid &&
		    (at->addr == asked || at->asked == asked))
			return true;
	return false;
}

/* Gives it a number; it is gone if that fails. */
static int set(struct field *f, struct placement *placement, const struct cotrace_breakpoint *bp)
{
	int r = placement ? cotrace_break(f->session, &placement->id, bp) : -ENOMEM;

	if (r && placement)
		placement_remove(f, placement, false);
	return r;
}

int place_point(struct breaker *b, struct field *f, struct process *p, struct point *point,
		const struct module *m, uint64_t addr)
{
	struct cotrace_breakpoint bp = { .size = sizeof bp,
					 .pid = p->pid,
					 .flags = COTRACE_BREAK_INHERIT };
	uint64_t asked = addr + (m ? m->bias : 0);
	struct code code = { .process = p,
			     .point = point,
			     .module = m,
			     .addr = addr,
			     .wants_return = b->options.returns };
	struct placement *placement;
	int status, r;

	if (is_placed(f, p, point, asked))
		return 0;
	status = code_compile(&code, &bp);
	if (!status && code.needs_prologue)
		status = code_compile_behind_prologue(&code, &bp);
	bp.addr = code.addr + (m ? m->bias : 0);
	bp.mode = code.needs_memory || code.has_return || b->options.stack ? COTRACE_STOP
									   : COTRACE_NOTE;
	if (status || is_placed(f, p, point, bp.addr)) {
		code_free(&code);
		return status;
	}
	placement = add(f, p, PLACEMENT_POINT, m, &bp);
	if (placement) {
		placement->point = point;
		placement->asked = asked;
		memcpy(placement->formats, code.formats, sizeof code.formats);
		placement->has_return = code.has_return;
		placement->result = code.result;
		describe(placement);
	}
	r = set(f, placement, &bp);
	code_free(&code);
	point->found |= !r;
	/* It may have died meanwhile. */
	return !r || r == -ESRCH || r == -ESHUTDOWN ? 0 : refused(point, bp.addr, r);
}

int place_own(struct field *f, struct process *p, enum placement_kind kind, const struct module *m,
	      uint64_t addr)
{
	struct cotrace_breakpoint bp = { .size = sizeof bp,
					 .pid = p->pid,
					 .addr = addr,
					 .mode = COTRACE_STOP,
					 .flags = COTRACE_BREAK_INHERIT };

	for (struct placement *at = f->placements; at; at = at->next)
		if (at->kind == kind && at->pid == p->pid && at->addr == addr)
			return 0;
	return set(f, add(f, p, kind, m, &bp), &bp);
}

/* One of our own with one value. */
static int place_with_value(struct field *f, const struct module *m, const char *text,
			    struct placement *placement, struct cotrace_breakpoint *bp)
{
	uint8_t *code = NULL;
	int r = text ? 0 : -ENOENT;

	if (!r)
		r = cotrace_compile(&code, &bp->values[0].size, m->image->arch, text, NULL, 0);
	bp->values[0].code = code;
	bp->value_count = 1;
	if (!r)
		r = set(f, placement, bp);
	else if (placement)
		placement_remove(f, placement, false);
	free(code);
	return r;
}

int place_indirect(struct field *f, struct process *p, struct point *point, const struct module *m,
		   uint64_t addr, uint64_t task)
{
	struct cotrace_breakpoint bp = { .size = sizeof bp,
					 .pid = p->pid,
					 .addr = addr,
					 .mode = COTRACE_STOP,
					 .task = task,
					 .flags = task ? 0 : COTRACE_BREAK_INHERIT };
	enum placement_kind kind = task ? PLACEMENT_RESULT : PLACEMENT_RESOLVER;
	char *text = task ? text_of_result(m) : text_of_return_address(m, addr - m->bias);
	struct placement *placement = add(f, p, kind, m, &bp);
	int r;

	if (placement)
		placement->point = point;
	r = place_with_value(f, m, text, placement, &bp);
	free(text);
	return r;
}

int place_return(struct field *f, struct process *p, uint64_t addr)
{
	struct cotrace_breakpoint bp = { .size = sizeof bp,
					 .pid = p->pid,
					 .addr = addr,
					 .mode = COTRACE_STOP,
					 .flags = COTRACE_BREAK_INHERIT };
	const struct module *m = process_module(p, addr);
	char *text;
	int r;

	for (struct placement *at = f->placements; at; at = at->next)
		if (at->kind == PLACEMENT_RETURN && at->addr == addr &&
		    (at->pid == p->pid || addresses_have(&p->inherited, at->id)))
			return 0;
	if (!m)
		return -ENOENT;
	text = text_of_result(m);
	r = place_with_value(f, m, text, add(f, p, PLACEMENT_RETURN, m, &bp), &bp);
	free(text);
	return r;
}
