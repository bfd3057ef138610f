/* SPDX-License-Identifier: MIT */
/* What C makes of types: promotion, the usual conversions, scaled pointers, wrapping. */
#include "lib/expr.h"

#include <string.h>

struct expr_type expr_integer(unsigned width, bool is_signed)
{
	return (struct expr_type){ .width = (uint8_t)width, .is_signed = is_signed };
}

struct expr_type expr_word(const struct expr *x, bool is_signed)
{
	return expr_integer(x->arch->word_size, is_signed);
}

unsigned expr_size(const struct expr *x, struct expr_type t)
{
	return t.stars ? x->arch->word_size : t.width;
}

static bool is_signed(struct expr_type t)
{
	return t.is_signed && t.stars == 0;
}

/* ---- Nodes ---- */

static struct expr_node *make(struct expr *x, enum expr_kind kind, struct expr_type t)
{
	struct expr_node *n;

	if (x->node_count == EXPR_NODES_MAX)
		return expr_fail(x, x->lexer.token.at, "the expression is too long");
	n = &x->nodes[x->node_count++];
	*n = (struct expr_node){ .kind = kind, .type = t };
	return n;
}

struct expr_node *expr_constant(struct expr *x, uint64_t value, struct expr_type t)
{
	struct expr_node *n = make(x, EXPR_CONSTANT, t);

	if (n != NULL)
		n->value = value;
	return n;
}

static bool is_constant(const struct expr_node *n)
{
	return n == NULL || n->kind == EXPR_CONSTANT;
}

/* Of constants the engine's own evaluator makes one; what has no value there stays as it is. */
static struct expr_node *fold(struct expr_node *n)
{
	static const struct agent_env nothing;
	struct expr_code code;
	uint64_t value;

	if (n->kind == EXPR_LOAD || !is_constant(n->a) || !is_constant(n->b) || !is_constant(n->c))
		return n;
	expr_emit(&code, n);
	if (agent_eval(code.bytes, &nothing, &value) != AGENT_NO_FAULT)
		return n;
	n->kind = EXPR_CONSTANT;
	n->value = value;
	n->truth = value <= 1;
	return n;
}

static bool is_truth(const struct expr_node *n)
{
	switch (n->kind) {
	case EXPR_TRUTH:
	case EXPR_AND:
	case EXPR_OR:
		return true;
	case EXPR_LOAD:
		return n->type.is_bool && n->type.stars == 0;
	case EXPR_UNARY:
	case EXPR_BINARY:
		return n->op == AGENT_LOG_NOT || n->op == AGENT_EQUAL ||
		       n->op == AGENT_LESS_SIGNED || n->op == AGENT_LESS_UNSIGNED;
	case EXPR_SAME:
		return n->a->truth;
	default:
		return false;
	}
}

static struct expr_node *make_with(struct expr *x, enum expr_kind kind, unsigned op,
				   struct expr_type t, struct expr_node *a, struct expr_node *b)
{
	struct expr_node *n = x->failed ? NULL : make(x, kind, t);

	if (n == NULL)
		return NULL;
	n->op = (uint8_t)op;
	n->a = a;
	n->b = b;
	n->truth = is_truth(n);
	return fold(n);
}

static struct expr_node *extend(struct expr *x, struct expr_node *a, struct expr_type t)
{
	return make_with(x, EXPR_EXTEND, expr_size(x, t), t, a, NULL);
}

/* ---- Conversions ---- */

/* Whether a value of type @from, as it is kept, is the same value as one of type @to. */
static bool kept_alike(const struct expr *x, struct expr_type from, struct expr_type to)
{
	unsigned have = expr_size(x, from), want = expr_size(x, to);

	if (want == 8)
		return true;
	if (is_signed(from))
		return is_signed(to) && have <= want;
	return is_signed(to) ? have < want : have <= want;
}

static struct expr_node *convert(struct expr *x, struct expr_node *a, struct expr_type t)
{
	if (a == NULL)
		return NULL;
	if (t.is_bool && t.stars == 0)
		return make_with(x, EXPR_TRUTH, 0, t, a, NULL);
	if (!kept_alike(x, a->type, t))
		return extend(x, a, t);
	return make_with(x, EXPR_SAME, 0, t, a, NULL);
}

