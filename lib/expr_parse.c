/* SPDX-License-Identifier: MIT */
/* The grammar of C expressions, as far as it goes without names of the program. */
#include "lib/expr.h"

#include <string.h>

static struct expr_node *parse_unary(struct expr *x);
static struct expr_node *parse_choice(struct expr *x);
static struct expr_node *parse_comma(struct expr *x);

static const struct token *peek(const struct expr *x)
{
	return &x->lexer.token;
}

static bool is_op(const struct expr *x, unsigned op)
{
	return peek(x)->kind == TOKEN_OPERATOR && peek(x)->op == op;
}

/* Takes the operator if it is there. */
static bool accept(struct expr *x, unsigned op)
{
	return is_op(x, op) && lex_next(x);
}

static bool expect(struct expr *x, unsigned op)
{
	if (is_op(x, op))
		return lex_next(x);
	if (peek(x)->kind == TOKEN_END)
		return expr_fail(x, peek(x)->at, "\"%c\" is missing at the end", op);
	return expr_fail(x, peek(x)->at, "\"%c\" is expected before \"%.*s\"", op,
			 (int)peek(x)->length, peek(x)->at);
}

/* ---- Types ---- */

/* The words of a type, counted. */
struct words {
	unsigned voids, bools, chars, shorts, ints, longs, signeds, unsigneds, fixed, qualifiers;
	struct expr_type type; /* of the fixed one */
};

static bool add_fixed(struct expr *x, struct words *w, const char *name)
{
	static const struct {
		const char *name;
		uint8_t width; /* 0: a word */
		bool is_signed;
	} known[] = {
		{ "int8_t", 1, true },	  { "uint8_t", 1, false },  { "int16_t", 2, true },
		{ "uint16_t", 2, false }, { "int32_t", 4, true },   { "uint32_t", 4, false },
		{ "int64_t", 8, true },	  { "uint64_t", 8, false }, { "size_t", 0, false },
		{ "ssize_t", 0, true },	  { "intptr_t", 0, true },  { "uintptr_t", 0, false },
		{ "ptrdiff_t", 0, true },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, name) == 0) {
			w->fixed++;
			w->type = known[i].width ? expr_integer(known[i].width, known[i].is_signed)
						 : expr_word(x, known[i].is_signed);
			return true;
		}
	return false;
}

/* Whether the name is a word of a type; counts it then. */
static bool add_word(struct expr *x, struct words *w, const char *name)
{
	const struct {
		const char *name;
		unsigned *count;
	} known[] = {
		{ "void", &w->voids },		{ "bool", &w->bools },
		{ "_Bool", &w->bools },		{ "char", &w->chars },
		{ "short", &w->shorts },	{ "int", &w->ints },
		{ "long", &w->longs },		{ "signed", &w->signeds },
		{ "unsigned", &w->unsigneds },	{ "const", &w->qualifiers },
		{ "volatile", &w->qualifiers },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, name) == 0) {
			++*known[i].count;
			return true;
		}
	return add_fixed(x, w, name);
}

static bool at_type(struct expr *x)
{
	struct words w = { 0 };

	return peek(x)->kind == TOKEN_NAME && add_word(x, &w, peek(x)->name);
}

/* What the words make together; false when they make nothing. */
static bool combine_words(const struct expr *x, const struct words *w, struct expr_type *out)
{
	unsigned alone = w->voids + w->bools + w->fixed;
	unsigned sizes = (w->chars > 0) + (w->shorts > 0) + (w->longs > 0);
	unsigned others = w->chars + w->shorts + w->ints + w->longs + w->signeds + w->unsigneds;

	if (alone > 1 || (alone == 1) == (others > 0))
		return false;
	if (w->chars > 1 || w->shorts > 1 || w->ints > 1 || w->longs > 2 ||
	    w->signeds + w->unsigneds > 1 || sizes > 1 || (w->chars && w->ints))
		return false;
	if (w->fixed)
		*out = w->type;
	else if (w->voids)
		*out = (struct expr_type){ 0 };
	else if (w->bools)
		*out = (struct expr_type){ .width = 1, .is_bool = true };
	else if (w->longs == 1)
		*out = expr_word(x, !w->unsigneds);
	else
		*out = expr_integer(w->longs ? 8 : w->shorts ? 2 : w->chars ? 1 : 4, !w->unsigneds);
	return true;
}

