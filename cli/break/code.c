/* SPDX-License-Identifier: MIT */
#include "cli/break/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

void code_free(struct code *c)
{
	for (unsigned i = 0; i <= COTRACE_BREAK_VALUES_MAX; i++)
		free(c->bytes[i]);
	memset(c->bytes, 0, sizeof c->bytes);
}

static enum cotrace_arch arch_of(const struct code *c)
{
	const struct modules *all = &c->process->modules;

	if (c->module)
		return c->module->image->arch;
	return all->count ? all->v[0].image->arch : COTRACE_ARCH_X86_64;
}

static int complain_of(const struct code *c, const char *text, const char *message)
{
	return complain(EXIT_FAILURE, "breakpoint %s: in \"%s\": %s", c->point->location.text, text,
			message);
}

/* Returns 0 or the exit status. */
static int rewrite(struct code *c, const char *text, bool may_be_lost, struct rewriting *rw,
		   char **plain)
{
	int r = -ENOMEM;

	*rw = (struct rewriting){ .modules = &c->process->modules,
				  .module = c->module,
				  .addr = c->addr };
	if (c->module)
		r = variable_rewrite(rw, text, plain);
	else if ((*plain = strdup(text)))
		r = 0;
	if (r == -EINVAL && rw->is_lost && may_be_lost)
		r = (*plain = strdup("0")) ? 0 : -ENOMEM;
	c->needs_prologue |= rw->needs_prologue;
	return r ? complain_of(c, text, r == -EINVAL ? rw->message : strerror(-r)) : 0;
}

/* Returns 0 or the exit status. */
static int compile(struct code *c, const char *text, const char *plain, uint8_t **bytes,
		   struct cotrace_expression *expression)
{
	char message[512] = "";
	int r = cotrace_compile(bytes, &expression->size, arch_of(c), plain, message,
				sizeof message);

	if (r)
		return complain_of(c, text, *message ? message : strerror(-r));
	expression->code = *bytes;
	return 0;
}

static int compile_condition(struct code *c, struct cotrace_breakpoint *bp)
{
	const char *text = c->point->location.condition;
	struct rewriting rw;
	char *plain = NULL;
	int status;

	if (!text)
		return 0;
	status = rewrite(c, text, false, &rw, &plain);
	if (!status)
		status = compile(c, text, plain, &c->bytes[0], &bp->condition);
	free(plain);
	return status;
}

static char format_for(const struct print *print, const struct rewriting *rw)
{
	if (rw->is_lost)
		return FORMAT_LOST;
	if (print->format)
		return print->format;
	switch (rw->format) {
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

static int compile_value(struct code *c, unsigned i, struct cotrace_breakpoint *bp)
{
	const struct print *print = &c->point->prints->v[i];
	struct rewriting rw;
	char *plain = NULL;
	int status = rewrite(c, print->text, true, &rw, &plain);

	if (!status)
		status = compile(c, print->text, plain, &c->bytes[1 + i], &bp->values[i]);
	free(plain);
	c->formats[i] = format_for(print, &rw);
	c->needs_memory |= c->formats[i] == 's';
	return status;
}

static int compile_text(struct code *c, char *text, unsigned i, struct cotrace_breakpoint *bp)
{
	int r = text ? cotrace_compile(&c->bytes[1 + i], &bp->values[i].size, arch_of(c), text,
				       NULL, 0)
		     : -ENOENT;

	bp->values[i].code = c->bytes[1 + i];
	free(text);
	return r;
}

/* What tells a call's return from others. Without unwind tables there is none. */
static void compile_return(struct code *c, struct cotrace_breakpoint *bp)
{
	unsigned first = bp->value_count;

	c->has_return = false;
	if (!c->wants_return || !c->module)
		return;
	image_result(c->module->image, c->addr, &c->result);
	if (c->result.kind == RESULT_INLINED ||
	    compile_text(c, text_of_return_address(c->module, c->addr), first, bp) ||
	    compile_text(c, text_of_frame(c->module, c->addr), first + 1, bp))
		return;
	bp->value_count += 2;
	c->has_return = true;
}

int code_compile(struct code *c, struct cotrace_breakpoint *bp)
{
	int status = compile_condition(c, bp);

	bp->value_count = c->point->prints->count;
	for (unsigned i = 0; i < bp->value_count && !status; i++)
		status = compile_value(c, i, bp);
	if (!status)
		compile_return(c, bp);
	return status;
}

int code_compile_behind_prologue(struct code *c, struct cotrace_breakpoint *bp)
{
	uint64_t after = image_after_prologue(c->module->image, c->addr);

	if (after == c->addr)
		return 0;
	code_free(c);
	c->addr = after;
	return code_compile(c, bp);
}
