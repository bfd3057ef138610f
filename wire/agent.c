/* SPDX-License-Identifier: MIT */
#include "wire/agent.h"

/* ---- Checking ---- */

static const struct shape {
	uint8_t known, operands, pops, pushes;
} shapes[256] = {
#define OP(name, number, operands, pops, pushes) [number] = { 1, operands, pops, pushes },
	AGENT_OPS(OP)
#undef OP
};

static const uint8_t refused[256] = {
#define REFUSED(name, number) [number] = 1,
	AGENT_REFUSED_OPS(REFUSED)
#undef REFUSED
};

#define NO_INSTRUCTION (-2) /* the middle of one */
#define NOT_REACHED (-1)

struct check {
	const uint8_t *code;
	size_t size;
	int16_t height[AGENT_BYTES_MAX]; /* of the stack, when the instruction there begins */
	uint16_t todo[AGENT_BYTES_MAX];	 /* reached, not looked at */
	size_t todo_count;
};

static unsigned operand16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* Where instructions begin; what can be said of each by itself. */
static enum agent_problem find_instructions(struct check *c, agent_has_register has,
					    const void *arch)
{
	for (size_t i = 0; i < c->size; i++)
		c->height[i] = NO_INSTRUCTION;
	for (size_t pc = 0; pc < c->size;) {
		unsigned op = c->code[pc];

		if (!shapes[op].known)
			return refused[op] ? AGENT_REFUSED_OP : AGENT_UNKNOWN_OP;
		if (shapes[op].operands >= c->size - pc)
			return AGENT_CUT_SHORT;
		if (op == AGENT_REG && !has(arch, operand16(c->code + pc + 1)))
			return AGENT_BAD_REGISTER;
		c->height[pc] = NOT_REACHED;
		pc += 1u + shapes[op].operands;
	}
	return AGENT_GOOD;
}

/* A way to the instruction at @pc, with a stack of @height there. */
static enum agent_problem reach(struct check *c, size_t pc, int height)
{
	if (c->height[pc] != NOT_REACHED)
		return c->height[pc] == height ? AGENT_GOOD : AGENT_UNEVEN;
	c->height[pc] = (int16_t)height;
	c->todo[c->todo_count++] = (uint16_t)pc;
	return AGENT_GOOD;
}

static enum agent_problem reach_by_jump(struct check *c, size_t pc, int height)
{
	unsigned target = operand16(c->code + pc + 1);

	if (target >= c->size || c->height[target] == NO_INSTRUCTION)
		return AGENT_BAD_JUMP;
	return reach(c, target, height);
}

/* Where execution can go from the instruction at @pc. */
static enum agent_problem follow(struct check *c, size_t pc)
{
	unsigned op = c->code[pc];
	const struct shape *shape = &shapes[op];
	size_t next = pc + 1 + shape->operands;
	int needs = op == AGENT_PICK ? c->code[pc + 1] + 1 : shape->pops;
	int height = c->height[pc] - shape->pops + shape->pushes;
	enum agent_problem p = AGENT_GOOD;

	if (c->height[pc] < needs)
		return AGENT_UNDERFLOW;
	if (height > AGENT_STACK_MAX)
		return AGENT_TOO_DEEP;
	if (op == AGENT_END)
		return AGENT_GOOD;
	if (op == AGENT_GOTO || op == AGENT_IF_GOTO)
		p = reach_by_jump(c, pc, height);
	if (p != AGENT_GOOD || op == AGENT_GOTO)
		return p;
	return next < c->size ? reach(c, next, height) : AGENT_NO_END;
}

enum agent_problem agent_check(const uint8_t *code, size_t size, agent_has_register has,
			       const void *arch)
{
	struct check c;
	enum agent_problem p;

	if (size == 0)
		return AGENT_EMPTY;
	if (size > AGENT_BYTES_MAX)
		return AGENT_TOO_LONG;
	c.code = code;
	c.size = size;
	c.todo_count = 0;
	p = find_instructions(&c, has, arch);
	if (p == AGENT_GOOD)
		p = reach(&c, 0, 0);
	while (p == AGENT_GOOD && c.todo_count > 0)
		p = follow(&c, c.todo[--c.todo_count]);
	return p;
}