static bool parse_type(struct expr *x, struct expr_type *out)
{
	const char *at = peek(x)->at;
	struct words w = { 0 };

	while (peek(x)->kind == TOKEN_NAME && add_word(x, &w, peek(x)->name))
		if (!lex_next(x))
			return false;
	if (!combine_words(x, &w, out))
		return expr_fail(x, at, "these words make no type");
	for (;;) {
		if (peek(x)->kind == TOKEN_NAME &&
		    (strcmp(peek(x)->name, "const") == 0 || strcmp(peek(x)->name, "volatile") == 0))
			lex_next(x);
		else if (!accept(x, '*'))
			break;
		else if (++out->stars == 8)
			return expr_fail(x, at, "too many stars");
	}
	return !x->failed;
}

/* ---- Primary expressions ---- */

static struct expr_node *parse_name(struct expr *x, const struct token *t)
{
	static const char *const refused[] = { "float", "double", "struct", "union", "enum" };

	if (strcmp(t->name, "NULL") == 0)
		return expr_constant(x, 0, (struct expr_type){ .stars = 1 });
	if (strcmp(t->name, "true") == 0 || strcmp(t->name, "false") == 0)
		return expr_constant(x, *t->name == 't', expr_integer(4, true));
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (strcmp(refused[i], t->name) == 0)
			return expr_fail(x, t->at, "types with %s are not known here", t->name);
	return expr_fail(x, t->at, "%s is not known here; registers are written $NAME", t->name);
}

static struct expr_node *parse_primary(struct expr *x)
{
	struct token t = *peek(x);
	struct expr_node *n;

	if (accept(x, '(')) {
		n = parse_comma(x);
		return n != NULL && expect(x, ')') ? n : NULL;
	}
	if (t.kind == TOKEN_END)
		return expr_fail(x, t.at, "the expression ends too early");
	if (at_type(x))
		return expr_fail(x, t.at, "a type stands here without parentheses around it");
	if (t.kind == TOKEN_OPERATOR)
		return expr_fail(x, t.at, "a value is expected before \"%.*s\"", (int)t.length,
				 t.at);
	if (!lex_next(x))
		return NULL;
	if (t.kind == TOKEN_NUMBER)
		return expr_constant(x, t.value, t.type);
	return t.kind == TOKEN_REGISTER ? expr_register(x, t.at, t.name) : parse_name(x, &t);
}

static struct expr_node *parse_postfix(struct expr *x)
{
	struct expr_node *n = parse_primary(x), *index;
	const char *at;

	while (n != NULL && peek(x)->kind == TOKEN_OPERATOR) {
		at = peek(x)->at;
		if (accept(x, '[')) {
			index = parse_comma(x);
			if (index == NULL || !expect(x, ']'))
				return NULL;
			if (n->type.stars == 0 && index->type.stars == 0)
				return expr_fail(x, at,
						 "only a pointer can be indexed; give it a "
						 "type, as in ((int *)$NAME)[1]");
			n = expr_load(x, at, expr_binary(x, at, '+', n, index));
		} else if (is_op(x, '.') || is_op(x, TOKEN_OP2('-', '>'))) {
			return expr_fail(x, at,
					 "members are not known here; write "
					 "*(TYPE *)(ADDRESS + OFFSET)");
		} else if (is_op(x, '(')) {
			return expr_fail(x, at, "nothing can be called here");
		} else {
			break;
		}
	}
	return n;
}

/* ---- Operators ---- */

/* After "(": a type's ")" and what is cast. */
static struct expr_node *parse_cast(struct expr *x, const char *at)
{
	struct expr_type t;

	if (!parse_type(x, &t) || !expect(x, ')'))
		return NULL;
	return expr_cast(x, at, parse_unary(x), t);
}

static struct expr_node *parse_sizeof(struct expr *x, const char *at)
{
	struct lexer before = x->lexer;
	struct expr_node *n;
	struct expr_type t;

	if (accept(x, '(') && at_type(x)) {
		if (!parse_type(x, &t) || !expect(x, ')'))
			return NULL;
	} else {
		x->lexer = before;
		n = x->failed ? NULL : parse_unary(x);
		if (n == NULL)
			return NULL;
		t = n->type;
	}
	if (expr_size(x, t) == 0)
		return expr_fail(x, at, "void has no size");
	return expr_constant(x, expr_size(x, t), expr_word(x, false));
}