static struct expr_type promoted(struct expr_type t)
{
	return t.width < 4 ? expr_integer(4, true) : t;
}

/* The type that both sides of an arithmetic operator become. */
static struct expr_type common(struct expr_type a, struct expr_type b)
{
	a = promoted(a);
	b = promoted(b);
	if (a.width != b.width)
		return a.width > b.width ? a : b;
	return expr_integer(a.width, a.is_signed && b.is_signed);
}

/* What a calculation gave, back in its type. */
static struct expr_node *wrapped(struct expr *x, struct expr_node *n)
{
	return n == NULL || expr_size(x, n->type) == 8 ? n : extend(x, n, n->type);
}

struct expr_node *expr_cast(struct expr *x, const char *at, struct expr_node *a, struct expr_type t)
{
	if (a == NULL)
		return NULL;
	if (expr_size(x, t) == 0)
		return expr_fail(x, at, "void has no value");
	return convert(x, a, t);
}

/* ---- Registers and memory ---- */

static const struct arch_register *find_register(const struct expr *x, const char *name)
{
	if (strcmp(name, "pc") == 0)
		name = x->arch->pc;
	else if (strcmp(name, "sp") == 0)
		name = x->arch->sp;
	return arch_find_register(x->arch, name);
}

/* Signed, as gdb has it: a register holds an integer of its width. */
struct expr_node *expr_register(struct expr *x, const char *at, const char *name)
{
	const struct arch_register *r = find_register(x, name);
	int number = r != NULL ? arch_gdb_number(x->arch, r) : -1;
	const struct arch_register *whole;
	struct expr_node *n;
	unsigned above;

	if (r == NULL)
		return expr_fail(x, at, "there is no register $%s on %s", name, x->arch->name);
	if (number < 0)
		return expr_fail(x, at, "$%s is no general register", name);
	whole = arch_gdb_register(x->arch, (unsigned)number);
	above = r->offset - whole->offset;
	n = make(x, EXPR_REGISTER, expr_integer(8, true));
	if (n == NULL)
		return NULL;
	n->value = (uint64_t)number;
	if (above > 0)
		n = make_with(x, EXPR_BINARY, AGENT_RSH_UNSIGNED, n->type, n,
			      expr_constant(x, 8u * above, n->type));
	return n != NULL && r->width < 8 ? extend(x, n, expr_integer(r->width, true)) : n;
}

struct expr_node *expr_load(struct expr *x, const char *at, struct expr_node *address)
{
	struct expr_type t;

	if (address == NULL)
		return NULL;
	t = address->type;
	if (t.stars == 0)
		return expr_fail(x, at,
				 "only a pointer can be dereferenced; give it a type, as in "
				 "*(int *)$NAME");
	t.stars--;
	if (expr_size(x, t) == 0)
		return expr_fail(x, at, "a pointer to void cannot be dereferenced");
	return make_with(x, EXPR_LOAD, expr_size(x, t), t, address, NULL);
}

struct expr_node *expr_address(struct expr *x, const char *at, struct expr_node *lvalue)
{
	struct expr_type t;

	if (lvalue == NULL)
		return NULL;
	if (lvalue->kind != EXPR_LOAD)
		return expr_fail(x, at, "only what is in memory has an address");
	t = lvalue->type;
	t.stars++;
	return convert(x, lvalue->a, t);
}

/* ---- Operators ---- */

static struct expr_node *negated(struct expr *x, struct expr_node *n)
{
	return make_with(x, EXPR_UNARY, AGENT_LOG_NOT, expr_integer(4, true), n, NULL);
}

struct expr_node *expr_unary(struct expr *x, const char *at, unsigned op, struct expr_node *a)
{
	struct expr_type t;