/* ---- Evaluating ---- */

/* As the processor and C have it, and defined where they are not. */
static inline uint64_t shift_right_signed(uint64_t a, uint64_t by)
{
	return (uint64_t)((int64_t)a >> (by < 64 ? by : 63));
}

static inline uint64_t divide_signed(uint64_t a, uint64_t b)
{
	return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static inline uint64_t remainder_signed(uint64_t a, uint64_t b)
{
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static inline uint64_t sign_extend(uint64_t a, unsigned bits)
{
	uint64_t sign;

	if (bits == 0)
		return 0;
	if (bits >= 64)
		return a;
	sign = UINT64_C(1) << (bits - 1);
	a &= sign | (sign - 1);
	return (a ^ sign) - sign;
}

static inline uint64_t zero_extend(uint64_t a, unsigned bits)
{
	return bits >= 64 ? a : a & ((UINT64_C(1) << bits) - 1);
}

static inline uint64_t constant(const uint8_t *at, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v = v << 8 | at[i];
	return v;
}

static inline enum agent_fault read_register(const struct agent_env *env, unsigned number,
					     uint64_t *value)
{
	return env->read_register(env->data, number, value) ? AGENT_FAULT_REGISTER : AGENT_NO_FAULT;
}

/* Replaces an address by the @size bytes there, in the byte order of both ends. */
static inline enum agent_fault read_memory(const struct agent_env *env, uint64_t *item, size_t size)
{
	union {
		uint64_t all;
		uint32_t four;
		uint16_t two;
		uint8_t one;
	} bytes = { 0 };

	if (env->read_memory(env->data, *item, &bytes, size) != 0)
		return AGENT_FAULT_MEMORY;
	*item = size == 8 ? bytes.all : size == 4 ? bytes.four : size == 2 ? bytes.two : bytes.one;
	return AGENT_NO_FAULT;
}

/* The opcodes that only move items; returns the new top. */
static inline uint64_t *shuffle(unsigned op, unsigned operand, uint64_t *top)
{
	uint64_t last = *top;

	switch (op) {
	case AGENT_DUP:
		*++top = last;
		return top;
	case AGENT_POP:
		return top - 1;
	case AGENT_SWAP:
		top[0] = top[-1];
		top[-1] = last;
		return top;
	case AGENT_PICK:
		top[1] = top[-(ptrdiff_t)operand];
		return top + 1;
	default: /* AGENT_ROT */
		top[0] = top[-1];
		top[-1] = top[-2];
		top[-2] = last;
		return top;
	}
}

/* The opcodes that make one item of two or of one; @b is the top. */
static inline uint64_t calculate(unsigned op, uint64_t a, uint64_t b, unsigned operand)
{
	switch (op) {
#define VALUE(name, value) \
	case AGENT_##name: \
		return value;
		VALUE(ADD, a + b)
		VALUE(SUB, a - b)
		VALUE(MUL, a * b)
		VALUE(DIV_SIGNED, divide_signed(a, b))
		VALUE(DIV_UNSIGNED, a / b)
		VALUE(REM_SIGNED, remainder_signed(a, b))
		VALUE(REM_UNSIGNED, a % b)
		VALUE(LSH, b < 64 ? a << b : 0)
		VALUE(RSH_SIGNED, shift_right_signed(a, b))
		VALUE(RSH_UNSIGNED, b < 64 ? a >> b : 0)
		VALUE(BIT_AND, a & b)
		VALUE(BIT_OR, a | b)
		VALUE(BIT_XOR, a ^ b)
		VALUE(EQUAL, a == b)
		VALUE(LESS_SIGNED, (int64_t)a < (int64_t)b)
		VALUE(LESS_UNSIGNED, a < b)
		VALUE(LOG_NOT, !b)
		VALUE(BIT_NOT, ~b)
		VALUE(EXT, sign_extend(b, operand))
		VALUE(ZERO_EXT, zero_extend(b, operand))
#undef VALUE
	default:
		return 0;
	}
}

struct run {
	const struct agent_env *env;
	const uint8_t *code, *at; /* the next instruction */
	uint64_t *top;
	int left; /* steps */
};

/*
 * One instruction, but for END. No bounds are looked at: agent_check() has seen that the stack
 * holds what each instruction needs, and that every way ends in END.
 */
static inline enum agent_fault step(struct run *r, unsigned op)
{
	const uint8_t *operand = r->at;

	r->at += shapes[op].operands;
	switch (op) {
	case AGENT_IF_GOTO:
		if (*r->top-- != 0)
			r->at = r->code + operand16(operand);
		return AGENT_NO_FAULT;
	case AGENT_GOTO:
		r->at = r->code + operand16(operand);
		return AGENT_NO_FAULT;
	case AGENT_CONST8:
	case AGENT_CONST16:
	case AGENT_CONST32:
	case AGENT_CONST64:
		*++r->top = constant(operand, shapes[op].operands);
		return AGENT_NO_FAULT;
	case AGENT_REG:
		return read_register(r->env, operand16(operand), ++r->top);
	case AGENT_REF8:
	case AGENT_REF16:
	case AGENT_REF32:
	case AGENT_REF64:
		r->left -= AGENT_READ_STEPS - 1;
		return read_memory(r->env, r->top, (size_t)1 << (op - AGENT_REF8));
	case AGENT_DUP:
	case AGENT_POP:
	case AGENT_SWAP:
	case AGENT_PICK:
	case AGENT_ROT:
		r->top = shuffle(op, *operand, r->top);
		return AGENT_NO_FAULT;
	case AGENT_LOG_NOT:
	case AGENT_BIT_NOT:
	case AGENT_EXT:
	case AGENT_ZERO_EXT:
		*r->top = calculate(op, 0, *r->top, *operand);
		return AGENT_NO_FAULT;
	case AGENT_DIV_SIGNED:
	case AGENT_DIV_UNSIGNED:
	case AGENT_REM_SIGNED:
	case AGENT_REM_UNSIGNED:
		if (*r->top == 0)
			return AGENT_FAULT_DIVISION;
		break;
	}
	r->top--;
	*r->top = calculate(op, r->top[0], r->top[1], 0);
	return AGENT_NO_FAULT;
}

enum agent_fault agent_eval(const uint8_t *code, const struct agent_env *env, uint64_t *result)
{
	uint64_t stack[AGENT_STACK_MAX + 1]; /* the first is no item */
	struct run r = { env, code, code, stack, AGENT_STEPS_MAX };

	while (r.left-- > 0) {
		unsigned op = *r.at++;
		enum agent_fault fault;

		if (op == AGENT_END) {
			*result = *r.top;
			return AGENT_NO_FAULT;
		}
		fault = step(&r, op);
		if (fault != AGENT_NO_FAULT)
			return fault;
	}
	return AGENT_FAULT_ENDLESS;
}

/* ---- Names ---- */

const char *agent_problem_text(enum agent_problem p)
{
	static const char *const texts[] = {
		[AGENT_GOOD] = "nothing is wrong",
		[AGENT_EMPTY] = "there is no code",
		[AGENT_TOO_LONG] = "it is too long",
		[AGENT_UNKNOWN_OP] = "it has an opcode that does not exist",
		[AGENT_REFUSED_OP] = "it has an opcode that conditions may not use",
		[AGENT_CUT_SHORT] = "it ends within an instruction",
		[AGENT_BAD_REGISTER] = "it reads a register that does not exist",
		[AGENT_BAD_JUMP] = "it jumps to where no instruction begins",
		[AGENT_NO_END] = "it can run past its end",
		[AGENT_UNDERFLOW] = "an instruction finds too little on the stack",
		[AGENT_TOO_DEEP] = "it needs too much stack",
		[AGENT_UNEVEN] = "two ways to an instruction differ in the height of the stack",
	};

	return texts[p];
}

const char *agent_op_name(unsigned op)
{
	switch (op) {
#define OP(NAME, number, operands, pops, pushes) \
	case number:                             \
		return #NAME;
		AGENT_OPS(OP)
#undef OP
#define REFUSED(NAME, number) \
	case number:          \
		return #NAME;
		AGENT_REFUSED_OPS(REFUSED)
#undef REFUSED
	default:
		return NULL;
	}
}