static struct expr_node *parse_prefix(struct expr *x, const struct token *t)
{
	if (!lex_next(x))
		return NULL;
	switch (t->op) {
	case '(':
		return parse_cast(x, t->at);
	case '*':
		return expr_load(x, t->at, parse_unary(x));
	case '&':
		return expr_address(x, t->at, parse_unary(x));
	default:
		return expr_unary(x, t->at, t->op, parse_unary(x));
	}
}

static bool is_cast(struct expr *x)
{
	struct lexer before;
	bool found;

	if (!is_op(x, '('))
		return false;
	before = x->lexer;
	found = lex_next(x) && at_type(x);
	x->lexer = before;
	return found;
}

static struct expr_node *parse_unary(struct expr *x)
{
	struct token t = *peek(x);
	struct expr_node *n;

	if (x->nesting == EXPR_NESTING_MAX)
		return expr_fail(x, t.at, "the expression is nested too deeply");
	x->nesting++;
	if (t.kind == TOKEN_NAME && strcmp(t.name, "sizeof") == 0)
		n = lex_next(x) ? parse_sizeof(x, t.at) : NULL;
	else if (t.kind == TOKEN_OPERATOR &&
		 (is_cast(x) || (t.op < 256 && strchr("!~-+*&", (int)t.op) != NULL)))
		n = parse_prefix(x, &t);
	else if (is_op(x, TOKEN_OP2('+', '+')) || is_op(x, TOKEN_OP2('-', '-')))
		n = expr_fail(x, t.at, "nothing can be changed here");
	else
		n = parse_postfix(x);
	x->nesting--;
	return n;
}

/* How strongly it binds; 0: no operator between two values. */
static unsigned strength(unsigned op)
{
	static const struct {
		unsigned op, strength;
	} known[] = {
		{ TOKEN_OP2('|', '|'), 1 },
		{ TOKEN_OP2('&', '&'), 2 },
		{ '|', 3 },
		{ '^', 4 },
		{ '&', 5 },
		{ TOKEN_OP2('=', '='), 6 },
		{ TOKEN_OP2('!', '='), 6 },
		{ '<', 7 },
		{ '>', 7 },
		{ TOKEN_OP2('<', '='), 7 },
		{ TOKEN_OP2('>', '='), 7 },
		{ TOKEN_OP2('<', '<'), 8 },
		{ TOKEN_OP2('>', '>'), 8 },
		{ '+', 9 },
		{ '-', 9 },
		{ '*', 10 },
		{ '/', 10 },
		{ '%', 10 },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].op == op)
			return known[i].strength;
	return 0;
}

/* Operators that bind at least as strongly as @least. */
static struct expr_node *parse_binary(struct expr *x, unsigned least)
{
	struct expr_node *a = parse_unary(x);

	while (a != NULL && peek(x)->kind == TOKEN_OPERATOR) {
		const char *at = peek(x)->at;
		unsigned op = peek(x)->op, own = strength(op);

		if (own == 0 || own < least)
			break;
		if (!lex_next(x))
			return NULL;
		a = expr_binary(x, at, op, a, parse_binary(x, own + 1));
	}
	return a;
}

static struct expr_node *parse_choice(struct expr *x)
{
	struct expr_node *a = parse_binary(x, 1), *b, *c;

	if (a == NULL || !is_op(x, '?'))
		return a;
	if (x->nesting == EXPR_NESTING_MAX)
		return expr_fail(x, peek(x)->at, "the expression is nested too deeply");
	x->nesting++;
	b = lex_next(x) ? parse_comma(x) : NULL;
	c = b != NULL && expect(x, ':') ? parse_choice(x) : NULL;
	x->nesting--;
	return expr_choice(x, a, b, c);
}

static struct expr_node *parse_comma(struct expr *x)
{
	struct expr_node *a = parse_choice(x);
	const char *at;

	while (a != NULL && is_op(x, ',')) {
		at = peek(x)->at;
		a = lex_next(x) ? expr_binary(x, at, ',', a, parse_choice(x)) : NULL;
	}
	return a;
}

struct expr_node *expr_parse(struct expr *x, const char *text)
{
	struct expr_node *n;

	x->lexer = (struct lexer){ .text = text, .at = text };
	n = lex_next(x) ? parse_comma(x) : NULL;
	if (n != NULL && is_op(x, '='))
		n = expr_fail(x, peek(x)->at, "nothing can be assigned; == compares");
	if (n != NULL && peek(x)->kind != TOKEN_END)
		n = expr_fail(x, peek(x)->at, "an operator is expected before \"%.*s\"",
			      (int)peek(x)->length, peek(x)->at);
	return n;
}
