/* SPDX-License-Identifier: MIT */
#include "lib/expr.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *expr_fail(struct expr *x, const char *at, const char *format, ...)
{
	va_list args;
	int used;

	if (x->failed)
		return NULL;
	x->failed = true;
	used = snprintf(x->message, sizeof x->message,
			"character %zu: ", (size_t)(at - x->lexer.text) + 1);
	va_start(args, format);
	vsnprintf(x->message + used, sizeof x->message - (size_t)used, format, args);
	va_end(args);
	return NULL;
}

/* Of the C locale, whatever the program's is. */
static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int digit_value(int c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* ---- Numbers ---- */

/* Digits of @base; 0 when they are none or too many. */
static const char *read_digits(const char *at, unsigned base, uint64_t *value)
{
	const char *begin = at;

	*value = 0;
	for (; digit_value(*at) < (int)base; at++)
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, (unsigned)digit_value(*at), value))
			return NULL;
	return at > begin ? at : NULL;
}

/* The suffix's letters; false when it is none. */
static bool read_suffix(const char *at, const char *end, bool *is_unsigned, unsigned *longs)
{
	*is_unsigned = false;
	*longs = 0;
	while (at < end) {
		if ((*at == 'u' || *at == 'U') && !*is_unsigned) {
			*is_unsigned = true;
			at++;
		} else if ((*at == 'l' || *at == 'L') && *longs == 0) {
			*longs = at + 1 < end && at[1] == *at ? 2 : 1;
			at += *longs;
		} else {
			return false;
		}
	}
	return true;
}

/* The first type that C tries which holds the value. */
static struct expr_type number_type(const struct expr *x, uint64_t value, bool decimal,
				    bool is_unsigned, unsigned longs)
{
	unsigned least = longs == 2 ? 8 : longs == 1 ? x->arch->word_size : 4;

	if (least == 4 && !is_unsigned && value <= INT32_MAX)
		return expr_integer(4, true);
	if (least == 4 && (is_unsigned || !decimal) && value <= UINT32_MAX)
		return expr_integer(4, false);
	return expr_integer(8, !is_unsigned && value <= INT64_MAX);
}

static bool lex_number(struct expr *x, struct token *t)
{
	const char *at = t->at, *end = at, *suffix;
	unsigned base = 10, longs;
	bool is_unsigned;

	while (is_letter(*end) || is_digit(*end) || *end == '.')
		end++;
	if (*at == '0' && (at[1] == 'x' || at[1] == 'X'))
		base = 16, at += 2;
	else if (*at == '0' && (at[1] == 'b' || at[1] == 'B'))
		base = 2, at += 2;
	else if (*at == '0')
		base = 8;
	suffix = read_digits(at, base, &t->value);
	if (base != 16 && memchr(t->at, '.', (size_t)(end - t->at)) != NULL)
		return expr_fail(x, t->at, "floating point is not known here");
	if (suffix == NULL || !read_suffix(suffix, end, &is_unsigned, &longs))
		return expr_fail(x, t->at, "\"%.*s\" is no number of at most 64 bits",
				 (int)(end - t->at), t->at);
	t->kind = TOKEN_NUMBER;
	t->type = number_type(x, t->value, base == 10, is_unsigned, longs);
	t->length = (size_t)(end - t->at);
	return true;
}

/* ---- Characters ---- */

static const char *read_escape(const char *at, uint64_t *value)
{
	static const char letters[] = "abtnvfre\\'\"?";
	static const char values[] = "\a\b\t\n\v\f\r\033\\'\"?";
	const char *found;
	int digits = 0;

	*value = 0;
	if (*at == 'x')
		return read_digits(at + 1, 16, value);
	for (; digits < 3 && *at >= '0' && *at <= '7'; digits++)
		*value = *value * 8 + (uint64_t)(*at++ - '0');
	if (digits > 0)
		return at;
	found = *at ? strchr(letters, *at) : NULL;
	if (found == NULL)
		return NULL;
	*value = (uint8_t)values[found - letters];
	return at + 1;
}

static bool lex_character(struct expr *x, struct token *t)
{
	const char *at = t->at + 1;

	if (*at == '\\') {
		at = read_escape(at + 1, &t->value);
	} else if (*at != '\0' && *at != '\'') {
		t->value = (uint8_t)*at++;
	}
	if (at == NULL || at == t->at + 1 || *at != '\'' || t->value > 255)
		return expr_fail(x, t->at, "a character constant is one byte, as in 'a' or '\\n'");
	t->kind = TOKEN_NUMBER;
	t->value = (uint64_t)(int8_t)t->value;
	t->type = expr_integer(4, true);
	t->length = (size_t)(at + 1 - t->at);
	return true;
}

/* ---- The rest ---- */

static bool lex_name(struct expr *x, struct token *t)
{
	const char *at = t->at, *begin;

	t->kind = *at == '$' ? TOKEN_REGISTER : TOKEN_NAME;
	at += *at == '$';
	begin = at;
	for (;;) {
		if (is_letter(*at) || is_digit(*at))
			at++;
		else if (at > begin && at[0] == ':' && at[1] == ':' && is_letter(at[2]))
			at += 2; /* C++ */
		else
			break;
	}
	if (at == begin)
		return expr_fail(x, t->at, "a register's name must follow $");
	if ((size_t)(at - begin) >= sizeof t->name)
		return expr_fail(x, t->at, "the name is too long");
	memcpy(t->name, begin, (size_t)(at - begin));
	t->name[at - begin] = '\0';
	t->length = (size_t)(at - t->at);
	return true;
}

static bool lex_operator(struct expr *x, struct token *t)
{
	static const char doubles[][3] = { "||", "&&", "==", "!=", "<=", ">=",
					   "<<", ">>", "->", "++", "--" };

	t->kind = TOKEN_OPERATOR;
	for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
		if (t->at[0] == doubles[i][0] && t->at[1] == doubles[i][1]) {
			t->op = TOKEN_OP2(t->at[0], t->at[1]);
			t->length = 2;
			return true;
		}
	if (*t->at == '"')
		return expr_fail(x, t->at,
				 "strings are not known here; compare characters, as in "
				 "((char *)$NAME)[0] == 'a'");
	if (strchr("!%&()*+,-./:<=>?[]^|~", *t->at) == NULL)
		return expr_fail(x, t->at, "nothing begins with this character");
	t->op = (unsigned char)*t->at;
	t->length = 1;
	return true;
}

bool lex_next(struct expr *x)
{
	struct lexer *l = &x->lexer;
	struct token *t = &l->token;

	while (*l->at == ' ' || (*l->at >= '\t' && *l->at <= '\r'))
		l->at++;
	t->kind = TOKEN_END;
	t->at = l->at;
	t->op = 0;
	t->length = 0;
	if (*l->at == '\0')
		return true;
	if (is_digit(*l->at))
		lex_number(x, t);
	else if (*l->at == '\'')
		lex_character(x, t);
	else if (is_letter(*l->at) || *l->at == '$')
		lex_name(x, t);
	else
		lex_operator(x, t);
	l->at = t->at + t->length;
	return !x->failed;
}
