/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/expr.h"

_Static_assert(AGENT_BYTES_MAX == COTRACE_EXPRESSION_BYTES_MAX,
	       "the header's limit is the engine's");

static bool has_register(const void *arch, unsigned number)
{
	return arch_gdb_register(arch, number) != NULL;
}

int cotrace_check_expression(enum cotrace_arch arch_id, const uint8_t *code, size_t size)
{
	const struct arch *arch = arch_by_id(arch_id);

	if (arch == NULL || code == NULL)
		return -EINVAL;
	switch (agent_check(code, size, has_register, arch)) {
	case AGENT_GOOD:
		return 0;
	case AGENT_TOO_LONG:
	case AGENT_TOO_DEEP:
		return -E2BIG;
	default:
		return -EINVAL;
	}
}

/* Fills @code and returns true, or tells in x->message why not. */
static bool translate(struct expr *x, const char *text, struct expr_code *code)
{
	const struct expr_node *n = expr_parse(x, text);
	enum agent_problem p;

	if (n == NULL)
		return false;
	expr_emit(code, n);
	p = code->overflow ? AGENT_TOO_LONG
			   : agent_check(code->bytes, code->size, has_register, x->arch);
	if (p != AGENT_GOOD)
		snprintf(x->message, sizeof x->message, "the code cannot be used: %s",
			 agent_problem_text(p));
	return p == AGENT_GOOD;
}

int cotrace_compile(uint8_t **out, size_t *size, enum cotrace_arch arch, const char *text,
		    char *message, size_t message_size)
{
	struct expr x = { .arch = arch_by_id(arch) };
	struct expr_code code;
	int r = -EINVAL;

	*out = NULL;
	*size = 0;
	if (text == NULL || x.arch == NULL)
		snprintf(x.message, sizeof x.message, "there is no such architecture");
	else if ((x.nodes = malloc(EXPR_NODES_MAX * sizeof *x.nodes)) == NULL)
		r = -ENOMEM;
	else if (translate(&x, text, &code))
		r = (*out = malloc(code.size)) == NULL ? -ENOMEM : 0;
	free(x.nodes);
	if (r == 0) {
		memcpy(*out, code.bytes, code.size);
		*size = code.size;
	} else if (message != NULL && message_size > 0) {
		snprintf(message, message_size, "%s", r == -ENOMEM ? "out of memory" : x.message);
	}
	return r;
}