	if (a == NULL)
		return NULL;
	if (op == '!')
		return negated(x, a);
	if (a->type.stars)
		return expr_fail(x, at, "%c takes no pointer", op);
	t = promoted(a->type);
	a = convert(x, a, t);
	if (op == '+' || a == NULL)
		return a;
	if (op == '~')
		return wrapped(x, make_with(x, EXPR_UNARY, AGENT_BIT_NOT, t, a, NULL));
	return wrapped(x, make_with(x, EXPR_BINARY, AGENT_SUB, t, expr_constant(x, 0, t), a));
}

static bool is_pointer(const struct expr_node *n)
{
	return n->type.stars > 0;
}

/* What a pointer to it counts; 1 for void, as gcc has it. */
static unsigned pointee_size(const struct expr *x, struct expr_type t)
{
	t.stars--;
	return expr_size(x, t) ? expr_size(x, t) : 1;
}

static struct expr_node *arithmetic(struct expr *x, unsigned signed_op, unsigned unsigned_op,
				    struct expr_node *a, struct expr_node *b)
{
	struct expr_type t = common(a->type, b->type);

	a = convert(x, a, t);
	b = convert(x, b, t);
	return wrapped(x,
		       make_with(x, EXPR_BINARY, t.is_signed ? signed_op : unsigned_op, t, a, b));
}

/* @sign is '+' or '-'. */
static struct expr_node *move_pointer(struct expr *x, unsigned sign, struct expr_node *p,
				      struct expr_node *by)
{
	struct expr_type word = expr_word(x, true), t = p->type;
	unsigned size = pointee_size(x, t);

	by = convert(x, by, word);
	if (size > 1)
		by = make_with(x, EXPR_BINARY, AGENT_MUL, word, by, expr_constant(x, size, word));
	return wrapped(x, make_with(x, EXPR_BINARY, sign == '+' ? AGENT_ADD : AGENT_SUB, t, p, by));
}

static struct expr_node *pointer_difference(struct expr *x, const char *at, struct expr_node *a,
					    struct expr_node *b)
{
	unsigned size = pointee_size(x, a->type);
	struct expr_type word = expr_word(x, true);

	if (size != pointee_size(x, b->type))
		return expr_fail(x, at, "the pointers are of different types");
	a = wrapped(x, make_with(x, EXPR_BINARY, AGENT_SUB, word, a, b));
	if (size > 1)
		a = make_with(x, EXPR_BINARY, AGENT_DIV_SIGNED, word, a,
			      expr_constant(x, size, word));
	return a;
}

static struct expr_node *add(struct expr *x, const char *at, unsigned op, struct expr_node *a,
			     struct expr_node *b)
{
	if (is_pointer(a) && is_pointer(b))
		return op == '-' ? pointer_difference(x, at, a, b)
				 : expr_fail(x, at, "two pointers cannot be added");
	if (is_pointer(a))
		return move_pointer(x, op, a, b);
	if (is_pointer(b))
		return op == '+' ? move_pointer(x, op, b, a)
				 : expr_fail(x, at, "a pointer cannot be taken from a number");
	op = op == '+' ? AGENT_ADD : AGENT_SUB;
	return arithmetic(x, op, op, a, b);
}

static struct expr_node *divide(struct expr *x, const char *at, unsigned op, struct expr_node *a,
				struct expr_node *b)
{
	if (b->kind == EXPR_CONSTANT && b->value == 0)
		return expr_fail(x, at, "division by zero");
	if (op == '/')
		return arithmetic(x, AGENT_DIV_SIGNED, AGENT_DIV_UNSIGNED, a, b);
	return arithmetic(x, AGENT_REM_SIGNED, AGENT_REM_UNSIGNED, a, b);
}

/* The right side has no say in the type. */
static struct expr_node *shift(struct expr *x, const char *at, unsigned op, struct expr_node *a,
			       struct expr_node *b)
{
	struct expr_type t = promoted(a->type);

