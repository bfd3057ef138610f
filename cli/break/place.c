/* SPDX-License-Identifier: MIT */
/* Setting one breakpoint. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/break/breaker.h"
#include "cli/command.h"

/* What is compiled for one breakpoint. */
struct code {
	uint8_t *bytes[1 + COTRACE_BREAK_VALUES_MAX];
	char formats[COTRACE_BREAK_VALUES_MAX];
	bool needs_prologue, needs_memory;
};

static void code_free(struct code *c)
{
	for (unsigned i = 0; i <= COTRACE_BREAK_VALUES_MAX; i++)
		free(c->bytes[i]);
	*c = (struct code){ 0 };
}

static enum cotrace_arch arch_of(const struct process *p, const struct module *m)
{
	if (m)
		return m->image->arch;
	return p->modules.count ? p->modules.v[0].image->arch : COTRACE_ARCH_X86_64;
}

static int complain_of(const struct point *point, const char *text, const char *message)
{
	return complain(EXIT_FAILURE, "breakpoint %s: in \"%s\": %s", point->location.text, text,
			message);
}

/* Returns 0 or the exit status. */
static int compile(struct process *p, const struct point *point, const struct module *m,
		   uint64_t addr, const char *text, uint8_t **code,
		   struct cotrace_expression *expression, struct rewriting *rw)
{
	char message[512] = "", *plain;
	int r;

	*rw = (struct rewriting){ .modules = &p->modules, .module = m, .addr = addr };
	if (m)
		r = variable_rewrite(rw, text, &plain);
	else
		r = (plain = strdup(text)) ? 0 : -ENOMEM;
	if (r)
		return complain_of(point, text, r == -EINVAL ? rw->message : strerror(-r));
	r = cotrace_compile(code, &expression->size, arch_of(p, m), plain, message, sizeof message);
	free(plain);
	if (r)
		return complain_of(point, text, *message ? message : strerror(-r));
	expression->code = *code;
	return 0;
}

static char format_for(const struct print *print, enum variable_format known)
{
	if (print->format)
		return print->format;
	switch (known) {
	case VARIABLE_SIGNED:
		return 'd';
	case VARIABLE_UNSIGNED:
		return 'u';
	case VARIABLE_POINTER:
		return 'p';
	case VARIABLE_STRING:
		return 's';
	default:
		return 0;
	}
}

static int compile_all(struct process *p, const struct point *point, const struct module *m,
		       uint64_t addr, struct cotrace_breakpoint *bp, struct code *c)
{
	const struct location *l = &point->location;
	struct rewriting rw;
	int status = 0;

	if (l->condition)
		status =
			compile(p, point, m, addr, l->condition, &c->bytes[0], &bp->condition, &rw);
	c->needs_prologue = l->condition && rw.needs_prologue;
	for (unsigned i = 0; i < point->prints->count && !status; i++) {
		const struct print *print = &point->prints->v[i];

		status = compile(p, point, m, addr, print->text, &c->bytes[1 + i], &bp->values[i],
				 &rw);
		c->needs_prologue |= rw.needs_prologue;
		c->formats[i] = format_for(print, rw.format);
		c->needs_memory |= c->formats[i] == 's';
		bp->value_count++;
	}
	return status;
}

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
	if (clear)
		cotrace_clear(f->session, p->id);
	if (p->image)
		image_release(p->image);
	free(p->symbol);
	free(p);
}

struct placement *placement_find(struct field *f, const struct cotrace_event *ev)
{
	for (struct placement *p = f->placements; p; p = p->next)
		if (p->id == ev->breakpoint.id)
			return p;
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
	struct placement *placement;
	struct code code = { 0 };
	int status, r;

	if (is_placed(f, p, point, asked))
		return 0;
	status = compile_all(p, point, m, addr, &bp, &code);
	if (!status && code.needs_prologue && m) {
		uint64_t after = image_after_prologue(m->image, addr);

		if (after != addr) {
			code_free(&code);
			bp.value_count = 0;
			addr = after;
			status = compile_all(p, point, m, addr, &bp, &code);
		}
	}
	bp.addr = addr + (m ? m->bias : 0);
	bp.mode = code.needs_memory || b->options.stack ? COTRACE_STOP : COTRACE_NOTE;
	if (status || is_placed(f, p, point, bp.addr)) {
		code_free(&code);
		return status;
	}
	placement = add(f, p, PLACEMENT_POINT, m, &bp);
	if (placement) {
		placement->point = point;
		placement->asked = asked;
		memcpy(placement->formats, code.formats, sizeof code.formats);
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

int place_indirect(struct field *f, struct process *p, struct point *point, const struct module *m,
		   uint64_t addr, uint64_t task)
{
	struct cotrace_breakpoint bp = { .size = sizeof bp,
					 .pid = p->pid,
					 .addr = addr,
					 .mode = COTRACE_STOP,
					 .task = task,
					 .value_count = 1,
					 .flags = task ? 0 : COTRACE_BREAK_INHERIT };
	enum placement_kind kind = task ? PLACEMENT_RESULT : PLACEMENT_RESOLVER;
	char *text = task ? text_of_result(m) : text_of_return_address(m, addr - m->bias);
	struct placement *placement;
	uint8_t *code = NULL;
	int r = -ENOENT;

	if (text)
		r = cotrace_compile(&code, &bp.values[0].size, m->image->arch, text, NULL, 0);
	if (!r) {
		bp.values[0].code = code;
		placement = add(f, p, kind, m, &bp);
		if (placement)
			placement->point = point;
		r = set(f, placement, &bp);
	}
	free(text);
	free(code);
	return r;
}
