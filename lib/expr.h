/* SPDX-License-Identifier: MIT */
/*
 * From the text of an expression to agent bytecode: expr_lex.c makes tokens, expr_parse.c reads
 * the grammar, expr_tree.c knows what C makes of types, expr_emit.c writes code.
 */
#ifndef LIB_EXPR_H
#define LIB_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"
#include "lib/public.h"
#include "wire/agent.h"

#define EXPR_NODES_MAX 4096 /* most cost code, which is short */
#define EXPR_NESTING_MAX 64
#define EXPR_NAME_MAX 128

/* ---- Types ---- */

/* An integer of 1, 2, 4 or 8 bytes; with stars, a pointer to one. */
struct expr_type {
	uint8_t width; /* 0: void */
	bool is_signed;
	bool is_bool;
	uint8_t stars;
};

/* ---- Nodes ---- */

enum expr_kind {
	EXPR_CONSTANT, /* value */
	EXPR_REGISTER, /* value: gdb's number */
	EXPR_LOAD,     /* op bytes from the address a */
	EXPR_UNARY,    /* the opcode op on a */
	EXPR_BINARY,   /* the opcode op on a and b */
	EXPR_EXTEND,   /* the lowest op bytes of a, extended as the type says */
	EXPR_TRUTH,    /* a as 0 or 1 */
	EXPR_SAME,     /* a, with another type and no code */
	EXPR_AND,      /* a, b: 0 or 1 */
	EXPR_OR,
	EXPR_CHOICE, /* a ? b : c */
	EXPR_COMMA   /* a, b */
};

/*
 * A value on the stack is extended to 64 bits as its type is signed or not: signed ones by
 * their sign, others and pointers by zeros.
 */
struct expr_node {
	enum expr_kind kind;
	uint8_t op;
	bool truth; /* can be 0 or 1 only */
	struct expr_type type;
	uint64_t value;
	struct expr_node *a, *b, *c;
};

/* ---- Tokens ---- */

enum token_kind { TOKEN_END, TOKEN_NUMBER, TOKEN_NAME, TOKEN_REGISTER, TOKEN_OPERATOR };

/* Operators by their characters. */
#define TOKEN_OP2(a, b) ((unsigned)(a) << 8 | (unsigned)(b))

struct token {
	enum token_kind kind;
	unsigned op;
	const char *at;
	size_t length;
	uint64_t value; /* number */
	struct expr_type type;
	char name[EXPR_NAME_MAX]; /* without $ */
};

struct lexer {
	const char *text, *at;
	struct token token; /* the one to be looked at */
};

struct expr {
	const struct arch *arch;
	struct lexer lexer;
	struct expr_node *nodes;
	size_t node_count;
	unsigned nesting;
	bool failed;
	char message[256];
};

/* The first complaint stays; @at is where in the text. Returns NULL. */
void *expr_fail(struct expr *x, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Takes the next token; false when there is none to be made. */
bool lex_next(struct expr *x);

/* The whole text, or NULL. */
struct expr_node *expr_parse(struct expr *x, const char *text);

/* ---- Trees. NULL in, NULL out; @at is for complaints. ---- */

struct expr_type expr_integer(unsigned width, bool is_signed);
struct expr_type expr_word(const struct expr *x, bool is_signed);
unsigned expr_size(const struct expr *x, struct expr_type t);

struct expr_node *expr_constant(struct expr *x, uint64_t value, struct expr_type t);
struct expr_node *expr_register(struct expr *x, const char *at, const char *name);
struct expr_node *expr_load(struct expr *x, const char *at, struct expr_node *address);
struct expr_node *expr_address(struct expr *x, const char *at, struct expr_node *lvalue);
struct expr_node *expr_cast(struct expr *x, const char *at, struct expr_node *a,
			    struct expr_type t);
struct expr_node *expr_unary(struct expr *x, const char *at, unsigned op, struct expr_node *a);
struct expr_node *expr_binary(struct expr *x, const char *at, unsigned op, struct expr_node *a,
			      struct expr_node *b);
struct expr_node *expr_choice(struct expr *x, struct expr_node *a, struct expr_node *b,
			      struct expr_node *c);

/* ---- Code ---- */

struct expr_code {
	uint8_t bytes[AGENT_BYTES_MAX];
	size_t size;
	bool overflow;
};

/* The node and an END. */
void expr_emit(struct expr_code *code, const struct expr_node *n);

#endif