	if (b->kind == EXPR_CONSTANT && b->value >= 8u * t.width)
		return expr_fail(x, at,
				 "a value of %u bits cannot be shifted that far; "
				 "make it wider, as in 1LL << 40",
				 8u * t.width);
	if (op == TOKEN_OP2('<', '<'))
		op = AGENT_LSH;
	else
		op = t.is_signed ? AGENT_RSH_SIGNED : AGENT_RSH_UNSIGNED;
	a = convert(x, a, t);
	return wrapped(x, make_with(x, EXPR_BINARY, op, t, a, b));
}

static struct expr_node *compare(struct expr *x, unsigned op, struct expr_node *a,
				 struct expr_node *b)
{
	struct expr_type t =
		is_pointer(a) || is_pointer(b) ? expr_word(x, false) : common(a->type, b->type);
	struct expr_type truth = expr_integer(4, true);
	unsigned less = t.is_signed ? AGENT_LESS_SIGNED : AGENT_LESS_UNSIGNED;

	a = convert(x, a, t);
	b = convert(x, b, t);
	switch (op) {
	case TOKEN_OP2('=', '='):
		return make_with(x, EXPR_BINARY, AGENT_EQUAL, truth, a, b);
	case TOKEN_OP2('!', '='):
		return negated(x, make_with(x, EXPR_BINARY, AGENT_EQUAL, truth, a, b));
	case '<':
		return make_with(x, EXPR_BINARY, less, truth, a, b);
	case '>':
		return make_with(x, EXPR_BINARY, less, truth, b, a);
	case TOKEN_OP2('<', '='):
		return negated(x, make_with(x, EXPR_BINARY, less, truth, b, a));
	default: /* >= */
		return negated(x, make_with(x, EXPR_BINARY, less, truth, a, b));
	}
}

static struct expr_node *bits(struct expr *x, unsigned op, struct expr_node *a, struct expr_node *b)
{
	op = op == '&' ? AGENT_BIT_AND : op == '|' ? AGENT_BIT_OR : AGENT_BIT_XOR;
	return arithmetic(x, op, op, a, b);
}

static bool takes_pointers(unsigned op)
{
	switch (op) {
	case '*':
	case '/':
	case '%':
	case '&':
	case '|':
	case '^':
	case TOKEN_OP2('<', '<'):
	case TOKEN_OP2('>', '>'):
		return false;
	default:
		return true;
	}
}

struct expr_node *expr_binary(struct expr *x, const char *at, unsigned op, struct expr_node *a,
			      struct expr_node *b)
{
	if (a == NULL || b == NULL)
		return NULL;
	if ((is_pointer(a) || is_pointer(b)) && !takes_pointers(op))
		return expr_fail(x, at, "this operator takes no pointer; cast it to unsigned long");
	switch (op) {
	case '+':
	case '-':
		return add(x, at, op, a, b);
	case '*':
		return arithmetic(x, AGENT_MUL, AGENT_MUL, a, b);
	case '/':
	case '%':
		return divide(x, at, op, a, b);
	case '&':
	case '|':
	case '^':
		return bits(x, op, a, b);
	case TOKEN_OP2('<', '<'):
	case TOKEN_OP2('>', '>'):
		return shift(x, at, op, a, b);
	case TOKEN_OP2('&', '&'):
		return make_with(x, EXPR_AND, 0, expr_integer(4, true), a, b);
	case TOKEN_OP2('|', '|'):
		return make_with(x, EXPR_OR, 0, expr_integer(4, true), a, b);
	case ',':
		return make_with(x, EXPR_COMMA, 0, b->type, a, b);
	default:
		return compare(x, op, a, b);
	}
}

struct expr_node *expr_choice(struct expr *x, struct expr_node *a, struct expr_node *b,
			      struct expr_node *c)
{
	struct expr_node *n;
	struct expr_type t;

	if (a == NULL || b == NULL || c == NULL)
		return NULL;
	t = is_pointer(b) ? b->type : is_pointer(c) ? c->type : common(b->type, c->type);
	b = convert(x, b, t);
	c = convert(x, c, t);
	n = x->failed ? NULL : make(x, EXPR_CHOICE, t);
	if (n == NULL)
		return NULL;
	n->a = a;
	n->b = b;
	n->c = c;
	n->truth = b->truth && c->truth;
	return fold(n);
}
