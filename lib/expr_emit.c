/* SPDX-License-Identifier: MIT */
#include "lib/expr.h"

static void put(struct expr_code *code, uint64_t value, size_t size)
{
	if (size > sizeof code->bytes - code->size) {
		code->overflow = true;
		return;
	}
	while (size > 0)
		code->bytes[code->size++] = (uint8_t)(value >> (8 * --size));
}

static void put_op(struct expr_code *code, unsigned op)
{
	put(code, op, 1);
}

static void put_op_with(struct expr_code *code, unsigned op, uint64_t operand, size_t size)
{
	put(code, op, 1);
	put(code, operand, size);
}

/* Returns what land() makes a jump to where the code then stands. */
static size_t jump(struct expr_code *code, unsigned op)
{
	put_op_with(code, op, 0, 2);
	return code->size;
}

static void land(struct expr_code *code, size_t from)
{
	if (code->overflow)
		return;
	code->bytes[from - 2] = (uint8_t)(code->size >> 8);
	code->bytes[from - 1] = (uint8_t)code->size;
}

static void put_constant(struct expr_code *code, uint64_t value)
{
	static const struct {
		uint8_t op, size;
	} forms[] = { { AGENT_CONST8, 1 }, { AGENT_CONST16, 2 }, { AGENT_CONST32, 4 } };

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		unsigned bits = 8u * forms[i].size;

		if (value >> bits == 0) {
			put_op_with(code, forms[i].op, value, forms[i].size);
			return;
		}
		if ((int64_t)value < 0 && (int64_t)value >= -(INT64_C(1) << (bits - 1))) {
			put_op_with(code, forms[i].op, value, forms[i].size);
			put_op_with(code, AGENT_EXT, bits, 1);
			return;
		}
	}
	put_op_with(code, AGENT_CONST64, value, 8);
}

static void put_extension(struct expr_code *code, const struct expr_node *n)
{
	bool is_signed = n->type.is_signed && n->type.stars == 0;

	put_op_with(code, is_signed ? AGENT_EXT : AGENT_ZERO_EXT, 8u * n->op, 1);
}

static void emit(struct expr_code *code, const struct expr_node *n);

static void emit_truth(struct expr_code *code, const struct expr_node *n)
{
	emit(code, n);
	if (!n->truth) {
		put_op(code, AGENT_LOG_NOT);
		put_op(code, AGENT_LOG_NOT);
	}
}

static void emit_load(struct expr_code *code, const struct expr_node *n)
{
	static const uint8_t ops[] = {
		[1] = AGENT_REF8, [2] = AGENT_REF16, [4] = AGENT_REF32, [8] = AGENT_REF64
	};

	emit(code, n->a);
	put_op(code, ops[n->op]);
	if (n->type.is_signed && n->type.stars == 0 && n->op < 8)
		put_extension(code, n);
}

/* What decides is known after a: the other side is not evaluated then. */
static void emit_logic(struct expr_code *code, const struct expr_node *n)
{
	size_t go, end;

	emit(code, n->a);
	go = jump(code, AGENT_IF_GOTO);
	if (n->kind == EXPR_AND)
		put_constant(code, 0);
	else
		emit_truth(code, n->b);
	end = jump(code, AGENT_GOTO);
	land(code, go);
	if (n->kind == EXPR_AND)
		emit_truth(code, n->b);
	else
		put_constant(code, 1);
	land(code, end);
}

static void emit_choice(struct expr_code *code, const struct expr_node *n)
{
	size_t go, end;

	emit(code, n->a);
	go = jump(code, AGENT_IF_GOTO);
	emit(code, n->c);
	end = jump(code, AGENT_GOTO);
	land(code, go);
	emit(code, n->b);
	land(code, end);
}

static void emit(struct expr_code *code, const struct expr_node *n)
{
	if (code->overflow)
		return;
	switch (n->kind) {
	case EXPR_CONSTANT:
		put_constant(code, n->value);
		break;
	case EXPR_REGISTER:
		put_op_with(code, AGENT_REG, n->value, 2);
		break;
	case EXPR_LOAD:
		emit_load(code, n);
		break;
	case EXPR_UNARY:
		emit(code, n->a);
		put_op(code, n->op);
		break;
	case EXPR_BINARY:
		emit(code, n->a);
		emit(code, n->b);
		put_op(code, n->op);
		break;
	case EXPR_EXTEND:
		emit(code, n->a);
		put_extension(code, n);
		break;
	case EXPR_TRUTH:
		emit_truth(code, n->a);
		break;
	case EXPR_SAME:
		emit(code, n->a);
		break;
	case EXPR_AND:
	case EXPR_OR:
		emit_logic(code, n);
		break;
	case EXPR_CHOICE:
		emit_choice(code, n);
		break;
	case EXPR_COMMA:
		emit(code, n->a);
		put_op(code, AGENT_POP);
		emit(code, n->b);
		break;
	}
}

void expr_emit(struct expr_code *code, const struct expr_node *n)
{
	code->size = 0;
	code->overflow = false;
	emit(code, n);
	put_op(code, AGENT_END);
}
